"""A service that streams its answers, and what becomes of a call whose reader leaves early.

    python examples/streaming_service.py && spanguard show

It needs `fastapi`. The two readers below speak to the service in this process, by ASGI; behind uvicorn it is the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

import spanguard
from spanguard import current_call, traced_llm_call

ANSWER = "It is quiet here in the evening and the river runs past the old mill on its way to the sea".split()

app = FastAPI()


@traced_llm_call(provider="embedded", model="llama-4")
async def answer(question: str) -> AsyncIterator[str]:
    """Stand in for a provider's stream."""
    said = 0
    try:
        for word in ANSWER:
            await asyncio.sleep(0.01)
            said += 1
            yield f"{word} "
    finally:
        # In `finally`, so that a stream that is left early still says what it has cost so far.
        current_call().record_usage(input_tokens=len(question.split()), output_tokens=said)


@app.get("/ask")
async def ask(question: str) -> StreamingResponse:
    """Answer word by word. The handler returns at once; the call ends with its stream."""
    return StreamingResponse(answer(question), media_type="text/plain")


async def read(question: str, *, patience: int | None = None) -> str:
    """Read an answer as a browser does, and leave after so many words if there is a limit to patience."""
    words: list[str] = []
    left = asyncio.Event()
    request = iter([{"type": "http.request", "body": b""}])

    async def receive() -> dict[str, Any]:
        message = next(request, None)
        if message is None:
            await left.wait()
        return message or {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        words.append(message.get("body", b"").decode().strip())
        if patience is not None and len(list(filter(None, words))) >= patience:
            left.set()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "path": "/ask",
        "raw_path": b"/ask",
        "root_path": "",
        "scheme": "http",
        "query_string": f"question={question}".encode(),
        "headers": [],
    }
    await app(scope, receive, send)
    return " ".join(filter(None, words))


async def serve() -> None:
    """Serve two readers at the same time."""
    whole, part = await asyncio.gather(read("What+is+it+like?"), read("What+is+new?", patience=3))
    print(f"read to the end: {whole}")
    print(f"left early:      {part} ...")


def main() -> None:
    """Configure, and serve."""
    spanguard.configure(service_name="streaming_service")
    asyncio.run(serve())


if __name__ == "__main__":
    main()
