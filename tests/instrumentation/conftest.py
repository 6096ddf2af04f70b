"""What the tests of instrumentors share: a library is instrumented for one test, and restored after it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from scripted import ScriptedProvider
from spanguard.instrumentation import _misuse
from spanguard.instrumentation._adapter import Instrumentor
from support import Telemetry


def pytest_configure(config: pytest.Config) -> None:
    """Know the marker also where only this directory runs."""
    config.addinivalue_line("markers", "foreign: uses a real library of others; skipped where it is not installed")


@pytest.fixture
def instrument(telemetry: Telemetry) -> Iterator[Callable[[type[Instrumentor]], Instrumentor]]:
    """Instrument a library until the end of the test."""
    instrumented: list[Instrumentor] = []

    def _instrument(kind: type[Instrumentor]) -> Instrumentor:
        instrumentor = kind()
        instrumentor.instrument()
        instrumented.append(instrumentor)
        return instrumentor

    _misuse.forget()
    yield _instrument
    for each in instrumented:
        if each.is_instrumented_by_opentelemetry:
            each.uninstrument()


class Scripted:
    """A server on this machine that answers with one status after the other, and keeps account of what it was asked."""

    def __init__(self) -> None:
        self.script: list[tuple[int, dict[str, str]]] = []
        self.asked: list[tuple[str, int]] = []
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, headers = scripted.script.pop(0) if scripted.script else (200, {})
                scripted.asked.append((self.command, status))
                self.send_response(status)
                for name, value in {"Content-Length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            do_POST = do_GET

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop, and wait for it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Scripted]:
    """A server whose answers the test writes down beforehand."""
    running = Scripted()
    yield running
    running.close()


@pytest.fixture
def provider(request: pytest.FixtureRequest) -> Iterator[ScriptedProvider]:
    """A provider on this machine, with the answers of the test's module."""
    running = ScriptedProvider(*request.module.ANSWERS)
    yield running
    running.close()
