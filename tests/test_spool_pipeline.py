"""OTLP while its endpoint is down: what is recorded waits, is sent when it is back, and holds nobody up."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.utils import formatdate
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status as RpcStatus
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otlp_receiver import GrpcReceiver, HttpReceiver, Received, UnsteadyReceiver
from spanguard.pipeline import spooling_courier
from spanguard.pipeline.spooling import spooling
from spanguard.pipeline.spooling_post import retry_after
from spanguard.settings import Settings
from spanguard.store.spool import Place, Status, status
from test_configure import run
from test_processes import start

EXPORTERS: dict[str, Any] = {"traces": OTLPSpanExporter, "metrics": OTLPMetricExporter, "logs": OTLPLogExporter}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rest for moments instead of seconds, and say everything again."""
    monkeypatch.setattr(spooling_courier, "FIRST_REST", 0.05)
    monkeypatch.setattr(spooling_courier, "LONGEST_REST", 0.2)
    monkeypatch.setattr(spooling_courier, "_said", set())


@pytest.fixture
def exporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Makes exporters with the spool in the test's directory, and shuts them down."""
    made: list[Any] = []

    def make(endpoint: str, signal: str = "traces", kind: Any = None, **wanted: Any) -> Any:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        place = Place("", tmp_path)
        made.append(spooling(signal, kind or EXPORTERS[signal], Settings(**wanted), place)())
        return made[-1]

    yield make
    for each in made:
        each.shutdown()


def spans(count: int, name: str = "work") -> list[ReadableSpan]:
    """Return finished spans."""
    kept, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    for _ in range(count):
        provider.get_tracer("test").start_span(name).end()
    return list(kept.get_finished_spans())


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def spool(directory: Path) -> Status:
    """Say what is in the spool."""
    return status(directory / ".spanguard" / "spool.db")


def waiting(directory: Path) -> int:
    """Count the items that wait."""
    return sum(each.items for each in spool(directory).waiting)


def ids(given: list[ReadableSpan]) -> list[bytes]:
    """Return the spans' ids, in order."""
    return sorted(span.context.span_id.to_bytes(8, "big") for span in given)


def arrived(receiver: Received) -> list[bytes]:
    """Return the ids of the spans that arrived, in order."""
    return sorted(span["id"] for span in receiver.spans)


# ---------------------------------------------------------------------------------------------------------- down and back


def test_an_endpoint_that_answers_leaves_nothing_on_the_disk(exporter: Callable[..., Any], tmp_path: Path) -> None:
    """No file, no directory."""
    with HttpReceiver() as receiver:
        assert exporter(receiver.endpoint).export(spans(3)) is SpanExportResult.SUCCESS
        assert len(receiver.spans) == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_what_was_recorded_while_nobody_listened_is_sent_once_somebody_does(
    exporter: Callable[..., Any], tmp_path: Path, protocol: str
) -> None:
    """Each span once, with its own id."""
    port, batches = free_port(), [spans(4), spans(5)]
    over_grpc = protocol == "grpc"
    sender = exporter(f"http://127.0.0.1:{port}", kind=GrpcSpanExporter if over_grpc else None)
    assert [sender.export(batch) for batch in batches] == [SpanExportResult.SUCCESS] * 2
    assert waiting(tmp_path) == 9
    with GrpcReceiver(port=port) if over_grpc else HttpReceiver(port=port) as receiver:
        until(lambda: not spool(tmp_path).waiting)
        assert arrived(receiver) == ids([*batches[0], *batches[1]])
        more = spans(2)
        sender.export(more)
        assert len(receiver.spans) == 11
    assert spool(tmp_path).counts == {("traces", "spooled"): 9, ("traces", "sent"): 9}


def test_what_a_process_left_is_sent_by_the_next(exporter: Callable[..., Any], tmp_path: Path) -> None:
    """As soon as that starts, whether it records something or not."""
    port, batch = free_port(), spans(4)
    first = exporter(f"http://127.0.0.1:{port}")
    first.export(batch)
    first.shutdown()
    with HttpReceiver(port=port) as receiver:
        exporter(f"http://127.0.0.1:{port}")
        until(lambda: not spool(tmp_path).waiting)
        assert arrived(receiver) == ids(batch)


def test_another_endpoint_does_not_get_what_was_made_for_this_one(exporter: Callable[..., Any], tmp_path: Path) -> None:
    """It stays until somebody sends there, or there is no more room."""
    exporter(f"http://127.0.0.1:{free_port()}").export(spans(4))
    with HttpReceiver() as receiver:
        exporter(receiver.endpoint).export(spans(1))
        assert len(receiver.spans) == 1
    assert waiting(tmp_path) == 4


def test_what_waits_is_sent_with_the_headers_of_the_environment(
    exporter: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And packed as it says; the spool knows none of it."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=topsecret")
    steady = threading.Event()
    with UnsteadyReceiver(lambda: (200 if steady.is_set() else 503, {})) as receiver:
        exporter(receiver.endpoint).export(spans(1))
        assert b"topsecret" not in b"".join(path.read_bytes() for path in (tmp_path / ".spanguard").iterdir())
        steady.set()
        until(lambda: receiver.spans)
        assert {request["x-key"] for request in receiver.requests} == {"topsecret"}


def test_what_waits_is_packed_as_the_environment_says(
    exporter: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`OTEL_EXPORTER_OTLP_COMPRESSION` holds for the second try as for the first."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    port = free_port()
    exporter(f"http://127.0.0.1:{port}").export(spans(3))
    with HttpReceiver(port=port) as receiver:
        until(lambda: not spool(tmp_path).waiting)
        assert len(receiver.spans) == 3


# --------------------------------------------------------------------------------------------------- what endpoints answer


@pytest.mark.parametrize(("code", "date"), [(503, False), (429, True)])
def test_an_endpoint_that_asks_for_time_gets_it(
    exporter: Callable[..., Any], tmp_path: Path, code: int, *, date: bool
) -> None:
    """`Retry-After` in seconds or as a date: no request comes before; what is recorded meanwhile waits."""
    times: list[float] = []

    def answer() -> tuple[int, dict[str, str]]:
        times.append(time.monotonic())
        later = formatdate(time.time() + 2, usegmt=True) if date else "1"  # a date has no fractions of a second
        return (code, {"Retry-After": later}) if len(times) == 1 else (200, {})

    with UnsteadyReceiver(answer) as receiver:
        sender = exporter(receiver.endpoint)
        sender.export(spans(2))
        sender.export(spans(3))
        assert (len(times), waiting(tmp_path)) == (1, 5)
        until(lambda: len(receiver.spans) == 5)
    assert times[1] - times[0] >= 0.99


@pytest.mark.parametrize("code", [408, 429, 502, 503, 504])
def test_what_may_be_taken_later_is_kept(exporter: Callable[..., Any], tmp_path: Path, code: int) -> None:
    """The statuses that the OTLP specification names."""
    steady = threading.Event()
    with UnsteadyReceiver(lambda: (200 if steady.is_set() else code, {})) as receiver:
        exporter(receiver.endpoint).export(spans(2))
        assert waiting(tmp_path) == 2
        steady.set()
        until(lambda: len(receiver.spans) == 2)


def test_when_the_spool_is_full_the_newest_arrive(exporter: Callable[..., Any], tmp_path: Path) -> None:
    """The oldest have gone, counted; what is left is what is sent."""
    port = free_port()
    sender = exporter(f"http://127.0.0.1:{port}", spool_mb=0.2)
    batches = [spans(200) for _ in range(40)]
    assert {sender.export(batch).name for batch in batches} == {"SUCCESS"}
    kept, gone = waiting(tmp_path), spool(tmp_path).counts["traces", "full"]
    assert (kept + gone, 0 < kept < gone) == (8_000, True)
    with HttpReceiver(port=port) as receiver:
        until(lambda: not spool(tmp_path).waiting)
        assert arrived(receiver) == ids([span for batch in batches[-kept // 200 :] for span in batch])


@pytest.mark.parametrize("code", [400, 413, 500])
def test_what_is_never_taken_is_dropped_and_counted(
    exporter: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    """It is said once; the next batch is sent as ever."""
    answers = iter([code, 200, code, 200])
    with UnsteadyReceiver(lambda: (next(answers), {})) as receiver, caplog.at_level(logging.WARNING):
        sender = exporter(receiver.endpoint)
        results = [sender.export(spans(count)) for count in (1, 2, 4, 8)]
        assert [result.name for result in results] == ["FAILURE", "SUCCESS", "FAILURE", "SUCCESS"]
        assert (len(receiver.spans), sender.dropped) == (10, 5)
    assert (spool(tmp_path).counts, spool(tmp_path).dropped) == ({("traces", "refused"): 5}, 5)
    assert caplog.text.count(f"refuses what it is sent (HTTP {code})") == 1


def test_an_endpoint_that_refuses_everything_does_not_empty_the_spool(
    exporter: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong key costs a batch or two, then there is a rest that grows: time to put it right."""
    monkeypatch.setattr(spooling_courier, "FIRST_REST", 60.0)
    monkeypatch.setattr(spooling_courier, "LONGEST_REST", 60.0)
    with UnsteadyReceiver(lambda: (503, {})) as receiver:
        sender = exporter(receiver.endpoint)
        for _ in range(10):
            sender.export(spans(1))
        sender.shutdown()
        assert (len(receiver.requests), waiting(tmp_path)) == (1, 10)
        receiver.answer = lambda: (401, {})
        exporter(receiver.endpoint).shutdown()
        assert len(receiver.requests) == 3
    assert (waiting(tmp_path), spool(tmp_path).dropped) == (8, 2)


def test_an_endpoint_that_never_answers_holds_up_one_batch_and_no_other(exporter: Callable[..., Any], tmp_path: Path) -> None:
    """It is committed while it is tried; those after it are committed at once."""
    answer = threading.Event()

    def late() -> tuple[int, dict[str, str]]:
        answer.wait(30)
        return 200, {}

    with UnsteadyReceiver(late) as receiver:
        sender = exporter(receiver.endpoint, exit_timeout=0.2)
        batches = [spans(1), spans(2), spans(4)]
        assert [sender.export(batch).name for batch in batches] == ["SUCCESS"] * 3
        assert (waiting(tmp_path), len(receiver.requests)) == (7, 1)
        answer.set()
        until(lambda: not spool(tmp_path).waiting)
        assert arrived(receiver) == ids([span for batch in batches for span in batch])


def test_after_a_try_that_took_too_long_the_batch_is_sent_again_with_the_same_ids(
    exporter: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least once: the endpoint may have taken it without saying so."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")
    answers: Iterator[tuple[int, dict[str, str]] | None] = iter([None, None, (200, {})])
    batch = spans(3)
    with UnsteadyReceiver(lambda: next(answers, (200, {}))) as receiver:
        exporter(receiver.endpoint, exit_timeout=0.2).export(batch)
        until(lambda: receiver.spans)
        assert arrived(receiver) == ids(batch)


def retry_info(context: grpc.ServicerContext) -> None:
    """Refuse a call for a moment, as the OTLP specification describes."""
    details = AnyMessage()
    details.Pack(RetryInfo(retry_delay=Duration(nanos=300_000_000)))
    context.set_trailing_metadata([("grpc-status-details-bin", RpcStatus(code=8, details=[details]).SerializeToString())])
    context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "later")


def test_grpc_says_when_to_come_back(exporter: Callable[..., Any], tmp_path: Path) -> None:
    """RESOURCE_EXHAUSTED with a delay, and UNAVAILABLE, are for later."""
    calls: list[int] = []

    def refuse(context: grpc.ServicerContext) -> None:
        calls.append(1)
        if len(calls) == 1:
            retry_info(context)
        if len(calls) == 2:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")

    with GrpcReceiver(refuse=refuse) as receiver:
        exporter(receiver.endpoint, kind=GrpcSpanExporter).export(spans(3))
        until(lambda: len(receiver.spans) == 3)
    assert (len(calls), spool(tmp_path).dropped) == (3, 0)


@pytest.mark.parametrize("code", [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_grpc_refuses_for_good(exporter: Callable[..., Any], tmp_path: Path, code: grpc.StatusCode) -> None:
    """What is no good stays so; and without a delay an exhausted resource is one too."""
    with GrpcReceiver(refuse=lambda context: context.abort(code, "no")) as receiver:
        assert exporter(receiver.endpoint, kind=GrpcSpanExporter).export(spans(3)) is SpanExportResult.FAILURE
    assert spool(tmp_path).counts == {("traces", "refused"): 3}


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), (" 0 ", 0.0), ("-5", 0.0), ("inf", None), ("nan", None), ("soon", None), ("", None)]
)
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    """What cannot be understood is as if it were not there."""
    assert retry_after({"Retry-After": value}) == seconds


def test_retry_after_as_a_date() -> None:
    """The other form that HTTP knows; a date that is over means at once."""
    assert 55 < (retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)}) or 0) <= 60
    assert retry_after({"retry-after": formatdate(time.time() - 60, usegmt=True)}) == 0.0
    assert retry_after({}) is None


# ------------------------------------------------------------------------------------------------------------ no disk


def test_without_a_spool_what_cannot_be_sent_is_kept_in_memory(
    exporter: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said once, and sent when the endpoint is back."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("state", ".spanguard"):
        (tmp_path / name).write_text("a file where a directory should be")
    port = free_port()
    sender = exporter(f"http://127.0.0.1:{port}")
    with caplog.at_level(logging.WARNING):
        assert [sender.export(spans(2)).name for _ in range(3)] == ["SUCCESS"] * 3
    assert caplog.text.count("kept in memory alone") == 1
    with HttpReceiver(port=port) as receiver:
        until(lambda: len(receiver.spans) == 6)


def test_memory_is_bounded_too(
    exporter: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest go first; what is left at the end is lost, and that is said. Here the spool is switched off."""
    monkeypatch.setattr(spooling_courier, "MEMORY_BYTES", 3000)
    sender = exporter(f"http://127.0.0.1:{free_port()}", spool_mb=0)
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            sender.export(spans(2))
        kept = 100 - sender.dropped
        assert 4 < kept < 96
        sender.shutdown()
    assert sender.dropped == 100
    assert f"{kept} items of telemetry were neither sent nor kept" in caplog.text
    assert list(tmp_path.iterdir()) == []


# --------------------------------------------------------------------------------------------------------------- metrics


@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
def test_of_cumulative_metrics_the_newest_point_is_kept(
    exporter: Callable[..., Any], tmp_path: Path, temporality: str
) -> None:
    """And of deltas each; a series that is no longer told of keeps its last point."""
    port = free_port()
    kind = AggregationTemporality.CUMULATIVE if temporality == "cumulative" else AggregationTemporality.DELTA
    sender = exporter(f"http://127.0.0.1:{port}", "metrics")
    reader = InMemoryMetricReader({Counter: kind})
    meters = MeterProvider([reader], Resource({"service.name": "test"}), shutdown_on_exit=False)
    calls = meters.get_meter("test").create_counter("calls")
    gauge = meters.get_meter("test").create_gauge("queue")
    for round_ in range(1, 4):
        calls.add(1, {"model": "a"})
        calls.add(10, {"model": "b"})
        gauge.set(round_)
        sender.export(reader.get_metrics_data())
    replaced = spool(tmp_path).counts.get(("metrics", "replaced"), 0)
    with HttpReceiver(port=port) as receiver:
        until(lambda: not spool(tmp_path).waiting)
        found = sorted(value for name, _, value in receiver.points if name == "calls")
        assert receiver.raw.count(b"queue") == 3
    assert found == ([3, 30] if temporality == "cumulative" else [1, 1, 1, 10, 10, 10])
    assert replaced == (4 if temporality == "cumulative" else 0)


# ------------------------------------------------------------------------------------------------------------- processes

DRAIN = """
    import time
    from pathlib import Path
    from spanguard.store.spool import status
    spanguard.configure()
    give_up = time.monotonic() + 40
    while status(Path(".spanguard/spool.db")).waiting and time.monotonic() < give_up:
        time.sleep(0.05)
"""


@pytest.mark.parametrize("hang", [False, True])
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_program_ends_in_time_and_the_next_sends_what_it_left(tmp_path: Path, protocol: str, hang: bool) -> None:
    """Spans and metrics, whether the endpoint refuses or never answers."""
    port = free_port()
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    code = """
        import atexit, time
        atexit.register(lambda: print(time.monotonic() - began))  # runs after what is registered later
        spanguard.configure()
        program()
        began = time.monotonic()
    """
    with HttpReceiver(hang=True, port=port) if hang else HttpReceiver():
        left = run(tmp_path, code, **environment)
    assert float(left.stdout) < 4  # twice the budget
    assert "telemetry could not all be sent" not in left.stderr
    assert {each.signal: each.items for each in spool(tmp_path).waiting}["traces"] == 5
    with GrpcReceiver(port=port) if protocol == "grpc" else HttpReceiver(port=port) as receiver:
        sent = run(tmp_path, DRAIN, **environment)
    assert (sent.returncode, sent.stderr) == (0, "")
    assert len({span["id"] for span in receiver.spans}) == len(receiver.spans) == 5
    assert sum(value for name, _, value in receiver.points if name == "resilience.token.usage") == 30


def test_what_was_committed_survives_kill_9(tmp_path: Path) -> None:
    """The process is killed while it goes on recording; the next sends all that was flushed before."""
    port = free_port()
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    code = """
        pipeline = spanguard.configure()
        asks(100)
        pipeline.flush()
        print("ready", flush=True)
        while True:
            asks(1)
            time.sleep(0.001)
    """
    with start(tmp_path, code, **environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    counted = {each.signal: each.items for each in spool(tmp_path).waiting}["traces"]
    assert counted >= 100
    with HttpReceiver(port=port) as receiver:
        assert run(tmp_path, DRAIN, **environment).stderr == ""
    assert len({span["id"] for span in receiver.spans}) == len(receiver.spans) == counted


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_what_a_killed_process_was_sending_is_sent_by_the_next(tmp_path: Path, protocol: str) -> None:
    """Its lease runs out; what the endpoint had taken without saying so comes twice, with the same ids."""
    port = free_port()
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    code = """
        spanguard.configure().flush()
        asks(7)
        spanguard.configure().flush()
        print("ready", flush=True)
        time.sleep(60)
    """
    with HttpReceiver(hang=True, port=port), start(tmp_path, code, **environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    assert {each.signal: each.items for each in spool(tmp_path).waiting}["traces"] == 7
    with GrpcReceiver(port=port) if protocol == "grpc" else HttpReceiver(port=port) as receiver:
        assert run(tmp_path, DRAIN, **environment).stderr == ""
    assert len({span["id"] for span in receiver.spans}) == 7


# A receiver that writes down the ids of the spans of each request, and is killed in the middle of its third one.
MORTAL = r"""
import os, signal, sys
from pathlib import Path
from otlp_receiver import GrpcReceiver, HttpReceiver

class Mortal(GrpcReceiver if sys.argv[2] == "grpc" else HttpReceiver):
    requests = 0

    def take(self, message):
        self.requests += 1
        super().take(message)
        if sys.argv[3] == "mortal" and self.requests == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        with Path("arrived").open("a") as file:
            file.writelines(f"{span['id'].hex()}\n" for span in self.spans)
        self.spans.clear()

with Mortal(port=int(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_receiver_that_is_killed_in_the_middle_of_a_batch_gets_every_span(tmp_path: Path, protocol: str) -> None:
    """Under load, twice; the next receiver at the same address has what it had read and not kept."""
    port = free_port()
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_TIMEOUT": "2",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_BSP_MAX_QUEUE_SIZE": "100000",
    }
    code = """
        pipeline = spanguard.configure(exit_timeout=10)
        print("ready", flush=True)
        made = 0
        while not os.path.exists("enough"):
            ask()
            made += 1
            time.sleep(0.001)
        pipeline.flush()
        print(made)
    """
    with start(tmp_path, code, **environment) as process, ExitStack() as stack:
        stack.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(2):
            receiver = receiving(tmp_path, port, protocol, "mortal")
            assert receiver.wait(60) == -signal.SIGKILL
            receiver.communicate()
        (tmp_path / "enough").touch()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    receiver = receiving(tmp_path, port, protocol, "immortal")
    assert run(tmp_path, DRAIN, **environment).stderr == ""
    receiver.communicate(timeout=60)
    assert len({*(tmp_path / "arrived").read_text().split()}) == int(out)


def receiving(directory: Path, port: int, protocol: str, fate: str) -> subprocess.Popen[str]:
    """Start a receiver in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", MORTAL, str(port), protocol, fate],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_two_processes_send_what_waits_between_them(tmp_path: Path) -> None:
    """Each span once, as nothing fails."""
    port = free_port()
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "5"}
    filling = "pipeline = spanguard.configure()\nfor _ in range(100): program()\npipeline.flush()"
    assert run(tmp_path, filling, **environment).returncode == 0
    assert sum(each.batches for each in spool(tmp_path).waiting) > 20
    before = waiting(tmp_path)
    with HttpReceiver(port=port) as receiver:
        results: list[Any] = []
        workers = [threading.Thread(target=lambda: results.append(run(tmp_path, DRAIN, **environment))) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert [(each.returncode, each.stderr) for each in results] == [(0, "")] * 2
    assert len({span["id"] for span in receiver.spans}) == len(receiver.spans) == 500
    assert spool(tmp_path).counts["traces", "sent"] + spool(tmp_path).counts["metrics", "sent"] == before


@pytest.mark.parametrize("way", ["os", "multiprocessing"])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_parent_and_child_leave_each_their_own(tmp_path: Path, way: str) -> None:
    """Forked while the endpoint is down; the next process sends each span once."""
    port = free_port()
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    code = f"""
        pipeline = spanguard.configure()
        asks(5)
        pipeline.flush()
        asks(2)
        if {way == "os"}:
            assert [forked(lambda: asks(3)) for _ in range(3)] == [0, 0, 0]
        else:
            children = [multiprocessing.get_context("fork").Process(target=asks, args=(3,)) for _ in range(3)]
            for child in children: child.start()
            for child in children: child.join()
            assert [child.exitcode for child in children] == [0, 0, 0]
        asks(1)
    """
    with start(tmp_path, code, **environment) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, ""), err
    assert {each.signal: each.items for each in spool(tmp_path).waiting}["traces"] == 17
    with HttpReceiver(port=port) as receiver:
        assert run(tmp_path, DRAIN, **environment).stderr == ""
    assert len({span["id"] for span in receiver.spans}) == len(receiver.spans) == 17


def test_an_endpoint_that_comes_and_goes_under_load_gets_every_span(tmp_path: Path) -> None:
    """Two threads record all the time; twice nobody listens for a while."""
    port = free_port()
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_BSP_MAX_QUEUE_SIZE": "100000",
    }
    code = """
        pipeline = spanguard.configure(exit_timeout=10)
        stop, made = threading.Event(), []
        def work():
            mine = 0
            while not stop.is_set():
                ask()
                mine += 1
                time.sleep(0.001)
            made.append(mine)
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads: thread.start()
        print("ready", flush=True)
        while not os.path.exists("enough"):
            time.sleep(0.02)
        stop.set()
        for thread in threads: thread.join()
        pipeline.flush()
        print(sum(made))
    """
    receivers: list[HttpReceiver] = []
    with start(tmp_path, code, **environment) as process, ExitStack() as stack:
        stack.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(2):
            with HttpReceiver(port=port) as receiver:
                until(lambda receiver=receiver: receiver.spans)
            receivers.append(receiver)  # it may still be reading a request
            time.sleep(0.3)
        (tmp_path / "enough").touch()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    with HttpReceiver(port=port) as receiver:
        assert run(tmp_path, DRAIN, **environment).stderr == ""
    receivers.append(receiver)
    assert len({span["id"] for each in receivers for span in each.spans}) == int(out)


def test_a_pipeline_of_others_has_it_by_name(tmp_path: Path) -> None:
    """The exporters behind the entry points `spanguard_otlp`: guarded, and with the spool."""
    port = free_port()
    code = """
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from spanguard.pipeline.spooling_entry import OtlpLogExporter, OtlpMetricExporter, OtlpSpanExporter
        OtlpLogExporter().shutdown()
        OtlpMetricExporter().shutdown()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(OtlpSpanExporter()))
        trace.set_tracer_provider(provider)
        with provider.get_tracer("somebody").start_as_current_span("work") as span:
            span.set_attribute("gen_ai.input.messages", "the secret prompt")
    """
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    assert run(tmp_path, code, **environment).returncode == 0
    assert waiting(tmp_path) == 1
    with HttpReceiver(port=port) as receiver:
        run(tmp_path, DRAIN, **environment)
    assert len(receiver.spans) == 1
    assert b"secret" not in receiver.raw
