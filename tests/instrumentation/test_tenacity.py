"""tenacity, the real one: what its retry loops look like, in every form that they can be written in."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation

import spanguard
from spanguard.instrumentation._misuse import misuses
from spanguard.instrumentation.tenacity import TenacityInstrumentor
from support import Span, Telemetry, completion

tenacity = pytest.importorskip("tenacity")
pytestmark = pytest.mark.foreign


@pytest.fixture(autouse=True)
def _instrumented(instrument: Any) -> None:
    instrument(TenacityInstrumentor)


class Flaky:
    """Fails as often as it is told, then answers."""

    def __init__(self, failures: int, error: BaseException | type[BaseException] = TimeoutError) -> None:
        self.failures = failures
        self.error = error
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        with trace.get_tracer("test").start_as_current_span("work"):
            if self.calls <= self.failures:
                raise self.error
        return "answer"


def retry(**options: Any) -> Any:
    """Return a decorator of three attempts that does not wait."""
    return tenacity.retry(**{"stop": tenacity.stop_after_attempt(3), "sleep": lambda _: None, **options})


def decorated(flaky: Flaky, **options: Any) -> Any:
    """A decorated function."""

    @retry(**options)
    def ask() -> str:
        return flaky()

    return ask()


def called(flaky: Flaky, **options: Any) -> Any:
    """A function that is called by a controller."""

    def ask() -> str:
        return flaky()

    return tenacity.Retrying(**{"stop": tenacity.stop_after_attempt(3), "sleep": lambda _: None, **options})(ask)


def looped(flaky: Flaky, **options: Any) -> Any:
    """A loop in the form of the library's documentation, which tells the result itself."""
    for attempt in tenacity.Retrying(**{"stop": tenacity.stop_after_attempt(3), "sleep": lambda _: None, **options}):
        with attempt:
            result = flaky()
        if not attempt.retry_state.outcome.failed:
            attempt.retry_state.set_result(result)
    return result


def returned(flaky: Flaky, **options: Any) -> Any:
    """A loop that is left by a return."""
    for attempt in tenacity.Retrying(**{"stop": tenacity.stop_after_attempt(3), "sleep": lambda _: None, **options}):
        with attempt:
            return flaky()
    return None


async def _asleep(_: float) -> None:
    await asyncio.sleep(0)


def adecorated(flaky: Flaky, **options: Any) -> Any:
    """A decorated coroutine function."""

    @tenacity.retry(**{"stop": tenacity.stop_after_attempt(3), "sleep": _asleep, **options})
    async def ask() -> str:
        await asyncio.sleep(0)
        return flaky()

    return asyncio.run(ask())


def alooped(flaky: Flaky, **options: Any) -> Any:
    """An async loop."""

    async def loop() -> Any:
        retrying = tenacity.AsyncRetrying(**{"stop": tenacity.stop_after_attempt(3), "sleep": _asleep, **options})
        async for attempt in retrying:
            with attempt:
                await asyncio.sleep(0)
                result = flaky()
        return result

    return asyncio.run(loop())


def areturned(flaky: Flaky, **options: Any) -> Any:
    """An async loop that is left by a return."""

    async def loop() -> Any:
        retrying = tenacity.AsyncRetrying(**{"stop": tenacity.stop_after_attempt(3), "sleep": _asleep, **options})
        async for attempt in retrying:
            with attempt:
                await asyncio.sleep(0)
                return flaky()
        return None

    return asyncio.run(loop())


FORMS = [decorated, called, looped, returned, adecorated, alooped, areturned]


@pytest.fixture(params=FORMS, ids=lambda form: form.__name__)
def run(request: pytest.FixtureRequest) -> Any:
    """Each form in which a loop can be written."""
    return request.param


def operation(telemetry: Telemetry) -> Span:
    """Return the one operation; the work has times of its own, those of the SDK."""
    (found,) = [span for span in telemetry.spans if span.name.startswith("retry ")]
    return found


def attempts(telemetry: Telemetry) -> list[str]:
    """Return how the attempts ended, in the order in which they began."""
    return [span["resilience.attempt.outcome"] for span in telemetry.spans if span.name == "attempt"]


def outcomes(telemetry: Telemetry) -> dict[str, int]:
    """Return how often each outcome of operations was counted."""
    points = telemetry.metrics().get("resilience.operation.attempts", [])
    return {attributes["resilience.operation.outcome"]: count for attributes, (count, _) in points}


def test_a_loop_that_recovers_is_one_operation_with_its_attempts(telemetry: Telemetry, run: Any) -> None:
    """Two failures and an answer: three attempts, each around its own work, and an operation without an error."""
    assert run(Flaky(2)) == "answer"
    whole = operation(telemetry)
    assert whole["resilience.operation.outcome"] == "recovered"
    assert whole["resilience.operation.attempt_count"] == 3
    assert whole["resilience.operation.attempt_limit"] == 3
    assert whole["resilience.library.name"] == "tenacity"
    assert whole.status == "UNSET"
    assert attempts(telemetry) == ["error", "error", "success"]
    assert {span.parent for span in telemetry.spans if span.name == "work"} == {"attempt"}
    assert len({span.parent_id for span in telemetry.spans if span.name == "work"}) == 3


def test_the_name_is_the_functions(telemetry: Telemetry, run: Any) -> None:
    """A decorated function gives its own name, a loop that of the function around it, as their code says."""
    run(Flaky(0))
    name = operation(telemetry)["resilience.policy.name"]
    assert name.startswith(f"{__name__}.")
    assert name.split(".")[-1] in ({"ask"} if run in (decorated, called, adecorated) else {"looped", "returned", "loop"})


def test_the_name_of_generated_code_is_not_shown(telemetry: Telemetry) -> None:
    """A model may have written it, and named a function after a user."""
    namespace: dict[str, Any] = {"__name__": __name__}
    exec("def salary_of_bob(): return 1", namespace)
    retry()(namespace["salary_of_bob"])()
    assert operation(telemetry)["resilience.policy.name"] == "tenacity"


def test_nothing_is_current_afterwards(telemetry: Telemetry, run: Any) -> None:
    """What follows the loop is no part of it."""
    with trace.get_tracer("test").start_as_current_span("around"):
        run(Flaky(1))
        trace.get_tracer("test").start_span("after").end()
    assert telemetry.span("after").parent == "around"


def test_a_loop_that_succeeds_at_once_makes_no_span_below_another(telemetry: Telemetry, run: Any) -> None:
    """The happy path is in the metrics alone."""
    with trace.get_tracer("test").start_as_current_span("around"):
        run(Flaky(0))
    assert telemetry.tree == [("around", None), ("work", "around")]
    assert outcomes(telemetry) == {"success": 1}


def test_a_loop_that_gives_up_is_exhausted(telemetry: Telemetry, run: Any) -> None:
    """After the last attempt the operation is an error, of the type that leaves it."""
    with pytest.raises(tenacity.RetryError):
        run(Flaky(9))
    whole = operation(telemetry)
    assert whole["resilience.operation.outcome"] == "exhausted"
    assert whole["resilience.operation.attempt_count"] == 3
    assert whole.status == "ERROR"
    assert whole["error.type"] == "tenacity.RetryError"
    assert [name for name, _ in whole.events] == [*["resilience.retry.scheduled"] * 2, "resilience.retry.exhausted"]


def test_reraised_it_is_exhausted_too(telemetry: Telemetry, run: Any) -> None:
    """`reraise=True` lets the last error itself leave the loop, the same object."""
    error = TimeoutError()
    with pytest.raises(TimeoutError) as raised:
        run(Flaky(9, error), reraise=True)
    assert raised.value is error
    assert operation(telemetry)["resilience.operation.outcome"] == "exhausted"
    assert operation(telemetry)["error.type"] == "TimeoutError"


def test_an_error_that_is_not_retried_is_a_failure(telemetry: Telemetry, run: Any) -> None:
    """One attempt, and the user's exception passes unchanged."""
    error = KeyError("x")
    with pytest.raises(KeyError) as raised:
        run(Flaky(9, error), retry=tenacity.retry_if_exception_type(TimeoutError))
    assert raised.value is error
    assert operation(telemetry)["resilience.operation.outcome"] == "failed"
    assert operation(telemetry)["resilience.operation.attempt_count"] == 1


def test_what_stands_in_for_the_answer_is_degraded(telemetry: Telemetry) -> None:
    """`retry_error_callback` turns exhaustion into a value."""
    assert decorated(Flaky(9), retry_error_callback=lambda _: "stub") == "stub"
    assert operation(telemetry)["resilience.operation.outcome"] == "degraded"


def test_an_answer_that_the_loop_refuses_is_invalid(telemetry: Telemetry) -> None:
    """`retry_if_result` asks again after an answer: that attempt brought one, which was not used."""
    answers = iter(["no", "yes"])
    assert retry(retry=tenacity.retry_if_result(lambda answer: answer == "no"))(lambda: next(answers))() == "yes"
    assert attempts(telemetry) == ["invalid", "success"]
    assert operation(telemetry)["resilience.operation.outcome"] == "recovered"


@pytest.mark.parametrize("callback", [None, lambda state: state.outcome.result()])
def test_answers_that_are_all_refused(telemetry: Telemetry, callback: Any) -> None:
    """They exhaust the loop, or are used all the same where a callback says so."""
    always = retry(retry=tenacity.retry_if_result(lambda _: True), retry_error_callback=callback)(lambda: "no")
    if callback is None:
        with pytest.raises(tenacity.RetryError):
            always()
    else:
        assert always() == "no"
    assert operation(telemetry)["resilience.operation.outcome"] == ("degraded" if callback else "exhausted")
    assert set(attempts(telemetry)) == {"invalid"}


def test_waits_are_told(telemetry: Telemetry) -> None:
    """Each wait is an event of the operation and is measured, in seconds."""
    decorated(Flaky(2), wait=tenacity.wait_fixed(7))
    events = operation(telemetry).events
    assert [attributes["resilience.retry.delay"] for _, attributes in events] == [7.0, 7.0]
    ((attributes, value),) = telemetry.metrics()["resilience.retry.delay"]
    assert value == (2, 14.0)
    assert attributes["resilience.library.name"] == "tenacity"


def test_a_cancelled_wait_ends_the_operation(telemetry: Telemetry) -> None:
    """The library tells nobody of it."""

    @tenacity.retry(wait=tenacity.wait_fixed(60))
    async def ask() -> None:
        raise TimeoutError

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ask(), 0.01)

    asyncio.run(main())
    assert operation(telemetry)["resilience.operation.outcome"] == "cancelled"
    assert attempts(telemetry) == ["error"]


def test_a_cancelled_wait_ends_the_operation_of_a_loop(telemetry: Telemetry) -> None:
    """As of a decorated function."""

    async def ask() -> None:
        async for attempt in tenacity.AsyncRetrying(wait=tenacity.wait_fixed(60)):
            with attempt:
                raise TimeoutError

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ask(), 0.01)

    asyncio.run(main())
    assert operation(telemetry)["resilience.operation.outcome"] == "cancelled"


def test_a_cancelled_attempt_is_no_error(telemetry: Telemetry) -> None:
    """Somebody stopped the work; it did not go wrong."""

    @tenacity.retry
    async def ask() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ask(), 0.01)

    asyncio.run(main())
    assert operation(telemetry)["resilience.operation.outcome"] == "cancelled"
    assert attempts(telemetry) == ["cancelled"]
    assert operation(telemetry).status == "UNSET"


def test_an_interrupt_during_the_wait_ends_the_operation(telemetry: Telemetry) -> None:
    """Also in a plain function."""

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decorated(Flaky(9), sleep=interrupted)
    assert operation(telemetry)["resilience.operation.outcome"] == "cancelled"


def test_loops_in_tasks_do_not_mix(telemetry: Telemetry) -> None:
    """Each task has its own attempts around its own work."""

    @tenacity.retry(stop=tenacity.stop_after_attempt(3), sleep=_asleep)
    async def ask(flaky: Flaky) -> str:
        await asyncio.sleep(0)
        return flaky()

    async def main() -> None:
        await asyncio.gather(*(ask(Flaky(each)) for each in range(3)))

    asyncio.run(main())
    spans = {span.id: span for span in telemetry.spans}
    work = [span for span in spans.values() if span.name == "work"]
    assert len(work) == 1 + 2 + 3
    assert len({span.parent_id for span in work}) == len(work)
    assert outcomes(telemetry) == {"success": 1, "recovered": 2}


def test_a_retry_inside_a_retry_is_counted_at_each_layer(telemetry: Telemetry) -> None:
    """Two layers that really retry: two times two attempts."""
    flaky = Flaky(9)
    inner = retry(stop=tenacity.stop_after_attempt(2))(flaky)
    with pytest.raises(tenacity.RetryError):
        retry(stop=tenacity.stop_after_attempt(2))(lambda: inner())()
    assert flaky.calls == 4
    assert [span.name for span in telemetry.spans].count("attempt") == 6
    counted = telemetry.metrics()["resilience.operation.attempts"]
    assert sorted((attributes["resilience.policy.name"].split(".")[-1], value) for attributes, value in counted) == [
        ("<lambda>", (1, 2.0)),
        ("__call__", (2, 4.0)),
    ]


def test_a_call_in_an_attempt_serves_it(telemetry: Telemetry) -> None:
    """Tokens of a failed attempt are wasted, those of the last one useful, as with the verbs."""
    asked: list[int] = []

    @retry()
    def ask() -> None:
        with spanguard.traced_llm_call(provider="openai", model="gpt-5.2") as call:
            call.record_response(completion(10, 5))
        asked.append(1)
        if len(asked) < 2:
            raise TimeoutError

    ask()
    whole = operation(telemetry)
    assert (whole["resilience.usage.useful.input_tokens"], whole["resilience.usage.wasted.input_tokens"]) == (10, 10)
    assert [s["resilience.attempt.number"] for s in telemetry.spans if s.name == "chat gpt-5.2"] == [1, 2]


def test_a_loop_in_a_generator_does_not_leak_to_its_consumer(telemetry: Telemetry) -> None:
    """Its attempts are counted, but what runs between two chunks is no child of theirs."""

    def stream() -> Iterator[int]:
        for attempt in tenacity.Retrying(stop=tenacity.stop_after_attempt(2), sleep=lambda _: None):
            with attempt:
                yield 1
                yield 2

    for _ in stream():
        trace.get_tracer("test").start_span("consumer").end()
    assert [span.parent for span in telemetry.spans if span.name == "consumer"] == [None, None]
    assert outcomes(telemetry) == {"success": 1}


def test_a_decorator_on_a_generator_is_told_to_have_no_effect(telemetry: Telemetry) -> None:
    """The loop is over before the body of the generator begins."""

    @retry()
    def stream() -> Iterator[int]:
        yield 1

    list(stream())
    list(stream())
    ((name, severity, attributes),) = telemetry.logs
    assert (name, severity) == ("resilience.misuse.detected", "WARN")
    assert attributes["resilience.misuse.kind"] == "retry_on_generator"
    assert [each.kind for each in misuses()] == ["retry_on_generator"]


def test_a_loop_that_is_switched_off_tells_nothing(telemetry: Telemetry) -> None:
    """`enabled=False` makes no loop of it."""
    if "enabled" not in inspect.signature(tenacity.Retrying).parameters:
        pytest.skip("this version has no such switch")
    assert decorated(Flaky(0), enabled=False) == "answer"
    assert telemetry.tree == [("work", None)]


def test_suppressed_it_tells_nothing(telemetry: Telemetry, run: Any) -> None:
    """Instrumentation may be suppressed in a context."""
    with suppress_instrumentation():
        run(Flaky(2))
    assert [span.name for span in telemetry.spans if span.name != "work"] == []
    assert outcomes(telemetry) == {}


def test_a_function_that_was_decorated_before_is_seen(telemetry: Telemetry) -> None:
    """The hooks are in the classes, not in the objects."""
    instrumentor = TenacityInstrumentor()
    instrumentor.uninstrument()
    ask = retry()(Flaky(1))
    instrumentor.instrument()
    ask()
    assert outcomes(telemetry) == {"recovered": 1}


def test_uninstrument_restores_everything() -> None:
    """Every function is again what it was, and instrumenting again works."""
    instrumentor = TenacityInstrumentor()
    places = [(patch.module, patch.name) for patch in instrumentor._applied]
    instrumentor.uninstrument()
    asyncio_module = pytest.importorskip("tenacity.asyncio") if "tenacity.asyncio" in dict(places) else tenacity
    owners = {"tenacity": tenacity, "tenacity.asyncio": asyncio_module}
    for module, name in places:
        cls, method = name.split(".")
        assert inspect.isfunction(vars(getattr(owners.get(module, tenacity), cls))[method])
    assert instrumentor._applied == {}
    instrumentor.instrument()
    assert [(patch.module, patch.name) for patch in instrumentor._applied] == places


class Kept:
    """Something that a program has at hand while it works."""


def given_up(seen: list[weakref.ref[Kept]]) -> None:
    """A run that is exhausted, in a function whose variables the error leads to."""

    @retry(stop=tenacity.stop_after_attempt(2))
    def ask() -> None:
        kept = Kept()
        seen.append(weakref.ref(kept))
        raise TimeoutError(kept)

    with pytest.raises(tenacity.RetryError):
        ask()


def broken_off(seen: list[weakref.ref[Kept]]) -> None:
    """A loop that is left after an attempt that failed."""
    for attempt in tenacity.Retrying(sleep=lambda _: None):
        with attempt:
            kept = Kept()
            seen.append(weakref.ref(kept))
            raise TimeoutError(kept)
        break


@pytest.mark.parametrize("program", [given_up, broken_off])
def test_nothing_that_failed_is_kept_alive(telemetry: Telemetry, program: Any) -> None:
    """Neither the error nor what its traceback has seen: else each failure would cost memory for ever."""
    seen: list[weakref.ref[Kept]] = []
    program(seen)
    gc.collect()
    assert [kept() for kept in seen] == [None] * len(seen)
    decorated(Flaky(0))  # with the next one a loop that was left is told


def test_an_attempt_that_was_never_begun_is_cancelled(telemetry: Telemetry) -> None:
    """The loop was left between handing it out and the work."""

    def ask() -> None:
        for attempt in tenacity.Retrying(sleep=lambda _: None):
            if attempt.retry_state.attempt_number == 2:
                return
            with attempt:
                raise TimeoutError

    ask()
    gc.collect()
    decorated(Flaky(0))
    assert attempts(telemetry)[:2] == ["error", "cancelled"]
    assert outcomes(telemetry) == {"cancelled": 1, "success": 1}


def test_the_name_is_that_of_the_function_beneath_decorators(telemetry: Telemetry) -> None:
    """Not of what somebody's decorator has put around it."""

    def around(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper() -> Any:
            return function()

        return wrapper

    @retry()
    @around
    def ask() -> str:
        return "answer"

    ask()
    assert operation(telemetry)["resilience.policy.name"].endswith(".ask")


def taking_out(which: int) -> Any:
    """Return work that fails twice, and in whose attempt of that number the instrumentation is taken out."""
    made: list[None] = []

    def work() -> None:
        made.append(None)
        if len(made) == which:
            TenacityInstrumentor().uninstrument()
        if len(made) < 3:
            raise TimeoutError

    return work


def in_a_call(work: Any) -> None:
    """A function that is called by a controller."""
    tenacity.Retrying(sleep=lambda _: None)(work)


def in_a_loop(work: Any) -> None:
    """A loop."""
    for attempt in tenacity.Retrying(sleep=lambda _: None):
        with attempt:
            work()


async def _nap(_: float) -> None:
    await asyncio.sleep(0)


async def in_an_async_call(work: Any) -> None:
    """A coroutine function that is called by a controller."""

    async def awork() -> None:
        work()

    await tenacity.AsyncRetrying(sleep=_nap)(awork)


async def in_an_async_loop(work: Any) -> None:
    """An async loop."""
    async for attempt in tenacity.AsyncRetrying(sleep=_nap):
        with attempt:
            work()


@pytest.mark.parametrize("which", [1, 2, 3])
@pytest.mark.parametrize("form", [in_a_call, in_a_loop, in_an_async_call, in_an_async_loop])
def test_taken_out_during_an_attempt_it_leaves_nothing_behind(telemetry: Telemetry, form: Any, which: int) -> None:
    """The run goes on untold, and what the program does next is no part of it."""
    current: list[trace.Span] = []

    async def main() -> None:
        await form(taking_out(which))
        current.append(trace.get_current_span())

    if inspect.iscoroutinefunction(form):
        asyncio.run(main())
    else:
        form(taking_out(which))
        current.append(trace.get_current_span())
    assert current == [trace.INVALID_SPAN]
    assert "resilience.operation.attempts" not in telemetry.metrics()


def test_a_run_that_was_begun_before_is_left_alone(telemetry: Telemetry) -> None:
    """Instrumented in the middle of a loop, nothing is told of that loop."""
    instrumentor = TenacityInstrumentor()
    instrumentor.uninstrument()
    for attempt in tenacity.Retrying(stop=tenacity.stop_after_attempt(3), sleep=lambda _: None):
        with attempt:
            if attempt.retry_state.attempt_number == 1:
                instrumentor.instrument()
                raise TimeoutError
    assert telemetry.tree == []
