"""Switching the guard on: what must be said twice, what the environment declares, and what happens if it does not hold."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import SynchronousMultiSpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from spanguard.privacy import canary, guard, keys, modes, process, redactions
from spanguard.privacy.parts import clean_resource
from spanguard.settings import Settings, SettingsError
from spanguard.vocabulary import declared

WRITES = """
import os, sys
from opentelemetry import trace, metrics
with trace.get_tracer("t").start_as_current_span("GET", attributes={"note": "diagnosis", "http.request.method": "GET"}):
    pass
trace.get_tracer_provider().force_flush()
"""


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(declared, "_clear", set())
    monkeypatch.setattr(guard, "_counted", True)  # the meter is for the whole process
    monkeypatch.setattr(keys, "use_kept_key", lambda: True)
    yield
    process.switch_off()
    modes.use("strict")


def settings(**changed: object) -> Settings:
    """Return settings that leave no file behind."""
    return Settings(debug=True)._replace(**changed)


@pytest.mark.parametrize(("code", "variable"), [(True, ""), (False, "off"), (True, "balanced")])
def test_the_guard_is_off_only_if_code_and_environment_say_so(
    code: bool, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the two alone is refused, and changes nothing."""
    monkeypatch.setenv("SPANGUARD_PRIVACY", variable)
    with pytest.raises(SettingsError, match="only if both say so"):
        guard.begin(settings(privacy="off"), whole_process=True, off_in_code=code)
    assert modes.in_force.mode == "strict"


def test_off_is_said_aloud_and_marks_the_resource(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A warning in the log, and `resilience.privacy.mode` on what is sent."""
    from opentelemetry.sdk.resources import Resource

    monkeypatch.setenv("SPANGUARD_PRIVACY", "off")
    assert guard.begin(settings(privacy="off"), whole_process=True, off_in_code=True)
    assert "the privacy guard is off" in caplog.text
    assert not process.is_on()
    assert clean_resource(Resource({})).attributes["resilience.privacy.mode"] == "off"


def test_the_guard_says_once_that_it_is_on(caplog: pytest.LogCaptureFixture) -> None:
    """Switching it on again does nothing."""
    caplog.set_level(logging.INFO, "spanguard")
    assert guard.begin(settings(), whole_process=True)
    assert guard.begin(settings(), whole_process=True)
    assert caplog.text.count("guards all telemetry of this process") == 1


def test_a_guard_of_our_own_pipeline_leaves_others_alone() -> None:
    """No place of OpenTelemetry's is taken."""
    original = SynchronousMultiSpanProcessor.on_end
    assert guard.begin(settings(), whole_process=False)
    assert SynchronousMultiSpanProcessor.on_end is original
    assert not process.is_on()


def test_if_the_canary_survives_nothing_may_be_exported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said in one line, with the signals."""
    monkeypatch.setattr(process, "switch_on", lambda: None)
    assert not guard.begin(settings(), whole_process=True)
    assert caplog.messages == [f"{guard.REFUSED} (a canary survived in spans, logs, metrics)"]


def test_each_signal_has_a_canary_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard with one hole is none; what cannot be tried cannot be trusted."""
    for name in ("clean_span", "clean_log", "clean_metrics"):
        monkeypatch.setattr(canary, name, lambda raw: raw)
        signal = {"clean_span": "spans", "clean_log": "logs", "clean_metrics": "metrics"}[name]
        assert canary.survivors(whole_process=False) == [signal]
        monkeypatch.undo()
    monkeypatch.setattr(canary, "_logs", lambda *_: 1 / 0)
    assert canary.survivors(whole_process=False) == ["spans", "logs", "metrics"]


def test_a_fault_while_it_is_switched_on_is_a_guard_that_does_not_hold(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The program runs on; nothing is exported."""
    monkeypatch.setattr(process, "switch_on", lambda: 1 / 0)
    assert not guard.begin(settings(), whole_process=True)
    assert caplog.messages == [f"{guard.REFUSED} (ZeroDivisionError)"]


def test_a_privacy_file_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """With the guard's own error, as all settings are."""
    with pytest.raises(SettingsError, match="cannot be read"):
        guard.begin(settings(privacy_file=str(tmp_path / "missing.toml")), whole_process=True)


def test_the_environment_declares_the_services_name_and_version() -> None:
    """And nothing else of the resource: a host's name is no name of the program's."""
    told = "service.name=shop, service.version=1.2.3,host.name=alice-laptop,process.owner=alice"
    guard.declare_environment("nightly-7", environment={"OTEL_RESOURCE_ATTRIBUTES": told, "OTEL_SERVICE_NAME": "kiosk"})
    assert declared._clear == {"shop", "1.2.3", "kiosk", "nightly-7"}


def test_refusing_shuts_the_providers_down(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """One that cannot be shut down does not keep the others from it."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    class Stuck:
        def shutdown(self) -> None:
            raise ValueError("secret")

    monkeypatch.setattr(guard.metrics, "get_meter_provider", Stuck)
    monkeypatch.setattr(guard._logs, "get_logger_provider", object)
    monkeypatch.setattr(guard.trace, "get_tracer_provider", lambda: provider)
    guard.refuse()
    provider.get_tracer("t").start_span("GET").end()
    assert exporter.get_finished_spans() == ()
    assert "a provider could not be shut down (ValueError)" in caplog.messages
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("variable", "disabled", "on"), [("process", "", True), ("own", "", False), ("process", "true", False)]
)
def test_before_instrumenting_the_guard_is_on_if_the_environment_asks(
    variable: str, disabled: str, on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not where the SDK is switched off, whose canary would not fly."""
    monkeypatch.setenv("SPANGUARD_GUARD", variable)
    monkeypatch.setenv("SPANGUARD_DEBUG", "true")
    monkeypatch.setenv("OTEL_SDK_DISABLED", disabled)
    guard.pre_instrument()
    assert process.is_on() is on


def test_before_instrumenting_nothing_is_raised(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A program that is started must start: its providers are shut down instead."""
    refused: list[bool] = []
    monkeypatch.setenv("SPANGUARD_GUARD", "process")
    monkeypatch.setattr(guard, "refuse", lambda: refused.append(True))
    monkeypatch.setattr(guard, "begin", lambda *_, **__: 1 / 0)
    guard.pre_instrument()
    assert refused == [True]
    assert "ZeroDivisionError" in caplog.text


def test_the_environment_alone_cannot_switch_it_off_before_instrumenting(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no code that could say so too: it is strict."""
    monkeypatch.setenv("SPANGUARD_GUARD", "process")
    monkeypatch.setenv("SPANGUARD_DEBUG", "true")
    monkeypatch.setenv("SPANGUARD_PRIVACY", "off")
    guard.pre_instrument()
    assert (process.is_on(), modes.in_force.mode) == (True, "strict")


@pytest.mark.parametrize("disabled", ["", "*"])
def test_a_program_under_opentelemetry_instrument_is_guarded(disabled: str, tmp_path: Path) -> None:
    """Its own pipeline prints what is clean, also with all instrumentations disabled."""
    command = Path(sys.executable).with_name("opentelemetry-instrument")
    if not command.exists():
        pytest.skip("opentelemetry-instrument is not installed here")
    pytest.importorskip("opentelemetry.distro", reason="without a distribution nothing configures the SDK")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SPANGUARD_"))}
    environment |= {
        "SPANGUARD_GUARD": "process",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": disabled,
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "HOME": str(tmp_path),
    }
    (tmp_path / "program.py").write_text(WRITES)
    asked = [str(command), sys.executable, "program.py"]
    done = subprocess.run(asked, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert '"http.request.method": "GET"' in done.stdout
    assert "diagnosis" not in done.stdout + done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_counts_what_it_removes_itself() -> None:
    """The parent tells of its own."""
    redactions.redacted("span", "name", "pseudonym")
    child = os.fork()
    if not child:
        empty = redactions.counts() == []
        redactions.redacted("log", "body", "content")
        ((number, of),) = redactions.counts()
        os._exit(0 if empty and number == 1 and of["resilience.privacy.signal"] == "log" else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_what_is_counted_comes_from_closed_lists() -> None:
    """A key is counted as an unknown one; doctor sees it if it looks like one, the metric never."""
    before = dict(redactions.dropped_keys(500))
    redactions.dropped_key("span", "attribute", "shop.order_count")
    redactions.dropped_key("span", "attribute", "Alice's diagnosis")
    new = {key for key, number in redactions.dropped_keys(500) if number != before.get(key)}
    assert new == {"shop.order_count"}
    words = {word for _, attributes in redactions.counts() for word in attributes.values()}
    assert "unknown_key" in words
    assert "shop.order_count" not in words
    with redactions.uncounted():
        counted = redactions.counts()
        redactions.redacted("span", "name", "pseudonym")
        redactions.dropped_key("span", "attribute", "shop.other")
    assert redactions.counts() == counted
