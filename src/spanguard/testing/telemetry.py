"""Telemetry as plain data, a clock that stands still, and ids that count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader, MetricsData, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator

from spanguard import semconv

SECOND: Final = 1_000_000_000
EPOCH: Final = 1_800_000_000 * SECOND
"""What `Clock` says at its beginning, in nanoseconds: a day in 2027."""

_DELTA: Final[dict[type, AggregationTemporality]] = {
    Counter: AggregationTemporality.DELTA,
    Histogram: AggregationTemporality.DELTA,
}


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.elapsed: int = 0

    def now(self) -> int:
        """Say when, in nanoseconds."""
        return EPOCH + self.elapsed

    def ticks(self) -> int:
        """Say how long, in nanoseconds."""
        return self.elapsed

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.elapsed += int(seconds * SECOND)


class CountedIds(IdGenerator):
    """Ids of traces and spans that are 1, 2, 3 ..."""

    last: int = 0

    def generate_span_id(self) -> int:
        """Return the next id."""
        self.last += 1
        return self.last

    def generate_trace_id(self) -> int:
        """Return the next id."""
        self.last += 1
        return self.last


@dataclass
class Span:
    """One finished span as plain data; parents and links are told by name, times in seconds since `EPOCH`."""

    name: str
    parent: str | None
    kind: str
    status: str
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    start: float = 0.0
    end: float = 0.0
    scope: str = ""
    schema: str = ""
    description: str | None = None
    id: int = 0
    parent_id: int | None = None

    def __getitem__(self, attribute: str) -> Any:
        return self.attributes[attribute]

    def __contains__(self, attribute: object) -> bool:
        return attribute in self.attributes

    def event(self, name: str) -> dict[str, object]:
        """Return the attributes of the one event of that name; raises `ValueError` if there are none or several."""
        (attributes,) = [attributes for each, attributes in self.events if each == name]
        return attributes


class KeptSpans(InMemorySpanExporter):
    """Keeps the spans of a test."""


class KeptLogs(InMemoryLogRecordExporter):
    """Keeps the log records of a test."""


class Providers(NamedTuple):
    """OpenTelemetry's providers of this process; ``ours`` says which were not there before, of spans, metrics and logs."""

    tracers: TracerProvider
    meters: MeterProvider | None
    loggers: LoggerProvider
    ours: frozenset[str]


def providers(reader: InMemoryMetricReader, ids: IdGenerator | None = None) -> Providers:
    """Return the providers that the program has set, and set those that it has not: OpenTelemetry takes each only once.

    The metrics are read by the reader; not if the program's provider is of an SDK before 1.44, which takes no reader later.
    """
    ours = set()
    tracers = trace.get_tracer_provider()
    if not isinstance(tracers, TracerProvider):
        tracers = TracerProvider(id_generator=ids, shutdown_on_exit=False)
        trace.set_tracer_provider(tracers)
        ours.add("spans")
    meters = metrics.get_meter_provider()
    if not hasattr(meters, "force_flush"):
        meters = MeterProvider([reader], shutdown_on_exit=False)
        metrics.set_meter_provider(meters)
        ours.add("metrics")
    elif (add := getattr(meters, "add_metric_reader", None)) is not None:
        add(reader)
    loggers = _logs.get_logger_provider()
    if not isinstance(loggers, LoggerProvider):
        loggers = LoggerProvider(shutdown_on_exit=False)
        _logs.set_logger_provider(loggers)
        ours.add("logs")
    return Providers(tracers, meters if isinstance(meters, MeterProvider) else None, loggers, frozenset(ours))


class Telemetry:
    """Everything that is recorded in this process since it was made or cleared, read from the real SDK.

    It listens at the providers that the program has set, and sets providers of its own where there are none. What it reads
    is what an exporter would get: with the process guard on, what is clean; without it, everything.
    """

    def __init__(self, *, ids: IdGenerator | None = None, processors: Iterable[SpanProcessor] = ()) -> None:
        self._reader = InMemoryMetricReader(_DELTA)
        self._providers = providers(self._reader, ids)
        self._spans, self._logs = KeptSpans(), KeptLogs()  # type: ignore[no-untyped-call]
        for processor in (*processors, SimpleSpanProcessor(self._spans)):
            self._providers.tracers.add_span_processor(processor)
        self._providers.loggers.add_log_record_processor(SimpleLogRecordProcessor(self._logs))

    @property
    def ours(self) -> frozenset[str]:
        """Which of ``spans``, ``metrics`` and ``logs`` go nowhere but here: the program has no provider for them."""
        return self._providers.ours

    def clear(self) -> None:
        """Forget what was recorded."""
        self._spans.clear()
        self.metrics_data()
        self._logs.clear()

    def flush(self) -> None:
        """Let every processor and reader export what it holds back."""
        for provider in self._providers[:3]:
            if provider is not None:
                provider.force_flush()

    @property
    def spans(self) -> list[Span]:
        """The finished spans in the order of their start."""
        finished = sorted(self._spans.get_finished_spans(), key=lambda span: (span.start_time or 0, _id(span)))
        names = {_id(span): span.name for span in finished}
        return [_plain(span, names) for span in finished]

    def span(self, name: str) -> Span:
        """Return the one span of that name; raises `ValueError` if there are none or several."""
        (found,) = [span for span in self.spans if span.name == name]
        return found

    @property
    def tree(self) -> list[tuple[str, str | None]]:
        """Name and parent's name of each span."""
        return [(span.name, span.parent) for span in self.spans]

    def metrics_data(self) -> MetricsData | None:
        """Return the metrics as the SDK collects them, and reset them."""
        return self._reader.get_metrics_data()

    def metrics(self) -> dict[str, list[tuple[dict[str, object], object]]]:
        """Return for each metric its points: attributes, and value or (count, sum). Reading resets them.

        Without the guard's own counts of what it removed, which go on from test to test.
        """
        data = self.metrics_data()
        found: dict[str, list[tuple[dict[str, object], object]]] = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == semconv.REDACTIONS.name:
                        continue
                    for point in metric.data.data_points:
                        value = point.value if isinstance(point, NumberDataPoint) else (point.count, point.sum)
                        found.setdefault(metric.name, []).append((dict(point.attributes or {}), value))
        # Each version of the SDK has an order of its own.
        return {name: sorted(points, key=lambda point: sorted(map(str, point[0].items()))) for name, points in found.items()}

    @property
    def logs(self) -> list[tuple[str, str, dict[str, object]]]:
        """Event name, severity and attributes of each log record."""
        records = [data.log_record for data in self._logs.get_finished_logs()]
        return [(r.event_name or "", r.severity_text or "", dict(r.attributes or {})) for r in records]


def _id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    return 0 if context is None else context.span_id


def _plain(span: ReadableSpan, names: Mapping[int, str]) -> Span:
    scope = span.instrumentation_scope
    return Span(
        name=span.name,
        parent=None if span.parent is None else names.get(span.parent.span_id, "?"),
        kind=span.kind.name,
        status=span.status.status_code.name,
        attributes=dict(span.attributes or {}),
        events=[(event.name, dict(event.attributes or {})) for event in span.events],
        links=[names.get(link.context.span_id, "?") for link in span.links],
        start=((span.start_time or 0) - EPOCH) / SECOND,
        end=((span.end_time or 0) - EPOCH) / SECOND,
        scope=scope.name if scope else "",
        schema=(scope.schema_url or "") if scope else "",
        description=span.status.description,
        id=_id(span),
        parent_id=None if span.parent is None else span.parent.span_id,
    )
