"""A provider on this machine that fails by a script, and keeps a ledger of what it was asked and what it answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

MILLISECONDS = 20
SOON = {"retry-after-ms": str(MILLISECONDS)}


class Fault(NamedTuple):
    """One failure: its status, and the headers that come with it. Status 0 closes the connection without an answer."""

    status: int
    headers: dict[str, str] = SOON


class Entry(NamedTuple):
    """One request: where it went, what it asked for, and the status that it was given."""

    path: str
    body: dict[str, Any]
    status: int


class Sdk:
    """The client of one kind of an SDK, sync or async, driven in the same way whichever it is."""

    def __init__(self, kind: str, sync: Callable[..., Any], asynchronous: Callable[..., Any], **options: Any) -> None:
        self.is_async = kind == "async"
        self._make = asynchronous if self.is_async else sync
        self._options = options

    def run(self, use: Callable[[Any], Any], **options: Any) -> Any:
        """Hand a client to a function, and return what comes of it: of a stream the list of its events."""
        given = {**self._options, **options}
        if self.is_async:
            return asyncio.run(self._run(use, given))
        with self._make(**given) as client:
            result = use(client)
            return list(result) if hasattr(result, "__next__") else result

    async def _run(self, use: Callable[[Any], Any], given: dict[str, Any]) -> Any:
        async with self._make(**given) as client:
            result = await use(client)
            return [event async for event in result] if hasattr(result, "__anext__") else result


async def cancel(work: Awaitable[Any], when: Callable[[], object]) -> None:
    """Begin some work, and cancel it as soon as a condition holds."""
    task = asyncio.ensure_future(work)
    while not when() and not task.done():  # noqa: ASYNC110 - what it waits for may be another thread's
        await asyncio.sleep(0.005)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
        raise AssertionError("it had come to its end")


class ScriptedProvider:
    """Fails as the script says, one fault for each request, and from then on answers with ``body`` or ``events``.

    ``bodies`` are answers that come first, one each; ``cut`` closes streams after so many events, ``stalls`` sends no
    more after so many; with ``hangs`` it never answers. ``asked`` is set by the first request.
    """

    def __init__(self, body: Any, events: list[tuple[str | None, Any]] | None = None) -> None:
        self.body = body
        self.bodies: list[Any] = []
        self.events = events or []
        self.script: list[Fault] = []
        self.ledger: list[Entry] = []
        self.cut: int | None = None
        self.stalls: int | None = None
        self.hangs = False
        self.asked = threading.Event()
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def statuses(self) -> list[int]:
        """The status of each request so far."""
        return [entry.status for entry in self.ledger]

    def reply(self, path: str, asked: dict[str, Any]) -> tuple[int, bytes, dict[str, str]] | None:
        """Take a request down, and return what it is answered: status, body and headers, or None for nothing at all."""
        fault = self.script.pop(0) if self.script else None
        self.ledger.append(Entry(path, asked, fault.status if fault else 200))
        self.asked.set()
        if self.hangs or (fault and not fault.status):
            return None
        if fault:
            return fault.status, json.dumps({"error": {"message": "the secret"}}).encode(), fault.headers
        if asked.get("stream") or "stream" in path:  # Google says it in the path
            return self._stream()
        body = self.bodies.pop(0) if self.bodies else self.body
        return 200, json.dumps(body).encode(), {"Content-Type": "application/json"}

    def _stream(self) -> tuple[int, bytes, dict[str, str]]:
        lines, most = [], self.stalls if self.cut is None else self.cut
        for name, data in self.events[:most]:
            text = data if isinstance(data, str) else json.dumps(data)
            lines.append((f"event: {name}\n" if name else "") + f"data: {text}\n\n")
        whole = "".join(lines).encode()
        headers = {"Content-Type": "text/event-stream"}
        return 200, whole, headers if most is None else {**headers, "Content-Length": str(len(whole) + 100)}

    def wait(self) -> None:
        """Keep a connection open, with nothing on it."""
        self._closing.wait(10)

    def close(self) -> None:
        """Stop, and wait for it."""
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(provider: ScriptedProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            reply = provider.reply(self.path, asked)
            if reply is not None:
                self._send(*reply)
            if provider.hangs or provider.stalls is not None:
                provider.wait()

        do_GET = do_POST

        def _send(self, status: int, answer: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(answer)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            pass

    return Handler
