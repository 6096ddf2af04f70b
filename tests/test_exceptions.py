"""Exceptions: the very object reaches the caller, and telemetry says what it was without asking it anything."""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import sys
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from spanguard import association, traced_llm_call, traced_repair
from spanguard._core.errors import failure, is_cancellation
from support import Telemetry, Way, completion

groups = pytest.mark.skipif(sys.version_info < (3, 11), reason="groups came with Python 3.11")


class Hostile(ConnectionError):
    """Raises whatever it is asked."""

    def _refuse(self, *_: object) -> Any:
        raise RuntimeError("secret")

    __str__ = __repr__ = __eq__ = __hash__ = __bool__ = __len__ = __format__ = __getattr__ = _refuse  # type: ignore[assignment]
    status_code = code = status = response = exceptions = property(_refuse)


class Locked(ConnectionError):
    """Cannot be changed."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("frozen")


@dataclasses.dataclass(frozen=True)
class Frozen(ConnectionError):
    """A frozen dataclass."""

    code: int = 7


class Panic(BaseException):
    """No Exception, and no cancellation either."""


class Masked(BaseException):
    """Does not tell its class."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("secret")


FAILURES: dict[str, Callable[[], BaseException]] = {
    "hostile": Hostile,
    "slotted": Locked,
    "frozen": Frozen,
    "no Exception": Panic,
    "masked": Masked,
    "assertion": AssertionError,
    "StopAsyncIteration": StopAsyncIteration,
    "from C": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "secret"),
    "with notes": lambda: _noted(ValueError("secret")),
    "memory": MemoryError,
    "recursion": RecursionError,
}
STOPS: dict[str, Callable[[], BaseException]] = {
    "KeyboardInterrupt": KeyboardInterrupt,
    "SystemExit": lambda: SystemExit(3),
    "asyncio.CancelledError": asyncio.CancelledError,
    "concurrent.futures.CancelledError": concurrent.futures.CancelledError,
    "GeneratorExit": GeneratorExit,
}


def _noted(error: BaseException) -> BaseException:
    error.__notes__ = ["secret"]  # type: ignore[attr-defined]
    return error


def raised(way: Way, function: Callable[..., Any]) -> BaseException:
    """Run the function and return what it raises; in a task of its own, some exceptions do strange things to a loop."""
    try:
        if way.name in ("def", "generator"):
            way.run(function)
        else:
            work = function()
            step = work.send(None) if way.name == "async def" else work.asend(None).send(None)
            raise AssertionError(step)
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def raising(way: Way, error: BaseException) -> Callable[..., Any]:
    """Return a function of this kind that raises, without any waiting before it."""

    def plain() -> None:
        raise error

    async def coroutine() -> None:
        raise error

    def generator() -> Any:
        raise error
        yield

    async def async_generator() -> Any:
        raise error
        yield

    return {"def": plain, "async def": coroutine, "generator": generator, "async generator": async_generator}[way.name]


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("verb", [traced_llm_call(model="gpt-5.2"), traced_repair("invoice")], ids=["call", "repair"])
def test_the_very_exception_reaches_the_caller(telemetry: Telemetry, way: Way, verb: Any, name: str) -> None:
    """Whatever it is; the span has ERROR, type and category, and nothing of what it says."""
    error = FAILURES[name]()
    if name == "StopAsyncIteration" and way.name == "async generator":
        pytest.skip("Python itself makes a RuntimeError of it")
    found = raised(way, verb(raising(way, error))) is error
    assert found  # compared above: an assertion that fails would look at the exception
    (span,) = telemetry.spans
    assert (span.status, span.description, span.events) == ("ERROR", None, [])
    assert span["error.type"]
    assert span["resilience.error.category"]
    assert "secret" not in repr(span)


@pytest.mark.parametrize("name", STOPS)
@pytest.mark.parametrize("verb", [traced_llm_call(model="gpt-5.2"), traced_repair("invoice")], ids=["call", "repair"])
def test_a_stop_is_no_error(telemetry: Telemetry, way: Way, verb: Any, name: str) -> None:
    """Interrupted, exited, cancelled: the outcome is `cancelled`, which is no ERROR, and says by what."""
    error = STOPS[name]()
    assert raised(way, verb(raising(way, error))) is error
    (span,) = telemetry.spans
    assert (span.status, span["resilience.operation.outcome"]) == ("UNSET", "cancelled")
    assert span["error.type"].endswith(type(error).__name__)
    assert span["resilience.error.category"] == "cancelled"


def test_an_association_leaves_exceptions_alone(telemetry: Telemetry, way: Way) -> None:
    """It has no span to tell of them."""
    error = Hostile()
    assert raised(way, association(role="planner")(raising(way, error))) is error
    assert telemetry.spans == []


def test_cause_context_and_traceback_are_the_functions_own(telemetry: Telemetry, way: Way) -> None:
    """Only our own frames stand between the caller's and the function's."""
    cause = KeyError("cause")

    def body() -> None:
        try:
            raise LookupError("context")
        except LookupError:
            raise ValueError("secret") from cause

    def shape(function: Callable[..., Any]) -> tuple[Any, ...]:
        with pytest.raises(ValueError, match="secret") as caught:
            way.run(function)
        error = caught.value
        frames = [
            frame.name for frame in traceback.extract_tb(error.__traceback__) if "spanguard/_core" not in frame.filename
        ]
        return error.__cause__, type(error.__context__), error.__suppress_context__, frames

    function = way.function(body)
    assert shape(traced_llm_call(function)) == shape(function)


def test_an_exception_raised_while_another_is_handled_keeps_it_as_context(telemetry: Telemetry, way: Way) -> None:
    """Our own handling adds nothing to the chain."""
    error, outer = ValueError(), KeyError()
    found: list[BaseException] = []
    try:
        raise outer
    except KeyError:
        found.append(raised(way, traced_llm_call(raising(way, error))))
    assert found == [error]
    assert error.__context__ is outer


@groups
@pytest.mark.parametrize(
    ("leaves", "category", "status"),
    [
        ([TimeoutError(), TimeoutError()], "timeout", "ERROR"),
        ([TimeoutError(), ConnectionError()], "other", "ERROR"),
        ([TimeoutError(), asyncio.CancelledError()], "other", "ERROR"),
        ([asyncio.CancelledError(), KeyboardInterrupt()], "cancelled", "UNSET"),
        ([Hostile(), Hostile()], "connection", "ERROR"),
    ],
)
def test_a_group_has_the_category_that_its_leaves_share(
    telemetry: Telemetry, leaves: list[BaseException], category: str, status: str
) -> None:
    """However deep they are; leaves that differ make it `other`."""
    group = BaseExceptionGroup("secret", [leaves[0], BaseExceptionGroup("nested", leaves[1:])])  # noqa: F821
    with pytest.raises(BaseExceptionGroup) as caught, traced_llm_call(model="gpt-5.2"):  # noqa: F821
        raise group
    assert caught.value is group
    (span,) = telemetry.spans
    assert (span.status, span["resilience.error.category"]) == (status, category)
    assert span["error.type"] == type(group).__name__


@groups
def test_a_group_that_contains_itself_is_other() -> None:
    """A subclass may say so, and telemetry must end all the same."""

    class Endless(ExceptionGroup):  # type: ignore[name-defined]  # noqa: F821
        @property
        def exceptions(self) -> Any:
            return (self, self)

    assert failure(Endless("secret", [ValueError()])).category == "other"


@pytest.mark.parametrize(
    ("attributes", "category"),
    [
        ({"status_code": 429}, "rate_limited"),
        ({"status": 503}, "overloaded"),
        ({"code": 404}, "not_found"),
        ({"response": SimpleNamespace(status_code=500)}, "backend_error"),
        ({"code": "context_length_exceeded", "status_code": 400}, "context_length"),
        ({"status_code": "429"}, "other"),
        ({"status_code": 200}, "other"),
    ],
)
def test_the_status_is_found_where_libraries_put_it(attributes: dict[str, Any], category: str) -> None:
    """As openai and anthropic, aiohttp, google-genai and urllib, httpx and requests do."""
    error = Exception("secret")
    vars(error).update(attributes)
    assert failure(error).category == category


def test_a_class_without_a_proper_name_is_other() -> None:
    """`__module__` and `__qualname__` can be anything."""
    assert failure(type("E", (Exception,), {"__module__": 7})()).type == "_OTHER"
    assert failure(type("E", (Exception,), {"__module__": "a b"})()).type == "_OTHER"


def test_a_panic_is_no_cancellation() -> None:
    """What is not an Exception may still be a failure, such as a panic in a library written in Rust."""
    assert not is_cancellation(Panic())


class Stubborn:
    """An argument that raises whatever it is asked."""

    def _refuse(self, *_: object) -> Any:
        raise RuntimeError("secret")

    __repr__ = __eq__ = __hash__ = __bool__ = __len__ = __str__ = __getattr__ = __iter__ = _refuse  # type: ignore[assignment]
    __int__ = __float__ = __index__ = __format__ = _refuse
    __class__ = property(_refuse)  # type: ignore[assignment]


@pytest.mark.parametrize(
    "verb", [traced_llm_call, traced_repair, association(role="planner")], ids=["call", "repair", "association"]
)
def test_arguments_that_raise_are_passed_and_not_asked(telemetry: Telemetry, way: Way, verb: Any) -> None:
    """Not even those that bear a name telemetry reads."""
    seen: list[object] = []

    def ask(prompt: object, *, model: object, temperature: object, n: object, **more: object) -> object:
        seen.extend((prompt, model, temperature, n, *more.values()))
        return None

    function = way.function(ask)
    function.__signature__ = __import__("inspect").signature(ask)  # type: ignore[attr-defined]
    stubborn = Stubborn()
    way.run(verb(function), stubborn, model=stubborn, temperature=stubborn, n=stubborn, max_tokens=stubborn, stream=stubborn)
    assert len(seen) == 6
    assert all(each is stubborn for each in seen)


@pytest.mark.parametrize("value", [10**400, float("nan"), float("inf"), True, "7", None, -(2**63) - 1])
def test_a_number_that_no_attribute_can_hold_is_left_out(telemetry: Telemetry, value: Any) -> None:
    """The call is recorded without it."""
    traced_llm_call(lambda seed: None)(seed=value)
    assert "gen_ai.request.seed" not in telemetry.span("chat").attributes


def test_numbers_of_ones_own_kind_are_read_as_what_they_are(telemetry: Telemetry) -> None:
    """A subclass of int is not asked for its value, which it may refuse to tell."""

    class Refusing(int):
        def __int__(self) -> int:
            raise RuntimeError("secret")

        __eq__ = __float__ = __ge__ = __lt__ = __index__ = __int__  # type: ignore[assignment]
        __hash__ = int.__hash__

    traced_llm_call(lambda seed, n: None)(seed=Refusing(7), n=Refusing(2))
    attributes = telemetry.span("chat").attributes
    assert (attributes["gen_ai.request.seed"], attributes["gen_ai.request.choice.count"]) == (7, 2)


def test_success_and_recovery_have_no_error(telemetry: Telemetry) -> None:
    """`error.type` stands on the attempt that failed, and not on the operation that recovered."""
    with traced_repair("invoice") as repair:
        for attempt in repair.attempts(2):
            try:
                with attempt:
                    traced_llm_call(lambda: completion())()
                    if attempt.number == 1:
                        raise Hostile
            except Hostile:
                continue
    failed = [span.name for span in telemetry.spans if "error.type" in span.attributes]
    assert failed == ["attempt"]
    assert telemetry.span("repair invoice")["resilience.operation.outcome"] == "recovered"


def test_a_timeout_of_wait_for_cancels_the_call(telemetry: Telemetry) -> None:
    """The function is cancelled; the timeout is its caller's."""

    @traced_llm_call(model="gpt-5.2")
    async def ask() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ask(), 0.01)

    asyncio.run(main())
    span = telemetry.span("chat gpt-5.2")
    assert (span.status, span["resilience.operation.outcome"]) == ("UNSET", "cancelled")
    assert span["error.type"] == "asyncio.exceptions.CancelledError"
