"""A provider on this machine that fails by a script, and keeps a ledger of what it was asked and what it answered."""

from __future__ import annotations

import json
import threading
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


class ScriptedProvider:
    """Fails as the script says, one fault for each request, and from then on answers with ``body`` or ``events``.

    ``bodies`` are answers that come first, one each; ``cut`` closes streams after so many events; with ``hangs`` it
    never answers. ``asked`` is set by the first request.
    """

    def __init__(self, body: Any, events: list[tuple[str | None, Any]] | None = None) -> None:
        self.body = body
        self.bodies: list[Any] = []
        self.events = events or []
        self.script: list[Fault] = []
        self.ledger: list[Entry] = []
        self.cut: int | None = None
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

    def stream(self) -> bytes:
        """Return the events as they go over the wire."""
        lines = []
        for name, data in self.events[: self.cut]:
            text = data if isinstance(data, str) else json.dumps(data)
            lines.append((f"event: {name}\n" if name else "") + f"data: {text}\n\n")
        return "".join(lines).encode()

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
            fault = provider.script.pop(0) if provider.script else None
            provider.ledger.append(Entry(self.path, asked, fault.status if fault else 200))
            provider.asked.set()
            if provider.hangs:
                provider._closing.wait(10)
                self.close_connection = True
            elif fault is None:
                self._answer(asked)
            elif fault.status:
                self._send(fault.status, json.dumps({"error": {"message": "the secret"}}).encode(), fault.headers)

        do_GET = do_POST

        def _answer(self, asked: dict[str, Any]) -> None:
            if not asked.get("stream"):
                body = provider.bodies.pop(0) if provider.bodies else provider.body
                self._send(200, json.dumps(body).encode(), {})
                return
            whole, cut = provider.stream(), provider.cut is not None
            more = {"Content-Length": str(len(whole) + 100)} if cut else {}
            self._send(200, whole, {"Content-Type": "text/event-stream", **more})

        def _send(self, status: int, answer: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(answer)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            pass

    return Handler
