"""What type checkers see of decorated functions: what they saw before. Read by mypy and pyright, never run."""
# pyright: strict

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator

from typing_extensions import assert_type

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


@traced_llm_call
def bare(prompt: str, *, model: str = "gpt-5.2") -> str:
    return prompt + model


@traced_llm_call(provider="openai", model="gpt-5.2")
def with_arguments(prompt: str, *, limit: int = 3) -> list[str]:
    return [prompt] * limit


@traced_llm_call
async def coroutine(prompt: str) -> int:
    return len(prompt)


@traced_llm_call(operation="embeddings")
async def coroutine_with_arguments(prompt: str) -> list[float]:
    return [len(prompt)]


@traced_llm_call
def generator(prompt: str) -> Generator[str, int, bool]:
    sent = yield prompt
    return sent > 0


@traced_llm_call(provider="openai")
def iterator(prompt: str) -> Iterator[str]:
    yield prompt


@traced_llm_call
async def async_generator(prompt: str) -> AsyncGenerator[str, bytes]:
    yield prompt


@traced_llm_call(provider="openai")
async def async_iterator(prompt: str) -> AsyncIterator[str]:
    yield prompt


@traced_repair
def bare_repair(text: str) -> str:
    return text


@traced_repair("invoice")
async def repair(text: str) -> str:
    return text


@traced_retry
async def bare_retry(text: str) -> str:
    return text


@traced_retry("quote")
def retry(text: str) -> Iterator[str]:
    yield text


@association(user="bob", role="planner")
@traced_repair("plan")
@traced_llm_call
def stacked(goal: str, /, *steps: str) -> dict[str, int]:
    return {step: len(goal) for step in steps}


@traced_failover
def bare_failover(text: str, *, limit: int = 3) -> list[str]:
    return [text] * limit


@traced_failover("summarise", work="w-1")
async def failover(text: str) -> str:
    return text


@traced_breaker
async def bare_breaker(text: str) -> str:
    return text


@traced_breaker("openai", state="closed", rejections=(ConnectionError,))
def breaker(text: str, /, *more: int) -> dict[str, int]:
    return {text: sum(more)}


@traced_breaker("openai")
def breaker_of_a_generator(text: str) -> Generator[str, int, bool]:
    sent = yield text
    return sent > 0


@traced_rate_limit
def bare_limiter(tokens: int) -> bool:
    return tokens > 0


@traced_rate_limit("openai", max_delay=5)
async def limiter(tokens: int) -> bool:
    return tokens > 0


@traced_cache
def bare_cache(key: str) -> str | None:
    return key or None


@traced_cache("answers", kind="exact")
async def cache(key: str) -> str | None:
    return key or None


@traced_validation
def bare_validation(answer: str) -> bool:
    return bool(answer)


@traced_validation("schema", stage="input")
async def validation(answer: str) -> bool:
    return bool(answer)


@traced_validation("chunks")
async def validation_of_an_async_generator(answer: str) -> AsyncGenerator[str, bytes]:
    yield answer


@traced_failover("summarise")
@traced_breaker("openai")
@traced_rate_limit("openai")
@traced_cache("answers")
@traced_validation("schema")
async def gated(text: str, *, limit: int = 3) -> list[str]:
    return [text] * limit


class Gated:
    """The gates around methods of every kind."""

    @traced_failover
    def failover(self, text: str) -> str:
        return text

    @traced_breaker("openai")
    async def breaker(self, text: str, *, limit: int = 3) -> list[str]:
        return [text] * limit

    @classmethod
    @traced_rate_limit
    def limiter(cls, tokens: int) -> bool:
        return tokens > 0

    @staticmethod
    @traced_cache("answers")
    def cache(key: str) -> str | None:
        return key or None

    @property
    @traced_validation("state")
    def valid(self) -> bool:
        return True

    @traced_breaker
    def stream(self, text: str) -> Iterator[str]:
        yield text


class Client:
    """Methods of every kind."""

    @traced_llm_call
    def bare(self, prompt: str) -> str:
        return prompt

    @traced_llm_call(provider="openai")
    async def with_arguments(self, prompt: str, model: str = "gpt-5.2") -> str:
        return prompt + model

    @classmethod
    @traced_llm_call
    def of_the_class(cls, prompt: str) -> str:
        return prompt

    @staticmethod
    @traced_repair("static")
    def static(prompt: str) -> str:
        return prompt


def plain() -> None:
    assert_type(bare("a", model="b"), str)
    assert_type(with_arguments("a", limit=2), list[str])
    assert_type(bare_repair("a"), str)
    assert_type(bare_failover("a", limit=2), list[str])
    assert_type(breaker("a", 1, 2), dict[str, int])
    assert_type(bare_limiter(1), bool)
    assert_type(bare_cache("a"), str | None)
    assert_type(bare_validation("a"), bool)
    assert_type(stacked("goal", "one", "two"), dict[str, int])


async def coroutines() -> None:
    assert_type(await coroutine("a"), int)
    assert_type(await coroutine_with_arguments("a"), list[float])
    assert_type(await repair("a"), str)
    assert_type(await bare_retry("a"), str)
    assert_type(await failover("a"), str)
    assert_type(await bare_breaker("a"), str)
    assert_type(await limiter(1), bool)
    assert_type(await cache("a"), str | None)
    assert_type(await validation("a"), bool)
    assert_type(await gated("a", limit=2), list[str])


def generators() -> Generator[str, int, None]:
    assert_type(generator("a"), Generator[str, int, bool])
    assert_type((yield from generator("a")), bool)
    assert_type(iterator("a"), Iterator[str])
    assert_type(retry("a"), Iterator[str])
    assert_type(breaker_of_a_generator("a"), Generator[str, int, bool])


async def async_generators() -> None:
    assert_type(async_generator("a"), AsyncGenerator[str, bytes])
    assert_type(async_iterator("a"), AsyncIterator[str])
    assert_type(validation_of_an_async_generator("a"), AsyncGenerator[str, bytes])
    async for chunk in async_iterator("a"):
        assert_type(chunk, str)


async def methods(client: Client, gated: Gated) -> None:
    assert_type(client.bare("a"), str)
    assert_type(await client.with_arguments("a", model="b"), str)
    assert_type(Client.of_the_class("a"), str)
    assert_type(client.static("a"), str)
    assert_type(gated.failover("a"), str)
    assert_type(await gated.breaker("a", limit=1), list[str])
    assert_type(Gated.limiter(1), bool)
    assert_type(gated.cache("a"), str | None)
    assert_type(gated.valid, bool)
    assert_type(gated.stream("a"), Iterator[str])


def lambdas() -> Callable[[str], str]:
    return traced_llm_call(provider="openai")(lambda prompt: prompt)
