"""The command line: ``spanguard``. Every command has ``--json`` and exits with 0 (fine), 1 (no) or 2 (could not tell)."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from spanguard.semconv import VERSION

COMMANDS: Final = {
    "demo": "spanguard.cli.demo.command:demo",
    "show": "spanguard.cli.show:show",
}
"""Where each command is; it is imported when it is asked for, so that the others start quickly."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="spanguard")
def main() -> None:
    """OpenTelemetry for programs that call language models.

    Start with `spanguard demo`: a real program, a server with faults, and what spanguard saw of it.
    """
