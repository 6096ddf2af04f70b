"""What the tests share: telemetry as plain data, fixed ids, a clock that the test moves, four kinds of function."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from spanguard import testing
from spanguard.pipeline.resend import ResendCountProcessor
from spanguard.testing import Clock, CountedIds, Span
from spanguard.testing.telemetry import EPOCH, SECOND

__all__ = ["EPOCH", "SECOND", "Clock", "CountedIds", "Span", "Telemetry", "Way", "completion", "quick_switches"]


class Telemetry(testing.Telemetry):
    """Everything that was recorded since the test began, read from the real SDK."""

    def __init__(self) -> None:
        super().__init__(ids=CountedIds(), processors=[ResendCountProcessor()])


def completion(
    sent: int = 10, received: int = 5, *, model: str = "gpt-5.2-2026-01-01", cost: float | None = None, finish: str = "stop"
) -> dict[str, Any]:
    """Return a chat completion as a provider sends it."""
    usage: dict[str, Any] = {"prompt_tokens": sent, "completion_tokens": received, "total_tokens": sent + received}
    if cost is not None:
        usage["cost"] = cost
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": "hello"}}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": model, "choices": [choice], "usage": usage}


@contextlib.contextmanager
def quick_switches() -> Iterator[None]:
    """Let the interpreter go from thread to thread hundreds of times as often, so that races show."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


class Way:
    """One of the four kinds of function: makes such a function of a body, and runs it to its end."""

    def __init__(self, name: str) -> None:
        self.name = name

    def function(self, body: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of this kind; a generator yields the body's value as its one chunk."""

        def plain(*args: Any, **kwargs: Any) -> Any:
            return body(*args, **kwargs)

        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            return body(*args, **kwargs)

        def generator(*args: Any, **kwargs: Any) -> Any:
            yield body(*args, **kwargs)

        async def async_generator(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            yield body(*args, **kwargs)

        return {"def": plain, "async def": coroutine, "generator": generator, "async generator": async_generator}[self.name]

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the function and return its value, or its last chunk."""
        if self.name == "def":
            return function(*args, **kwargs)
        if self.name == "generator":
            return list(function(*args, **kwargs))[-1]
        if self.name == "async def":
            return asyncio.run(function(*args, **kwargs))
        return asyncio.run(_last(function(*args, **kwargs)))

    @property
    def streams(self) -> bool:
        """Whether the function hands out chunks."""
        return "generator" in self.name


async def _last(stream: Any) -> Any:
    return [chunk async for chunk in stream][-1]
