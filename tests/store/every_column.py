"""A program that fills every column of every view: ``python every_column.py STORE``."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from spanguard import (
    association,
    configure,
    traced_breaker,
    traced_cache,
    traced_failover,
    traced_llm_call,
    traced_rate_limit,
    traced_repair,
    traced_retry,
    traced_validation,
)

USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 2},
    "cost": 0.25,
}
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-5.2-2026-01-01",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
    "usage": USAGE,
}


@traced_llm_call(provider="openai", model="gpt-5.2")
def ask() -> Any:
    """Ask, after a look into the cache."""
    with traced_cache("answers", kind="exact") as lookup:
        lookup.miss()
    return ANSWER


@traced_llm_call(provider="openai", model="gpt-5.2")
def stream() -> Iterator[int]:
    """Answer in chunks."""
    yield from range(3)


@traced_llm_call(provider="openai", model="gpt-5.2")
def late() -> None:
    """Fail."""
    raise TimeoutError


def calls() -> None:
    """Repair, with waste; retry in vain; assemble context."""
    with traced_llm_call(operation="retrieval", provider="embedded"):
        pass
    with traced_repair("report") as repair:
        for attempt in repair.attempts(3):
            with attempt:
                ask()
                passed = attempt.number == 2
                attempt.validated("schema", passed=passed, rule="total_matches", stage="output", action="retried")
        repair.generated(input_length=100, output_length=20, dependencies=["json", "numpy"])
    with contextlib.suppress(TimeoutError), traced_repair("hopeless") as repair:
        for attempt in repair.attempts(1):
            with attempt:
                late()
    list(stream())
    with traced_validation("shell", stage="tool") as check:
        check.failed(rule="rm", action="blocked", risk_level="high", pattern_category="destructive_rm")


def gates() -> None:
    """Fail over, trip, wait, and send HTTP by hand."""
    with traced_failover("mirrors", work="w-1", artifact="a-1") as failover:
        with failover.candidate(
            "first", tier=1, source="eu", host="localhost", provider="openai", model="gpt-5.2"
        ) as attempt:
            attempt.http(status=503, method="GET", host="localhost", url="https://x/y", retry_after=2.0)
            attempt.fail(TimeoutError())
        with failover.candidate("second", tier=2, source="us"):
            pass
    breaker = traced_breaker("provider", scope="openai", reset_timeout=30)
    breaker.on_transition("closed", "open", failures=5)
    with breaker as call:
        call.rejected()
    with traced_breaker("other"):
        pass
    with traced_rate_limit("provider", max_delay=5) as wait:
        wait.delayed(0.5)
    with contextlib.suppress(TimeoutError), traced_rate_limit("provider", max_delay=5) as wait:
        wait.rejected()
    with traced_retry("fetch") as retry:
        for attempt in retry.attempts(2):
            with attempt:
                attempt.http(
                    status=200 if attempt.number == 2 else 503,
                    method="POST",
                    host="localhost",
                    url="https://x/y",
                    from_cache=True,
                    revalidated=True,
                    stale=False,
                    retry_after=1.0,
                    limiter_delay=0.25,
                    breaker_state="closed",
                    breaker_result="success",
                )
                if attempt.number == 1:
                    attempt.fail(TimeoutError())


def main() -> None:
    """Do it all for one user."""
    pipeline = configure(store=sys.argv[1], run="nightly", service_name="shop")
    who = association(user="u-1", space="s-1", tenant="t-1", role="planner")
    with who, traced_repair("work") as work, next(work.attempts(1)):
        calls()
        gates()
    pipeline.shutdown()


if __name__ == "__main__":
    main()
