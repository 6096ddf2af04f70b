"""A program that nobody changed: what is told of it is what the server's ledger says, whoever else instruments it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import wire
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripted import MILLISECONDS, Fault, ScriptedProvider
from spanguard.instrumentation.openai import OpenAIInstrumentor
from spanguard.instrumentation.pybreaker import PyBreakerInstrumentor
from spanguard.instrumentation.tenacity import TenacityInstrumentor
from support import Span, Telemetry

for _each in ("httpx", "openai", "pybreaker", "tenacity"):
    pytest.importorskip(_each)
pytestmark = pytest.mark.foreign

import openai  # noqa: E402

import unchanged_program  # noqa: E402 - needs all of them

ANSWERS = wire.OPENAI, wire.OPENAI_EVENTS


OFFICIAL = {
    "genai-openai": ("opentelemetry.instrumentation.genai.openai", "OpenAIInstrumentor"),
    "openai-v2": ("opentelemetry.instrumentation.openai_v2", "OpenAIInstrumentor"),
    "httpx": ("opentelemetry.instrumentation.httpx", "HTTPXClientInstrumentor"),
    "httpx2": ("opentelemetry.instrumentation.httpx", "HTTPX2ClientInstrumentor"),
}
OURS = (TenacityInstrumentor, PyBreakerInstrumentor, OpenAIInstrumentor)


@pytest.fixture(
    params=["", "genai-openai", "openai-v2", "httpx httpx2", "genai-openai httpx httpx2"], ids=lambda names: names or "alone"
)
def others(request: pytest.FixtureRequest, instrument: Any) -> Iterator[str]:
    """The official instrumentations, absent and present; the first of them before ours, the rest after."""
    present = str(request.param)
    made = [getattr(pytest.importorskip(OFFICIAL[each][0]), OFFICIAL[each][1])() for each in present.split()]
    for each in made[:1]:
        each.instrument()
    for ours in OURS:
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
    """Return how often each status stands on a span of HTTP, or of a call that took one request."""
    names = "http.response.status_code", "http.status_code"  # the second is what httpx' instrumentation calls it by default
    told = [span.attributes for span in telemetry.spans if span.name == "POST"]
    told += [span.attributes for span in calls(telemetry) if names[0] in span.attributes]
    return Counter(each.get(names[0], each.get(names[1])) for each in told)


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
    if not (stream and others == "openai-v2"):  # which measures nothing of streams
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


# ------------------------------------------------------------------------------------------------------- random scripts

RETRIED = (408, 409, 429, 500, 502, 503, 529, 0)  # by the SDK; 0 is a connection that is closed without an answer
FAULTS = st.sampled_from([429, 429, 500, 503, 529, 409, 400, 401, 0])


class Expected:
    """What must be told of some runs of the program, worked out from the server's ledger alone."""

    def __init__(self, statuses: list[int], runs: int, *, breaker: bool) -> None:
        self.told: Counter[tuple[Any, ...]] = Counter()
        self._statuses, self._breaker = list(statuses), breaker
        self._failures = 0
        for _ in range(runs):
            self._run()
        assert self._statuses == []

    def _run(self) -> None:
        for attempt in (1, 2):
            if self._breaker and self._failures == 2:
                self._count("breaker", "rejected")
                self._attempted("tenacity", failed=True)
                return self._ended("tenacity", "failed", attempt)
            status = self._call()
            self._attempted("tenacity", failed=status != 200)
            if self._breaker:
                self._count("breaker", "success" if status == 200 else "failure")
                self._failures = 0 if status == 200 else self._failures + 1
                if self._failures == 2:
                    self._count("transition", "closed", "open")
            if status == 200:
                return self._ended("tenacity", "success" if attempt == 1 else "recovered", attempt)
            retried = status == 429 or status >= 500
            if not retried or (self._breaker and self._failures == 2):
                return self._ended("tenacity", "failed", attempt)
            if attempt == 1:
                self._count("wait", "tenacity", "backoff")
        return self._ended("tenacity", "exhausted", 2)

    def _call(self) -> int:
        """Count one call of the SDK, which sends twice at most, and return how it ended."""
        self._count("call")
        for attempt in (1, 2):
            status = self._statuses.pop(0)
            self._attempted("openai", failed=status != 200)
            if status == 200:
                self._ended("openai", "success" if attempt == 1 else "recovered", attempt)
                break
            if status not in RETRIED:
                self._ended("openai", "failed", attempt)
                break
            if attempt == 1:
                self._count("wait", "openai", "retry_after" if status else "backoff")
        else:
            self._ended("openai", "exhausted", 2)
        if status == 200:
            self.told.update({("tokens", "input", "useful"): 20, ("tokens", "output", "useful"): 6})
        return status

    def _count(self, *fact: str) -> None:
        self.told[fact] += 1

    def _attempted(self, library: str, *, failed: bool) -> None:
        self._count("attempt", library, "error" if failed else "success")

    def _ended(self, library: str, outcome: str, attempts: int) -> None:
        self._count("operation", library, outcome)
        self.told["attempts", library] += attempts


def told(telemetry: Telemetry) -> Counter[tuple[Any, ...]]:
    """Return the same facts as the metrics tell them, and how many spans of calls there are."""
    found: Counter[tuple[Any, ...]] = Counter()
    metrics: Any = telemetry.metrics()
    library, breaker = "resilience.library.name", "resilience.circuit_breaker"
    for by, (count, total) in metrics.get("resilience.operation.attempts", []):
        found["operation", by[library], by["resilience.operation.outcome"]] += count
        found["attempts", by[library]] += int(total)
    for by, (count, _) in metrics.get("resilience.attempt.duration", []):
        found["attempt", by[library], by["resilience.attempt.outcome"]] += count
    for by, (count, _) in metrics.get("resilience.retry.delay", []):
        found["wait", by[library], by["resilience.retry.delay.source"]] += count
    for by, count in metrics.get("resilience.token.usage", []):
        found["tokens", by["resilience.token.type"], by["resilience.token.disposition"]] += count
    for by, count in metrics.get(f"{breaker}.calls", []):
        found["breaker", by[f"{breaker}.result"]] += count
    for by, count in metrics.get(f"{breaker}.transitions", []):
        found["transition", by[f"{breaker}.from"], by[f"{breaker}.to"]] += count
    found["call",] = len(calls(telemetry))
    return +found


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("others", ["", "genai-openai httpx httpx2"], indirect=True, ids=["alone", "with official ones"])
def test_whatever_the_server_does_it_is_told_exactly(
    telemetry: Telemetry, provider: ScriptedProvider, others: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attempts, waits, statuses, usage, calls and transitions of both layers are what the ledger says."""
    monkeypatch.setattr(openai._base_client, "INITIAL_RETRY_DELAY", 0.001)

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(script=st.lists(FAULTS, max_size=8), runs=st.integers(1, 3), stream=st.booleans())
    def check(script: list[int], runs: int, stream: bool) -> None:
        telemetry.clear()
        provider.ledger.clear()
        provider.script = [Fault(status, {"retry-after-ms": "1"}) for status in script]
        program = unchanged_program.Program(provider.url)
        for _ in range(runs):
            with contextlib.suppress(openai.OpenAIError, unchanged_program.pybreaker.CircuitBreakerError):
                if kind == "sync":
                    program.ask(stream=stream)
                else:
                    asyncio.run(program.aask(stream=stream))
        sent_statuses = Counter(status or None for status in provider.statuses)
        expected = Expected(provider.statuses, runs, breaker=kind == "sync")
        if "httpx" in others:
            assert sent(telemetry) == sent_statuses
        assert told(telemetry) == expected.told

    check()
