"""One table of names: what is emitted is declared there, with its type and values, and what is declared is emitted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes

from spanguard import (
    association,
    semconv,
    settings,
    traced_breaker,
    traced_cache,
    traced_failover,
    traced_llm_call,
    traced_rate_limit,
    traced_repair,
    traced_retry,
    traced_validation,
)
from spanguard._core.operation import Operation
from spanguard.instrumentation import _misuse
from spanguard.privacy import redactions
from spanguard.privacy.attributes import clean_attributes
from spanguard.settings import Settings
from spanguard.store.losses import losses, lost
from support import Clock, Telemetry, completion

TYPES: dict[str, type | tuple[type, ...]] = {"string": str, "int": int, "double": float, "boolean": bool, "string[]": tuple}
OF_THE_RESOURCE = {semconv.SESSION, semconv.SCHEMA, semconv.PRIVACY_MODE}


@traced_llm_call(provider="openai")
def ask(model: str = "gpt-5.2", **request: Any) -> Any:
    """A call with everything a response can tell."""
    modal = {"text_tokens": 1, "image_tokens": 1, "audio_tokens": 1}
    details = {"cached_tokens": 4, "cache_write_tokens": 3, "cached_tokens_details": modal, **modal}
    usage = {"prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": details, "cost": 0.25}
    return {**completion(), "usage": {**usage, "completion_tokens_details": {"reasoning_tokens": 2, **modal}}}


def everything() -> None:
    """Use each verb in each of its ways."""

    @traced_llm_call(model="gpt-5.2")
    def stream() -> Iterator[int]:
        yield from range(3)

    numbers = {"temperature": 0.1, "top_p": 0.9, "top_k": 3, "max_tokens": 9, "seed": 1, "n": 2, "stream": True}
    identities = dict.fromkeys(("session", "user", "space", "tenant", "project", "conversation"), "x")
    work = trace.get_tracer("test").start_as_current_span("work")
    with work, association(run="nightly", variant="b", role="planner", **identities):  # type: ignore[arg-type]
        with traced_repair("invoice") as repair:
            for attempt in repair.attempts(2):
                with attempt:
                    ask(**numbers, frequency_penalty=0.5, presence_penalty=0.5)
                    attempt.validated("schema", passed=attempt.number == 2, rule="total", action="retried")
                    attempt.validated("injection", passed=False, stage="input", action="warned")
        with contextlib.suppress(TimeoutError), traced_retry("quote") as retry:
            for attempt in retry.attempts(1):
                with attempt:
                    list(stream())
                    next(stream())
                    with traced_llm_call() as call:
                        call.record_usage(input_tokens=1)
                    raise TimeoutError
        with traced_retry("quote") as retry:
            for attempt in retry.attempts(2):
                with attempt:
                    attempt.http(status=503, method="GET", host="localhost", url="https://x", retry_after=1.0, stale=True)
                    attempt.http(from_cache=True, revalidated=True, breaker_result="success", limiter_delay=0.1)
                    attempt.fail(TimeoutError())
                retry.scheduled(1.0)
                retry.refused()
            retry.generated(input_length=1, output_length=2, dependencies=["json"])
            retry.on_attempt()
        gates()
    of_a_library()


def of_a_library() -> None:
    """Use what only the instrumentors of libraries use."""
    operation = Operation("retry", "quote", library="tenacity")
    operation.start()
    operation.finish()
    _misuse.forget()
    _misuse.detected("retry_on_generator", policy="retry", name="quote", library="tenacity")


def gates() -> None:
    """Use what a call has to pass, and candidates."""
    with traced_failover("chain", work="x", artifact="y") as failover:
        with failover.candidate("first", tier=1, source="eu") as attempt:
            attempt.fail(TimeoutError())
        with failover.candidate("second", provider="openai", model="gpt-5.2"):
            pass
    breaker = traced_breaker("provider", scope="openai", reset_timeout=30)
    breaker.on_transition("closed", "open", failures=5)
    with breaker as call:
        call.rejected()
    limiter = traced_rate_limit("provider", max_delay=5)
    limiter.on_wait(0.5)
    with limiter as wait:
        wait.rejected()
    with traced_cache("answers", kind="exact") as lookup:
        lookup.hit()
    with traced_validation("shell", stage="tool") as check:
        check.failed(rule="rm", action="blocked", risk_level="high", pattern_category="destructive_rm")


def emitted(telemetry: Telemetry) -> Iterator[tuple[str, Any]]:
    """Give every attribute of every signal."""
    for span in telemetry.spans:
        yield from span.attributes.items()
        for _, attributes in span.events:
            yield from attributes.items()
    for points in telemetry.metrics().values():
        for attributes, _ in points:
            yield from attributes.items()


@pytest.fixture(params=list(semconv.GENERATIONS))
def generation(request: pytest.FixtureRequest, telemetry: Telemetry) -> semconv.Generation:
    """Each generation of the GenAI conventions."""
    settings.use(Settings(semconv=request.param, token_histograms=True))
    return semconv.GENERATIONS[request.param]


def test_every_attribute_is_declared_with_its_type_and_values(telemetry: Telemetry, generation: semconv.Generation) -> None:
    """A key outside the table, a value of another type, or one outside its closed list would be a defect."""
    everything()
    for key, value in emitted(telemetry):
        declared = semconv.ATTRIBUTES[key]
        kind = generation.top_k if key == semconv.GEN_AI_TOP_K else TYPES[declared.type]
        assert isinstance(value, kind), (key, value)
        assert not declared.values or value in declared.values, (key, value)


def test_nothing_that_is_declared_is_unused(telemetry: Telemetry) -> None:
    """Over both generations, every attribute, event and metric of the table occurs."""
    keys, events, names = set(OF_THE_RESOURCE), set(), set()
    expected = {metric.name for metric in semconv.METRICS}
    for name, generation in semconv.GENERATIONS.items():
        settings.use(Settings(semconv=name, started=True, token_histograms=True))
        telemetry.clear()
        everything()
        events |= {event for span in telemetry.spans for event, _ in span.events}
        events |= {event for event, *_ in telemetry.logs}
        keys |= {key for *_, attributes in telemetry.logs for key in attributes}
        for span in telemetry.spans:
            keys |= span.attributes.keys() | {key for _, attributes in span.events for key in attributes}
        for metric, points in telemetry.metrics().items():
            names.add(metric)
            keys |= {key for attributes, _ in points for key in attributes}
        tokens = {each.metric.name for each in generation.tokens}
        expected |= tokens | {generation.duration.name, generation.first_chunk.name, generation.per_chunk.name}
    keys |= clean_attributes({"gen_ai.input.messages": "hello"}, "span").keys()
    lost("traces", "queue_full", 1)
    keys |= {key for _, attributes in (*redactions.counts(), *losses()) for key in attributes}
    expected |= names & {metric.name for metric in semconv.KEEPER_METRICS}  # collected once a guard has begun in the process
    assert keys == set(semconv.ATTRIBUTES)
    assert events == set(semconv.EVENTS)
    assert names == expected


def test_metrics_carry_only_the_attributes_they_declare(telemetry: Telemetry, generation: semconv.Generation) -> None:
    """A label that is not declared would multiply series behind everybody's back."""
    everything()
    table = [*semconv.METRICS, *semconv.KEEPER_METRICS, generation.duration, generation.first_chunk, generation.per_chunk]
    declared = {metric.name: set(metric.attributes) for metric in [*table, *(each.metric for each in generation.tokens)]}
    for name, points in telemetry.metrics().items():
        for attributes, _ in points:
            assert attributes.keys() <= declared[name], name


def test_events_carry_only_the_attributes_they_declare(telemetry: Telemetry, clock: Clock) -> None:
    """The same for events."""
    everything()
    for span in telemetry.spans:
        for name, attributes in span.events:
            assert attributes.keys() <= set(semconv.EVENTS[name].attributes), name


def test_gen_ai_names_are_those_of_the_conventions() -> None:
    """Whatever the installed conventions know is spelt as they spell it; what is newer than they are is listed here."""
    known = {
        value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_") and isinstance(value, str)
    }
    ours = {name for name in semconv.ATTRIBUTES if name.startswith("gen_ai.")}
    newer = {
        "gen_ai.request.stream",
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.token.modality",
        *semconv.GEN_AI_MODAL.values(),
    }
    assert ours - known <= newer


def test_boundaries_are_those_of_the_design() -> None:
    """Durations double from 10 ms to 5 minutes, attempts are counted singly at first, waits begin at 5 ms."""
    assert (semconv.DURATION_BOUNDARIES[0], semconv.DURATION_BOUNDARIES[-1]) == (0.01, 327.68)
    assert (semconv.GEN_AI_DURATION_BOUNDARIES[-1], semconv.GEN_AI_TOKEN_BOUNDARIES[-1]) == (81.92, 67108864)
    assert semconv.ATTEMPT_BOUNDARIES == (1, 2, 3, 4, 5, 6, 8, 10, 15, 20)
    assert (semconv.WAIT_BOUNDARIES[0], semconv.WAIT_BOUNDARIES[-1]) == (0.005, 120)
