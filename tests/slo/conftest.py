"""Service levels over real stores, and over a real Prometheus where one is built."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from spanguard import semconv
from spanguard.privacy import modes
from spanguard.semconv import Metric
from spanguard.store import Database, StoreMetricExporter

BUILD = Path(__file__).with_name("build_prometheus.py")


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
def path(tmp_path: Path) -> Path:
    """Where the store of the test is."""
    return tmp_path / "telemetry.db"


@pytest.fixture
def start(path: Path) -> Iterator[Callable[..., Program]]:
    """Start programs that write into the store; each still running at the end of the test is stopped."""
    programs: list[Program] = []

    def begin(*more: MetricExporter, **kwargs: str) -> Program:
        programs.append(Program(StoreMetricExporter(path), *more, **kwargs))
        return programs[-1]

    yield begin
    for program in programs:
        program.stop()


@pytest.fixture
def read(path: Path) -> Iterator[Callable[[], Database]]:
    """Open the store for reading; closed at the end of the test."""
    opened: list[Database] = []

    def open_it() -> Database:
        opened.append(Database.open(path, read_only=True))
        return opened[-1]

    yield open_it
    for database in opened:
        database.close()


@pytest.fixture(scope="session")
def prometheus() -> Path:
    """The directory with Prometheus and promtool, as `build_prometheus.py` made them.

    Making them takes minutes, so a plain `pytest` uses them only if they are there already. With
    SPANGUARD_TEST_REQUIRE_COLLECTOR=1 they are made, and a test that cannot run fails.
    """
    required = os.environ.get("SPANGUARD_TEST_REQUIRE_COLLECTOR") == "1"
    command = [sys.executable, str(BUILD), *([] if required else ["--cached"])]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode and required:
        pytest.fail(f"no Prometheus: {made.stderr}")
    if made.returncode:
        pytest.skip("no Prometheus is built yet: python tests/slo/build_prometheus.py (needs Go, takes minutes)")
    return Path(made.stdout.strip())


@pytest.fixture(autouse=True)
def _as_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let made-up names and attributes pass the guard: what it does is tested elsewhere."""
    monkeypatch.setattr(modes, "mode", "off")
