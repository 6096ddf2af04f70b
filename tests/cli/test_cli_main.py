"""The command line as a whole."""

from __future__ import annotations

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


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_speaks_json(name) -> None:
    """`--json` is there for scripts, and the help says what the exit codes mean."""
    command = main.get_command(None, name)
    assert command.name == name
    assert any("--json" in parameter.opts for parameter in command.params)
    assert "Exits with 0" in command.help
