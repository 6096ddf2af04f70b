"""OpenTelemetry's own log lines: they echo values that could not be encoded, names, headers, endpoints with their queries.

While the guard is on, a line of an ``opentelemetry`` logger keeps its text as it stands in OpenTelemetry's code, small
numbers, and the class of an exception; everything else in it becomes an ellipsis.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from spanguard.vocabulary.errors import is_error_type

_ELLIPSIS: Final = "…"
_LARGEST: Final = 99_999
_MOST_FRAMES: Final = 12

_original: Callable[..., logging.LogRecord] | None = None


def switch_on() -> None:
    """Keep what users wrote out of OpenTelemetry's log lines from now on."""
    global _original
    if _original is None:
        _original = logging.getLogRecordFactory()
        logging.setLogRecordFactory(_guarded)


def switch_off() -> None:
    """Let the lines be as they are, unless somebody has changed the factory since."""
    global _original
    if _original is not None and logging.getLogRecordFactory() is _guarded:
        logging.setLogRecordFactory(_original)
        _original = None


@contextmanager
def quiet() -> Iterator[None]:
    """Do the same for a while: as when the SDK is imported, which logs what it could not use of the environment."""
    was_on = _original is not None
    switch_on()
    try:
        yield
    finally:
        if not was_on:
            switch_off()


def _guarded(*args: Any, **kwargs: Any) -> logging.LogRecord:
    record = (_original or logging.LogRecord)(*args, **kwargs)
    if record.name.partition(".")[0] == "opentelemetry":
        try:
            record.msg = _told(record)
        except Exception:
            record.msg = _ELLIPSIS
        record.args = ()
        record.exc_info = record.exc_text = record.stack_info = None
    return record


def _told(record: logging.LogRecord) -> str:
    text = record.msg
    if type(text) is not str or not _stands_in_code(text):
        return f"a message of {record.module}, line {record.lineno}"
    arguments = record.args
    try:
        if isinstance(arguments, Mapping):
            return text % {key: _kept(value) for key, value in arguments.items()}
        return text % tuple(map(_kept, arguments)) if arguments else text
    except (TypeError, ValueError):  # a number was expected where an ellipsis stands now
        return text


def _kept(value: object) -> object:
    if type(value) is bool or value is None:
        return value
    if type(value) is int or type(value) is float:
        return value if -_LARGEST <= value <= _LARGEST else _ELLIPSIS
    name = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    return name if isinstance(value, BaseException) and is_error_type(name) else _ELLIPSIS


def _stands_in_code(text: str) -> bool:
    """Whether the text is a constant of the code that logs it, rather than made of values at run time."""
    frame = sys._getframe(2)
    for _ in range(_MOST_FRAMES):
        if any(constant is text or constant == text for constant in frame.f_code.co_consts if type(constant) is str):
            return True
        if frame.f_back is None:
            return False
        frame = frame.f_back
    return False
