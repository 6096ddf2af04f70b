"""What the tests with other people's libraries share: a server on this machine that answers as the provider documents."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Know the marker also where only this directory runs."""
    config.addinivalue_line("markers", "foreign: uses a real library of others; skipped where it is not installed")


class Provider:
    """Answers every request with one JSON body, or with a stream of events if the request asks for one."""

    def __init__(self) -> None:
        self.body: Any = None
        self.events: list[tuple[str | None, Any]] = []
        self.requests: list[dict[str, Any]] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                provider.requests.append(asked)
                streams = asked.get("stream") or "streamGenerateContent" in self.path
                answer = provider.stream() if streams else json.dumps(provider.body).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream" if streams else "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stream(self) -> bytes:
        """Return the events as they go over the wire; OpenAI and Google name none of them."""
        lines = []
        for name, data in self.events:
            text = data if isinstance(data, str) else json.dumps(data)
            lines.append((f"event: {name}\n" if name else "") + f"data: {text}\n\n")
        return "".join(lines).encode()

    def close(self) -> None:
        """Stop, and wait for it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider on this machine."""
    running = Provider()
    yield running
    running.close()
