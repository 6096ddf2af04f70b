"""Mistakes that type checkers find: each `type: ignore` is needed, or they complain of it. Read by them, never run."""
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from spanguard import (
    association,
    configure,
    traced_breaker,
    traced_cache,
    traced_failover,
    traced_llm_call,
    traced_rate_limit,
    traced_repair,
    traced_validation,
)
from spanguard.types import Attempt, Breaker


@traced_llm_call
def ask(prompt: str) -> str:
    return prompt


@traced_llm_call(provider="openai")
async def later(prompt: str) -> str:
    return prompt


@traced_breaker("openai")
def guarded(prompt: str) -> str:
    return prompt


@traced_cache
async def found(key: str) -> str | None:
    return key or None


class Client:
    """Has traced methods."""

    @traced_failover
    def ask(self, prompt: str) -> str:
        return prompt


def of_the_decorated() -> None:
    guarded(1)  # type: ignore[arg-type]
    guarded("a", "b")  # type: ignore[call-arg]
    Client().ask(prompt=b"a")  # type: ignore[arg-type]
    ask(1)  # type: ignore[arg-type]
    ask()  # type: ignore[call-arg]
    ask("a", modle="b")  # type: ignore[call-arg]
    ask("a").nonsense()  # type: ignore[attr-defined]


async def of_the_decorated_coroutine() -> None:
    (await later("a")).nonsense()  # type: ignore[attr-defined]
    await later(prompt=b"a")  # type: ignore[arg-type]
    (await found("a")).upper()  # type: ignore[union-attr]
    await found()  # type: ignore[call-arg]


def of_the_verbs() -> None:
    traced_llm_call("openai")  # type: ignore[call-overload]
    traced_llm_call(modle="gpt-5.2")  # type: ignore[call-overload]
    traced_llm_call(model=5)  # type: ignore[call-overload]
    traced_repair()  # type: ignore[call-overload]
    traced_repair(3)  # type: ignore[call-overload]
    traced_failover()  # type: ignore[call-overload]
    traced_failover("chain", works="w-1")  # type: ignore[call-overload]
    traced_breaker("openai", rejections=ValueError)  # type: ignore[call-overload]
    traced_breaker("openai", reset_timeout="30")  # type: ignore[call-overload]
    traced_breaker("openai").on_transition("open")  # type: ignore[call-arg]
    traced_rate_limit("openai", max_delay="5 s")  # type: ignore[call-overload]
    traced_rate_limit("openai").on_wait("0.5")  # type: ignore[arg-type]
    traced_cache(5)  # type: ignore[call-overload]
    traced_cache("answers").on_lookup()  # type: ignore[call-arg]
    traced_validation("schema", stage=1)  # type: ignore[call-overload]
    traced_validation("schema").on_verdict()  # type: ignore[call-arg]
    association(user=1.5)  # type: ignore[arg-type]
    association(person="bob")  # type: ignore[call-arg]


def of_what_they_give() -> None:
    with traced_llm_call(model="gpt-5.2") as call:
        call.record_usage(10, 5)  # type: ignore[call-arg]
        call.record_usage(input_tokens="10")  # type: ignore[arg-type]
        call.record_usage(tokens=10)  # type: ignore[call-arg]
    with traced_repair("invoice") as repair:
        for attempt in repair.attempts("3"):  # type: ignore[arg-type]
            attempt.validated("schema", True)  # type: ignore[call-arg]
            attempt.validated("schema")  # type: ignore[call-arg]
        list(repair)  # type: ignore[call-overload]


def of_what_the_gates_give() -> None:
    with traced_failover("chain") as failover:
        failover.candidates(["first", "second"])  # type: ignore[arg-type]
        failover.candidate("first", tier="one")  # type: ignore[arg-type]
    with traced_breaker("openai") as call:
        call.rejected(True)  # type: ignore[call-arg]
        call.record_usage(input_tokens=1)  # type: ignore[attr-defined]
    with traced_rate_limit("openai") as wait:
        wait.delayed("0.5")  # type: ignore[arg-type]
    with traced_cache("answers") as lookup:
        lookup.found()  # type: ignore[attr-defined]
    with traced_validation("schema") as check:
        check.failed("too long")  # type: ignore[call-arg]


def of_annotations(breaker: Breaker, attempt: Attempt) -> None:
    breaker.rejected()  # type: ignore[attr-defined]
    attempt.validated(True)  # type: ignore[call-arg, arg-type]


async def of_waiting() -> None:
    async with traced_rate_limit("openai"):  # type: ignore[attr-defined]
        pass


def of_configure() -> None:
    configure("invoices")  # type: ignore[call-arg]
    configure(events="smoke")  # type: ignore[arg-type]
    configure(semconv="9.99")  # type: ignore[arg-type]
    configure(sampler=None)  # type: ignore[call-arg]
