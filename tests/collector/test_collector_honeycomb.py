"""What Honeycomb gets, held against what its documentation asks for: by a server on loopback in its place."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from collector.running import PROTOCOLS, collecting, send, until
from otlp_receiver import KINDS, Received
from test_configure import TREE

pytestmark = pytest.mark.collector
KEY = "hcaik_not_a_key"


class Honeycomb:
    """Takes OTLP as Honeycomb does, and answers 401 without the key; `requests` has path and headers of what it took."""

    def __init__(self) -> None:
        self.received = Received()
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.datasets: dict[str, set[str]] = {}
        honeycomb = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                status = honeycomb.take(self)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def take(self, request: BaseHTTPRequestHandler) -> int:
        """Take one request, and return the status of the answer."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = request.rfile.read(int(headers["content-length"]))
        self.requests.append((request.path, headers))
        if headers.get("x-honeycomb-team") != KEY:
            return 401
        message = KINDS[request.path].FromString(gzip.decompress(body))
        self.received.take(message)
        for dataset in self._named(request.path, headers, message):
            self.datasets.setdefault(request.path, set()).add(dataset)
        return 200

    @staticmethod
    def _named(path: str, headers: dict[str, str], message: Any) -> set[str]:
        """Return the datasets: of metrics by the header or `unknown_metrics`, of all else by the service."""
        if path == "/v1/metrics":
            return {headers.get("x-honeycomb-dataset", "unknown_metrics")}
        resources = getattr(message, "resource_spans", None) or message.resource_logs
        services = {
            pair.value.string_value for r in resources for pair in r.resource.attributes if pair.key == "service.name"
        }
        return {"unknown_service" if name.startswith("unknown_service") else name for name in services} or {"unknown_service"}

    def __enter__(self) -> Honeycomb:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_honeycomb_gets_every_signal_as_it_wants_it(otelcol: str, tmp_path: Path, protocol: str) -> None:
    """Paths, key, content type, gzip; traces and logs in the service's dataset, metrics in the one that they name."""
    with Honeycomb() as honeycomb:
        environment = {"HONEYCOMB_ENDPOINT": honeycomb.endpoint, "HONEYCOMB_API_KEY": KEY}
        with collecting(otelcol, ["base.yaml", "honeycomb.yaml"], tmp_path, **environment) as collector:
            send(tmp_path, protocol, collector.endpoints[protocol], SPANGUARD_EVENTS="both", SPANGUARD_STARTED="true")
            until(lambda: set(honeycomb.datasets) == {"/v1/traces", "/v1/metrics", "/v1/logs"})
    assert honeycomb.received.tree() == TREE
    assert honeycomb.datasets == {"/v1/traces": {"invoices"}, "/v1/logs": {"invoices"}, "/v1/metrics": {"metrics"}}
    for path, headers in honeycomb.requests:
        assert headers["x-honeycomb-team"] == KEY
        assert headers["content-type"] == "application/x-protobuf"
        assert headers["content-encoding"] == "gzip"
        assert ("x-honeycomb-dataset" in headers) == (path == "/v1/metrics")


def test_the_dataset_of_metrics_can_be_named(otelcol: str, tmp_path: Path) -> None:
    """By its variable; with tail sampling, redaction and metrics of spans, nothing changes for Honeycomb."""
    names = ["base.yaml", "honeycomb.yaml", "redaction.yaml", "span-metrics.yaml", "tail-sampling.yaml"]
    with Honeycomb() as honeycomb:
        environment = {
            "HONEYCOMB_ENDPOINT": honeycomb.endpoint,
            "HONEYCOMB_API_KEY": KEY,
            "HONEYCOMB_METRICS_DATASET": "llm-metrics",
            "DECISION_WAIT": "1s",
            "SPAN_METRICS_INTERVAL": "1s",
        }
        with collecting(otelcol, names, tmp_path, **environment) as collector:
            send(tmp_path, "grpc", collector.endpoints["grpc"])
            until(lambda: len(honeycomb.received.spans) == len(TREE))
            until(lambda: any(name == "traces.span.metrics.calls" for name, _, _ in honeycomb.received.points))
    assert honeycomb.datasets == {"/v1/traces": {"invoices"}, "/v1/metrics": {"llm-metrics"}}
    assert honeycomb.received.tree() == TREE
