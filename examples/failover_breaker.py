"""A second provider behind the first, each with a circuit breaker and a rate limit: pybreaker and aiolimiter, traced.

    python examples/failover_breaker.py && spanguard show

It needs `openai`, `pybreaker` and `aiolimiter`. Both providers are on this machine; the first one is ill for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from aiolimiter import AsyncLimiter
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, OpenAIError
from openai.types.responses import Response
from pybreaker import CircuitBreaker, CircuitBreakerError, CircuitBreakerListener, CircuitBreakerState

import spanguard
from spanguard import declare, traced_breaker, traced_failover, traced_llm_call, traced_rate_limit
from spanguard.cli.demo.server import DemoServer, Step

LETTER = "Dear all, the delivery of the shelves moves to the twelfth, because the carrier is short of drivers."
SUMMARY = "The shelves come on the twelfth."
ILL = Step(SUMMARY, "server_error", delay=0.01)
WELL = Step(SUMMARY, delay=0.01)


@traced_llm_call(provider="openai")
async def ask(client: AsyncOpenAI, model: str, prompt: str) -> Response:
    """Ask once."""
    return await client.responses.create(model=model, input=prompt, metadata={"job": "letter"})


class Provider:
    """One place to ask: its client, its breaker and its limit."""

    def __init__(self, name: str, model: str, base_url: str) -> None:
        self._model = model
        here = DefaultAsyncHttpxClient(trust_env=False)  # there is no proxy on the way to this machine
        self._client = AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0, http_client=here)
        self._limiter = AsyncLimiter(2, time_period=1)
        self._waiting = traced_rate_limit(name)
        # pybreaker raises the same error for a call that it rejects and, by default, for the one that trips it.
        self.breaker = CircuitBreaker(fail_max=2, reset_timeout=60, throw_new_error_on_trip=False)
        self._passing = traced_breaker(name, rejections=(CircuitBreakerError,), reset_timeout=60)
        self.breaker.add_listener(Listener(self._passing.on_transition))

    async def ask(self, prompt: str) -> str:
        """Ask, if the breaker and the limiter let it pass."""
        with self._passing, self.breaker.calling():
            with self._waiting:  # the wait alone, not the work that follows
                await self._limiter.acquire()
            return (await ask(self._client, self._model, prompt)).output_text


class Listener(CircuitBreakerListener):
    """Tell transitions of a pybreaker to spanguard."""

    def __init__(self, on_transition: Callable[..., None]) -> None:
        self._on_transition = on_transition

    def state_change(self, cb: CircuitBreaker, old_state: CircuitBreakerState | None, new_state: CircuitBreakerState) -> None:
        """Hear that the breaker changed its state; pybreaker writes `half-open`."""
        old = old_state.name if old_state else "closed"
        self._on_transition(old.replace("-", "_"), new_state.name.replace("-", "_"), failures=cb.fail_counter)


async def summarise(providers: dict[str, Provider], letter: str) -> str:
    """Ask one provider after the other; if none answers, the beginning of the letter has to do."""
    with traced_failover("summarise") as failover:
        for attempt in failover.candidates("primary", "backup"):
            with suppress(OpenAIError, CircuitBreakerError), attempt:
                return await providers[attempt.candidate].ask(f"Sum up in one sentence: {letter}")
        failover.degraded()
    return letter[:40]


async def work(providers: dict[str, Provider]) -> None:
    """Sum up some letters while the first provider falls ill, is left alone, and gets well again."""
    for _ in range(2):  # two failures, and the breaker opens
        print(await summarise(providers, LETTER))
    # Now it rejects: all go to the second provider at once, which wants one of them to wait.
    print(*await asyncio.gather(*(summarise(providers, LETTER) for _ in range(3))), sep="\n")
    # A health check would do this, or the time: the next call is on trial, and closes the breaker.
    providers["primary"].breaker.half_open()
    print(await summarise(providers, LETTER))


def main() -> None:
    """Configure, start both providers, and work."""
    spanguard.configure(service_name="failover_breaker")
    declare("primary", "backup")  # they reach the verbs in a variable
    first, second = DemoServer({"letter": [ILL, ILL, WELL]}), DemoServer({"letter": [WELL] * 5})
    try:
        models = {"primary": ("gpt-5.2", first), "backup": ("gpt-5-mini", second)}
        providers = {name: Provider(name, model, server.base_url) for name, (model, server) in models.items()}
        asyncio.run(work(providers))
    finally:
        first.close()
        second.close()


if __name__ == "__main__":
    main()
