"""What the tests share: telemetry as plain data, fixed ids, a clock that the test moves, four kinds of function."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator

from spanguard.pipeline.resend import ResendCountProcessor

SECOND = 1_000_000_000
EPOCH = 1_800_000_000 * SECOND


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.elapsed = 0

    def now(self) -> int:
        """Say when, in nanoseconds."""
        return EPOCH + self.elapsed

    def ticks(self) -> int:
        """Say how long, in nanoseconds."""
        return self.elapsed

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.elapsed += int(seconds * SECOND)


class Counted(IdGenerator):
    """Ids 1, 2, 3 ..."""

    last = 0

    def generate_span_id(self) -> int:
        self.last += 1
        return self.last

    def generate_trace_id(self) -> int:
        self.last += 1
        return self.last


@dataclass
class Span:
    """One finished span as plain data; parents and links are told by name, times in seconds since the test began."""

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

    def event(self, name: str) -> dict[str, Any]:
        """Return the attributes of the one event of that name."""
        (attributes,) = [attributes for each, attributes in self.events if each == name]
        return attributes


class Telemetry:
    """Everything that was recorded since the test began, read from the real SDK."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        tracers = TracerProvider(id_generator=Counted(), shutdown_on_exit=False)
        tracers.add_span_processor(ResendCountProcessor())
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        trace.set_tracer_provider(tracers)
        delta = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}
        self._reader = InMemoryMetricReader(delta)
        metrics.set_meter_provider(MeterProvider([self._reader], shutdown_on_exit=False))
        self._logs = InMemoryLogRecordExporter()
        loggers = LoggerProvider(shutdown_on_exit=False)
        loggers.add_log_record_processor(SimpleLogRecordProcessor(self._logs))
        _logs.set_logger_provider(loggers)

    def clear(self) -> None:
        """Forget what was recorded."""
        self._spans.clear()
        self._reader.get_metrics_data()
        self._logs.clear()

    @property
    def spans(self) -> list[Span]:
        """The finished spans in the order of their start."""
        finished = sorted(self._spans.get_finished_spans(), key=lambda span: (span.start_time, span.context.span_id))
        names = {span.context.span_id: span.name for span in finished}
        return [_plain(span, names) for span in finished]

    def span(self, name: str) -> Span:
        """Return the one span of that name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found

    @property
    def tree(self) -> list[tuple[str, str | None]]:
        """Name and parent's name of each span."""
        return [(span.name, span.parent) for span in self.spans]

    def metrics(self) -> dict[str, list[tuple[dict[str, Any], Any]]]:
        """Return for each metric its points: attributes, and value or (count, sum). Reading resets them."""
        data = self._reader.get_metrics_data()
        found: dict[str, list[tuple[dict[str, Any], Any]]] = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        value = (point.count, point.sum) if hasattr(point, "count") else point.value
                        found.setdefault(metric.name, []).append((dict(point.attributes), value))
        # Each version of the SDK has an order of its own.
        return {name: sorted(points, key=lambda point: sorted(map(str, point[0].items()))) for name, points in found.items()}

    @property
    def logs(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Event name, severity and attributes of each log record."""
        records = [data.log_record for data in self._logs.get_finished_logs()]
        return [(r.event_name, r.severity_text, dict(r.attributes or {})) for r in records]


def _plain(span: ReadableSpan, names: Mapping[int, str]) -> Span:
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
        scope=span.instrumentation_scope.name if span.instrumentation_scope else "",
        schema=(span.instrumentation_scope.schema_url or "") if span.instrumentation_scope else "",
        description=span.status.description,
        id=span.context.span_id,
        parent_id=None if span.parent is None else span.parent.span_id,
    )


def completion(
    sent: int = 10, received: int = 5, *, model: str = "gpt-5.2-2026-01-01", cost: float | None = None, finish: str = "stop"
) -> dict[str, Any]:
    """Return a chat completion as a provider sends it."""
    usage: dict[str, Any] = {"prompt_tokens": sent, "completion_tokens": received, "total_tokens": sent + received}
    if cost is not None:
        usage["cost"] = cost
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": "hello"}}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": model, "choices": [choice], "usage": usage}


class Way:
    """One of the four kinds of function: makes such a function of a body, and runs it to its end."""

    def __init__(self, name: str) -> None:
        self.name = name

    def function(self, body: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of this kind; a generator yields the body's value as its one chunk."""

        def plain(*args: Any, **kwargs: Any) -> Any:
            return body(*args, **kwargs)

        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            return body(*args, **kwargs)

        def generator(*args: Any, **kwargs: Any) -> Any:
            yield body(*args, **kwargs)

        async def async_generator(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            yield body(*args, **kwargs)

        return {"def": plain, "async def": coroutine, "generator": generator, "async generator": async_generator}[self.name]

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the function and return its value, or its last chunk."""
        if self.name == "def":
            return function(*args, **kwargs)
        if self.name == "generator":
            return list(function(*args, **kwargs))[-1]
        if self.name == "async def":
            return asyncio.run(function(*args, **kwargs))
        return asyncio.run(_last(function(*args, **kwargs)))

    @property
    def streams(self) -> bool:
        """Whether the function hands out chunks."""
        return "generator" in self.name


async def _last(stream: Any) -> Any:
    return [chunk async for chunk in stream][-1]
