"""What type checkers see of context managers and of `configure`. Read by mypy and pyright, never run."""
# pyright: strict

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from uuid import UUID

from typing_extensions import assert_type

import spanguard
from spanguard import (
    association,
    configure,
    current_call,
    current_operation,
    traced_breaker,
    traced_cache,
    traced_failover,
    traced_llm_call,
    traced_rate_limit,
    traced_repair,
    traced_retry,
    traced_validation,
)
from spanguard.types import (
    Associated,
    Association,
    Attempt,
    Breaker,
    BreakerCall,
    Cache,
    Call,
    Failover,
    FailoverVerb,
    Limiter,
    LLMCall,
    Lookup,
    Operation,
    Pipeline,
    Repeated,
    Validation,
    Validator,
    Wait,
)


def call(response: object) -> None:
    with traced_llm_call(provider="openai", model="gpt-5.2") as made:
        assert_type(made, Call)
        assert_type(made.record_usage(input_tokens=1, output_tokens=2, cost=0.5), None)
        assert_type(made.record_response(response), None)
        assert_type(made.record_finish_reason("stop", "length"), None)
    assert_type(current_call(), Call)


def operations() -> None:
    with traced_repair("invoice") as repair:
        assert_type(repair, Operation)
        assert_type(repair.attempts(3), Iterator[Attempt])
        for attempt in repair.attempts():
            assert_type(attempt, Attempt)
            with attempt as same:
                assert_type(same, Attempt)
                same.validated("schema", passed=True, rule="total_matches", stage="tool", action="warned")
            assert_type((attempt.number, attempt.outcome), tuple[int, str])
        repair.degraded()
    with traced_retry("quote") as retry:
        assert_type(retry, Operation)
        with retry.attempt() as one:
            assert_type(one, Attempt)
            one.fail(ValueError())
        assert_type(retry.current_attempt, Attempt)
        retry.scheduled(0.5, source="retry_after")
        retry.refused()
    assert_type(current_operation(), Operation)


def failovers() -> None:
    with traced_failover("summarise", work="w-1", artifact="a-1") as failover:
        assert_type(failover, Failover)
        for attempt in failover.candidates("primary", "backup"):
            assert_type(attempt, Attempt)
            assert_type(attempt.candidate, str)
        with failover.candidate(
            "primary", provider="openai", model="gpt-5.2", tier=1, source="eu", host="api.openai.com"
        ) as one:
            assert_type(one, Attempt)
            assert_type(one.http(status=503, retry_after=1.5), None)
        assert_type(failover.degraded(), None)
    assert_type(failover.on_failover("primary", "backup", ValueError()), None)


def breakers() -> None:
    breaker = traced_breaker("openai", state="closed", scope="host", reset_timeout=30, rejections=(ConnectionRefusedError,))
    assert_type(breaker, Breaker)
    with breaker as call:
        assert_type(call, BreakerCall)
        assert_type(call.rejected(), None)
        assert_type(call.ignored(), None)
    assert_type(breaker.on_transition("closed", "open", failures=5, reset_timeout=30.0), None)


def limiters() -> None:
    limiter = traced_rate_limit("openai", max_delay=1.5)
    assert_type(limiter, Limiter)
    with limiter as wait:
        assert_type(wait, Wait)
        assert_type(wait.rejected(), None)
        assert_type(wait.skipped(), None)
        assert_type(wait.delayed(0.5), None)
    assert_type(limiter.on_wait(0.5, result="delayed"), None)


def caches() -> None:
    cache = traced_cache("answers", kind="exact")
    assert_type(cache, Cache)
    with cache as lookup:
        assert_type(lookup, Lookup)
        for say in (lookup.hit, lookup.miss, lookup.stale, lookup.bypass):
            assert_type(say(), None)
    assert_type(cache.on_lookup("hit", duration=0.001), None)


def validators() -> None:
    validator = traced_validation("schema", stage="input")
    assert_type(validator, Validator)
    with validator as check:
        assert_type(check, Validation)
        assert_type(check.passed(rule="total", action="allowed"), None)
        assert_type(check.failed(rule="rm", action="blocked", risk_level="high", pattern_category="destructive_rm"), None)
    assert_type(validator.on_verdict(False, rule="total"), None)


async def gates_around_awaiting(answer: Awaitable[str]) -> str | None:
    # A plain `with`, as telemetry never waits; none of them may swallow, or this would have to return None in the end.
    with traced_breaker("openai"), traced_rate_limit("openai"), traced_cache("answers") as lookup:
        lookup.miss()
        with traced_validation("schema"), traced_failover("chain"):
            return await answer


def streams_inside(chunks: Iterator[str]) -> Iterator[str]:
    with traced_failover("chain") as chain, chain.candidate("first"), traced_breaker("openai"):
        yield from chunks


class Client:
    """Keeps what the verbs return, and hands on what they give."""

    def __init__(self, breaker: Breaker, on_wait: Callable[[float], None]) -> None:
        self.breaker = breaker
        self.on_wait = on_wait

    def ask(self, attempt: Attempt, call: Call, operation: Operation) -> Repeated:
        attempt.validated("schema", passed=operation.current_attempt is attempt)
        call.record_finish_reason("stop")
        return traced_repair("again")


def kept() -> None:
    client = Client(traced_breaker("openai"), traced_rate_limit("openai").on_wait)
    with client.breaker as call:
        assert_type(call, BreakerCall)
    assert_type(traced_llm_call(model="gpt-5.2"), LLMCall)
    assert_type(traced_retry("quote", limit=3), Repeated)
    assert_type(traced_failover("chain"), FailoverVerb)
    assert_type(association(user="bob"), Associated)


def returns_from_within() -> str:
    # A `with` that could swallow exceptions would make this a function that may return None.
    with traced_repair("invoice") as repair, association(user=UUID(int=0), session=7):
        return str(repair)


def whose() -> None:
    with association(run="nightly", user="bob", tenant=None) as scope:
        assert_type(scope, Association)


def pipeline() -> None:
    assert_type(configure(), Pipeline)
    running = spanguard.configure(service_name="invoices", store=Path("x.db"), events="log", semconv="1.37", debug=False)
    assert_type(running, Pipeline)
    assert_type(running.destinations["traces"], str)
    assert_type(running.flush(timeout=1), bool)
    assert_type(running.shutdown(), bool)
    assert_type(spanguard.__version__, str)
