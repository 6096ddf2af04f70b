"""What a forked child has of its own: exporters, a resource, metrics that begin at nothing, and an end that it reaches.

The SDK gives a child new threads and empty queues of spans and log records. What it leaves to be shared with the parent, and
so to be counted twice or to hang, is made anew here, in the child, before any of its code runs.
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Generic, Protocol, TypeVar

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from spanguard.privacy.exporters import GuardedSpanExporter
from spanguard.vocabulary.declared import declare

INSTANCE: Final = "service.instance.id"

_log: Final = logging.getLogger("spanguard")
_born_ns = 0
"""When this process was forked; 0 in one that was not."""


def take_note_of_birth() -> None:
    """Remember, in a child, when it was forked."""
    global _born_ns
    _born_ns = time.time_ns()


def new_session() -> str:
    """Return the random id of a session, which may be seen: nobody is known by it."""
    session = secrets.token_hex(8)
    declare(session)
    return session


# ------------------------------------------------------------------------------------------------------------- exporters


class _Stoppable(Protocol):
    def shutdown(self) -> None: ...


E = TypeVar("E", bound=_Stoppable)


class _Own(Generic[E]):
    """An exporter that each process makes for itself: parent and child must not talk through one connection."""

    def __init__(self, make: Callable[[], E]) -> None:
        self._make = make
        self._pid = os.getpid()
        self._own = make()
        self._parents: list[E] = []  # kept, because taking down a gRPC channel in a child can hang

    def get(self) -> E:
        """Return this process's exporter."""
        if self._pid != os.getpid():
            self._parents.append(self._own)
            self._own, self._pid = self._make(), os.getpid()
        return self._own

    def shutdown(self) -> None:
        """Shut it down, unless this process has not used it."""
        if self._pid == os.getpid():
            self._own.shutdown()

    def overflowed(self, items: int, resource: Resource) -> None:
        """Tell it of items that never came, if it can count them."""
        tell = getattr(self.get(), "overflowed", None)
        if tell is not None:
            tell(items, resource)


class GuardedOwnSpans(GuardedSpanExporter):
    """Guards and exports the spans that this process started; what was open at a fork is the parent's to end."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export the spans that began in this process."""
        return super().export([span for span in spans if (span.start_time or 0) >= _born_ns])


class OwnSpanExporter(SpanExporter):
    """Exports spans with an exporter of this process."""

    def __init__(self, make: Callable[[], SpanExporter]) -> None:
        self._next: _Own[SpanExporter] = _Own(make)
        self.overflowed: Callable[[int, Resource], None] = self._next.overflowed

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export the spans."""
        return self._next.get().export(spans)

    def shutdown(self) -> None:
        """Shut the exporter down."""
        self._next.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the exporter."""
        return self._next.get().force_flush(timeout_millis)


class OwnLogExporter(LogRecordExporter):
    """Exports log records with an exporter of this process."""

    def __init__(self, make: Callable[[], LogRecordExporter]) -> None:
        self._next: _Own[LogRecordExporter] = _Own(make)
        self.overflowed: Callable[[int, Resource], None] = self._next.overflowed

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Export the log records."""
        return self._next.get().export(batch)

    def shutdown(self) -> None:
        """Shut the exporter down."""
        self._next.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the exporter."""
        return self._next.get().force_flush(timeout_millis)


class OwnMetricExporter(MetricExporter):
    """Exports metric points with an exporter of this process."""

    def __init__(self, make: Callable[[], MetricExporter]) -> None:
        self._next: _Own[MetricExporter] = _Own(make)
        first = self._next.get()
        super().__init__(first._preferred_temporality, first._preferred_aggregation)

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object) -> MetricExportResult:
        """Export the points."""
        return self._next.get().export(metrics_data, timeout_millis, **kwargs)

    def shutdown(self, timeout_millis: float = 30_000, **_: object) -> None:  # noqa: ARG002 - the pipeline's end is bounded
        """Shut the exporter down."""
        self._next.shutdown()

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Flush the exporter."""
        return self._next.get().force_flush(timeout_millis)


# ---------------------------------------------------------------------------------------------------- metrics and resource


def begin_at_nothing(provider: MeterProvider) -> None:
    """Let the metrics of a child begin at nothing, with locks that no thread of the parent's holds.

    What the parent has counted it exports itself: without this, deltas that were not yet collected, and all that is
    cumulative, would be counted once in each process.
    """
    try:
        for reader in forget_counts(provider):
            if isinstance(reader, PeriodicExportingMetricReader):
                reader._export_lock = threading.Lock()
                if not reader._shutdown_event.is_set():
                    reader._shutdown_event = threading.Event()
    except AttributeError:
        _log.warning("this version of the SDK keeps metrics in another way: a forked child may count its parent's again")


def forget_counts(provider: MeterProvider) -> Iterable[object]:
    """Forget what was counted so far, and return the provider's readers; raises `AttributeError` for an unknown SDK."""
    consumer = provider._measurement_consumer
    consumer._lock = threading.Lock()
    for storage in consumer._reader_storages.values():
        storage._lock = threading.RLock()
        storage._instrument_view_instrument_matches = {}
    return consumer._reader_storages


def become_own(providers: Iterable[object], attributes: Mapping[str, str]) -> None:
    """Give the resources of a child's providers these attributes, and an instance unless the environment names one.

    In place, because tracers, meters and loggers hold them.
    """
    own = dict(attributes)
    if f"{INSTANCE}=" not in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        own[INSTANCE] = str(uuid.uuid4())
    for provider in providers:
        configuration = getattr(provider, "_sdk_config", None)  # a meter provider's
        resource = getattr(configuration, "resource", None) or getattr(provider, "_resource", None)
        if isinstance(resource, Resource):
            resource._attributes = Resource({**resource.attributes, **own})._attributes


# --------------------------------------------------------------------------------------------------------------- the end


def at_end_of_worker(owner: object, end: Callable[[], object]) -> None:
    """Have this done at the end of a process that `multiprocessing` began, which runs no exit handlers before Python 3.13.

    Such a process may only learn later that it is one: after a fork, or when it has imported the program's main module. The
    owner must live as long as the process.
    """
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.register_after_fork(owner, lambda _owner: _finalize(end))
        _finalize(end)


def _finalize(end: Callable[[], object]) -> None:
    util, process = sys.modules["multiprocessing.util"], sys.modules["multiprocessing.process"]
    if process.parent_process() is not None:
        util.Finalize(None, end, exitpriority=-10)  # after results were delivered, which is done at -5
