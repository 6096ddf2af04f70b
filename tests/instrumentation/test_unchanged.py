"""A program that nobody changed: what is told of it is what the server's ledger says, whoever else instruments it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import wire

from scripted import MILLISECONDS, Fault, ScriptedProvider
from spanguard.instrumentation.openai import OpenAIInstrumentor
from spanguard.instrumentation.pybreaker import PyBreakerInstrumentor
from spanguard.instrumentation.tenacity import TenacityInstrumentor
from support import Span, Telemetry

for _each in ("httpx", "openai", "pybreaker", "tenacity"):
    pytest.importorskip(_each)
pytestmark = pytest.mark.foreign

import unchanged_program  # noqa: E402 - needs all of them


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    """A provider on this machine."""
    running = ScriptedProvider(wire.OPENAI, wire.OPENAI_EVENTS)
    yield running
    running.close()


@pytest.fixture(params=["alone", "openai's", "openai's and httpx'"])
def others(request: pytest.FixtureRequest, instrument: Any) -> Iterator[str]:
    """The official instrumentations, absent and present; those of openai before ours, and after."""
    present = str(request.param)
    made: list[Any] = []
    if present != "alone":
        official = pytest.importorskip("opentelemetry.instrumentation.genai.openai")
        made.append(official.OpenAIInstrumentor())
    if "httpx" in present:
        http = pytest.importorskip("opentelemetry.instrumentation.httpx")
        made += [http.HTTPXClientInstrumentor(), http.HTTPX2ClientInstrumentor()]
    for each in made[:1]:
        each.instrument()
    for ours in (TenacityInstrumentor, PyBreakerInstrumentor, OpenAIInstrumentor):
        instrument(ours)
    for each in made[1:]:
        each.instrument()
    yield present
    for each in made:
        each.uninstrument()


@pytest.fixture(params=["whole", "stream"])
def stream(request: pytest.FixtureRequest) -> bool:
    """Both ways of answering."""
    return bool(request.param == "stream")


def run(provider: ScriptedProvider, kind: str, *, stream: bool) -> unchanged_program.Program:
    """Run the program once."""
    program = unchanged_program.Program(provider.url)
    if kind == "sync":
        assert program.ask(stream=stream).startswith("the secret")
    else:
        assert asyncio.run(program.aask(stream=stream)).startswith("the secret")
    return program


def calls(telemetry: Telemetry) -> list[Span]:
    """Return the spans of calls of the model, whoever made them."""
    return [span for span in telemetry.spans if span.attributes.get("gen_ai.operation.name") == "chat"]


def sent(telemetry: Telemetry) -> Counter[Any]:
    """Return how often each status stands on a span of HTTP."""
    names = "http.response.status_code", "http.status_code"  # the second is what httpx' instrumentation calls it by default
    sent = [span.attributes for span in telemetry.spans if span.name == "POST"]
    return Counter(each.get(names[0], each.get(names[1])) for each in sent)


def attempts(telemetry: Telemetry, library: str) -> list[Span]:
    """Return the attempts of one library."""
    return [
        span
        for span in telemetry.spans
        if span.name == "attempt" and span.attributes.get("resilience.library.name") == library
    ]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_telemetry_is_what_the_ledger_says(
    telemetry: Telemetry, provider: ScriptedProvider, others: str, kind: str, stream: bool
) -> None:
    """Two tries of the program, each of which the SDK sends twice: attempts, waits, statuses and usage of both layers."""
    provider.script = [Fault(429), Fault(503), Fault(500)]
    run(provider, kind, stream=stream)
    assert provider.statuses == [429, 503, 500, 200]
    assert sent(telemetry) == Counter(provider.statuses)
    assert len(calls(telemetry)) == 2  # one for each call that the program made, with whatever the SDK retried inside
    by_sdk, by_program = attempts(telemetry, "openai"), attempts(telemetry, "tenacity")
    assert [span.attributes.get("error.type") for span in by_sdk] == ["429", "503", "500", None]
    assert [span.attributes.get("error.type") for span in by_program] == ["openai.InternalServerError", None]
    outcomes = [span["resilience.operation.outcome"] for span in telemetry.spans if span.name == "retry chat.completions"]
    assert outcomes == ["exhausted", "recovered"]
    metrics: Any = telemetry.metrics()
    delays = {
        (by["resilience.library.name"], by["resilience.retry.delay.source"]): (count, round(total, 6))
        for by, (count, total) in metrics["resilience.retry.delay"]
    }
    assert delays == {
        ("openai", "retry_after"): (2, 2 * MILLISECONDS / 1000),
        ("tenacity", "backoff"): (1, 0.01),
    }


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_usage_is_counted_once(
    telemetry: Telemetry, provider: ScriptedProvider, others: str, kind: str, stream: bool
) -> None:
    """By us and by the conventions' metric, whoever makes it."""
    provider.script = [Fault(429)]
    run(provider, kind, stream=stream)
    metrics: Any = telemetry.metrics()
    used = {by["resilience.token.type"]: value for by, value in metrics["resilience.token.usage"]}
    assert used == {"input": 20, "output": 6}
    assert sorted(total for _, (_, total) in metrics["gen_ai.client.token.usage"]) == [6, 20]
    (call,) = calls(telemetry)
    assert (call["gen_ai.usage.input_tokens"], call["gen_ai.usage.output_tokens"]) == (20, 6)


def test_the_breaker_opens_as_the_ledger_says(telemetry: Telemetry, provider: ScriptedProvider, others: str) -> None:
    """Two calls that failed, each sent twice; the third is rejected, and the server never hears of it."""
    provider.script = [Fault(500)] * 4
    program = unchanged_program.Program(provider.url)
    with pytest.raises(unchanged_program.pybreaker.CircuitBreakerError):
        program.ask(stream=False)
    with pytest.raises(unchanged_program.pybreaker.CircuitBreakerError):
        program.ask(stream=False)
    assert provider.statuses == [500] * 4
    metrics: Any = telemetry.metrics()
    counted = {by["resilience.circuit_breaker.result"]: value for by, value in metrics["resilience.circuit_breaker.calls"]}
    assert counted == {"failure": 2, "rejected": 1}
    ((by, count),) = metrics["resilience.circuit_breaker.transitions"]
    assert (by["resilience.circuit_breaker.from"], by["resilience.circuit_breaker.to"], count) == ("closed", "open", 1)
    assert len(calls(telemetry)) == 2


def test_what_is_not_a_call_is_left_alone(telemetry: Telemetry, provider: ScriptedProvider, others: str) -> None:
    """A request of the program's own is no call, and nobody's attempt."""
    assert unchanged_program.Program(provider.url).look_up() == 200
    assert calls(telemetry) == []
    assert len(telemetry.spans) == (1 if "httpx" in others else 0)
