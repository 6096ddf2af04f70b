"""A receiver of OTLP on loopback, over HTTP and over gRPC, that keeps what it was sent as plain data."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from spanguard.privacy.audit_receiver import Receiver

KINDS = {
    "/v1/traces": trace_service_pb2.ExportTraceServiceRequest,
    "/v1/metrics": metrics_service_pb2.ExportMetricsServiceRequest,
    "/v1/logs": logs_service_pb2.ExportLogsServiceRequest,
}
_STATUS = {0: "UNSET", 1: "OK", 2: "ERROR"}


class Received:
    """What arrived: spans, metric points and the resource, as plain data; `raw` is all of it as bytes."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.points: list[tuple[str, dict[str, Any], float]] = []
        self.resource: dict[str, Any] = {}
        self.raw = b""

    def take(self, message: Any) -> None:
        """Take one request of any signal."""
        self.raw += message.SerializeToString()
        for resource in getattr(message, "resource_spans", ()):
            self.resource = _attributes(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += [_span(span) for span in scope.spans]
        for resource in getattr(message, "resource_metrics", ()):
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.histogram.data_points:
                        self.points.append((metric.name, _attributes(point.attributes), point.sum))
                    for point in metric.sum.data_points:
                        self.points.append((metric.name, _attributes(point.attributes), point.as_int or point.as_double))

    def tree(self) -> list[tuple[str, str | None]]:
        """Name and parent's name of each span, in the order of their start."""
        names = {span["id"]: span["name"] for span in self.spans}
        return [(span["name"], names.get(span["parent"])) for span in sorted(self.spans, key=lambda each: each["start"])]


def _span(span: Any) -> dict[str, Any]:
    return {
        "name": span.name,
        "id": span.span_id,
        "parent": span.parent_span_id,
        "start": span.start_time_unix_nano,
        "status": _STATUS[span.status.code],
        "message": span.status.message,
        "attributes": _attributes(span.attributes),
        "events": [event.name for event in span.events],
    }


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value") for pair in pairs}


class HttpReceiver(Received):
    """OTLP over HTTP, by default on a free port; with ``hang`` it does not answer before the end."""

    def __init__(self, *, hang: bool = False, port: int = 0) -> None:
        super().__init__()
        self._released = threading.Event()

        def take(message: Any, _: bytes, __: object) -> None:
            if hang:
                self._released.wait(30)
            self.take(message)

        self._receiver = Receiver(take, port)
        self.endpoint = self._receiver.endpoint

    def __enter__(self) -> HttpReceiver:
        self._receiver.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._receiver.__exit__()


class UnsteadyReceiver(Received):
    """OTLP over HTTP that answers as the test says: ``answer`` gives a status and headers, or None to never answer.

    It is asked anew for each request; what is not answered with 200 is not taken. `requests` has the headers of all.
    """

    def __init__(self, answer: Callable[[], tuple[int, dict[str, str]] | None]) -> None:
        super().__init__()
        self.answer, self._released = answer, threading.Event()
        self.body = b""
        """What it answers with."""
        self.requests: list[dict[str, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.respond(self)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def respond(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request, or not."""
        body = request.rfile.read(int(request.headers["content-length"]))
        self.requests.append({name.lower(): value for name, value in request.headers.items()})
        answer = self.answer()
        if answer is None:
            self._released.wait(30)
            return
        if answer[0] == 200:
            self.take(KINDS[request.path].FromString(body))
        request.send_response(answer[0])
        for name, value in {**answer[1], "content-length": str(len(self.body))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(self.body)

    def __enter__(self) -> UnsteadyReceiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class GrpcReceiver(Received):
    """OTLP over gRPC, by default on a free port; ``refuse`` may end a call instead of taking it, ``answer`` is for spans."""

    def __init__(
        self,
        *,
        port: int = 0,
        refuse: Callable[[grpc.ServicerContext], object] = lambda _: None,
        answer: Callable[[], Any] = trace_service_pb2.ExportTraceServiceResponse,
    ) -> None:
        super().__init__()
        self._server = grpc.server(ThreadPoolExecutor(2))
        receiver = self

        class Traces(trace_service_pb2_grpc.TraceServiceServicer):
            def Export(self, request: Any, context: Any) -> Any:
                refuse(context)
                receiver.take(request)
                return answer()

        class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
            def Export(self, request: Any, context: Any) -> Any:
                refuse(context)
                receiver.take(request)
                return metrics_service_pb2.ExportMetricsServiceResponse()

        class Logs(logs_service_pb2_grpc.LogsServiceServicer):
            def Export(self, request: Any, context: Any) -> Any:
                refuse(context)
                receiver.take(request)
                return logs_service_pb2.ExportLogsServiceResponse()

        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), self._server)
        metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Metrics(), self._server)
        logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Logs(), self._server)
        self.endpoint = f"http://127.0.0.1:{self._server.add_insecure_port(f'127.0.0.1:{port}')}"

    def __enter__(self) -> GrpcReceiver:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()
