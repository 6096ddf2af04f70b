"""Mistakes that type checkers find: each `type: ignore` is needed, or they complain of it. Read by them, never run."""
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from spanguard import association, configure, traced_breaker, traced_llm_call, traced_repair


@traced_llm_call
def ask(prompt: str) -> str:
    return prompt


@traced_llm_call(provider="openai")
async def later(prompt: str) -> str:
    return prompt


def of_the_decorated() -> None:
    ask(1)  # type: ignore[arg-type]
    ask()  # type: ignore[call-arg]
    ask("a", modle="b")  # type: ignore[call-arg]
    ask("a").nonsense()  # type: ignore[attr-defined]


async def of_the_decorated_coroutine() -> None:
    (await later("a")).nonsense()  # type: ignore[attr-defined]
    await later(prompt=b"a")  # type: ignore[arg-type]


def of_the_verbs() -> None:
    traced_llm_call("openai")  # type: ignore[call-overload]
    traced_llm_call(modle="gpt-5.2")  # type: ignore[call-overload]
    traced_llm_call(model=5)  # type: ignore[call-overload]
    traced_repair()  # type: ignore[call-overload]
    traced_repair(3)  # type: ignore[call-overload]
    traced_breaker("openai", rejections=ValueError)  # type: ignore[arg-type]
    traced_breaker("openai").on_transition("open")  # type: ignore[call-arg]
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


def of_configure() -> None:
    configure("invoices")  # type: ignore[call-arg]
    configure(events="smoke")  # type: ignore[arg-type]
    configure(semconv="9.99")  # type: ignore[arg-type]
    configure(sampler=None)  # type: ignore[call-arg]
