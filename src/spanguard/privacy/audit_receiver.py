"""A receiver of OTLP over HTTP on this machine, as the specification wants one: protobuf and JSON, plain and gzip."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]

from spanguard.privacy.audit import Violation
from spanguard.privacy.audit_json import MOST_BYTES, REQUESTS, NotOtlpError, read_json, unpacked

Take = Callable[[Message, bytes, list[Violation]], None]
"""Gets each request, its body unpacked, and what could not be read of it because OTLP has no such thing."""

_KINDS: Final = {f"/v1/{signal}": kind for signal, kind in REQUESTS.items()}
_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"


class Receiver:
    """Receives OTLP/HTTP on ``127.0.0.1:port`` while it is entered, and hands each request to ``take``.

    Port 0 takes a free one; `endpoint` says where it listens. Raises `OSError` if the port is taken. Requests are handled in
    threads of their own, so ``take`` may be called by several at once.
    """

    def __init__(self, take: Take, port: int = 0) -> None:
        class Handler(_Handler):
            taker = staticmethod(take)

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.endpoint: str = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Receiver:  # noqa: PYI034 - Self needs Python 3.11
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _RefusedError(Exception):
    """A request is answered with this status, and with nothing of what it held."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status, self.reason = status, reason


class _Handler(BaseHTTPRequestHandler):
    taker: Callable[..., None]
    timeout = 30  # of a client that sends half a request

    def do_POST(self) -> None:
        """Take a request."""
        content_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            kind = _KINDS.get(self.path.partition("?")[0])
            body = self._body()
            request, wrong = _decoded(kind, content_type, body)
        except _RefusedError as refused:
            self._answer(refused.status, refused.reason.encode(), "text/plain")
        except (DecodeError, NotOtlpError):
            self._answer(400, b"not OTLP", "text/plain")
        else:
            self.taker(request, body, wrong)
            self._answer(200, b"{}" if content_type == _JSON else b"", content_type)

    def _body(self) -> bytes:
        """Return the request's body unpacked; raises if it is too large, or packed in another way than gzip."""
        text = self.headers.get("content-length", "")
        if not (text.isascii() and text.isdigit()):
            raise _RefusedError(411, "expected a content-length")
        if len(text) > 12 or int(text) > MOST_BYTES:
            raise _RefusedError(413, "too large")
        body = self.rfile.read(int(text))
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding == "identity":
            return body
        if encoding != "gzip":
            raise _RefusedError(415, "expected gzip")
        try:
            return unpacked(body)
        except zlib.error:
            raise _RefusedError(400, "not gzip") from None
        except OverflowError:
            raise _RefusedError(413, "too large") from None

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        if status in (411, 413):  # the body was left where it is
            self.send_header("connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing: a path can hold anything."""


def _decoded(kind: type[Message] | None, content_type: str, body: bytes) -> tuple[Message, list[Violation]]:
    if kind is None:
        raise _RefusedError(404, "no such signal")
    if content_type == _PROTOBUF:
        return kind.FromString(body), []
    if content_type == _JSON:
        return read_json(body, kind)
    raise _RefusedError(415, "expected application/x-protobuf or application/json")
