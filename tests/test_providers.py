"""Providers that come late, in any order, two at a time, or not at all: all is counted once, and nobody waits."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from opentelemetry import _logs, metrics, trace
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracerProvider
from opentelemetry.util._once import Once

from spanguard import settings, traced_llm_call, traced_repair
from spanguard._core import border
from spanguard._core.recorder import Recorder, on, recorder
from spanguard.settings import Settings
from support import completion, quick_switches
from test_processes import kept, run

CALLS = "gen_ai.client.operation.duration"
TOKENS = "gen_ai.client.token.usage"
DELTA = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}


@contextlib.contextmanager
def no_providers() -> Iterator[None]:
    """Forget the global providers for a while, as if the process had just begun; afterwards the old ones are back."""
    spaces = [get.__globals__ for get in (trace.get_tracer_provider, metrics.get_meter_provider, _logs.get_logger_provider)]
    saved = [dict(space) for space in spaces]
    for space in spaces:
        for name in [name for name in space if name.endswith("_SET_ONCE")]:
            space[name] = Once()
            space[name.removesuffix("_SET_ONCE")] = None
        if "_PROXY_METER_PROVIDER" in space:
            space["_PROXY_METER_PROVIDER"] = type(space["_PROXY_METER_PROVIDER"])()
    strict, border.strict = border.strict, True
    in_force = settings.in_force
    settings.use(Settings())
    try:
        yield
    finally:
        border.strict = strict
        if in_force is not None:
            settings.use(in_force)
        for space, before in zip(spaces, saved, strict=True):
            space.update(before)


@pytest.fixture
def fresh() -> Iterator[None]:
    """No providers yet."""
    with no_providers():
        yield


@traced_llm_call(provider="openai")
def ask(fail: bool = False, model: str = "gpt-5.2") -> object:
    """Call a model; decorated before any provider is set."""
    if fail:
        raise TimeoutError
    return completion(10, 5)


def work() -> None:
    """One operation with one attempt, one call and one verdict, which is an event."""
    with traced_repair("invoice") as repair:
        for attempt in repair.attempts(1):
            with attempt:
                ask()
                attempt.validated("schema", passed=True)


class Traces:
    """A provider of tracers and what its processors were given."""

    def __init__(self, processors: int = 1) -> None:
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.exporters = [InMemorySpanExporter() for _ in range(processors)]
        for exporter in self.exporters:
            self.provider.add_span_processor(SimpleSpanProcessor(exporter))

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """The spans that the first processor was given."""
        return self.exporters[0].get_finished_spans()


def counted(data: MetricsData | None, name: str = CALLS, attribute: str = "") -> int:
    """How many measurements of a histogram a collection tells, of those that have the attribute."""
    total = 0
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points if metric.name == name else ():
                    assert sum(point.bucket_counts) == point.count
                    total += point.count if not attribute or attribute in point.attributes else 0
    return total


# --------------------------------------------------------------------------------------------------------- late providers


@hypothesis_settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["work", "work", "work", "traces", "metrics", "logs"]), max_size=14))
def test_providers_may_come_at_any_time_and_in_any_order(steps: list[str]) -> None:
    """From then on all is recorded, by decorators that are older; an event is told once, by span or by log record."""
    with no_providers():
        traces, reader, logs = Traces(), InMemoryMetricReader(), InMemoryLogRecordExporter()
        expected = {"spans": 0, "calls": 0, "events": 0, "records": 0}
        present: set[str] = set()
        for step in steps:
            if step == "work":
                work()
                expected["spans"] += 3 * ("traces" in present)
                expected["calls"] += "metrics" in present
                expected["events"] += "traces" in present
                expected["records"] += "logs" in present and "traces" not in present
            elif step not in present:
                present.add(step)
                _set(step, traces, reader, logs)
        found = {
            "spans": len(traces.spans),
            "calls": counted(reader.get_metrics_data()),
            "events": sum(len(span.events) for span in traces.spans),
            "records": len(logs.get_finished_logs()),
        }
        assert found == expected
        assert on() == bool(present)


def _set(signal: str, traces: Traces, reader: InMemoryMetricReader, logs: InMemoryLogRecordExporter) -> None:
    if signal == "traces":
        trace.set_tracer_provider(traces.provider)
    elif signal == "metrics":
        metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
    else:
        provider = LoggerProvider(shutdown_on_exit=False)
        provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
        _logs.set_logger_provider(provider)


def test_an_exchanged_provider_gets_what_comes_after_the_exchange(fresh: None) -> None:
    """Test suites exchange the global providers, one or the other; neither the old nor the new gets what is the other's."""
    traces = [Traces(), Traces()]
    readers = [InMemoryMetricReader(), InMemoryMetricReader()]

    def put(space: dict[str, object], name: str, provider: object) -> None:
        space[name] = provider
        ask()

    for each in traces:
        put(trace.get_tracer_provider.__globals__, "_TRACER_PROVIDER", each.provider)
    for reader in readers:
        meters = MeterProvider([reader], shutdown_on_exit=False)
        put(metrics.get_meter_provider.__globals__, "_METER_PROVIDER", meters)
    assert [len(each.spans) for each in traces] == [1, 3]
    assert [counted(reader.get_metrics_data()) for reader in readers] == [1, 1]


def test_an_operation_finishes_where_it_began(fresh: None) -> None:
    """With a provider set in the middle of it: what begins later is recorded, and the operation itself is in nobody's way."""
    traces = Traces()
    with traced_repair("invoice") as repair:
        for attempt in repair.attempts(1):
            with attempt:
                trace.set_tracer_provider(traces.provider)
                ask()
    assert [span.name for span in traces.spans][:1] == ["chat gpt-5.2"]


def test_providers_that_do_nothing(fresh: None) -> None:
    """With the API's no-op providers everything runs; a real one beside them gets its part."""
    trace.set_tracer_provider(NoOpTracerProvider())
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
    work()
    with pytest.raises(TimeoutError):
        ask(fail=True)
    data = reader.get_metrics_data()
    assert (counted(data), counted(data, attribute="error.type")) == (2, 1)


def test_only_providers_that_do_nothing(fresh: None) -> None:
    """Nothing is recorded and nothing is in the way."""
    trace.set_tracer_provider(NoOpTracerProvider())
    metrics.set_meter_provider(NoOpMeterProvider())
    work()
    assert isinstance(ask(), dict)


def test_first_calls_of_many_threads(fresh: None) -> None:
    """Make one recorder: before 1.41 the SDK raises a KeyError where two threads create one instrument at once."""
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False))
    together = threading.Barrier(8)

    def first(_: int) -> Recorder:
        together.wait()
        return recorder()

    with quick_switches(), ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(first, range(8)))) == 1


# ----------------------------------------------------------------------------------------- two readers and two processors


@hypothesis_settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(st.booleans(), max_size=40), min_size=1, max_size=4), st.integers(1, 30))
def test_deltas_sum_to_the_cumulative_value_and_to_the_calls_made(threads: list[list[bool]], collections: int) -> None:
    """With threads calling while a delta reader and a cumulative one collect, and two span processors."""
    with no_providers():
        delta, cumulative, traces = InMemoryMetricReader(DELTA), InMemoryMetricReader(), Traces(processors=2)
        metrics.set_meter_provider(MeterProvider([delta, cumulative], shutdown_on_exit=False))
        trace.set_tracer_provider(traces.provider)
        seen: list[tuple[int, int, int]] = []

        def calls(fails: list[bool]) -> None:
            for fail in fails:
                with contextlib.suppress(TimeoutError):
                    ask(fail)

        def collect(reader: InMemoryMetricReader) -> tuple[int, int, int]:
            data = reader.get_metrics_data()
            return counted(data), counted(data, attribute="error.type"), counted(data, TOKENS)

        with ThreadPoolExecutor(5) as pool:
            running = [pool.submit(calls, fails) for fails in threads]
            for _ in range(collections):
                seen.append(collect(delta))
                collect(cumulative)
            for each in running:
                each.result()
        seen.append(collect(delta))
        made, failed = sum(map(len, threads)), sum(map(sum, threads))
        assert tuple(map(sum, zip(*seen, strict=True))) == collect(cumulative) == (made, failed, 2 * (made - failed))
        assert [len(exporter.get_finished_spans()) for exporter in traces.exporters] == [made, made]


# ------------------------------------------------------------------------------------------------------- nobody ever waits


class Hanging(SpanExporter, MetricExporter):
    """An exporter of spans and metrics that hangs until it is released."""

    def __init__(self) -> None:
        MetricExporter.__init__(self)
        self.entered = threading.Event()
        self.released = threading.Event()

    def export(self, *_: object, **__: object) -> Any:
        self.entered.set()
        self.released.wait(60)
        return MetricExportResult.SUCCESS

    def shutdown(self, *_: object, **__: object) -> None: ...

    def force_flush(self, *_: object, **__: object) -> bool:
        return True


def test_an_exporter_that_hangs_holds_no_call_up(fresh: None) -> None:
    """While both export threads are stuck, calls go on, in this thread and in others."""
    spans, points = Hanging(), Hanging()
    traces = TracerProvider(shutdown_on_exit=False)
    traces.add_span_processor(BatchSpanProcessor(spans, schedule_delay_millis=1))
    trace.set_tracer_provider(traces)
    reader = PeriodicExportingMetricReader(points, export_interval_millis=1)
    meters = MeterProvider([reader], shutdown_on_exit=False)
    metrics.set_meter_provider(meters)
    ask()
    assert spans.entered.wait(30)
    assert points.entered.wait(30)
    with ThreadPoolExecutor(2) as pool:
        assert len(list(pool.map(lambda _: ask(), range(200)))) == 200
    assert not spans.released.is_set()
    for exporter in (spans, points):
        exporter.released.set()
    traces.shutdown()
    meters.shutdown()


class Broken(SpanExporter):
    """An exporter that raises."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        raise RuntimeError


def test_an_exporter_that_raises_on_the_calling_thread_is_not_felt(fresh: None) -> None:
    """A program may have put a `SimpleSpanProcessor` before it, which exports inside the call."""
    traces = TracerProvider(shutdown_on_exit=False)
    traces.add_span_processor(SimpleSpanProcessor(Broken()))
    trace.set_tracer_provider(traces)
    assert isinstance(ask(), dict)


@pytest.mark.parametrize("end", ["shutdown", "shutdown(0)"])
def test_calls_after_the_shutdown_go_on(tmp_path: Path, end: str) -> None:
    """Nothing raises, nothing waits, nothing is printed; what is recorded then is nowhere."""
    code = f"""
        pipeline = spanguard.configure()
        asks(2)
        pipeline.shutdown()
        pipeline.{end.removesuffix("(0)")}(0)
        asks(500)
        assert ask()["choices"] == []
        assert not pipeline.flush()
    """
    assert run(tmp_path, code) == ""
    assert (kept(tmp_path).calls, kept(tmp_path).spans) == ([2], [2])


# ------------------------------------------------------------------------------------------------------------- configure


def test_configure_in_many_threads_at_once(tmp_path: Path) -> None:
    """All get the same pipeline, made once, while others are calling already."""
    code = """
        barrier, pipelines = threading.Barrier(8), set()
        def begin():
            barrier.wait()
            pipelines.add(spanguard.configure())
            asks(10)
        threads = [threading.Thread(target=begin) for _ in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert len(pipelines) == 1
    """
    assert run(tmp_path, code) == ""
    assert (kept(tmp_path).calls, kept(tmp_path).spans) == ([80], [80])


def test_a_provider_set_after_configure_is_refused_by_opentelemetry(tmp_path: Path) -> None:
    """It says so itself, and what is recorded goes where it went."""
    code = """
        from opentelemetry import metrics, trace
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.trace import TracerProvider
        spanguard.configure()
        asks(1)
        trace.set_tracer_provider(TracerProvider())
        metrics.set_meter_provider(MeterProvider())
        asks(2)
    """
    errors = run(tmp_path, code)
    assert errors.count("is not allowed") == 2
    assert (kept(tmp_path).calls, kept(tmp_path).spans) == ([3], [3])


@pytest.mark.parametrize("theirs", ["traces", "metrics"])
def test_a_program_that_has_set_one_provider_gets_that_signal_and_the_store_the_other(tmp_path: Path, theirs: str) -> None:
    """In a store one signal is missing; nothing is in both places."""
    code = f"""
        from opentelemetry import metrics, trace
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        if {theirs == "traces"}:
            trace.set_tracer_provider(TracerProvider())
        else:
            metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))
        spanguard.configure()
        asks(3)
    """
    assert run(tmp_path, code) == ""
    found = kept(tmp_path)
    assert (found.calls, found.spans) == (([3], []) if theirs == "traces" else ([], [3]))


def test_a_configure_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """A variable that the SDK refuses: no provider is set, and once it is right all goes to the store."""
    code = """
        try:
            spanguard.configure()
        except ValueError:
            os.environ["OTEL_BLRP_MAX_QUEUE_SIZE"] = "1000"
        spanguard.configure()
        asks(3)
    """
    assert run(tmp_path, code, OTEL_BLRP_MAX_QUEUE_SIZE="-1") == ""
    assert (kept(tmp_path).calls, kept(tmp_path).spans) == ([3], [3])


def test_without_a_tracer_provider_events_are_log_records(tmp_path: Path) -> None:
    """With `OTEL_TRACES_EXPORTER=none` and an unsampled trace alike; with a span recording they are the span's."""
    code = """
        spanguard.configure()
        with traced_repair("invoice") as repair:
            for attempt in repair.attempts(1):
                with attempt:
                    attempt.validated("schema", passed=True)
    """
    assert run(tmp_path, code, OTEL_TRACES_SAMPLER="always_off") == ""
    with closing(sqlite3.connect(tmp_path / ".spanguard" / "telemetry.db")) as store:
        assert store.execute("SELECT name FROM log_events").fetchall() == [("gen_ai.evaluation.result",)]
        assert store.execute("SELECT count(*) FROM spans").fetchone() == (0,)
