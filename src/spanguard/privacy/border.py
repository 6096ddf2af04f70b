"""Where OpenTelemetry calls the guard: a fault of ours costs telemetry, lets nothing raw pass, never reaches the program."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, ParamSpec, TypeVar

from spanguard.privacy.redactions import redacted

_log: Final = logging.getLogger("spanguard")

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def guarded(signal: str, clean: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
    """Return what ``clean`` makes of it; nothing if that fails."""
    try:
        return clean(*args, **kwargs)
    except Exception as error:
        lost(signal, error)
        return None


def guarded_each(signal: str, clean: Callable[[T], R | None], batch: Iterable[T]) -> list[R]:
    """Return what ``clean`` makes of each of them, without those of which it makes nothing or for which it fails."""
    return [cleaned for each in batch if (cleaned := guarded(signal, clean, each)) is not None]


def lost(signal: str, error: Exception) -> None:
    """Count a fault and tell its class, never what it was about."""
    with suppress(Exception):
        redacted(signal, "whole", "internal_error")
    with suppress(Exception):
        _log.warning(
            "a %s could not be cleaned (%s): what is not known to be clean is not sent", signal, type(error).__name__
        )
