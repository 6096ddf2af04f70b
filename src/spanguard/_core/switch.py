"""Switch the current context: three calls that a chunk of a stream cannot do without, at half of OpenTelemetry's cost."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import Token
from typing import Any, Final, cast

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import INVALID_SPAN, set_span_in_context

Switch = tuple[Callable[[], Context], Callable[[Context], Any], Callable[[Any], None]]


def _nothing(context: object = None) -> Any:
    return context


SPAN_KEY: Final = next(iter(set_span_in_context(INVALID_SPAN, Context())))
"""The key under which a context has its span: a look costs a tenth of `get_current_span`."""
PASSING: Final[Switch] = (_nothing, _nothing, _nothing)
"""Switches nothing."""


@functools.cache
def switch() -> Switch:
    """Return what reads the current context, sets it, and takes a setting back."""
    token = cast("object", attach(get_current()))
    if not isinstance(token, Token):  # another runtime context than that of context variables
        detach(cast("Token[Context]", token))
        return get_current, attach, detach
    variable = token.var
    variable.reset(token)
    return variable.get, variable.set, variable.reset


def in_variables() -> bool:
    """Whether the current context is kept in a context variable, as OpenTelemetry does unless it is told otherwise."""
    return switch()[0] is not get_current


def leave(switch: Switch, token: object, entered: Context) -> Context:
    """Take a setting back; return the context to go on with next time, which has what was left open in between."""
    current, _, back = switch
    left = current()
    try:
        back(token)
    except (ValueError, RuntimeError):  # closed from elsewhere, where nothing was set
        return entered
    return left
