"""OTLP with guard and spool for pipelines that others make, by the name ``spanguard_otlp``.

``OTEL_TRACES_EXPORTER=spanguard_otlp opentelemetry-instrument python app.py``, and likewise for metrics and logs. All that
``OTEL_EXPORTER_OTLP_*`` says holds as for ``otlp``. The end of the process is then the SDK's: each signal may hold it up for
two seconds.
"""

from __future__ import annotations

import os
from typing import cast

from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.trace.export import SpanExporter

from spanguard.pipeline.destinations import Exporter, Signal, otlp
from spanguard.privacy.exporters import GuardedLogExporter, GuardedMetricExporter, GuardedSpanExporter
from spanguard.settings import Settings


def _make(signal: Signal) -> Exporter:
    return otlp(signal, Settings.from_environment(), os.environ)()


class OtlpSpanExporter(GuardedSpanExporter):
    """Sends spans by OTLP as they may leave the process, and keeps them on disk while the endpoint is down."""

    def __init__(self) -> None:
        super().__init__(cast("SpanExporter", _make("traces")))


class OtlpMetricExporter(GuardedMetricExporter):
    """Sends metric points by OTLP as they may leave the process, and keeps them on disk while the endpoint is down."""

    def __init__(self) -> None:
        super().__init__(cast("MetricExporter", _make("metrics")))


class OtlpLogExporter(GuardedLogExporter):
    """Sends log records by OTLP as they may leave the process, and keeps them on disk while the endpoint is down."""

    def __init__(self) -> None:
        super().__init__(cast("LogRecordExporter", _make("logs")))
