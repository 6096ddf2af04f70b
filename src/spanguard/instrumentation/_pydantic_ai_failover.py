"""The failovers of pydantic-ai's ``FallbackModel``: one model after the other, until one answers.

Told by metrics alone, and by the event of each hop, as pydantic-ai makes spans of its own for the models that failed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from spanguard._core.border import quiet
from spanguard._core.operation import Operation
from spanguard._core.recorder import on
from spanguard.instrumentation import _names
from spanguard.instrumentation._adapter import Args, Foreign, Kwargs, Patch, argument, before
from spanguard.instrumentation._tries import Chain, Try, running
from spanguard.vocabulary.declared import declare
from spanguard.vocabulary.models import is_published

_LIBRARY: Final = "pydantic-ai"
_MODULE: Final = "pydantic_ai.models.fallback"
names_of: Final = _names.Made("failover", "pydantic_ai")


class _Candidate(Try):
    """One model that is asked."""

    def _open_late(self) -> None:
        """Make no span."""


class Spanless(Operation):
    """An operation whose span is put off for ever."""

    @quiet
    def start(self) -> None:
        """Start the operation."""
        if on():
            self.begin()
            self.recorder.started(self.policy.attributes, self.outer)
            self.deferred = True

    def materialise(self) -> None:
        """Make no span."""


class Requests(Spanless, Chain):
    """One request, and the models that are asked for it in turn."""

    def __init__(self, name: str, limit: int | None) -> None:
        Chain.__init__(self, name, limit, _LIBRARY)

    def ask(self, model: Foreign) -> None:
        """Ask a model, which makes the request current."""
        if self._last is None:
            self.resume()
        if is_published(model.model_name):
            declare(model.model_name)
        self.enter(self.next(model.model_name, provider=model.system, model=model.model_name))

    def next(self, name: str, *, provider: object = None, model: object = None) -> Try:
        """Return the attempt with the next model, which makes no span."""
        made = super().next(name, provider=provider, model=model)
        attempt = _Candidate(self, made._label, made.about)
        attempt.candidate = name
        return attempt

    @quiet
    def failed(self, failure: object) -> None:
        """Hear that a model has failed, or that its answer was refused."""
        attempt = self.trying
        if attempt is not None and not isinstance(failure, BaseException):
            attempt.used(failure)
            attempt.refuse()
        self.leave(failure if isinstance(failure, BaseException) else None)

    @quiet
    def end(self, error: BaseException | None = None) -> None:
        """End the operation with what the request came to."""
        self.finish(error)
        self.suspend()


class _Fallback(Requests):
    """One request of a ``FallbackModel``."""

    def __init__(self, model: Foreign, messages: Foreign) -> None:
        pinned = model._get_continuation_model(messages) if hasattr(model, "_get_continuation_model") else None
        self._models: list[Any] = [*([] if pinned is None else [pinned]), *model.models]
        super().__init__(names_of.name(model), len(self._models))

    def advance(self) -> None:
        """Ask the next model, if there is one."""
        if self.started and self._count < len(self._models):
            self.ask(self._models[self._count])

    @quiet
    def passed_over(self, failure: object) -> None:
        """Hear that a model has failed, or that its answer was refused, and that the next one is asked."""
        self.failed(failure)
        self.advance()


@quiet
def _begun(model: Foreign, args: Args, kwargs: Kwargs) -> _Fallback | None:
    request = _Fallback(model, argument(args, kwargs, 0, "messages"))
    request.start()
    request.advance()
    return request if request.started else None


async def _requested(wrapped: Callable[..., Any], model: Any, args: Args, kwargs: Kwargs) -> Any:
    request = _begun(model, args, kwargs)
    if request is None:
        return await wrapped(*args, **kwargs)
    try:
        response = await wrapped(*args, **kwargs)
    except BaseException as error:
        request.end(error)
        raise
    request.used(response)
    request.end()
    return response


@asynccontextmanager
async def _following(manager: AbstractAsyncContextManager[Any], model: Any, args: Args, kwargs: Kwargs) -> AsyncIterator[Any]:
    request = _begun(model, args, kwargs)
    try:
        async with manager as stream:
            yield stream
    except BaseException as error:
        if request is not None:
            request.end(error)
        raise
    if request is not None:
        request.end()


def _streamed(wrapped: Callable[..., Any], model: Any, args: Args, kwargs: Kwargs) -> Any:
    return _following(wrapped(*args, **kwargs), model, args, kwargs)


async def _judged(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
    falls = await wrapped(*args, **kwargs)
    request = running(_Fallback)
    if falls and request is not None:
        request.passed_over(argument(args, kwargs, 0, "failure"))
    return falls


def _made(model: Any, _args: Args, _kwargs: Kwargs) -> None:
    names_of.heard(model)


PATCHES: Final = (
    Patch(_MODULE, "FallbackModel.__init__", before(_made), always=True),
    Patch(_MODULE, "FallbackModel.request", _requested),
    Patch(_MODULE, "FallbackModel.request_stream", _streamed),
    Patch(_MODULE, "FallbackModel._should_fallback", _judged, versions="< 2.64"),
    Patch("pydantic_ai._fallback", "FallbackChain.falls_back", _judged, versions=">= 2.64"),
)
