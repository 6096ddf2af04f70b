"""What is lost on the way out of the process is counted, whoever lost it, and told."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTracePartialSuccess, ExportTraceServiceResponse
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, InMemoryLogRecordExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otlp_receiver import GrpcReceiver, HttpReceiver, UnsteadyReceiver
from spanguard.cli import main
from spanguard.pipeline.spooling import SpoolingSpanExporter, spooling
from spanguard.pipeline.spooling_partial import rejected
from spanguard.settings import Settings
from spanguard.store import Database
from spanguard.store.drops import dropped
from spanguard.store.losses import losses
from spanguard.store.queues import CountingQueue, Queued, left, watch
from spanguard.store.selection import Selection
from spanguard.store.spool import Place, Status, status

# ------------------------------------------------------------------------------------------------------------ full queues


@given(st.integers(1, 5), st.lists(st.sampled_from(["put", "take", "look"])))
def test_a_queue_knows_what_fell_out_of_it(size: int, steps: list[str]) -> None:
    """What was put in is what was taken out, what is there, and what was told of."""
    told: list[int] = []
    queue: CountingQueue[int] = CountingQueue(size, told.append)
    taken = [queue.pop() for step in steps if _does(queue, step)]
    queue.look()
    assert len(taken) + len(queue) + sum(told) == steps.count("put")
    assert taken == sorted(taken)


def _does(queue: CountingQueue[int], step: str) -> bool:
    if step == "put":
        queue.appendleft(1)
    elif step == "look":
        queue.look()
    return step == "take" and bool(queue)


def test_threads_that_flood_a_queue_are_counted_each() -> None:
    """Without a lock; also where two of them find the last place free at once."""
    told: list[int] = []
    queue: CountingQueue[int] = CountingQueue(8, told.append)

    def put() -> None:
        for _ in range(5_000):
            queue.appendleft(1)

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    taken = 0
    while any(thread.is_alive() for thread in threads):
        if queue:
            queue.pop()
            taken += 1
    while queue:
        queue.pop()
        taken += 1
    assert taken + sum(told) == 20_000
    assert sum(told) > 0


def test_a_child_begins_with_a_queue_of_its_own() -> None:
    """What its parent's queue had let go is the parent's to tell."""
    told: list[int] = []
    queue: CountingQueue[int] = CountingQueue(1, told.append)
    for _ in range(3):
        queue.appendleft(1)
    queue.clear()
    queue.look()
    assert told == []
    queue.appendleft(1)
    queue.appendleft(1)
    queue.look()
    assert told == [1]


@pytest.mark.parametrize("kind", [BatchSpanProcessor, BatchLogRecordProcessor])
def test_the_queues_of_this_sdk_are_known(kind: Callable[..., Any]) -> None:
    """Of spans and of log records; what is in them at the end can be told."""
    exporters: dict[Any, Any] = {BatchSpanProcessor: InMemorySpanExporter, BatchLogRecordProcessor: InMemoryLogRecordExporter}
    processor = kind(exporters[kind](), max_queue_size=2, max_export_batch_size=2, schedule_delay_millis=60_000)
    before, told = left(), list[int]()
    watch(processor, told.append)
    processor._batch_processor._queue.appendleft(1)
    assert left() == before + 1
    processor._batch_processor._queue.clear()
    processor.shutdown()
    assert told == []


FLOOD = """
import json, sys, threading
import spanguard
from opentelemetry import metrics, trace
from spanguard.store.losses import losses
if sys.argv[1:] == ["instrument"]:  # what opentelemetry-instrument does by its distro
    from opentelemetry.sdk._configuration import _OTelSDKConfigurator
    from spanguard.pipeline.resend import post_instrument
    _OTelSDKConfigurator().configure()
    post_instrument()
else:
    pipeline = spanguard.configure(service_name="shop")
tracer = trace.get_tracer("test")

def work():
    for _ in range(2_000):
        tracer.start_span("work").end()

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if sys.argv[1:] == ["instrument"]:
    trace.get_tracer_provider().shutdown()
    metrics.get_meter_provider().shutdown()
else:
    assert not pipeline.shutdown(60)
print(sum(items for items, about in losses() if about["resilience.telemetry.drop_reason"] == "queue_full"))
"""


@pytest.fixture
def flood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run a program of eight threads that make 16,000 spans, with a short queue; returns how many it says were dropped."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **environment: str) -> int:
        for name, value in {"OTEL_BSP_MAX_QUEUE_SIZE": "64", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "32", **environment}.items():
            monkeypatch.setenv(name, value)
        command = [sys.executable, "-c", FLOOD, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return int(done.stdout)

    return run


def test_a_flood_of_spans_is_in_the_store_or_counted_there(flood: Callable[..., int], tmp_path: Path) -> None:
    """And `spanguard summary` and `doctor` say how many are missing."""
    missing = flood()
    assert missing > 0
    with Database.open(tmp_path / ".spanguard" / "telemetry.db", read_only=True) as store:
        kept = store.rows("SELECT count(*) FROM spans")[0][0]
        assert (kept + missing, dropped(store, Selection())) == (16_000, {"spans": missing})
    assert json.loads(CliRunner().invoke(main, ["summary", "--json"]).stdout)["statistics"]["drops"] == missing
    assert f"{missing:,} items were lost before they were in the store" in CliRunner().invoke(main, ["summary"]).stdout
    assert f"{missing} spans of the newest run were lost" in CliRunner().invoke(main, ["doctor"]).stdout


def test_a_flood_of_spans_is_delivered_or_counted_in_the_spool(flood: Callable[..., int], tmp_path: Path) -> None:
    """The metric `resilience.telemetry.dropped` tells the endpoint, too."""
    with HttpReceiver() as receiver:
        missing = flood(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)
    assert missing > 0
    assert len(receiver.spans) + missing == 16_000
    assert spool(tmp_path).counts["traces", "queue_full"] == spool(tmp_path).dropped == missing
    told = [attributes for name, attributes, _ in receiver.points if name == "resilience.telemetry.dropped"]
    assert {"resilience.telemetry.signal": "traces", "resilience.telemetry.drop_reason": "queue_full"} in told


def _exporters(name: str) -> dict[str, str]:
    return {f"OTEL_{signal}_EXPORTER": name for signal in ("TRACES", "METRICS", "LOGS")}


def test_a_flood_is_counted_also_where_the_sdk_made_the_queue(flood: Callable[..., int], tmp_path: Path) -> None:
    """`opentelemetry-instrument` with the exporters `spanguard`."""
    missing = flood("instrument", **_exporters("spanguard"))
    assert missing > 0
    with Database.open(tmp_path / ".spanguard" / "telemetry.db", read_only=True) as store:
        assert dropped(store, Selection()) == {"spans": missing}
        told = store.rows("SELECT sum(value) FROM metric_points WHERE name = 'resilience.telemetry.dropped'")[0][0]
        assert told == missing
        assert store.rows("SELECT count(*) FROM spans")[0][0] + missing == 16_000
    assert f"{missing:,} items were lost before they were in the store" in CliRunner().invoke(main, ["summary"]).stdout


def test_a_flood_is_counted_in_the_spool_also_where_the_sdk_made_the_queue(flood: Callable[..., int], tmp_path: Path) -> None:
    """`opentelemetry-instrument` with the exporters `spanguard_otlp`."""
    with HttpReceiver() as receiver:
        missing = flood("instrument", **_exporters("spanguard_otlp"), OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)
    assert missing > 0
    assert len(receiver.spans) + missing == 16_000
    assert spool(tmp_path).counts["traces", "queue_full"] == missing
    assert {"resilience.telemetry.signal": "traces", "resilience.telemetry.drop_reason": "queue_full"} in [
        attributes for name, attributes, _ in receiver.points if name == "resilience.telemetry.dropped"
    ]


class _Counted(Queued):
    """An exporter that knows what it was told."""

    def __init__(self) -> None:
        self.exported = self.told = 0

    def export(self, batch: Sequence[ReadableSpan]) -> SpanExportResult:
        self._seek_queue("traces", batch)
        self.exported += len(batch)
        return SpanExportResult.SUCCESS

    def overflowed(self, items: int, resource: Resource | None) -> None:
        self.told += items

    def shutdown(self) -> None: ...

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True


def test_a_queue_that_is_at_work_is_taken_over_with_what_is_in_it() -> None:
    """By an exporter that was not there when its processor was made; nothing is exported twice or forgotten."""
    exporter: Any = _Counted()
    processor = BatchSpanProcessor(exporter, max_queue_size=4, max_export_batch_size=2, schedule_delay_millis=600_000)
    begun = spans(9)
    for span in begun[:3]:
        processor._batch_processor._queue.appendleft(span)
    processor.force_flush()
    assert (exporter.exported, exporter.told) == (3, 0)
    for span in begun[3:]:
        processor._batch_processor._queue.appendleft(span)
    processor.force_flush()
    processor.shutdown()  # type: ignore[no-untyped-call]
    assert (exporter.exported, exporter.told) == (7, 2)


def test_what_a_thread_still_puts_into_the_old_queue_is_found_there() -> None:
    """It had that queue in its hand when the new one took its place."""
    told: list[int] = []
    old: deque[int] = deque([2, 1], 3)
    queue = CountingQueue(3, told.append, old)
    queue.look()
    old.appendleft(3)
    assert [queue.pop(), queue.pop()] == [1, 2]
    queue.look()
    assert (queue.pop(), told) == (3, [])


def test_an_exporter_that_no_queue_is_before_finds_none() -> None:
    """Nor does it look a second time."""
    exporter: Any = _Counted()
    for span in spans(2):
        SimpleSpanProcessor(exporter).on_end(span)
    assert (exporter.exported, exporter.told) == (2, 0)


# -------------------------------------------------------------------------------------------------------- taken in part


@pytest.fixture
def sender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Make an exporter of spans to an endpoint, its spool under the test's directory."""
    made: list[Any] = []

    def make(endpoint: str, kind: Any = OTLPSpanExporter) -> Any:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        made.append(spooling("traces", kind, Settings(), Place("", tmp_path))())
        return made[-1]

    yield make
    for each in made:
        each.shutdown()


def spans(count: int) -> list[ReadableSpan]:
    """Return finished spans."""
    kept, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    for _ in range(count):
        provider.get_tracer("test").start_span("work").end()
    return list(kept.get_finished_spans())


def spool(directory: Path) -> Status:
    """Say what is in the spool."""
    return status(directory / ".spanguard" / "spool.db")


def response(number: int) -> ExportTraceServiceResponse:
    """Return an answer that rejects so many spans."""
    return ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(rejected_spans=number, error_message="no"))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (response(2).SerializeToString(), "application/x-protobuf"),
        (b'{"partialSuccess": {"rejectedSpans": "2"}}', "application/json"),
    ],
)
def test_what_was_rejected_is_counted_and_not_sent_again(
    sender: Callable[..., Any], tmp_path: Path, body: bytes, kind: str
) -> None:
    """The specification forbids to send it again: the endpoint would have the rest twice."""
    before = lost("rejected")
    with UnsteadyReceiver(lambda: (200, {"content-type": kind})) as receiver:
        receiver.body = body
        exporter: SpoolingSpanExporter = sender(receiver.endpoint)
        assert [exporter.export(spans(3)) for _ in range(2)] == [SpanExportResult.SUCCESS] * 2
        exporter.shutdown()
        assert len(receiver.requests) == 2
    assert (exporter.dropped, spool(tmp_path).counts) == (4, {("traces", "rejected"): 4})
    assert lost("rejected") == before + 4


def test_what_was_rejected_over_grpc_is_counted(sender: Callable[..., Any], tmp_path: Path) -> None:
    """The same."""
    with GrpcReceiver(answer=lambda: response(1)) as receiver:
        exporter = sender(receiver.endpoint, GrpcSpanExporter)
        assert exporter.export(spans(3)) is SpanExportResult.SUCCESS
        exporter.shutdown()
    assert spool(tmp_path).counts == {("traces", "rejected"): 1}


def test_of_what_waited_the_rest_was_sent(sender: Callable[..., Any], tmp_path: Path) -> None:
    """In the spool's account, too."""
    ready = threading.Event()
    with UnsteadyReceiver(lambda: (200 if ready.is_set() else 503, {})) as receiver:
        receiver.body = response(2).SerializeToString()
        exporter = sender(receiver.endpoint)
        exporter.export(spans(5))
        ready.set()
        while spool(tmp_path).waiting:
            threading.Event().wait(0.01)
    counts = {("traces", "spooled"): 5, ("traces", "rejected"): 2, ("traces", "sent"): 3}
    assert spool(tmp_path).counts == counts


@pytest.mark.parametrize(
    ("signal", "message", "name"),
    [
        ("traces", ExportTraceServiceResponse, "rejected_spans"),
        ("metrics", ExportMetricsServiceResponse, "rejected_data_points"),
        ("logs", ExportLogsServiceResponse, "rejected_log_records"),
    ],
)
def test_each_signal_has_a_name_of_its_own_for_it(signal: str, message: Any, name: str) -> None:
    """In protobuf and in JSON."""
    assert rejected(signal, message(partial_success={name: 7}).SerializeToString()) == 7
    first, *others = name.split("_")
    body = {"partialSuccess": {first + "".join(map(str.title, others)): 7}}
    assert rejected(signal, json.dumps(body).encode(), is_json=True) == 7
    assert rejected(signal, b"") == 0


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xff\xff", b"OK", b"[]", b'{"partialSuccess": 1}', b'{"partialSuccess": {"rejectedSpans": "x"}}']
)
def test_an_answer_that_cannot_be_understood_rejects_nothing(body: bytes) -> None:
    """The request was taken: that is what its status says."""
    assert (rejected("traces", body), rejected("traces", body, is_json=True)) == (0, 0)


def test_no_endpoint_can_reject_more_than_it_got(sender: Callable[..., Any], tmp_path: Path) -> None:
    """Counts stay what they can be."""
    with UnsteadyReceiver(lambda: (200, {})) as receiver:
        receiver.body = response(1_000).SerializeToString()
        sender(receiver.endpoint).export(spans(3))
    assert spool(tmp_path).counts == {("traces", "rejected"): 3}


def lost(reason: str) -> int:
    """Return how many items this process has lost for a reason."""
    return sum(items for items, about in losses() if about["resilience.telemetry.drop_reason"] == reason)


# ------------------------------------------------------------------------------------------------------- flushes that tell

BLOCKED = """
import sqlite3, sys
import spanguard
from opentelemetry import trace
from spanguard.store import database
database.BUSY_SECONDS = 0.05
pipeline = spanguard.configure(service_name="shop")
tracer = trace.get_tracer("test")

def work():
    tracer.start_span("work").end()
    return pipeline.flush(60)

told = [work()]
blocker = sqlite3.connect(".spanguard/telemetry.db", isolation_level=None)
blocker.execute("BEGIN IMMEDIATE")
told.append(work())
blocker.execute("ROLLBACK")
told += [work(), pipeline.flush(60), pipeline.shutdown(60)]
print(told)
"""


def test_a_flush_says_if_something_was_lost(tmp_path: Path) -> None:
    """The store was locked for too long; the flush after that is fine again."""
    ran = subprocess.run(
        [sys.executable, "-c", BLOCKED], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )
    assert ran.stdout.strip() == "[True, False, True, True, True]"
