"""A receiver of OTLP over HTTP: spans, metrics and events of other processes, in any language, through the guard.

Statuses are those of the specification: 400 for what is not OTLP (do not send it again), 413 and 415 for what is too large or
of another kind, 429 and 503 with ``Retry-After`` for later.
"""

from __future__ import annotations

import threading
import zlib
from typing import Final, NamedTuple

import anyio
import anyio.to_thread
from google.protobuf.json_format import MessageToJson  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from spanguard.privacy.audit_json import REQUESTS, NotOtlpError, read_json, unpacked
from spanguard.serve.options import Options
from spanguard.store.database import StoreError
from spanguard.store.receive import Inbox, MalformedError, Received

_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"
_SECONDS: Final = 10.0
"""How long a client may take to send a request."""
_DRAINED: Final = 4
"""How many times too large a request may be to be read to its end before it is refused."""
PATHS: Final = {f"/v1/{signal}": kind for signal, kind in REQUESTS.items()}
_RESPONSES: Final[dict[str, type[Message]]] = {
    "/v1/traces": ExportTraceServiceResponse,
    "/v1/metrics": ExportMetricsServiceResponse,
    "/v1/logs": ExportLogsServiceResponse,
}
_CODES: Final = {400: 3, 413: 3, 415: 3, 429: 8, 503: 14}
"""Statuses of HTTP as gRPC has them, for the body of a refusal."""
_LEFT_OUT: Final = "log records without an event name are not kept"


class _Refusal(NamedTuple):
    status: int
    reason: str


class Receiver:
    """Takes requests, a few at once."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._inbox: Inbox | None = None
        self._lock = threading.Lock()
        self._at_work = 0

    async def handle(self, request: Request) -> Response:
        """Take one request."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in (_PROTOBUF, _JSON):
            return _refused(415, f"expected {_PROTOBUF} or {_JSON}", _JSON)
        if self._at_work >= self._options.limits.receiving:
            return _refused(429, "too many requests at once", kind)
        self._at_work += 1
        try:
            return await self._answer(request, kind)
        finally:
            self._at_work -= 1

    def close(self) -> None:
        """Close the store, if anything was written to it."""
        if self._inbox is not None:
            self._inbox.close()

    async def _answer(self, request: Request, kind: str) -> Response:
        body = await self._body(request)
        if isinstance(body, _Refusal):
            return _refused(*body, kind)
        path, encoding = request.url.path, request.headers.get("content-encoding", "identity").strip().lower()
        took = await anyio.to_thread.run_sync(lambda: self._take(path, kind, encoding, body))
        if isinstance(took, _Refusal):
            return _refused(*took, kind)
        answer: Message = _RESPONSES[path]()
        if took.left_out > 0:
            partial = ExportLogsServiceResponse()
            partial.partial_success.rejected_log_records = took.left_out
            partial.partial_success.error_message = _LEFT_OUT
            answer = partial
        return Response(_encoded(answer, kind), media_type=kind)

    async def _body(self, request: Request) -> bytes | _Refusal:
        most = self._options.limits.body
        too_large = _Refusal(413, f"expected at most {most} bytes")
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or len(length) > 12 or int(length) > _DRAINED * most:
            return too_large
        parts: list[bytes] = []
        size = 0
        try:
            with anyio.fail_after(_SECONDS):
                async for part in request.stream():
                    size += len(part)
                    if size > _DRAINED * most:
                        return too_large
                    if size > most:  # read on, and keep nothing: who is cut off while sending does not hear the answer
                        parts.clear()
                    else:
                        parts.append(part)
        except (TimeoutError, ClientDisconnect):
            return _Refusal(400, "the request was not sent to its end")
        return b"".join(parts) if size <= most else too_large

    def _take(self, path: str, kind: str, encoding: str, body: bytes) -> Received | _Refusal:
        if encoding not in ("identity", "gzip"):
            return _Refusal(415, "expected gzip, or no content-encoding")
        try:
            message = _decoded(PATHS[path], kind, unpacked(body) if encoding == "gzip" else body)
            return self._open().take(message) if message.ListFields() else Received(0, 0)  # nothing is to be welcome, too
        except OverflowError:
            return _Refusal(413, "unpacked it is too large")
        except zlib.error:
            return _Refusal(400, "it is not gzip")
        except (DecodeError, NotOtlpError, MalformedError):
            return _Refusal(400, "it is not OTLP")
        except StoreError:
            return _Refusal(503, "the store cannot be written now")

    def _open(self) -> Inbox:
        with self._lock:
            if self._inbox is None:
                self._inbox = Inbox(self._options.store)
            return self._inbox


def _decoded(request: type[Message], kind: str, body: bytes) -> Message:
    if kind == _PROTOBUF:
        return request.FromString(body)
    message, wrong = read_json(body, request)
    known = bool(message.ListFields()) or not wrong  # what OTLP does not know (yet) is to be passed over, but not alone
    if not known or any(each.reason != "unknown_field" for each in wrong):
        raise NotOtlpError("a field has the wrong type")
    return message


def _encoded(message: Message, kind: str) -> bytes:
    if kind == _PROTOBUF:
        made: bytes = message.SerializeToString()
        return made
    return str(MessageToJson(message, indent=None)).encode()


def _refused(status: int, reason: str, kind: str) -> Response:
    headers = {"retry-after": "1"} if status in (429, 503) else {}
    if status == 413:  # the body was left where it is
        headers["connection"] = "close"
    return Response(_encoded(Status(code=_CODES[status], message=reason), kind), status, media_type=kind, headers=headers)
