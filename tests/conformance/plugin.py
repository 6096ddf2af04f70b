"""A plugin of pytest for the test suites of other people's libraries: instruments the library, and keeps account.

``CONFORMANCE_REPORT`` is the file for the account, ``CONFORMANCE_INSTRUMENTORS`` the instrumentors (``module:Class``,
separated by commas; none: the suite runs as it is, with the same SDK). Spans and metrics go to a local store beside the
account. Faults of ours are raised, so that none hides behind the border.
"""

from __future__ import annotations

import importlib
import json
import os
from collections import Counter
from pathlib import Path

import pytest

REPORT = Path(os.environ["CONFORMANCE_REPORT"])
INSTRUMENTORS = [each for each in os.environ.get("CONFORMANCE_INSTRUMENTORS", "").split(",") if each]


class Account:
    """Counts what is emitted, and remembers how each test ended."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.spans: Counter[str] = Counter()

    def begin(self) -> None:
        """Set the real SDK up, with exporters in memory, and instrument."""
        from opentelemetry import _logs, metrics, trace
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader, PeriodicExportingMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        from spanguard._core import border
        from spanguard.store.exporters import StoreMetricExporter, StoreSpanExporter

        border.strict = True
        store = REPORT.with_suffix(".db")
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        provider.add_span_processor(BatchSpanProcessor(StoreSpanExporter(store)))
        trace.set_tracer_provider(provider)
        self.reader = InMemoryMetricReader()
        kept = PeriodicExportingMetricReader(StoreMetricExporter(store))
        self.meters = MeterProvider([self.reader, kept], shutdown_on_exit=False)
        metrics.set_meter_provider(self.meters)
        self.traces = provider
        self.logs = InMemoryLogRecordExporter()
        loggers = LoggerProvider(shutdown_on_exit=False)
        loggers.add_log_record_processor(SimpleLogRecordProcessor(self.logs))
        _logs.set_logger_provider(loggers)
        for each in INSTRUMENTORS:
            module, _, name = each.partition(":")
            getattr(importlib.import_module(module), name)().instrument()

    def emitted(self) -> dict[str, int]:
        """Return how many spans, and how many points by metric, were emitted."""
        scopes = (each.instrumentation_scope for each in self.exporter.get_finished_spans())
        ours = sum(scope is not None and scope.name.startswith("spanguard") for scope in scopes)
        found = {"spans": ours, "logs": len(self.logs.get_finished_logs())}
        data = self.reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points = metric.data.data_points
                    found[metric.name] = int(sum(getattr(p, "count", None) or getattr(p, "value", 0) for p in points))
        return found


account = Account()


def pytest_configure() -> None:
    """Begin before anything of the suite is imported."""
    account.begin()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember the worst that was said of a test."""
    if report.when == "call" or report.outcome != "passed":
        account.outcomes[report.nodeid] = report.outcome


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Remember what could not be collected."""
    if report.failed:
        account.outcomes[f"collection of {report.nodeid}"] = "failed"


def pytest_unconfigure() -> None:
    """Write the account."""
    REPORT.write_text(json.dumps({"outcomes": account.outcomes, "emitted": account.emitted()}))
    account.traces.shutdown()
    account.meters.shutdown()
