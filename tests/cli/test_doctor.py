"""`spanguard doctor`: what it finds, and how it ends."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from spanguard.cli import doctor as module
from spanguard.cli import main
from spanguard.cli.doctor import Finding


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.startswith(("OTEL_", "SPANGUARD_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def doctor(*arguments: str) -> Any:
    """Run the command."""
    return CliRunner().invoke(main, ["doctor", *arguments])


def findings() -> dict[str, dict[str, str]]:
    """Return what the command finds, by subject."""
    return {each["subject"]: each for each in json.loads(doctor("--json").stdout)["findings"]}


def test_it_tells_versions_and_destinations() -> None:
    """In this environment all is well."""
    done = doctor()
    assert done.exit_code == 0, done.output
    assert "opentelemetry-sdk" in done.output
    assert findings()["traces"]["detail"] == "to the local store"


def test_an_endpoint_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is no."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        assert findings()[f"127.0.0.1:{port}"]["status"] == "ok"
    assert findings()[f"127.0.0.1:{port}"]["status"] == "no"
    assert doctor().exit_code == 1


def test_a_wrong_setting_cannot_be_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, and the variable's name."""
    monkeypatch.setenv("SPANGUARD_EVENTS", "x")
    done = doctor()
    assert done.exit_code == 2
    assert "SPANGUARD_EVENTS" in done.output


def test_switched_off_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing will be recorded."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert doctor().exit_code == 1


def test_a_library_that_is_switched_off_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable that does it."""
    entry = module.EntryPoint("spanguard_x", "spanguard.instrumentation.tenacity:TenacityInstrumentor", "x")
    monkeypatch.setattr(module, "entry_points", lambda group: [entry])
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "spanguard_x , other")
    (found,) = module.instrumented()
    assert "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS" in found.detail


def test_a_check_of_ones_own_can_be_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of checks is what is looked at."""
    monkeypatch.setattr(module, "CHECKS", [lambda: iter([Finding("guard", "canary", "unknown", "was not asked")])])
    done = doctor()
    assert done.exit_code == 2
    assert "canary" in done.output


def test_what_had_no_effect_in_the_last_run_is_told(tmp_path: Path) -> None:
    """From the local store, in words."""
    import subprocess
    import sys

    script = """
import spanguard
pipeline = spanguard.configure()
from spanguard.instrumentation import _misuse
_misuse.detected("breaker_never_blocks", policy="circuit_breaker", name="provider", library="circuitbreaker")
pipeline.shutdown()
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, timeout=60)
    found = list(module.misused())
    assert [(each.status, "with" in each.detail) for each in found] == [("no", True)]
    assert found[0].subject.startswith("circuitbreaker ")
