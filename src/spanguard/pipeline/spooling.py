"""OTLP that loses nothing while its endpoint is down: exporters that send, or keep in the spool what cannot be sent.

They stand in front of the SDK's OTLP exporters and behind the guard: what comes here is clean. A batch is sent at once; if
the endpoint does not answer within a second (or half of the time that the process has for its end, if that is less), it is
committed to the spool, and sent when the endpoint is back, by this process or the next. So what is lost with a process that
is killed was recorded within the batch delay and that second. Delivery is at least once: a batch that the endpoint took, but
too slowly to say so, is sent again, with the same ids. Of cumulative metrics the newest point of each series is kept.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from spanguard.pipeline.spooling_courier import Courier, Parcel
from spanguard.pipeline.spooling_points import count, newest, split
from spanguard.pipeline.spooling_post import post
from spanguard.settings import Settings
from spanguard.store.queues import Queued
from spanguard.store.spool import Part, Place, Spool

_PATIENCE: Final = 1.0

_log: Final = logging.getLogger("spanguard")


class _Message(Protocol):
    def SerializeToString(self) -> bytes: ...  # noqa: N802 - protobuf's


class _Spooling(Queued):
    """What the three have in common."""

    def __init__(self, courier: Courier) -> None:
        self._courier = courier

    @property
    def dropped(self) -> int:
        """How many spans, metric points or log records this process has dropped."""
        return self._courier.dropped

    def overflowed(self, items: int, resource: object) -> None:  # noqa: ARG002 - the store's exporters need it
        """Take note of items that never came here, as the queue before this was full."""
        self._courier.overflowed(items)

    def _send(self, message: _Message, items: int, parts: Callable[[bytes], list[Part]] | None = None) -> bool:
        body = message.SerializeToString()
        return not items or self._courier.take(Parcel(body, items, partial(parts, body) if parts else None))

    def force_flush(self, timeout_millis: float = 30_000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Return True: what was exported is sent, or safe."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: object) -> None:  # noqa: ARG002 - the SDK's signature
        """Stop; what waits is left to the next process."""
        self._courier.close()


class SpoolingSpanExporter(_Spooling, SpanExporter):
    """Sends spans, or keeps them in the spool."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send the spans; SUCCESS if they were taken or kept."""
        self._seek_queue("traces", spans)
        kept = self._send(encode_spans(spans), len(spans))
        return SpanExportResult.SUCCESS if kept else SpanExportResult.FAILURE


class SpoolingLogExporter(_Spooling, LogRecordExporter):
    """Sends log records, or keeps them in the spool."""

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Send the log records; SUCCESS if they were taken or kept."""
        self._seek_queue("logs", batch)
        kept = self._send(encode_logs(batch), len(batch))
        return LogRecordExportResult.SUCCESS if kept else LogRecordExportResult.FAILURE


class SpoolingMetricExporter(_Spooling, MetricExporter):
    """Sends metric points, or keeps them in the spool: of cumulative ones the newest of each series."""

    def __init__(self, courier: Courier, exporter: MetricExporter) -> None:
        MetricExporter.__init__(self, exporter._preferred_temporality, exporter._preferred_aggregation)
        _Spooling.__init__(self, courier)
        self._series = os.urandom(8)

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: object) -> MetricExportResult:  # noqa: ARG002
        """Send the points; SUCCESS if they were taken or kept."""
        message = encode_metrics(metrics_data)
        kept = self._send(message, count(message), lambda body: split(body, self._series))
        return MetricExportResult.SUCCESS if kept else MetricExportResult.FAILURE


_Exporter = SpanExporter | MetricExporter | LogRecordExporter


def spooling(signal: str, make: Callable[[], _Exporter], settings: Settings, place: Place) -> Callable[[], _Exporter]:
    """Return what makes such an exporter of the SDK with a spool behind it.

    An exporter whose insides are not known, as of a later version of the SDK, is left as it is made.
    """

    def make_spooling() -> _Exporter:
        exporter = make()
        way = post(exporter, signal, make)
        if way is None:
            _log.warning("this version of the OTLP exporter is not known: what it cannot send is not kept")
            return exporter
        spool = Spool(place, signal, way.endpoint, settings.spool_mb)
        patience = min(_PATIENCE, settings.exit_timeout / 2)
        if isinstance(exporter, MetricExporter):
            return SpoolingMetricExporter(Courier(way, spool, patience=patience, merge=newest), exporter)
        of = SpoolingSpanExporter if signal == "traces" else SpoolingLogExporter
        return of(Courier(way, spool, patience=patience))

    return make_spooling
