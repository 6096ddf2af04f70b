"""What `spanguard slo` prints as JSON; apart from the commands, which load what it is made of when they need it."""

from __future__ import annotations

from dataclasses import dataclass

from spanguard.slo.evaluate import Verdict


@dataclass(frozen=True)
class Checked:
    """What `spanguard slo check --json` prints."""

    file: str
    """The file of service levels."""
    source: str
    """What was asked: the file of the store, or the server."""
    exit_code: int
    """0 if all are met, 1 if one is not, 2 if that cannot be told."""
    verdicts: tuple[Verdict, ...]
    """The verdict on each objective."""


@dataclass(frozen=True)
class Written:
    """What `spanguard slo rules --json` prints."""

    file: str
    """The file of service levels."""
    rules: str
    """The rules, or the file that they were written to."""
    tests: str
    """The tests of the rules, or the file that they were written to."""
