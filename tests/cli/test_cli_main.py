"""The command line as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

import spanguard
from spanguard.cli import COMMANDS, main

COMMAND = "from spanguard.cli import main; main({!r}, standalone_mode=False)"


def test_help_names_each_command(run) -> None:
    """`spanguard --help` and `-h` list what there is."""
    for flag in ("--help", "-h"):
        result = run(flag)
        assert result.exit_code == 0
        for name in COMMANDS:
            assert f"  {name} " in result.output


def test_help_imports_no_command(process) -> None:
    """So it starts quickly, however many commands there are."""
    code = COMMAND.format(["--help"]) + "; import sys; print([m for m in sys.modules if m.startswith('spanguard.cli.')])"
    assert process("-c", code).stdout.rstrip().endswith("[]")


def test_version(run) -> None:
    """`--version` says which spanguard it is."""
    assert run("--version").output.strip() == f"spanguard, version {spanguard.__version__}"


def test_an_unknown_command_is_refused(run) -> None:
    """With click's own sentence and exit code 2."""
    result = run("shwo")
    assert result.exit_code == 2
    assert "No such command" in result.stderr


def commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """Give the command, or those of a group, each with its whole name."""
    if isinstance(command, click.Group):
        for sub in command.commands.values():
            yield from commands(f"{name} {sub.name}", sub)
    else:
        yield name, command


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_speaks_json(name) -> None:
    """`--json` is there for scripts, and the help says what the exit codes mean; `run` has the output of what it runs."""
    command = main.get_command(None, name)
    assert command.name == name
    for whole, each in commands(name, command):
        if whole == "run":
            continue
        assert any("--json" in parameter.opts for parameter in each.params), whole
        assert re.search(r"[Ee]xits\s+with\s+0", each.help), whole


def test_a_command_starts_quickly(process) -> None:
    """Importing what a command needs loads neither the SDK nor anything else that takes its time."""
    slow = "('opentelemetry.sdk', 'openai', 'duckdb')"
    code = f"import spanguard.cli.{{0}}, sys; print([m for m in sys.modules if m.startswith({slow})])"
    for name in ("show", "summary", "export", "purge"):
        assert process("-c", code.format(name)).stdout.strip() == "[]"
