"""litellm's Router, 1.83 to 1.109, sync and async; calls without a Router are those of the SDKs below.

What is seen: each call of a router, as an operation `retry` with its attempts and the waits that the router decides on; and
where fallbacks are configured, around it an operation `failover` with each group of models that was tried. A group is shown
by its name if that is a published model's, or was declared. What an attempt used is read from the answer where no
instrumentation of an SDK counts it, of streams only by those.

A deployment that is cooling down is a circuit breaker that is open, named for the deployment's id: in clear if that was
declared (``model_info={"id": ...}``), else a pseudonym. The router never says that it is over: that is told with the first
call after it that the deployment answers, or with its next cooldown.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, ClassVar, Final

from spanguard._core import clock
from spanguard._core.border import quiet
from spanguard._core.breaker import transition
from spanguard._core.gate import SECOND
from spanguard._core.scope import Scope
from spanguard.instrumentation import _names
from spanguard.instrumentation._adapter import Args, Clearable, Instrumentor, Kwargs, Outcome, Patch, after, argument, around
from spanguard.instrumentation._tries import Chain, Tries, Try, running
from spanguard.vocabulary.declared import declare
from spanguard.vocabulary.models import is_published

_LIBRARY: Final = "litellm"
_FALLBACKS: Final = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
_cooling: Final[dict[object, int]] = {}
_OLD, _NEW = "litellm.router", "litellm.router_python_core"


class Retries(Tries):
    """The retries of one group of models."""


def _name(policy: str) -> str:
    frame = _names.caller(_LIBRARY, "asyncio", "concurrent", "threading")
    return _names.known(policy, frame and _names.place_name(frame), _LIBRARY)


def _fall_back(args: Args, kwargs: Kwargs) -> Scope | None:
    router = args[0]
    if running(Chain, router) is not None or not any(kwargs.get(each, getattr(router, each)) for each in _FALLBACKS):
        return None
    chain = Chain(_name("failover"), None, _LIBRARY)
    chain.owner = router
    chain.start()
    return chain if chain.started else None


def _candidate(chain: Chain, group: str) -> Try:
    if is_published(group) or group == _LIBRARY:
        declare(group)
    return chain.next(group)


@quiet
def _begin(router: Any, kwargs: Kwargs) -> Retries | None:
    """Begin the turn of a group of models, and return its retries if it has any."""
    chain, group = running(Chain, router), kwargs.get("model")
    if chain is not None:
        chain.enter(_candidate(chain, group if isinstance(group, str) and group else _LIBRARY))
    asked = kwargs.get("num_retries")
    limit = router.num_retries if asked is None else asked
    by_error = router.retry_policy or router.model_group_retry_policy  # then how often depends on the error
    if not by_error and not (isinstance(limit, int) and limit > 0):
        return None
    retries = Retries("retry", _name("retry"), None if by_error else limit + 1, _LIBRARY)
    retries.owner = router
    retries.start()
    return retries if retries.started else None


async def _with_retries(wrapped: Callable[..., Any], router: Any, args: Args, kwargs: Kwargs) -> Any:
    retries = _begin(router, kwargs)
    if retries is not None:
        retries.resume()
    try:
        response = await wrapped(*args, **kwargs)
    except BaseException as error:
        _end(router, retries, error)
        raise
    _end(router, retries, None)
    return response


@quiet
def _end(router: object, retries: Retries | None, error: BaseException | None) -> None:
    if retries is not None:
        retries.finish(error)
        retries.suspend()
    chain = running(Chain, router)
    if chain is not None:
        chain.leave(error)


async def _make_call(wrapped: Callable[..., Any], router: Any, args: Args, kwargs: Kwargs) -> Any:
    retries = running(Retries, router)
    if retries is None:
        response = await wrapped(*args, **kwargs)
    else:
        retries.again()
        try:
            response = await wrapped(*args, **kwargs)
            retries.used(response)
        except BaseException as error:
            retries.leave(error)
            raise
        retries.leave(None)
    _answered(response)
    return response


def _cooled(cache: Any, args: Args, kwargs: Kwargs, _outcome: Outcome) -> None:
    deployment, given = argument(args, kwargs, 0, "model_id"), argument(args, kwargs, 3, "cooldown_time")
    _used(deployment)
    if deployment in _cooling:
        return
    if len(_cooling) >= _names.MOST:
        _cooling.clear()
    seconds = cache.default_cooldown_time if given is None else given
    _cooling[deployment] = clock.ticks() + int(seconds * SECOND)
    _tell(deployment, "closed", "open", seconds)


def _used(deployment: object) -> None:
    """Hear that a deployment was asked; what was sent before its cooldown may come back during it."""
    if clock.ticks() >= _cooling.get(deployment, sys.maxsize):
        del _cooling[deployment]
        _tell(deployment, "open", "closed")


def _tell(deployment: object, old: str, new: str, seconds: float | None = None) -> None:
    name = _names.given("circuit_breaker", deployment, None) or _LIBRARY
    transition(name, old, new, failures=None, reset_timeout=seconds, scope=None, library=_LIBRARY)


@quiet
def _answered(response: Any) -> None:
    _used((getattr(response, "_hidden_params", None) or {}).get("model_id"))


def _waits(router: Any, args: Args, kwargs: Kwargs, outcome: Outcome) -> None:
    retries, delay = running(Retries, router), outcome.result
    # The router waits once more after the last attempt.
    if retries is not None and isinstance(delay, (int, float)) and argument(args, kwargs, 1, "remaining_retries"):
        retries.scheduled(delay)


def _patches(module: str, kind: str, versions: str) -> tuple[Patch, ...]:
    return (
        Patch(module, f"{kind}.async_function_with_fallbacks", around(_fall_back), versions=versions),
        Patch(module, f"{kind}.async_function_with_retries", _with_retries, versions=versions),
        Patch(module, f"{kind}.make_call", _make_call, versions=versions),
        Patch(module, f"{kind}._time_to_sleep_before_retry", after(_waits), versions=versions),
    )


class LiteLLMInstrumentor(Instrumentor):
    """Shows the retries and the fallbacks of litellm's Router."""

    library = _LIBRARY
    requires: ClassVar[tuple[str, ...]] = ("litellm >= 1.83, < 2",)
    known: ClassVar[tuple[Clearable, ...]] = (_cooling,)
    patches: ClassVar[tuple[Patch, ...]] = (
        *_patches(_OLD, "Router", "< 1.109"),
        *_patches(_NEW, "PythonCore", ">= 1.109"),
        Patch("litellm.router_utils.cooldown_cache", "CooldownCache.add_deployment_to_cooldown", after(_cooled)),
    )
