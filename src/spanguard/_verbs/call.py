"""`traced_llm_call`: one call of a model."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import CodeType
from typing import ParamSpec, TypeVar, overload

from spanguard._core.border import report
from spanguard._core.call import Call
from spanguard._core.decorate import Function
from spanguard._core.names import clear
from spanguard._core.request import Request
from spanguard._core.verb import Verb
from spanguard.semconv import OPERATIONS, PROVIDERS
from spanguard.vocabulary.declared import LONGEST
from spanguard.vocabulary.models import model_name

P = ParamSpec("P")
R = TypeVar("R")


class LLMCall(Verb[Call]):
    """What `traced_llm_call` returns when it is given arguments: a decorator, and a context manager that gives a `Call`."""

    def __init__(
        self,
        code: CodeType,
        *,
        operation: str,
        provider: str | None,
        model: str | None,
        reader: Callable[..., object] | None,
    ) -> None:
        super().__init__(code)
        self._operation = operation if operation in OPERATIONS else None
        if self._operation is None:
            report("traced_llm_call", "operation is none of gen_ai.operation.name's values, left out")
        self._provider = provider if provider in PROVIDERS else clear("traced_llm_call", provider, code)
        self._model = _model(model, code)
        self._reader = reader

    def make(self, model: str | None = None) -> Call:
        """Make one call, of the model that the verb names or else of the given one."""
        return Call(self._operation, self._provider, self._model or model, self._reader)

    def begin(self, scope: Call) -> None:
        """Start one call."""
        scope.start({})

    def opener(self, _function: Function) -> Callable[[tuple[object, ...], Mapping[str, object]], Call]:
        """Return what makes and starts the call for one call of the function, from its arguments."""
        request = Request(_function)

        def open_(args: tuple[object, ...], kwargs: Mapping[str, object]) -> Call:
            model, attributes = request.read(args, kwargs)
            call = self.make(model_name(model) if model else None)
            call.open(attributes)
            return call

        return open_


def _model(model: object, code: CodeType) -> str | None:
    if isinstance(model, str) and 0 < len(model) <= LONGEST:
        shown = model_name(model)
        if shown == model:
            return shown
    return clear("traced_llm_call", model, code)


@overload
def traced_llm_call(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def traced_llm_call(
    *,
    operation: str = "chat",
    provider: str | None = None,
    model: str | None = None,
    reader: Callable[..., object] | None = None,
) -> LLMCall: ...
def traced_llm_call(
    function: Callable[P, R] | None = None,
    /,
    *,
    operation: str = "chat",
    provider: str | None = None,
    model: str | None = None,
    reader: Callable[..., object] | None = None,
) -> Callable[P, R] | LLMCall:
    """Trace one call of a model: ``@traced_llm_call``, with or without arguments, or ``with traced_llm_call(...) as call``.

    Makes one CLIENT span ``{operation} {model}`` and the metrics of the GenAI conventions. It lasts until the function
    returns; where that returns a stream or is a generator, until the stream ends. Usage, model, id and finish reasons are
    read from what the function returns; for anything else there are ``call.record_usage`` and ``call.record_response``.
    Nothing that is said to the model or by it is recorded.

    ``operation`` is one of the conventions' ``gen_ai.operation.name`` (default ``chat``; ``retrieval`` times the assembly of
    context). ``provider`` is who serves the model, in the conventions' words (``openai``, ``anthropic`` ...); by default it
    is told by the response. ``model`` defaults to the function's argument ``model``, and else to what the response says.
    ``reader`` takes the function's return value and gives the provider's response, or a mapping such as
    ``{"model": ..., "input_tokens": ..., "output_tokens": ..., "cost": ...}``.

    Raises nothing: a value that cannot be is left out and logged once.
    """
    code = sys._getframe(1).f_code
    verb = LLMCall(code, operation=operation, provider=provider, model=model, reader=reader)
    return verb if function is None else verb(function)
