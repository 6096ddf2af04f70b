"""The failovers of pydantic-ai's ``ModelFallback``, a capability of an agent: told as those of ``FallbackModel`` are.

Its hooks say what happens: one before each model is asked, one after each that failed, one after each answer. What is told
by none (a run that is cancelled, a stream that breaks) ends with the run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from spanguard._core.border import quiet
from spanguard.instrumentation import _names
from spanguard.instrumentation._adapter import Args, Foreign, Kwargs, Patch, argument, before
from spanguard.instrumentation._pydantic_ai_failover import Requests, names_of

_MODULE: Final = "pydantic_ai.capabilities.model_fallback"
_NAME: Final = "_spanguard_name"  # which the copy for each run inherits
_runs: Final[dict[str, dict[int, _Step]]] = {}
"""The steps that are going on, by run and capability."""


class _Step(Requests):
    """One request of an agent, and the models that are asked for it in turn."""

    def __init__(self, capability: Foreign) -> None:
        super().__init__(vars(capability).get(_NAME) or _names.known("failover", None, "pydantic_ai"), None)
        self._gave_up = False

    @quiet
    def over(self, failure: object, error: BaseException) -> None:
        """Hear that a model has failed, and that the request ends with that."""
        self._gave_up = error is not failure and type(error).__name__ == "FallbackExceptionGroup"
        self.failed(failure)
        self.end(error)

    def _tried_all(self) -> bool:
        return self._gave_up


def begin(run: str) -> None:
    """Hear that a run begins."""
    _runs[run] = {}


@quiet
def end(run: str, error: BaseException | None) -> None:
    """Hear that a run ends, with what was not told until then."""
    for step in _runs.pop(run, {}).values():
        step.end(error)


def _made(capability: Any, _args: Args, _kwargs: Kwargs) -> None:
    names_of.heard(capability)
    vars(capability)[_NAME] = names_of.name(capability)


@quiet
def _asked(capability: Any, args: Args, kwargs: Kwargs) -> None:
    steps = _runs.get(argument(args, kwargs, 0, "ctx").run_id)
    if steps is None:
        return
    step = steps.get(id(capability))
    if step is None:
        step = steps[id(capability)] = _Step(capability)
        step.start()
    if step.started:
        step.ask(argument(args, kwargs, 1, "request_context").model)


async def _prepared(wrapped: Callable[..., Any], capability: Any, args: Args, kwargs: Kwargs) -> Any:
    result = await wrapped(*args, **kwargs)
    _asked(capability, args, kwargs)
    return result


@quiet
def _told(capability: Any, args: Args, kwargs: Kwargs, what: str, error: BaseException | None) -> None:
    steps = _runs.get(argument(args, kwargs, 0, "ctx").run_id, {})
    step = steps.get(id(capability))
    if step is None:
        return
    if type(error).__name__ == "RetryModelRequest":
        step.failed(kwargs[what])
        return
    del steps[id(capability)]
    if error is None:
        step.used(kwargs[what])
        step.end()
    else:
        step.over(kwargs[what], error)


def _hears(what: str) -> Callable[..., Any]:
    async def _hook(wrapped: Callable[..., Any], capability: Any, args: Args, kwargs: Kwargs) -> Any:
        try:
            result = await wrapped(*args, **kwargs)
        except BaseException as error:
            _told(capability, args, kwargs, what, error)
            raise
        _told(capability, args, kwargs, what, None)
        return result

    return _hook


PATCHES: Final = (
    Patch(_MODULE, "ModelFallback.__init__", before(_made), always=True),
    Patch(_MODULE, "ModelFallback.prepare_model_request", _prepared),
    Patch(_MODULE, "ModelFallback.on_model_request_error", _hears("error")),
    Patch(_MODULE, "ModelFallback.after_model_request", _hears("response")),
)
