"""The collector with the shipped configuration: the real binary, real programs, and what comes out of it."""

from __future__ import annotations

import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from grpc import ssl_channel_credentials
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.trace import Status, StatusCode

from collector.running import PROTOCOLS, collecting, free_ports, send, until
from otlp_receiver import HttpReceiver, Received
from spanguard.store.spool import status
from test_configure import TREE
from test_processes import start

pytestmark = pytest.mark.collector

REQUESTS = {
    "resourceSpans": ExportTraceServiceRequest,
    "resourceMetrics": ExportMetricsServiceRequest,
    "resourceLogs": ExportLogsServiceRequest,
}


def written(path: Path) -> Received:
    """Read what the file exporter wrote."""
    received = Received()
    text = path.read_text(encoding="utf-8")
    for line in text.splitlines():
        (kind,) = [kind for key, kind in REQUESTS.items() if line.startswith(f'{{"{key}"')]
        # In OTLP JSON an id is written in hexadecimal, which is read as base64 here: other bytes, but the same for the same.
        received.take(json_format.Parse(line, kind()))
    received.raw = text.encode()
    return received


def check(received: Received) -> None:
    """See that what the program did is what arrived: the tree, the outcomes, the tokens, and no prompt."""
    assert received.tree() == TREE
    spans = sorted(received.spans, key=lambda span: span["start"])
    outcomes = [span["attributes"].get("resilience.attempt.outcome") for span in spans if span["name"] == "attempt"]
    assert outcomes == ["invalid", "success"]
    assert [span["status"] for span in spans] == ["UNSET", "ERROR", "UNSET", "UNSET", "UNSET"]
    assert spans[0]["attributes"]["resilience.operation.outcome"] == "recovered"
    assert spans[0]["attributes"]["resilience.usage.wasted.input_tokens"] == 10
    assert sum(value for name, _, value in received.points if name == "resilience.token.usage") == 30
    assert received.resource["service.name"] == "invoices"
    assert b"secret prompt" not in received.raw


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_a_program_sends_stands_in_the_file(otelcol: str, tmp_path: Path, protocol: str) -> None:
    """With `file.yaml`, over gRPC and over HTTP."""
    kept = tmp_path / "telemetry.jsonl"
    with collecting(otelcol, ["base.yaml", "file.yaml"], tmp_path, TELEMETRY_FILE=str(kept)) as collector:
        send(tmp_path, protocol, collector.endpoints[protocol])
    check(written(kept))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_a_program_sends_reaches_the_backend(otelcol: str, tmp_path: Path, protocol: str) -> None:
    """With `base.yaml` alone."""
    with HttpReceiver() as backend:
        with collecting(otelcol, ["base.yaml"], tmp_path, BACKEND_ENDPOINT=backend.endpoint) as collector:
            send(tmp_path, protocol, collector.endpoints[protocol])
            until(lambda: len(backend.spans) == len(TREE) and backend.points)
        check(backend)


@pytest.mark.parametrize("kill", [False, True])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_collector_that_stops_and_comes_back_gets_every_span(
    otelcol: str, tmp_path: Path, protocol: str, kill: bool
) -> None:
    """Under load, twice, whether it is asked to stop or killed; each span arrives at the backend at least once."""
    ports, program = free_ports(3), tmp_path / "program"
    program.mkdir()
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{ports[0 if protocol == 'grpc' else 1]}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_BSP_MAX_QUEUE_SIZE": "100000",
    }
    with HttpReceiver() as backend, ExitStack() as stack:
        process = stack.enter_context(start(program, LOAD, **settings))
        stack.callback(process.kill)
        for _ in range(2):
            before, waited = len(backend.spans), waiting(program)
            with collecting(otelcol, ["base.yaml"], tmp_path, ports=ports, kill=kill, BACKEND_ENDPOINT=backend.endpoint):
                until(lambda before=before: len(backend.spans) > before + 100)
            until(lambda waited=waited: waiting(program) > waited + 100)
        with collecting(otelcol, ["base.yaml"], tmp_path, ports=ports, BACKEND_ENDPOINT=backend.endpoint):
            (program / "enough").touch()
            out, err = process.communicate(timeout=90)
            assert process.returncode == 0, err
            until(lambda: len({span["id"] for span in backend.spans}) >= int(out))
    assert waiting(program) == 0
    assert len({span["id"] for span in backend.spans}) == int(out)


LOAD = """
from pathlib import Path
from spanguard.store.spool import status
pipeline = spanguard.configure(exit_timeout=20)
made = 0
while not os.path.exists("enough"):
    ask()
    made += 1
    time.sleep(0.001)
pipeline.flush()
give_up = time.monotonic() + 60
while status(Path(".spanguard/spool.db")).waiting and time.monotonic() < give_up:
    time.sleep(0.05)
print(made)
"""


def waiting(directory: Path) -> int:
    """Count what waits in the spool of a program."""
    path = directory / ".spanguard" / "spool.db"
    return sum(each.items for each in status(path).waiting) if path.exists() else 0


def test_what_was_taken_while_the_backend_is_down_outlives_a_kill(otelcol: str, tmp_path: Path) -> None:
    """Killed with -9 twice while nobody listens, then started again with a backend: every span, metric and event arrives."""
    (port,) = free_ports(1)
    sent = 0
    for number in range(2):
        with collecting(
            otelcol, ["base.yaml"], tmp_path, kill=True, BACKEND_ENDPOINT=f"http://127.0.0.1:{port}"
        ) as collector:
            tracer = Sender(collector.endpoints["http/protobuf"])
            for each in range(300):
                tracer.span(f"chat model-{number}", {"gen_ai.usage.input_tokens": each})
            sent += tracer.stop()
    with HttpReceiver(port=port) as backend, collecting(otelcol, ["base.yaml"], tmp_path, BACKEND_ENDPOINT=backend.endpoint):
        until(lambda: len({span["id"] for span in backend.spans}) == sent)
    assert sent == 600


class Sender:
    """Spans of any kind, sent one by one: what the collector has said yes to is counted."""

    def __init__(self, endpoint: str, name: str = "foreign", headers: dict[str, str] | None = None, **kwargs: Any) -> None:
        self.taken = 0
        self._exporter = OTLPSpanExporter(f"{endpoint}/v1/traces", headers=headers, **{"timeout": 30, **kwargs})
        self._export = self._exporter.export
        self._exporter.export = self._counted  # type: ignore[method-assign]
        self._provider = TracerProvider(resource=Resource({"service.name": name}), shutdown_on_exit=False)
        self._provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self._provider.get_tracer("foreign")

    def _counted(self, spans: Any) -> SpanExportResult:
        result = self._export(spans)
        self.taken += len(spans) if result is SpanExportResult.SUCCESS else 0
        return result

    def span(self, name: str, attributes: dict[str, Any] | None = None, *, error: bool = False, event: str = "") -> str:
        """Send a span that is a trace of its own; returns its trace id."""
        with self.tracer.start_as_current_span(name, attributes=attributes) as span:
            if error:
                span.set_status(Status(StatusCode.ERROR))
            if event:
                span.add_event(event)
            return format(span.get_span_context().trace_id, "032x")

    def stop(self) -> int:
        """End it; returns how many spans the collector took."""
        self._provider.shutdown()
        return self.taken


OUTCOME, RESULT = "resilience.operation.outcome", "resilience.circuit_breaker.result"
KEPT: list[dict[str, Any]] = [
    {"name": "chat model", "error": True},
    *(
        {"name": "repair a", "attributes": {OUTCOME: each}}
        for each in ("recovered", "exhausted", "failed", "degraded", "rejected")
    ),
    *({"name": "attempt", "attributes": {"resilience.attempt.outcome": each}} for each in ("error", "invalid")),
    {"name": "circuit_breaker a", "attributes": {RESULT: "rejected"}},
    {"name": "chat model", "attributes": {"resilience.circuit_breaker.state": "open"}},
    *(
        {"name": "work", "event": f"resilience.{each}"}
        for each in (
            "failover.hop",
            "circuit_breaker.transition",
            "retry.scheduled",
            "rate_limiter.rejected",
            "misuse.detected",
        )
    ),
]


def test_whatever_went_wrong_is_kept_and_one_in_ten_of_the_rest(otelcol: str, tmp_path: Path) -> None:
    """Errors, recoveries, failovers, rejections of breakers: all; of 1000 traces in which all went well, about 100."""
    names = ["base.yaml", "tail-sampling.yaml"]
    with HttpReceiver() as backend:
        environment = {"BACKEND_ENDPOINT": backend.endpoint, "DECISION_WAIT": "1s"}
        with collecting(otelcol, names, tmp_path, **environment) as collector:
            sender = Sender(collector.endpoints["http/protobuf"])
            for _ in range(1000):
                sender.span("repair fine", {OUTCOME: "success"})
            for each in KEPT * 5:
                sender.span(**each)
            sender.stop()
            until(lambda: sum(span["name"] != "repair fine" for span in backend.spans) == 5 * len(KEPT))
        well = sum(span["name"] == "repair fine" for span in backend.spans)
    # Within five standard deviations of a fair draw.
    assert 52 <= well <= 148


def test_metrics_of_spans_are_of_all_spans(otelcol: str, tmp_path: Path) -> None:
    """With tail sampling as well: what is counted is what was sent, and not what was kept."""
    names = ["base.yaml", "redaction.yaml", "span-metrics.yaml", "tail-sampling.yaml"]
    with HttpReceiver() as backend:
        environment = {"BACKEND_ENDPOINT": backend.endpoint, "DECISION_WAIT": "1s", "SPAN_METRICS_INTERVAL": "1s"}
        with collecting(otelcol, names, tmp_path, **environment) as collector:
            sender = Sender(collector.endpoints["http/protobuf"])
            for _ in range(200):
                sender.span("repair fine", {OUTCOME: "success", "resilience.policy.name": "fine"})
            sender.stop()

            def counted() -> float:
                return max((value for name, _, value in backend.points if name == "traces.span.metrics.calls"), default=0)

            until(lambda: counted() == 200)
        (attributes,) = {str(by) for name, by, _ in backend.points if name == "traces.span.metrics.calls"}
        assert "'resilience.policy.name': 'fine'" in attributes
        assert "'resilience.operation.outcome': 'success'" in attributes
        assert len(backend.spans) < 200


def test_by_tls_and_with_a_token_alone(otelcol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tls-auth.yaml`: who has no token is refused, over gRPC and over HTTP; who speaks no TLS does not get that far."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # to requests they are more than what the exporter says
        monkeypatch.delenv(name, raising=False)
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    more = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *more], capture_output=True, check=True)
    environment = {"TLS_CERT_FILE": str(certificate), "TLS_KEY_FILE": str(key), "OTLP_TOKEN": "right"}
    names = ["base.yaml", "tls-auth.yaml"]
    with (
        HttpReceiver() as backend,
        collecting(otelcol, names, tmp_path, secure=True, BACKEND_ENDPOINT=backend.endpoint, **environment) as collector,
    ):
        right = {
            "OTEL_EXPORTER_OTLP_CERTIFICATE": str(certificate),
            "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20right",
        }
        for protocol in PROTOCOLS:
            (tmp_path / protocol[:4]).mkdir()
            send(tmp_path / protocol[:4], protocol, collector.endpoints[protocol], **right)
        until(lambda: len(backend.spans) == 2 * len(TREE))
        http, grpc = collector.endpoints["http/protobuf"], collector.endpoints["grpc"]
        wrong = {"Authorization": "Bearer wrong"}
        senders = [Sender(http, headers=each, certificate_file=str(certificate)) for each in ({}, wrong)]
        senders.append(Sender(http.replace("https", "http"), headers={"Authorization": "Bearer right"}, timeout=1))
        for each in senders:
            each.span("chat model")
            assert each.stop() == 0
        trusted = ssl_channel_credentials(certificate.read_bytes())
        refused = GrpcExporter(grpc, credentials=trusted, headers={"authorization": "Bearer wrong"}, timeout=5)
        assert refused.export([]) is SpanExportResult.FAILURE
        refused.shutdown()
    assert len(backend.spans) == 2 * len(TREE)


def test_a_collector_that_is_asked_to_stop_keeps_what_it_has(otelcol: str, tmp_path: Path) -> None:
    """With its backend down it ends within its time, and sends everything when it is back."""
    (port,) = free_ports(1)
    with collecting(otelcol, ["base.yaml"], tmp_path, BACKEND_ENDPOINT=f"http://127.0.0.1:{port}") as collector:
        sender = Sender(collector.endpoints["http/protobuf"])
        sender.span("chat model")
        assert sender.stop() == 1
        collector.process.send_signal(signal.SIGTERM)
        assert collector.process.wait(60) == 0
    with HttpReceiver(port=port) as backend, collecting(otelcol, ["base.yaml"], tmp_path, BACKEND_ENDPOINT=backend.endpoint):
        until(lambda: backend.spans)
