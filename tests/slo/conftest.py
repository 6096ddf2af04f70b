"""Service levels over real stores, and over a real Prometheus where one is built."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from binaries import binary
from spanguard import semconv
from spanguard.semconv import Metric
from spanguard.store import StoreMetricExporter
from stores import as_recorded, path, read, started, store

__all__ = ["as_recorded", "path", "read", "store"]


class Program:
    """A process's metrics, exported whenever it says so."""

    def __init__(self, *exporters: MetricExporter, run: str = "run-1", instance: str = "a") -> None:
        resource = Resource({"service.name": "shop", "service.instance.id": instance, semconv.RUN_ID: run})
        readers = [PeriodicExportingMetricReader(each, export_interval_millis=math.inf) for each in exporters]
        self._provider = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
        self._meter = self._provider.get_meter(semconv.SCOPE)
        self._instruments: dict[str, Any] = {}
        self._observed: dict[str, list[Any]] = {}

    def record(self, metric: Metric, value: float, attributes: dict[str, str] | None = None) -> None:
        """Measure once."""
        instrument = self._instruments.get(metric.name)
        if instrument is None:
            if metric.kind == "counter":
                instrument = self._meter.create_counter(metric.name, metric.unit)
            else:
                boundaries = metric.boundaries or None
                instrument = self._meter.create_histogram(
                    metric.name, metric.unit, explicit_bucket_boundaries_advisory=boundaries
                )
            self._instruments[metric.name] = instrument
        (instrument.add if metric.kind == "counter" else instrument.record)(value, attributes or {})

    def observe(self, metric: Metric, observations: list[Any]) -> None:
        """State what is to be observed of a metric from now on."""
        if metric.name not in self._observed:
            self._meter.create_observable_up_down_counter(metric.name, [lambda _: self._observed[metric.name]], metric.unit)
        self._observed[metric.name] = observations

    def export(self) -> None:
        """Export what there is."""
        self._provider.force_flush()

    def stop(self) -> None:
        """Export the rest."""
        self.export()
        self._provider.shutdown()


@pytest.fixture
def start(path: Path) -> Iterator[Callable[..., Program]]:
    """Start programs that write into the store; each still running at the end of the test is stopped."""
    yield from started(lambda *more, **kwargs: Program(StoreMetricExporter(path), *more, **kwargs))


@pytest.fixture(scope="session")
def prometheus() -> Path:
    """The directory with Prometheus and promtool."""
    binary("promtool")
    return Path(binary("prometheus")).parent
