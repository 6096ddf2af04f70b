"""How a command ends when it cannot do what it was asked: one sentence on stderr, and an exit code."""

from __future__ import annotations

from click import ClickException


class No(ClickException):
    """The answer is no."""

    exit_code = 1


class CannotTell(ClickException):
    """The question could not be answered."""

    exit_code = 2
