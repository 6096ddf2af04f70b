"""`traced_llm_call`: what one call of a model leaves behind."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import inspect
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import context, trace

from spanguard import current_call, settings, traced_llm_call
from spanguard.settings import Settings
from support import Clock, Telemetry, Way, completion


def of_calls(telemetry: Telemetry) -> dict[str, Any]:
    """Return the metrics of calls: states and queues of other tests are observed for as long as the process lives."""
    return {name: points for name, points in telemetry.metrics().items() if name.startswith("gen_ai.")}


def test_a_call_is_one_client_span_with_usage(telemetry: Telemetry, clock: Clock, way: Way) -> None:
    """Any kind of function becomes one CLIENT span, named after operation and model, that lasts as long as its work."""

    @traced_llm_call(provider="openai")
    def body(prompt: str, *, model: str, temperature: float = 0.2, max_tokens: int = 64) -> object:
        clock.move(1.5)
        return completion(sent=10, received=5)

    function = traced_llm_call(provider="openai", model="gpt-5.2")(way.function(body.__wrapped__))
    way.run(function, "secret", model="ignored", temperature=0.5)

    (span,) = telemetry.spans
    assert (span.name, span.kind, span.status, span.parent) == ("chat gpt-5.2", "CLIENT", "UNSET", None)
    assert (span.start, span.end) == (0.0, 1.5)
    assert (span.scope, span.schema) == ("spanguard.genai", "https://opentelemetry.io/schemas/1.37.0")
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5.2",
        "gen_ai.response.model": "gpt-5.2-2026-01-01",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
    }
    assert span.attributes.items() >= expected.items()
    assert span["gen_ai.response.id"].startswith("h:")


def test_the_request_is_read_from_the_arguments(telemetry: Telemetry) -> None:
    """Model and numbers are taken from the arguments that bear the SDKs' names, by place, keyword, default or **kwargs."""

    @traced_llm_call
    def ask(prompt: str, model: str, temperature: float = 0.7, **more: object) -> None: ...

    ask("secret", "gpt-5.2-mini", max_tokens=32, n=2, seed=7, top_p=float("nan"), stream=True, user="bob")

    assert telemetry.span("chat gpt-5.2-mini").attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-5.2-mini",
        "gen_ai.request.temperature": 0.7,
        "gen_ai.request.max_tokens": 32,
        "gen_ai.request.choice.count": 2,
        "gen_ai.request.seed": 7,
        "gen_ai.request.stream": True,
    }


def test_duration_and_tokens_are_measured(telemetry: Telemetry, clock: Clock) -> None:
    """Generation 1.37 has one histogram for the duration and one for the tokens, by their type."""

    @traced_llm_call(provider="openai", model="gpt-5.2")
    def ask() -> object:
        clock.move(2)
        return completion(10, 5)

    ask()
    base = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5.2",
        "gen_ai.response.model": "gpt-5.2-2026-01-01",
    }
    assert of_calls(telemetry) == {
        "gen_ai.client.operation.duration": [(base, (1, 2.0))],
        "gen_ai.client.token.usage": [
            ({**base, "gen_ai.token.type": "input"}, (1, 10)),
            ({**base, "gen_ai.token.type": "output"}, (1, 5)),
        ],
    }


@pytest.mark.parametrize("histograms", [False, True])
def test_the_newer_generation_has_other_metrics(telemetry: Telemetry, histograms: bool) -> None:
    """In dev-2026-10 tokens are counters by kind and modality, and if asked for histograms per call."""
    settings.use(Settings(semconv="dev-2026-10", token_histograms=histograms))

    @traced_llm_call(provider="openai", model="gpt-5.2")
    def ask() -> object:
        usage = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 3}}
        return {**completion(), "usage": {**usage, "completion_tokens_details": {"reasoning_tokens": 2}}}

    ask()
    assert telemetry.spans[0].schema == "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev"
    points = of_calls(telemetry)
    assert {name.removeprefix("gen_ai.client.inference."): value for name, ((_, value),) in points.items()} == {
        "duration": (1, 0.0),
        "usage.input_tokens": 9,
        "usage.output_tokens": 4,
        "usage.cache_read.input_tokens": 3,
        "usage.reasoning.output_tokens": 2,
        **({"operation.input_tokens": (1, 9), "operation.output_tokens": (1, 4)} if histograms else {}),
    }
    ((attributes, _),) = points["gen_ai.client.inference.usage.input_tokens"]
    assert attributes["gen_ai.token.modality"] == "unknown"


class RateLimitError(Exception):
    """As SDKs raise it."""

    status_code = 429

    def __str__(self) -> str:
        raise AssertionError("nobody may ask for the message")


def test_a_failed_call_tells_the_kind_of_error_and_no_message(telemetry: Telemetry, way: Way) -> None:
    """The same exception reaches the caller; the span has ERROR without description, the type and the category."""
    error = RateLimitError("secret prompt")

    def body() -> None:
        raise error

    with pytest.raises(RateLimitError) as caught:
        way.run(traced_llm_call(provider="openai", model="gpt-5.2")(way.function(body)))

    assert caught.value is error
    (span,) = telemetry.spans
    assert (span.status, span.description, span.events) == ("ERROR", None, [])
    assert span["error.type"].endswith("RateLimitError")
    assert span["resilience.error.category"] == "rate_limited"
    assert span["resilience.error.recoverable"] is True
    ((attributes, _),) = telemetry.metrics()["gen_ai.client.operation.duration"]
    assert attributes["error.type"] == span["error.type"]


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(1)])
def test_a_cancelled_call_is_not_an_error(telemetry: Telemetry, error: BaseException) -> None:
    """Cancellation is an outcome of its own: the status stays unset, and the duration counts no error."""

    @traced_llm_call(model="gpt-5.2")
    def ask() -> None:
        raise error

    with pytest.raises(type(error)):
        ask()
    (span,) = telemetry.spans
    assert (span.status, span["resilience.operation.outcome"]) == ("UNSET", "cancelled")
    assert span["resilience.error.category"] == "cancelled"
    ((attributes, _),) = telemetry.metrics()["gen_ai.client.operation.duration"]
    assert "error.type" not in attributes


def test_as_a_context_manager_it_is_told_the_response(telemetry: Telemetry) -> None:
    """`with traced_llm_call(...) as call` takes a response to read, and usage that beats what the response says."""
    with traced_llm_call(provider="anthropic", model="claude-opus-5") as call:
        call.record_response(completion(10, 5))
        call.record_usage(output_tokens=7, cost=0.25)
        call.record_finish_reason("end_turn", "made up")

    attributes = telemetry.span("chat claude-opus-5").attributes
    assert attributes["gen_ai.usage.input_tokens"] == 10
    assert attributes["gen_ai.usage.output_tokens"] == 7
    assert attributes["resilience.usage.cost"] == 0.25
    assert attributes["resilience.usage.source"] == "caller"
    assert attributes["gen_ai.response.finish_reasons"] == ("end_turn", "_OTHER")


def test_late_facts_are_told_to_the_current_call(telemetry: Telemetry) -> None:
    """Inside a decorated function, and in what it calls, `current_call()` is the call that runs."""

    @traced_llm_call(model="gpt-5.2")
    def ask() -> str:
        current_call().record_usage(input_tokens=3)
        return "text"

    assert ask() == "text"
    assert telemetry.span("chat gpt-5.2")["gen_ai.usage.input_tokens"] == 3
    current_call().record_usage(input_tokens=1)  # outside any call: ignored
    current_call().record_response(completion())
    assert len(telemetry.spans) == 1


def test_a_reader_finds_the_response_in_what_the_function_returns(telemetry: Telemetry) -> None:
    """`reader=` is for functions that return something else; a flat mapping will do for a provider of one's own."""

    @traced_llm_call(provider="embedded", model="llama-4", reader=lambda answer: answer[1])
    def ask() -> tuple[str, dict[str, int]]:
        return "text", {"input_tokens": 4, "output_tokens": 2}

    ask()
    assert (
        telemetry.span("chat llama-4").attributes.items()
        >= {
            "gen_ai.provider.name": "embedded",
            "gen_ai.usage.input_tokens": 4,
            "gen_ai.usage.output_tokens": 2,
        }.items()
    )


def test_one_response_is_counted_once(telemetry: Telemetry) -> None:
    """Where a traced function returns the response of a traced function, the inner call has the tokens."""

    @traced_llm_call(model="gpt-5.2")
    def inner() -> object:
        return completion(10, 5)

    outer = traced_llm_call(model="gpt-5.2-mini")(lambda: inner())
    outer()
    assert telemetry.span("chat gpt-5.2")["gen_ai.usage.input_tokens"] == 10
    assert "gen_ai.usage.input_tokens" not in telemetry.span("chat gpt-5.2-mini").attributes
    assert sorted(value for _, value in telemetry.metrics()["gen_ai.client.token.usage"]) == [(1, 5), (1, 10)]


def test_what_is_unknown_is_not_recorded(telemetry: Telemetry) -> None:
    """A return value that tells nothing leaves nothing: no zero, no guess."""
    traced_llm_call(lambda: "just text")()
    assert telemetry.span("chat").attributes == {"gen_ai.operation.name": "chat"}
    assert list(of_calls(telemetry)) == ["gen_ai.client.operation.duration"]


def test_spans_nest_under_what_is_current(telemetry: Telemetry, way: Way) -> None:
    """What the function starts is a child of the call, and the call a child of what was current."""
    inner = traced_llm_call(model="gpt-5.2-mini")(lambda: None)
    outer = traced_llm_call(model="gpt-5.2")(way.function(inner))
    way.run(outer)
    assert telemetry.tree == [("chat gpt-5.2", None), ("chat gpt-5.2-mini", "chat gpt-5.2")]


def ordinary(prompt: str, *, model: str = "gpt-5.2") -> str:
    """Ask."""
    return prompt


traced = traced_llm_call(ordinary)


def test_a_decorated_function_stays_what_it_was(way: Way) -> None:
    """Name, signature, kind and pickling are those of the function."""
    function = way.function(ordinary)
    wrapped = traced_llm_call(function)
    for kind in (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction):
        assert kind(wrapped) == kind(function)
    assert traced.__name__ == "ordinary"
    assert inspect.signature(traced) == inspect.signature(ordinary)
    pickled = globals()["ordinary"]
    globals()["ordinary"] = traced
    try:
        assert pickle.loads(pickle.dumps(traced)) is traced
    finally:
        globals()["ordinary"] = pickled


class Client:
    """Has methods of each kind."""

    @traced_llm_call(model="gpt-5.2")
    def method(self, prompt: str) -> str:
        return prompt

    @traced_llm_call(model="gpt-5.2")
    @staticmethod
    def static(prompt: str) -> str:
        return prompt

    @classmethod
    @traced_llm_call(model="gpt-5.2")
    def of_class(cls, prompt: str) -> str:
        return prompt

    @traced_llm_call(model="gpt-5.2")
    @classmethod
    def of_class_too(cls, prompt: str) -> str:
        return prompt


@pytest.mark.parametrize("name", ["method", "static", "of_class", "of_class_too"])
def test_methods_of_each_kind_are_traced(telemetry: Telemetry, name: str) -> None:
    """Static and class methods may stand above or below the decorator."""
    assert getattr(Client(), name)("hello") == "hello"
    assert telemetry.tree == [("chat gpt-5.2", None)]


@pytest.mark.parametrize("function", [functools.partial(ordinary, "hello"), Client().method, len])
def test_other_callables_are_traced(telemetry: Telemetry, function: Callable[..., Any]) -> None:
    """Partials, bound methods and builtins can be decorated too."""
    arguments = () if isinstance(function, functools.partial) else ("hello",)
    assert traced_llm_call(operation="embeddings")(function)(*arguments) in ("hello", 5)
    assert telemetry.tree[0][0].startswith("embeddings")


def test_a_coroutine_from_a_plain_function_is_awaited_inside_the_span(telemetry: Telemetry, clock: Clock) -> None:
    """A `def` that returns a coroutine is traced until the coroutine has ended."""

    async def work() -> object:
        clock.move(3)
        return completion(1, 2)

    asyncio.run(traced_llm_call(model="gpt-5.2")(lambda: work())())
    span = telemetry.span("chat gpt-5.2")
    assert (span.end, span["gen_ai.usage.output_tokens"]) == (3.0, 2)


def test_one_verb_may_be_entered_many_times_at_once(telemetry: Telemetry) -> None:
    """A verb is no span: concurrent tasks and nested blocks each have their own call."""
    verb = traced_llm_call(model="gpt-5.2")

    async def task(number: int) -> None:
        with verb as call:
            await asyncio.sleep(0.001 * (5 - number))
            call.record_usage(input_tokens=number)

    async def main() -> None:
        await asyncio.gather(*(task(number) for number in range(5)))

    asyncio.run(main())
    with verb as outer, verb as inner:
        inner.record_usage(input_tokens=7)
        outer.record_usage(input_tokens=6)
    assert sorted(span["gen_ai.usage.input_tokens"] for span in telemetry.spans) == [0, 1, 2, 3, 4, 6, 7]
    assert sum(span.parent is not None for span in telemetry.spans) == 1


def test_a_call_that_has_ended_needs_no_garbage_collector(telemetry: Telemetry, way: Way) -> None:
    """It is in the context that it is current in, which it must not keep: cycles cost the program, not us."""
    kept: list[weakref.ref[object]] = []

    def body() -> object:
        kept.append(weakref.ref(current_call()))
        assert kept[-1]() is not None
        return completion()

    ask = traced_llm_call(provider="openai")(way.function(body))
    gc.disable()
    try:
        for _ in range(2):
            way.run(ask)
        assert [each() for each in kept] == [None, None]
    finally:
        gc.enable()


def test_a_with_may_be_left_in_a_copy_of_its_context(telemetry: Telemetry, caplog: pytest.LogCaptureFixture) -> None:
    """As frameworks do that set up and tear down in tasks of their own: the call ends, and nothing is raised or logged."""
    verb = traced_llm_call(provider="openai", model="gpt-5.2")

    def elsewhere() -> None:
        verb.__enter__()
        contextvars.copy_context().run(verb.__exit__, None, None, None)

    contextvars.copy_context().run(elsewhere)
    assert [span.name for span in telemetry.spans] == ["chat gpt-5.2"]
    assert caplog.records == []


@pytest.mark.parametrize("generation", settings.GENERATIONS)
def test_the_duration_of_a_call_has_its_span_as_exemplar(telemetry: Telemetry, generation: str) -> None:
    """One exemplar a call is enough: the counts of its tokens, which stand on the same span, have none."""
    settings.use(Settings(semconv=generation))
    traced_llm_call(provider="openai")(completion)()
    data = telemetry.metrics_data()
    assert data is not None
    points = {
        metric.name: point
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        if metric.name.startswith("gen_ai.")
    }
    (duration,) = (name for name in points if name.endswith("duration"))
    (exemplar,) = points.pop(duration).exemplars
    (span,) = telemetry._spans.get_finished_spans()
    assert (exemplar.trace_id, exemplar.span_id) == (span.context.trace_id, span.context.span_id)
    assert points
    assert not any(point.exemplars for point in points.values())


def test_calls_of_very_many_models_are_all_measured(telemetry: Telemetry) -> None:
    """Sets of attributes are kept for 1,000 kinds of calls, and made anew for any other."""

    @traced_llm_call(provider="openai")
    def ask(model: str) -> object:
        return completion(model=model)

    for number in range(1100):
        ask(f"gpt-5.{number}")
    ask("gpt-5.0")
    found = of_calls(telemetry)["gen_ai.client.operation.duration"]
    counts = {attributes["gen_ai.request.model"]: value[0] for attributes, value in found}
    assert (counts["gpt-5.0"], len(counts)) == (2, 1100)


def test_the_context_of_a_call_is_what_opentelemetry_would_make(telemetry: Telemetry) -> None:
    """The span is current for everyone, and whatever else was in the context stays there."""
    outer = context.attach(context.set_value("mine", "kept"))
    try:
        with traced_llm_call() as call:
            assert trace.get_current_span() is call.span
            assert context.get_value("mine") == "kept"
            assert trace.set_span_in_context(call.span, context.get_current()) == context.get_current()
    finally:
        context.detach(outer)
