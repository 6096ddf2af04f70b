"""tenacity 8.2.3 to 9.2.1, and with it stamina 24.3 to 26.1 and google-genai, which retry by it.

What is seen: each run of a retry loop (decorator, ``Retrying()(f)``, ``for attempt in Retrying()``, sync, async, tornado)
as an operation `retry` with its attempts, the waits it decides on, and how it ended: also those decorated before the
instrumentation. Its name is the function's, or of a loop the function that it stands in.

A loop in the body of a generator counts its attempts but does not make them current: what the consumer does between two
chunks would be taken for a part of them. Loops that other instrumented libraries drive are theirs to report.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from types import CodeType, FrameType
from typing import Any, ClassVar, Final
from weakref import WeakKeyDictionary

from spanguard._core.border import quiet
from spanguard._core.scope import current_scope
from spanguard.instrumentation import _names
from spanguard.instrumentation._adapter import (
    Args,
    Instrumentor,
    Kwargs,
    Outcome,
    Patch,
    after,
    argument,
    claimed,
    is_stream,
    module_of,
)
from spanguard.instrumentation._course import Course, hand_out, sweep

_GENERATOR: Final = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
# Packages whose retry loops run on tenacity, and the names that their users know.
_LIBRARIES: Final = (
    *(("stamina", "stamina"), ("google.genai", "google-genai"), ("instructor", "instructor"), ("litellm", "litellm")),
    *(("langchain_core", "langchain"), ("langchain", "langchain"), ("pydantic_ai", "pydantic-ai")),
)


_courses: Final[WeakKeyDictionary[Any, Course]] = WeakKeyDictionary()


# --------------------------------------------------------------------------------------------------- the begin of a course


@quiet
def _course(state: Any) -> Course | None:
    """Return the course that a state of tenacity's belongs to, begun now if it is the first attempt."""
    known = _courses.get(state)
    if known is not None:
        return known
    if state.attempt_number != 1 or state.outcome is not None:
        return None  # begun before the instrumentation, or somebody else's
    sweep()
    course = _begin(state)
    if course is None:
        return None
    course.start()
    if course.started:
        _courses[state] = course
    return course if course.started else None


def _begin(state: Any) -> Course | None:
    frame = None if state.fn is not None else _names.caller("tenacity")
    name = _names.function_name(state.fn)
    driver = name or "" if frame is None else str(frame.f_globals.get("__name__"))
    if claimed(driver):
        return None
    library = next((known for package, known in _LIBRARIES if f"{driver}.".startswith(f"{package}.")), "tenacity")
    current = True
    if library == "google-genai":
        name = library
    elif frame is not None:
        name, current = _of_loop(frame)
    return Course(_names.known("retry", name, library), library, _limit(state.retry_object.stop), current=current)


def _of_loop(frame: FrameType) -> tuple[str | None, bool]:
    """Return the name of a loop, and whether its attempts can be made current, as they cannot in a generator's body."""
    while frame.f_back is not None and frame.f_code.co_name in ("__iter__", "__aiter__", "__anext__"):
        frame = frame.f_back  # an iterator around tenacity's
    current = not frame.f_code.co_flags & _GENERATOR
    if _names.within(frame, "stamina"):
        inner = next((name for name in ("wrapped", "callable_") if name in frame.f_locals), None)
        if inner is not None:
            return _names.function_name(frame.f_locals[inner]), current
        frame = _names.caller("tenacity", "stamina") or frame
    return _names.place_name(frame), current


def _limit(stop: Any) -> int | None:
    most = getattr(stop, "max_attempt_number", None)
    if isinstance(most, int):
        return most
    if type(stop).__name__ != "stop_any":
        return None
    limits = [limit for limit in map(_limit, stop.stops) if limit is not None]
    return min(limits, default=None)


# ------------------------------------------------------------------------------------------------------------ the hooks


def _iter(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    state = argument(args, kwargs, 0, "retry_state")
    course = _course(state)
    if course is None or course.done:
        return wrapped(*args, **kwargs)
    try:
        decision = wrapped(*args, **kwargs)
    except BaseException as error:
        _failed(course, state, error)
        raise
    if inspect.iscoroutine(decision) and _is_async(instance):
        return _aiter(decision, course, state)
    _decided(course, state, decision)
    return decision


async def _aiter(decision: Coroutine[Any, Any, Any], course: Course, state: Any) -> Any:
    try:
        decided = await decision
    except BaseException as error:
        _failed(course, state, error)
        raise
    _decided(course, state, decided)
    return decided


def _is_async(instance: Any) -> bool:
    return inspect.iscoroutinefunction(getattr(type(instance).iter, "__wrapped__", None))


@quiet
def _decided(course: Course, state: Any, decision: Any) -> None:
    tenacity = module_of("tenacity")
    if isinstance(decision, tenacity.DoAttempt):
        course.next()
    elif isinstance(decision, tenacity.DoSleep):
        course.wait(float(decision))
    else:
        course.settle(gave_up=_replaced(state, decision))


def _replaced(state: Any, value: object) -> bool:
    """Whether the value comes from a callback that stands in for the answer."""
    outcome = state.outcome
    if state.retry_object.retry_error_callback is None or outcome is None:
        return False
    retrying = state.retry_object
    if hasattr(retrying, "iter_state"):
        refused = retrying.iter_state.retry_run_result
    else:  # before 8.3; there it is written when the answer has been refused
        refused = retrying.statistics.get("delay_since_first_attempt") == state.seconds_since_start
    return bool(outcome.failed or refused or value is not outcome.result())


@quiet
def _failed(course: Course, state: Any, error: BaseException) -> None:
    mine = state.outcome.exception() if state.outcome is not None else None
    retrying = state.retry_object
    exhausted = error is not mine and isinstance(error, retrying.retry_error_cls)
    course.fail(error, gave_up=exhausted or _reraised(error, retrying.retry_error_cls.reraise.__code__))


def _reraised(error: BaseException, reraise: CodeType) -> bool:
    """Whether the loop gave up and raised the last error itself, rather than let an error pass that it does not retry."""
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code is reraise or code.co_name == "result":
            return code is reraise
        traceback = traceback.tb_next
    return False


def _result(state: Any, args: Args, kwargs: Kwargs, _outcome: Outcome) -> None:
    course = _courses.get(state)
    if course is None:
        return
    value = argument(args, kwargs, 0, "val")
    course.heard(None)
    if state.fn is not None and is_stream(value):
        course.misused("retry_on_generator")
    elif inspect.iscoroutine(value):
        course.misused("retry_on_coroutine")


def _exception(state: Any, args: Args, kwargs: Kwargs, _outcome: Outcome) -> None:
    course = _courses.get(state)
    if course is not None:
        course.heard(argument(args, kwargs, 0, "exc_info")[1])


def _attempt(manager: Any, _args: Args, _kwargs: Kwargs, _outcome: Outcome) -> None:
    course = _courses.get(manager.retry_state)
    if course is not None:
        hand_out(manager, course)


def _call(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
    outer = current_scope()
    try:
        result = wrapped(*args, **kwargs)
    except BaseException as error:
        _interrupted(error)
        raise
    if current_scope() is not outer:
        _let_go()
    return result


async def _acall(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
    outer = current_scope()
    try:
        result = await wrapped(*args, **kwargs)
    except BaseException as error:
        _interrupted(error)
        raise
    if current_scope() is not outer:
        _let_go()
    return result


@quiet
def _let_go() -> None:
    """Let go of an attempt during which the instrumentation was taken out, so that nobody told when it was over."""
    scope = current_scope()
    if scope is not None and isinstance(scope.parent, Course):
        scope.parent.forget()


async def _anext(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    try:
        return await wrapped(*args, **kwargs)
    except StopAsyncIteration:
        raise
    except BaseException as error:
        _end(vars(instance).get("_retry_state"), error)
        raise


@quiet
def _interrupted(error: BaseException) -> None:
    """End the course of a call that was stopped while the loop slept, of which tenacity tells nobody."""
    traceback = error.__traceback__
    for _ in range(2):
        traceback = traceback and traceback.tb_next
        if traceback is not None and "retry_state" in traceback.tb_frame.f_code.co_varnames:
            _end(traceback.tb_frame.f_locals.get("retry_state"), error)
            return


@quiet
def _end(state: Any, error: BaseException) -> None:
    course = None if state is None else _courses.get(state)
    if course is not None and not course.done:
        course.fail(error, gave_up=False)


class TenacityInstrumentor(Instrumentor):
    """Shows the retry loops of tenacity, of stamina, and of google-genai."""

    library = "tenacity"
    requires: ClassVar[tuple[str, ...]] = ("tenacity >= 8.2.3, < 10",)
    patches: ClassVar[tuple[Patch, ...]] = (
        Patch("tenacity", "BaseRetrying.iter", _iter),
        Patch("tenacity", "RetryCallState.set_result", after(_result)),
        Patch("tenacity", "RetryCallState.set_exception", after(_exception)),
        Patch("tenacity", "AttemptManager.__init__", after(_attempt)),
        Patch("tenacity", "Retrying.__call__", _call),
        *(
            Patch(module, f"AsyncRetrying.{name}", hook, own=True)
            for module in ("tenacity.asyncio", "tenacity._asyncio")
            for name, hook in (("iter", _iter), ("__call__", _acall), ("__anext__", _anext))
        ),
    )

    def _uninstrument(self, **options: Any) -> None:
        super()._uninstrument(**options)
        for course in list(_courses.values()):
            course.done = True  # nobody hears how it goes on
