"""The one mouth: everything that spanguard emits goes through here, to whatever providers the program has set.

Tracers and meters come from OpenTelemetry's global providers, which may be set at any time, and exchanged by tests. `on`
tells in a few dozen nanoseconds that nobody listens, so that a decorated call can step aside.
"""

from __future__ import annotations

import copy
import os
import sys
import threading
from collections.abc import Sequence
from typing import Final

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NoOpTracer, Span, SpanKind, Tracer

from spanguard import semconv
from spanguard import settings as _settings
from spanguard._core.border import report
from spanguard._core.held import Held
from spanguard._core.measured import CallMetrics
from spanguard._core.writers import Attributes, writer
from spanguard.semconv import Event, Generation, Metric, Severity
from spanguard.settings import Settings

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
        or _logs_are_on()
    )


def _logs_are_on() -> bool:
    # Whoever has set a provider of loggers has imported this module; we do not, it is slow.
    module = sys.modules.get("opentelemetry._logs._internal")
    return module is not None and getattr(module, "_LOGGER_PROVIDER", None) is not None


def _providers() -> tuple[object, object]:
    return _trace_globals.get("_TRACER_PROVIDER"), _metrics_globals.get("_METER_PROVIDER")


class Recorder:
    """Holds tracers, meters and instruments, and writes spans, events and metrics with them."""

    def __init__(self, settings: Settings) -> None:
        self.settings: Final = settings
        self.providers: Final = _providers()
        self.inherited: bool = False
        """Whether what is recorded with it belongs to the process that this one was forked from."""
        self.generation: Final[Generation] = semconv.GENERATIONS[settings.semconv]
        self._on_span = settings.events != "log"
        self._in_log = settings.events != "span"
        self._ours = trace.get_tracer(semconv.SCOPE, semconv.VERSION, schema_url=semconv.SCHEMA_URL)
        self._gen_ai = trace.get_tracer(semconv.SCOPE_GENAI, semconv.VERSION, schema_url=self.generation.schema_url)
        ours = metrics.get_meter(semconv.SCOPE, semconv.VERSION, schema_url=semconv.SCHEMA_URL)
        gen_ai = metrics.get_meter(semconv.SCOPE_GENAI, semconv.VERSION, schema_url=self.generation.schema_url)
        table = self.generation
        tokens = [each for each in table.tokens if settings.token_histograms or not each.percentiles]
        of_calls = (table.duration, table.first_chunk, table.per_chunk, *(each.metric for each in tokens))
        writers = {
            metric.name: writer(meter, metric)
            for meter, measured in ((ours, semconv.METRICS), (gen_ai, dict.fromkeys(of_calls)))
            for metric in measured
        }
        self.held: Held = Held(writers, ours, gen_ai)
        self.measures: Final[bool] = _metrics_globals.get("_METER_PROVIDER", True) is not None
        """Whether there is a provider of meters; told after `get_meter`, which loads one that the environment names."""
        self.calls: CallMetrics = CallMetrics(table, tokens, self.held)

    def start(
        self,
        name: str,
        attributes: Attributes,
        parent: Context | None,
        start: int,
        *,
        gen_ai: bool = False,
        client: bool = False,
        links: Sequence[Link] = (),
    ) -> Span:
        """Start a span: of the GenAI scope and kind CLIENT, or of ours and INTERNAL unless it is a client's."""
        tracer: Tracer = self._gen_ai if gen_ai else self._ours
        kind = SpanKind.CLIENT if gen_ai or client else SpanKind.INTERNAL
        return tracer.start_span(name, parent, kind, attributes, links, start)

    def measure(self, metric: Metric, value: float, attributes: Attributes, within: Context | None) -> None:
        """Record one measurement, with the span of the context as its exemplar."""
        self.held.measure(metric, value, attributes, within)

    def started(self, attributes: Attributes, within: Context) -> None:
        """Tell the begin of an operation as a log record, if the settings ask for it: a span is told at its end."""
        if self.settings.started:
            event = semconv.OPERATION_STARTED
            _log_event(event, event.severity, attributes, within)

    def event(
        self, event: Event, attributes: Attributes, *, span: Span, within: Context, severity: Severity | None = None
    ) -> None:
        """Tell an event: on the span if it is recording, as a log record if it is not or if the settings say so."""
        if self.inherited:
            return
        recording = span.is_recording()
        if recording and self._on_span:
            span.add_event(event.name, attributes)
        if self._in_log or not recording:
            _log_event(event, severity or event.severity, attributes, within)

    def hand_over(self) -> Recorder:
        """Return a recorder for a forked child; this one falls silent there, as the parent finishes what it began."""
        heir = copy.copy(self)
        self.inherited = True
        self.held = Held({})
        self.calls = CallMetrics(self.generation, [], self.held)
        self._ours = self._gen_ai = NoOpTracer()
        return heir


def _log_event(event: Event, level: Severity, attributes: Attributes, within: Context) -> None:
    # Imported when first needed: the logs API is a third of the import cost of the whole API.
    from opentelemetry._logs import LogRecord, SeverityNumber, get_logger

    logger = get_logger(semconv.SCOPE, semconv.VERSION, schema_url=semconv.SCHEMA_URL)
    severity = SeverityNumber[level]
    logger.emit(
        LogRecord(
            context=within,
            severity_number=severity,
            severity_text=level,
            attributes=attributes,
            event_name=event.name,
        )
    )


_recorder: Recorder | None = None
# One thread at a time: two that create one instrument at once meet a KeyError in SDKs older than 1.41 (seen with 1.39).
# The same thread may come again: a provider that the environment names is loaded meanwhile, and may be traced itself.
_making = threading.RLock()


def recorder() -> Recorder:
    """Return the process's recorder, made for the settings in force, or for those of the environment before any are."""
    global _recorder
    made = _recorder
    if (
        made is not None
        and made.settings is _settings.in_force
        and made.providers[0] is _trace_globals.get("_TRACER_PROVIDER")
        and made.providers[1] is _metrics_globals.get("_METER_PROVIDER")
    ):
        return made
    with _making:
        if _recorder is not made and _recorder is not None:
            return _recorder  # another thread has made it meanwhile
        if _settings.in_force is None:
            settings, faults = Settings.tolerant()
            for fault in faults:
                report("settings", f"{fault}; the default is used")
            _settings.use(settings)
        before, _recorder = _recorder, Recorder(_settings.in_force or Settings())
        made = _recorder
    if before is not None:
        before.held.close()
    return made


def _after_fork_in_child() -> None:
    global _recorder, _making
    _making = threading.RLock()
    if _recorder is not None:
        _recorder = _recorder.hand_over()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
