"""The receiver of OTLP: what it takes, what it refuses and with which status, and that the guard stands before the store."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

from serve.conftest import PLENTY, TOKEN, Site
from spanguard.serve.options import Limits
from spanguard.store import Database

PROTOBUF, JSON = "application/x-protobuf", "application/json"
NOW = time.time_ns()
SECRET = "the patient is called Ada Lovelace"


def traces(number: int = 1, **span: object) -> ExportTraceServiceRequest:
    """Return a request with one span."""
    request = ExportTraceServiceRequest()
    made = request.resource_spans.add().scope_spans.add().spans.add(
        trace_id=number.to_bytes(16, "big"), span_id=b"12345678", name="chat gpt-5.2", kind=3,
        start_time_unix_nano=NOW, end_time_unix_nano=NOW + 10**9,
    )  # fmt: skip
    made.attributes.add(key="gen_ai.operation.name").value.string_value = "chat"
    made.attributes.add(key="gen_ai.request.model").value.string_value = "gpt-5.2"
    made.attributes.add(key="gen_ai.prompt").value.string_value = SECRET
    for key, value in span.items():
        setattr(made, key, value)
    return request


def metrics() -> ExportMetricsServiceRequest:
    """Return a request with a counter as other languages send it, cumulative."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="resilience.cache.lookups", unit="{lookup}")
    metric.sum.aggregation_temporality, metric.sum.is_monotonic = 2, True
    point = metric.sum.data_points.add(start_time_unix_nano=NOW, time_unix_nano=NOW + 10**9, as_int=7)
    point.attributes.add(key="resilience.cache.result").value.string_value = "hit"
    return request


def logs() -> ExportLogsServiceRequest:
    """Return a request with an event, and with a log record that is none."""
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    records.add(time_unix_nano=NOW, event_name="resilience.misuse.detected")
    records.add(time_unix_nano=NOW).body.string_value = SECRET
    return request


def as_json(request: object) -> bytes:
    """Return a request as OTLP-JSON: ids in hexadecimal digits, numbers of 64 bits as text."""
    told = MessageToDict(request)
    for resource in told.get("resourceSpans", []):
        for span in resource["scopeSpans"][0]["spans"]:
            span["traceId"], span["spanId"] = (1).to_bytes(16, "big").hex(), b"12345678".hex()
    return json.dumps(told).encode()


@pytest.fixture
def receiver(serve) -> Site:
    """A server that receives."""
    return serve(receive=True)


def post(site: Site, signal: str, body: bytes, kind: str = PROTOBUF, **headers: str):
    """Send a request."""
    return site.ask(f"/v1/{signal}", method="POST", body=body, content_type=kind, **headers)


def count(site: Site, table: str) -> int:
    """Return how many rows a table has."""
    with Database.open(site.server.options.store, read_only=True) as db:
        return db.rows(f"SELECT count(*) FROM {table}")[0][0]


@pytest.mark.parametrize("kind", [PROTOBUF, JSON, f"{JSON}; charset=utf-8"])
@pytest.mark.parametrize("packed", [False, True])
def test_spans_are_kept(receiver, kind, packed) -> None:
    """As protobuf and as JSON, plain and packed; the answer is of the same kind."""
    body = traces().SerializeToString() if kind == PROTOBUF else as_json(traces())
    headers = {"content_encoding": "gzip"} if packed else {}
    answer = post(receiver, "traces", gzip.compress(body) if packed else body, kind, **headers)
    assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, kind.partition(";")[0])
    if kind == PROTOBUF:
        assert not ExportTraceServiceResponse.FromString(answer.body).partial_success.rejected_spans
    receiver.until(lambda: receiver.get("/api/runs")["runs"])
    (found,) = receiver.get("/api/traces")["traces"]
    assert (found["trace_id"], found["name"]) == (f"{1:032x}", "chat gpt-5.2")


def test_nothing_that_a_user_wrote_gets_into_the_store(receiver) -> None:
    """The guard looks at what comes as at what is recorded here."""
    request = traces(name=SECRET)
    request.resource_spans[0].scope_spans[0].spans[0].status.message = SECRET
    assert post(receiver, "traces", request.SerializeToString()).status == 200
    assert post(receiver, "logs", logs().SerializeToString()).status == 200
    kept = b"".join(each.read_bytes() for each in Path(receiver.server.options.store).parent.glob("telemetry.db*"))
    assert count(receiver, "spans") == 1
    assert SECRET.encode() not in kept
    assert b"Lovelace" not in kept


def test_metrics_become_figures(receiver) -> None:
    """A cumulative counter counts by how much it grew, however often it is sent."""
    request = metrics()
    assert post(receiver, "metrics", request.SerializeToString()).status == 200
    point = request.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points[0]
    point.time_unix_nano, point.as_int = point.time_unix_nano + 10**9, 9
    assert post(receiver, "metrics", request.SerializeToString()).status == 200
    line = 'resilience_cache_lookups_total{resilience_cache_result="hit"} 9.0'
    receiver.until(lambda: line in receiver.ask("/metrics").text)


def test_what_is_no_event_is_said_to_be_left_out(receiver) -> None:
    """The standard has a place for that in an answer that is a success."""
    answer = post(receiver, "logs", logs().SerializeToString())
    assert ExportLogsServiceResponse.FromString(answer.body).partial_success.rejected_log_records == 1
    assert count(receiver, "log_events") == 1


def test_what_is_sent_twice_is_kept_once(receiver) -> None:
    """Delivery is at least once."""
    for _ in range(2):
        assert post(receiver, "traces", traces().SerializeToString()).status == 200
    assert count(receiver, "spans") == 1


@pytest.mark.parametrize(
    ("body", "kind", "headers", "status"),
    [
        (b"\xff\xff\xff", PROTOBUF, {}, 400),
        (b"{", JSON, {}, 400),
        (b"[]", JSON, {}, 400),
        (b'{"resourceSpans": 7}', JSON, {}, 400),
        (b"[" * 100_000, JSON, {}, 400),
        (b"not packed", PROTOBUF, {"content_encoding": "gzip"}, 400),
        (b"", "text/plain", {}, 415),
        (b"", "", {}, 415),
        (b"", PROTOBUF, {"content_encoding": "br"}, 415),
        (b"", PROTOBUF, {"content_length": "99999999999"}, 413),
    ],
)
def test_what_is_not_otlp_is_refused(receiver, body, kind, headers, status) -> None:
    """With the status that tells a client whether to send it again, and nothing of what it sent."""
    answer = post(receiver, "traces", body, kind, **headers)
    assert answer.status == status
    assert b"not packed" not in answer.body
    if kind == PROTOBUF:
        assert Status.FromString(answer.body).message


@pytest.mark.parametrize("span", [{"trace_id": b""}, {"span_id": b""}])
def test_a_span_that_cannot_be_is_malformed(receiver, span) -> None:
    """An id that is none: nothing of the request is kept."""
    assert post(receiver, "traces", traces(**span).SerializeToString()).status == 400


@pytest.mark.parametrize(("body", "kind"), [(b"", PROTOBUF), (b"{}", JSON), (b'{"resourceSpans": []}', JSON)])
def test_a_request_with_nothing_in_it_is_welcome(receiver, body, kind) -> None:
    """As OTLP wants it: an empty batch is nobody's fault."""
    assert post(receiver, "traces", body, kind).status == 200


def test_a_request_of_another_signal_is_refused(receiver) -> None:
    """Nothing of it would be kept, so it is not said to be."""
    assert post(receiver, "metrics", as_json(traces()), JSON).status == 400


def test_unknown_fields_are_passed_over(receiver) -> None:
    """The next version of OTLP may have them."""
    told = json.loads(as_json(traces()))
    told["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["mood"] = "sunny"
    assert post(receiver, "traces", json.dumps(told).encode(), JSON).status == 200


def test_what_is_too_large_is_refused(serve) -> None:
    """By what it says, by what it sends, and by what it would be unpacked."""
    site = serve(receive=True, limits=Limits(per_second=10_000, burst=100_000, body=300_000))
    assert post(site, "traces", b"x" * 300_001).status == 413
    bomb = gzip.compress(b"\0" * (65 * 2**20), 9)
    assert len(bomb) < 300_000
    assert post(site, "traces", b"x" * 1_100_000).status == 413  # more than a socket holds: who sends has to be heard out
    assert post(site, "traces", bomb, content_encoding="gzip").status == 413


def test_more_at_once_than_can_be_handled_have_to_wait(serve) -> None:
    """They are told so, and when to come again."""
    answer = post(serve(receive=True, limits=PLENTY.__class__(receiving=0)), "traces", b"")
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")


def test_the_receiver_needs_the_token_too(receiver) -> None:
    """Or any page in a browser could fill the store."""
    body = traces().SerializeToString()
    assert receiver.ask("/v1/traces", method="POST", body=body, token=None, content_type=PROTOBUF).status == 401
    assert receiver.ask("/v1/traces", method="GET").status == 405


def test_without_being_asked_nothing_is_received(serve) -> None:
    """There is no such path."""
    assert post(serve(), "traces", b"").status in (404, 405)


def test_a_store_that_cannot_be_written_is_said_to_be(serve, tmp_path) -> None:
    """The client is to try again."""
    (tmp_path / "telemetry.db").write_bytes(b"x" * 10_000)
    answer = post(serve(receive=True), "traces", traces().SerializeToString())
    assert (answer.status, bool(answer.headers["retry-after"])) == (503, True)


def test_the_real_exporter_sends_to_it(receiver) -> None:
    """A program in another process, with nothing but the SDK and its variables."""
    program = """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
provider.get_tracer("x").start_span("chat gpt-5.2").end()
provider.shutdown()
"""
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address,
        "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer%20{TOKEN}",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    }
    subprocess.run([sys.executable, "-c", program], env=variables, check=True, timeout=120)
    receiver.until(lambda: receiver.get("/api/traces")["traces"])
