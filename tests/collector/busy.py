"""A program in which everything happens that spanguard tells of; run as a program of its own, for one round or until told."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from opentelemetry import metrics, trace

import spanguard
from spanguard import (
    association,
    traced_breaker,
    traced_cache,
    traced_failover,
    traced_llm_call,
    traced_rate_limit,
    traced_repair,
    traced_retry,
    traced_validation,
)

breaker = traced_breaker("model_api", reset_timeout=1)
limiter = traced_rate_limit("model_api", max_delay=1)
cache = traced_cache("answers", kind="exact")
safe = traced_validation("no_shell", stage="input")


@traced_llm_call(provider="openai", model="gpt-5.2")
def ask(prompt: str, *, well: bool = True) -> dict[str, object]:
    """Ask a model, which times out unless all is well."""
    if not well:
        raise TimeoutError(prompt)
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cost": 0.002}
    return {"model": "gpt-5.2", "usage": usage, "choices": [{"finish_reason": "stop", "message": {"content": prompt}}]}


@traced_llm_call(provider="anthropic", model="claude-opus-5")
def stream(prompt: str) -> Iterator[str]:
    """Ask a model for a stream."""
    yield prompt
    yield prompt


def repaired(number: int) -> None:
    """Ask until the answer is valid: at attempt ``number + 1``, if that is allowed."""
    with traced_repair("invoice") as repair:
        for attempt in repair.attempts(2 if number == 3 else 4):
            with attempt:
                ask("the secret prompt")
                attempt.validated("schema", passed=attempt.number > number, rule="total_matches")


def retried(failing: int) -> None:
    """Ask until there is an answer, after so many failures."""
    with suppress(TimeoutError), traced_retry("ask_model") as retry:
        for attempt in retry.attempts(3):
            try:
                with attempt:
                    ask("the secret prompt", well=attempt.number > failing)
                    return
            except TimeoutError:
                if attempt.number == 3:
                    raise
                retry.scheduled(0.01, source="retry_after" if attempt.number == 2 else "backoff")


def downloaded(failing: int) -> None:
    """Ask one candidate after the other."""
    with traced_failover("download", artifact="report 4711") as failover:
        for attempt in failover.candidates("primary", "backup"):
            with suppress(ConnectionError), attempt:
                if attempt.number <= failing:
                    raise ConnectionError("the secret prompt")
                return


def passed_gates(number: int) -> None:
    """Pass a breaker, a limiter, a cache and a validator, or not."""
    with suppress(OSError), breaker as call:
        if number % 2:
            call.rejected()
        else:
            raise OSError("the secret prompt")
    breaker.on_transition("closed", "open", failures=3)
    breaker.on_transition("open", "half_open")
    breaker.on_transition("half_open", "open" if number == 3 else "closed")
    limiter.on_wait(0.02)
    limiter.on_wait(0.5, result="rejected")
    cache.on_lookup("hit" if number % 2 else "miss", duration=0.001)
    safe.on_verdict(passed=bool(number % 2), action="blocked", risk_level="high", rule="rm")


def foreign() -> None:
    """Make what other instrumentations make: a span with content, and an HTTP client's metric."""
    with trace.get_tracer("opentelemetry.instrumentation.httpx").start_as_current_span("GET") as span:
        span.set_attribute("gen_ai.input.messages", "the secret prompt")
    for status, seconds in ((200, 0.1), (429, 0.2)):
        by = {"http.request.method": "POST", "http.response.status_code": status}
        requests.record(seconds, by)


def one_round() -> None:
    """Do everything once, well and badly."""
    with association(user="a user", role="planner"):
        for number in range(4):
            repaired(number)
            retried(number)
            downloaded(number)
            passed_gates(number)
        with traced_repair("report") as repair, repair.attempt():
            retried(1)  # inside another span, where the second attempt links to the first
        list(stream("the secret prompt"))
        foreign()


if __name__ == "__main__":
    pipeline = spanguard.configure()
    requests = metrics.get_meter("opentelemetry.instrumentation.httpx").create_histogram("http.client.request.duration", "s")
    one_round()
    until = os.environ.get("BUSY_UNTIL")
    while until and not Path(until).exists():
        one_round()
        time.sleep(0.1)
