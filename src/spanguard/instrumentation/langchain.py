"""langchain-core 1.1 to 1.7 and langchain 1.1 to 1.4, sync and async, whichever integration's model is below.

What is seen: ``with_retry`` and the agents' `ModelRetryMiddleware` and `ToolRetryMiddleware` as operations `retry` with their
attempts and waits; ``with_fallbacks`` and `ModelFallbackMiddleware` as operations `failover`, with a candidate for each
runnable that is tried; waits for `InMemoryRateLimiter`; and lookups in any cache of chat models. Policies are named for the
variable that they are assigned to or the function that makes them, a tool's retries for the tool's function, a candidate for
its model, or else its function or class, and a cache for its class. A batch is one operation, and an attempt of it fails if
one of its inputs does. The interrupts of LangGraph cancel, they are no errors.

Where no instrumentation of the SDK counts what a call used, it is read from the message; of a stream it is not. Caches of
models that are not chat models are not seen. A middleware that turns the last error into a message ends its operation as
`degraded`; when that happens inside a fallback, which then never fires, it is told. So is a stream of ``with_retry``, which
LangChain does not retry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

import wrapt

from spanguard._core.border import quiet
from spanguard._core.limiter import Wait
from spanguard._core.lookup import Lookup
from spanguard._core.scope import policy_attributes
from spanguard.instrumentation import _misuse, _names
from spanguard.instrumentation._adapter import (
    Args,
    Clearable,
    Hook,
    Instrumentor,
    Kwargs,
    Outcome,
    Patch,
    after,
    argument,
    around,
    before,
    module_of,
)
from spanguard.instrumentation._tries import Chain, Tries, Try, nearest, run, running, tried
from spanguard.vocabulary.declared import declare
from spanguard.vocabulary.models import is_published

_LIBRARY: Final = "langchain"
_INTERNAL: Final = ("langchain", "langchain_core", "pydantic")
_retries: Final = _names.Made("retry", *_INTERNAL)
_failovers: Final = _names.Made("failover", *_INTERNAL)
_limiters: Final = _names.Made("rate_limiter", *_INTERNAL)

# ------------------------------------------------------------------------------------------- names, all from finite sets


def _innermost(runnable: Any) -> Any:
    """Return what a runnable runs in the end: the model of a sequence, what is bound, or itself."""
    while True:
        inner = getattr(runnable, "bound", None)
        if inner is None:
            steps = getattr(runnable, "steps", None) or ()
            inner = next((each for each in map(_innermost, steps) if hasattr(each, "_get_ls_params")), None)
        if inner is None:
            return runnable
        runnable = inner


def _function(runnable: Any) -> Any:
    return getattr(runnable, "func", None) or getattr(runnable, "afunc", None) or getattr(runnable, "coroutine", None)


def _called(runnable: Any) -> str:
    """Return what a runnable or a tool is called: its function, or its class."""
    return _names.function_name(_function(runnable)) or _names.class_name(type(runnable), _LIBRARY)


def _candidate(chain: Chain, runnable: Any) -> Try:
    inner = _innermost(runnable)
    told = inner._get_ls_params() if hasattr(inner, "_get_ls_params") else {}
    model = told.get("ls_model_name")
    shown = model if isinstance(model, str) and is_published(model) else _called(inner)
    declare(shown)
    return chain.next(shown, provider=told.get("ls_provider"), model=model)


# ------------------------------------------------------------------------------------------------- with_retry, on tenacity


class _Retry(Tries):
    """A run of ``with_retry``, whose loop is one of tenacity's; that loop's state is its owner."""

    @quiet
    def returned(self, value: object) -> None:
        """Hear what the loop returned."""
        last = self._last
        if isinstance(last, Try) and last.outcome == "success":
            last.used(value)


def _retrying(args: Args, _kwargs: Kwargs) -> _Retry | None:
    runnable = args[0]
    name = _retries.name(runnable, function=_function(runnable.bound))
    loop = _Retry("retry", name, runnable.max_attempt_number or None, _LIBRARY)
    loop.start()
    return loop if loop.started else None


def _entered(manager: Any, _args: Args, _kwargs: Kwargs) -> None:
    loop, state = nearest(_Retry), manager.retry_state
    if loop is not None and loop.owner in (None, state):  # not a loop of somebody else's inside
        loop.owner = state
        loop.again()


def _left(manager: Any, args: Args, kwargs: Kwargs) -> None:
    loop = running(_Retry, manager.retry_state)
    if loop is not None:
        loop.leave(argument(args, kwargs, 1, "exc_value"))


def _slept(state: Any, _args: Args, _kwargs: Kwargs) -> None:
    loop = running(_Retry, state)
    if loop is not None:
        loop.scheduled(float(state.upcoming_sleep))


def _unretried(runnable: Any, _args: Args, _kwargs: Kwargs) -> None:
    name = _retries.name(runnable, function=_function(runnable.bound))
    _misuse.detected("retry_on_generator", policy="retry", name=name, library=_LIBRARY)


# ------------------------------------------------------------------------------------------------------- with_fallbacks


class _Fallbacks(Chain):
    """A run of ``with_fallbacks``."""

    def __init__(self, runnable: Any) -> None:
        super().__init__(_failovers.name(runnable), 1 + len(runnable.fallbacks), _LIBRARY)
        self.owner = runnable


class _Tried(wrapt.ObjectProxy):  # type: ignore[type-arg]  # older wrapts have no generic one
    """A candidate as the loop over them sees it: each of its calls is an attempt of the failover."""

    def __init__(self, runnable: Any, chain: Chain) -> None:
        super().__init__(runnable)
        self._self_chain = chain

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.__wrapped__, name)
        if name not in ("invoke", "ainvoke", "batch", "abatch", "stream", "astream"):
            return found
        chain, runnable = self._self_chain, self.__wrapped__

        def _attempt(*args: Any, **kwargs: Any) -> Any:
            return tried(lambda: _candidate(chain, runnable), found, args, kwargs)

        return _attempt


def _falling_back(args: Args, _kwargs: Kwargs) -> _Fallbacks:
    chain = _Fallbacks(args[0])
    chain.start()
    return chain


def _candidates(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
    chain = running(_Fallbacks, args[0])
    if chain is None:
        return wrapped(*args, **kwargs)
    return (_Tried(each, chain) for each in wrapped(*args, **kwargs))


# ------------------------------------------------------------------------------------------------ middlewares of agents


class _Middleware(Tries):
    """The retries of a middleware, which may turn the last error into a message."""

    @quiet
    def returned(self, value: object) -> None:  # noqa: ARG002 - of the last attempt it is known already
        """Hear that the middleware has returned something: an answer, or what stands in for it."""
        if self._last is not None and self._last.outcome not in ("", "success"):
            self.degraded()
            self.swallowed()

    def swallowed(self) -> None:
        """Hear that the last error reaches nobody outside."""


class _ModelRetry(_Middleware):
    """The retries of a call of the model."""

    def swallowed(self) -> None:
        """Tell of the fallback around, which never fires."""
        chain = nearest(Chain, self)
        if chain is not None:
            _misuse.detected("fallback_never_used", policy="failover", name=chain.name, library=_LIBRARY)


def _model_retry(middleware: Any, _request: Any) -> Tries:
    return _ModelRetry("retry", _retries.name(middleware), middleware.max_retries + 1, _LIBRARY)


def _tool_retry(middleware: Any, request: Any) -> Tries | None:
    tool = request.tool
    if not middleware._should_retry_tool(tool.name if tool else request.tool_call["name"]):
        return None
    return _Middleware("retry", _names.known("retry", tool and _called(tool), _LIBRARY), middleware.max_retries + 1, _LIBRARY)


def _model_fallback(middleware: Any, _request: Any) -> Chain:
    return Chain(_failovers.name(middleware), 1 + len(middleware.models), _LIBRARY)


def _attempt(operation: Tries, request: Any) -> Try:
    return _candidate(operation, request.model) if isinstance(operation, Chain) else operation.attempt()


def _handling(make: Callable[[Any, Any], Tries | None]) -> Hook:
    """Put an operation around a middleware's hook, and an attempt around each call of the handler that it is given."""

    @quiet
    def _opened(middleware: Any, args: Args, kwargs: Kwargs) -> Tries | None:
        operation = make(middleware, argument(args, kwargs, 0, "request"))
        if operation is not None:
            operation.start()
        return operation if operation is not None and operation.started else None

    def _hook(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
        operation = _opened(instance, args, kwargs)
        if operation is None:
            return wrapped(*args, **kwargs)
        handler = argument(args, kwargs, 1, "handler")

        def _handle(request: Any) -> Any:
            return tried(lambda: _attempt(operation, request), handler, (request,), {})

        if len(args) > 1:
            args = (args[0], _handle, *args[2:])
        else:
            kwargs = {**kwargs, "handler": _handle}
        return run(operation, wrapped, args, kwargs)

    return _hook


def _delayed(_instance: Any, _args: Args, _kwargs: Kwargs, outcome: Outcome) -> None:
    loop = nearest(_Middleware)
    if loop is not None and isinstance(outcome.result, (int, float)):
        loop.scheduled(float(outcome.result))


# ------------------------------------------------------------------------------------------------------ limiter and cache


class _Wait(Wait):
    """A wait whose result says whether there was a permit."""

    def returned(self, value: object) -> None:
        """Hear whether there was a permit."""
        if value is False:
            self.rejected()


def _wait(args: Args, _kwargs: Kwargs) -> Wait:
    _missed(None, (), {})
    wait = _Wait(_limiters.name(args[0]), None, _LIBRARY)
    wait.start()
    return wait


class _Lookup(Lookup):
    """The lookup that a model makes before it asks the provider; it ends long before the call does."""

    def __init__(self, cache: Any) -> None:
        name = _names.known("cache", _names.class_name(type(cache), _LIBRARY), _LIBRARY)
        super().__init__(name, None)
        self.by = policy_attributes(self.policy, name, _LIBRARY)

    def returned(self, value: object) -> None:
        """Hear that the call has an answer, which says nothing of the lookup."""


def _looking_up(args: Args, _kwargs: Kwargs) -> _Lookup | None:
    chosen = args[0].cache
    cache = (
        chosen if not (chosen is None or isinstance(chosen, bool)) else module_of("langchain_core.globals").get_llm_cache()
    )
    if chosen is False or cache is None:
        return None
    lookup = _Lookup(cache)
    lookup.start()
    return lookup


def _found(_model: Any, _args: Args, _kwargs: Kwargs) -> None:
    lookup = nearest(_Lookup)
    if lookup is not None:
        lookup.hit()
        lookup.finish()


def _missed(_model: Any, _args: Args, _kwargs: Kwargs) -> None:
    lookup = nearest(_Lookup)
    if lookup is not None:
        lookup.miss()
        lookup.finish()


def _naming(made: _names.Made) -> Hook:
    return before(lambda instance, _args, _kwargs: made.heard(instance))


_CORE: Final = "langchain_core.runnables"
_AGENTS: Final = "langchain.agents.middleware"
_MODELS: Final = "langchain_core.language_models.chat_models"


class LangChainInstrumentor(Instrumentor):
    """Shows the retries, fallbacks, limiters and caches of LangChain."""

    library = _LIBRARY
    requires: ClassVar[tuple[str, ...]] = ("langchain-core >= 1.1, < 2",)
    owns: ClassVar[tuple[str, ...]] = (f"{_CORE}.retry",)
    known: ClassVar[tuple[Clearable, ...]] = (_retries, _failovers, _limiters)
    patches: ClassVar[tuple[Patch, ...]] = (
        Patch(f"{_CORE}.retry", "RunnableRetry.__init__", _naming(_retries), always=True),
        *(
            Patch(f"{_CORE}.retry", f"RunnableRetry.{name}", around(_retrying))
            for name in ("_invoke", "_ainvoke", "_batch", "_abatch")
        ),
        *(
            Patch(f"{_CORE}.retry", f"RunnableRetry.{name}", before(_unretried))
            for name in ("stream", "astream", "transform", "atransform")
        ),
        Patch("tenacity", "AttemptManager.__enter__", before(_entered)),
        Patch("tenacity", "AttemptManager.__exit__", before(_left)),
        Patch("tenacity", "RetryCallState.prepare_for_next_attempt", before(_slept)),
        Patch(f"{_CORE}.fallbacks", "RunnableWithFallbacks.__init__", _naming(_failovers), always=True),
        *(
            Patch(f"{_CORE}.fallbacks", f"RunnableWithFallbacks.{name}", around(_falling_back))
            for name in ("invoke", "ainvoke", "batch", "abatch", "stream", "astream")
        ),
        Patch(f"{_CORE}.fallbacks", "RunnableWithFallbacks.runnables", _candidates),
        *(
            patch
            for module, cls, names, call, make in (
                ("model_retry", "ModelRetryMiddleware", _retries, "wrap_model_call", _model_retry),
                ("tool_retry", "ToolRetryMiddleware", _retries, "wrap_tool_call", _tool_retry),
                ("model_fallback", "ModelFallbackMiddleware", _failovers, "wrap_model_call", _model_fallback),
            )
            for patch in (
                Patch(f"{_AGENTS}.{module}", f"{cls}.__init__", _naming(names), always=True),
                Patch(f"{_AGENTS}.{module}", f"{cls}.{call}", _handling(make)),
                Patch(f"{_AGENTS}.{module}", f"{cls}.a{call}", _handling(make)),
            )
        ),
        *(Patch(f"{_AGENTS}.{module}", "calculate_delay", after(_delayed)) for module in ("model_retry", "tool_retry")),
        Patch("langchain_core.rate_limiters", "InMemoryRateLimiter.__init__", _naming(_limiters), always=True),
        *(
            Patch("langchain_core.rate_limiters", f"InMemoryRateLimiter.{name}", around(_wait))
            for name in ("acquire", "aacquire")
        ),
        *(
            Patch(_MODELS, f"BaseChatModel.{name}", around(_looking_up))
            for name in ("_generate_with_cache", "_agenerate_with_cache")
        ),
        Patch(_MODELS, "BaseChatModel._convert_cached_generations", before(_found)),
        Patch(_MODELS, "BaseChatModel._should_stream", before(_missed)),
        Patch(_MODELS, "BaseChatModel._should_use_protocol_streaming", before(_missed), versions=">= 1.4"),
    )
