"""The command line: ``spanguard``. Every command has ``--json`` and exits with 0 (fine), 1 (no) or 2 (could not tell)."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from spanguard.semconv import VERSION

COMMANDS: Final = {
    "demo": ("spanguard.cli.demo.command:demo", "See it at work: a program, a server with faults, and what was told."),
    "run": ("spanguard.cli.run:run", "Run a program with the libraries it uses made visible."),
    "show": ("spanguard.cli.show:show", "Show the newest traces, the most telling one, and how reliable a run was."),
    "summary": ("spanguard.cli.summary:summary", "Sum up a time or a run: rates, latency, tokens, errors, trends."),
    "slo": ("spanguard.cli.slo:slo", "Check service levels, over the store or Prometheus; write rules and alerts."),
    "watch": ("spanguard.cli.watch:watch", "Raise alerts when error rate, latency or any SLI passes a threshold."),
    "serve": ("spanguard.cli.serve:serve", "Show the store in a browser, with an API, a scrape endpoint and a receiver."),
    "export": ("spanguard.cli.export:export", "Write the store's tables as Parquet, JSON lines or OTLP."),
    "import": ("spanguard.cli.export:import_", "Read OTLP-JSON lines into the store."),
    "privacy": ("spanguard.cli.privacy:privacy", "Check that telemetry holds nothing a user wrote: privacy audit."),
    "doctor": (
        "spanguard.cli.doctor:doctor",
        "Say what is instrumented, what is misused, where telemetry goes, and if that answers.",
    ),
    "purge": ("spanguard.cli.purge:purge", "Delete what the store holds of a run, or of before a time, or all."),
}
"""Where each command is, and what it does: it is imported when it is run, so that the others start quickly."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, brief) for name, (_, brief) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="spanguard")
def main() -> None:
    """OpenTelemetry for programs that call language models."""
