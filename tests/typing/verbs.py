"""What type checkers see of context managers and of `configure`. Read by mypy and pyright, never run."""
# pyright: strict

from __future__ import annotations

from collections.abc import Iterator
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
from spanguard._core.association import Association
from spanguard._core.attempt import Attempt
from spanguard._core.breaker import BreakerCall
from spanguard._core.call import Call
from spanguard._core.failover import Failover
from spanguard._core.limiter import Wait
from spanguard._core.lookup import Lookup
from spanguard._core.operation import Operation
from spanguard._core.validation import Validation
from spanguard.pipeline import Pipeline


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
    with traced_failover("summarise", work="w-1") as failover:
        assert_type(failover, Failover)
        for attempt in failover.candidates("primary", "backup"):
            assert_type(attempt, Attempt)
        with failover.candidate("primary") as one:
            assert_type(one, Attempt)
    assert_type(failover.on_failover("primary", "backup", ValueError()), None)


def gates() -> None:
    breaker = traced_breaker("openai", state="closed", rejections=(ConnectionRefusedError,))
    with breaker as call:
        assert_type(call, BreakerCall)
    assert_type(breaker.on_transition("closed", "open", failures=5), None)
    with traced_rate_limit("openai", max_delay=1.5) as wait:
        assert_type(wait, Wait)
    with traced_cache("answers", kind="exact") as lookup:
        assert_type(lookup, Lookup)
    with traced_validation("schema", stage="input") as check:
        assert_type(check, Validation)


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
