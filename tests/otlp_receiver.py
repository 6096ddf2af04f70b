"""A receiver of OTLP on loopback, over HTTP and over gRPC, that keeps what it was sent as plain data."""

from __future__ import annotations

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

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
    """OTLP over HTTP with protobuf, on a free port."""

    def __init__(self, *, hang: bool = False) -> None:
        super().__init__()
        kinds = {
            "/v1/traces": trace_service_pb2.ExportTraceServiceRequest,
            "/v1/metrics": metrics_service_pb2.ExportMetricsServiceRequest,
            "/v1/logs": logs_service_pb2.ExportLogsServiceRequest,
        }
        receiver, released = self, threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if hang:
                    released.wait(30)
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver.take(kinds[self.path].FromString(body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._released = released
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> HttpReceiver:
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class GrpcReceiver(Received):
    """OTLP over gRPC, on a free port."""

    def __init__(self) -> None:
        super().__init__()
        self._server = grpc.server(ThreadPoolExecutor(2))
        receiver = self

        class Traces(trace_service_pb2_grpc.TraceServiceServicer):
            def Export(self, request: Any, context: Any) -> Any:
                receiver.take(request)
                return trace_service_pb2.ExportTraceServiceResponse()

        class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
            def Export(self, request: Any, context: Any) -> Any:
                receiver.take(request)
                return metrics_service_pb2.ExportMetricsServiceResponse()

        class Logs(logs_service_pb2_grpc.LogsServiceServicer):
            def Export(self, request: Any, context: Any) -> Any:
                receiver.take(request)
                return logs_service_pb2.ExportLogsServiceResponse()

        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), self._server)
        metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Metrics(), self._server)
        logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Logs(), self._server)
        self.endpoint = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> GrpcReceiver:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()
