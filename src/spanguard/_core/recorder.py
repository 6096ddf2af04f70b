"""The one mouth: everything that spanguard emits goes through here, to whatever providers the program has set.

Tracers and meters come from OpenTelemetry's global providers, which may be set at any time: the API's proxies bind
themselves then. `on` tells in a few dozen nanoseconds that nobody listens, so that a decorated call can step aside.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import Counter, Histogram, Meter
from opentelemetry.trace import Link, Span, SpanKind, Tracer

from spanguard import semconv
from spanguard import settings as _settings
from spanguard._core.border import report
from spanguard.semconv import Event, Generation, Metric
from spanguard.settings import Settings

Value = str | bool | int | float | Sequence[str]
Attributes = dict[str, Value]

# The public getters look the environment up each time, a microsecond apiece, which is all a call without an SDK may cost.
# Should the private names go, `on` is always true: right, and slower.
_trace_globals: Final = trace.get_tracer_provider.__globals__
_metrics_globals: Final = metrics.get_meter_provider.__globals__
_named_in_environment: Final = "OTEL_PYTHON_TRACER_PROVIDER" in os.environ or "OTEL_PYTHON_METER_PROVIDER" in os.environ


def on() -> bool:
    """Whether a provider has been set, so that what is recorded can go anywhere."""
    return (
        _trace_globals.get("_TRACER_PROVIDER", True) is not None
        or _metrics_globals.get("_METER_PROVIDER", True) is not None
        or _named_in_environment
    )


class Recorder:
    """Holds tracers, meters and instruments, and writes spans, events and metrics with them."""

    def __init__(self, settings: Settings) -> None:
        self.settings: Final = settings
        self.generation: Final[Generation] = semconv.GENERATIONS[settings.semconv]
        self._on_span = settings.events != "log"
        self._in_log = settings.events != "span"
        self._ours = trace.get_tracer(semconv.SCOPE, semconv.VERSION, schema_url=semconv.SCHEMA_URL)
        self._gen_ai = trace.get_tracer(semconv.SCOPE_GENAI, semconv.VERSION, schema_url=self.generation.schema_url)
        ours = metrics.get_meter(semconv.SCOPE, semconv.VERSION, schema_url=semconv.SCHEMA_URL)
        gen_ai = metrics.get_meter(semconv.SCOPE_GENAI, semconv.VERSION, schema_url=self.generation.schema_url)
        self._instruments = {metric.name: _instrument(ours, metric) for metric in semconv.METRICS}
        table = self.generation
        for metric in (table.duration, table.first_chunk, table.per_chunk, *(each.metric for each in table.tokens)):
            if metric.name not in self._instruments:
                self._instruments[metric.name] = _instrument(gen_ai, metric)

    def start(
        self,
        name: str,
        attributes: Attributes,
        *,
        parent: Context,
        start: int,
        gen_ai: bool = False,
        links: Sequence[Link] = (),
    ) -> Span:
        """Start a span: of the GenAI scope and kind CLIENT, or of ours and INTERNAL."""
        tracer: Tracer = self._gen_ai if gen_ai else self._ours
        kind = SpanKind.CLIENT if gen_ai else SpanKind.INTERNAL
        return tracer.start_span(name, parent, kind, attributes, links, start)

    def measure(self, metric: Metric, value: float, attributes: Mapping[str, Value], within: Context | None) -> None:
        """Record one measurement, with the span of the context as its exemplar."""
        instrument = self._instruments[metric.name]
        if isinstance(instrument, Histogram):
            instrument.record(value, attributes, within)
        else:
            instrument.add(value, attributes, within)

    def event(self, event: Event, attributes: Attributes, *, span: Span, within: Context) -> None:
        """Tell an event: on the span if it is recording, as a log record if it is not or if the settings say so."""
        recording = span.is_recording()
        if recording and self._on_span:
            span.add_event(event.name, attributes)
        if self._in_log or not recording:
            _log_event(event, attributes, within)


def _instrument(meter: Meter, metric: Metric) -> Histogram | Counter:
    if metric.kind == "counter":
        return meter.create_counter(metric.name, metric.unit, metric.brief)
    return meter.create_histogram(
        metric.name, metric.unit, metric.brief, explicit_bucket_boundaries_advisory=metric.boundaries
    )


def _log_event(event: Event, attributes: Attributes, within: Context) -> None:
    # Imported when first needed: the logs API is a third of the import cost of the whole API.
    from opentelemetry._logs import LogRecord, SeverityNumber, get_logger

    logger = get_logger(semconv.SCOPE, semconv.VERSION, schema_url=semconv.SCHEMA_URL)
    severity = SeverityNumber[event.severity]
    logger.emit(
        LogRecord(
            context=within,
            severity_number=severity,
            severity_text=event.severity,
            attributes=attributes,
            event_name=event.name,
        )
    )


_recorder: Recorder | None = None


def recorder() -> Recorder:
    """Return the process's recorder, made for the settings in force, or for those of the environment before any are."""
    global _recorder
    made = _recorder
    if made is not None and made.settings is _settings.in_force:
        return made
    if _settings.in_force is None:
        settings, faults = Settings.tolerant()
        for fault in faults:
            report("settings", f"{fault}; the default is used")
        _settings.use(settings)
    made = _recorder = Recorder(_settings.in_force or Settings())
    return made
