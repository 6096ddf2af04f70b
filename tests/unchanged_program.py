"""A program that knows nothing of telemetry: the openai SDK, retried by tenacity behind a breaker of pybreaker, and httpx."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pybreaker
import tenacity

RETRIED = (openai.InternalServerError, openai.RateLimitError)
MESSAGES: Any = [{"role": "user", "content": "the secret"}]
ASKED: Any = {"model": "gpt-5.2", "messages": MESSAGES}
STREAM: Any = {**ASKED, "stream": True, "stream_options": {"include_usage": True}}


class Program:
    """Looks a document up, and asks about it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.breaker = pybreaker.CircuitBreaker(fail_max=2, reset_timeout=60, name="provider")

    def look_up(self) -> int:
        """Fetch the document."""
        return httpx.post(f"{self.url}/document", json={}).status_code

    def ask(self, *, stream: bool) -> str:
        """Ask through the breaker, twice at most; each time the SDK tries twice by itself."""
        with openai.OpenAI(base_url=f"{self.url}/v1", api_key="x", max_retries=1) as client:

            @tenacity.retry(
                stop=tenacity.stop_after_attempt(2),
                wait=tenacity.wait_fixed(0.01),
                retry=tenacity.retry_if_exception_type(RETRIED),
                reraise=True,
            )
            @self.breaker
            def asked() -> str:
                if not stream:
                    return str(client.chat.completions.create(**ASKED).choices[0].message.content)
                chunks = client.chat.completions.create(**STREAM)
                return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

            return asked()

    async def aask(self, *, stream: bool) -> str:
        """Ask without a breaker, as pybreaker's knows no coroutines."""
        async with openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key="x", max_retries=1) as client:

            @tenacity.retry(
                stop=tenacity.stop_after_attempt(2),
                wait=tenacity.wait_fixed(0.01),
                retry=tenacity.retry_if_exception_type(RETRIED),
                reraise=True,
            )
            async def asked() -> str:
                if not stream:
                    return str((await client.chat.completions.create(**ASKED)).choices[0].message.content)
                chunks = await client.chat.completions.create(**STREAM)
                return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks if chunk.choices])

            return await asked()
