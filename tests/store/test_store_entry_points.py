"""Exporters that the SDK makes by name, without an argument."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from spanguard.settings import SettingsError
from spanguard.store import StoreLogExporter, StoreMetricExporter, StoreSpanExporter


def test_the_entry_points_name_the_exporters():
    """OTEL_TRACES_EXPORTER=spanguard and its sisters find the exporters."""
    found = {
        signal: [e.load() for e in entry_points(group=f"opentelemetry_{signal}_exporter") if e.name == "spanguard"]
        for signal in ("traces", "metrics", "logs")
    }
    assert found == {"traces": [StoreSpanExporter], "metrics": [StoreMetricExporter], "logs": [StoreLogExporter]}


def test_without_an_argument_the_setting_decides(tmp_path, monkeypatch):
    """An exporter that the SDK made writes where SPANGUARD_STORE says."""
    monkeypatch.setenv("SPANGUARD_STORE", str(tmp_path / "mine" / "t.db"))
    exporter = StoreSpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.get_tracer("test").start_span("s").end()
    provider.shutdown()
    assert (tmp_path / "mine" / "t.db").is_file()


def test_off_keeps_nothing(tmp_path, monkeypatch):
    """SPANGUARD_STORE=off is no failure: nothing is dropped, nothing is written."""
    monkeypatch.setenv("SPANGUARD_STORE", "off")
    monkeypatch.chdir(tmp_path)
    exporter = StoreMetricExporter()
    assert exporter.export(MetricsData([])) is MetricExportResult.SUCCESS
    exporter.shutdown()
    assert not list(tmp_path.iterdir())


def test_a_wrong_setting_is_an_error_when_the_exporter_is_made(monkeypatch):
    """A setting that cannot be is reported where the SDK reports it: at configuration."""
    monkeypatch.setenv("SPANGUARD_EVENTS", "everywhere")
    with pytest.raises(SettingsError, match="SPANGUARD_EVENTS"):
        StoreSpanExporter()
