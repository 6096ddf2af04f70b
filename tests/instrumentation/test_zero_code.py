"""An unchanged program with tenacity and pybreaker, run by `spanguard run` and by `opentelemetry-instrument`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from spanguard.store.database import Database
from spanguard.store.queries import trace, traces

pytest.importorskip("tenacity")
pytest.importorskip("pybreaker")
pytestmark = pytest.mark.foreign

PROGRAM = """
import sys
import pybreaker
import tenacity

calls = []

@tenacity.retry(stop=tenacity.stop_after_attempt(3))
def ask():
    calls.append(1)
    if len(calls) < 3:
        raise TimeoutError
    return "answer"

breaker = pybreaker.CircuitBreaker(fail_max=1, name="provider")
assert ask() == "answer"
for error in (pybreaker.CircuitBreakerError, pybreaker.CircuitBreakerError):
    try:
        breaker.call(lambda: 1 / 0)
    except error:
        pass
sys.exit(4)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program, which has never heard of telemetry."""
    if not any(each.name == "spanguard_tenacity" for each in entry_points(group="opentelemetry_instrumentor")):
        pytest.skip("the installed spanguard has no entry points of instrumentors")
    path = tmp_path / "app.py"
    path.write_text(PROGRAM)
    return path


def run(directory: Path, command: list[str], **more: str) -> Any:
    """Run a command in an environment without settings of anybody."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SPANGUARD_"))}
    return subprocess.run(command, cwd=directory, env={**clean, **more}, capture_output=True, text=True, timeout=60)


def spans(directory: Path) -> Counter[str]:
    """Return how many spans of each name are in the store."""
    with Database.open(directory / ".spanguard" / "telemetry.db", read_only=True) as db:
        return Counter(span.name for row in traces(db) for span in trace(db, row.trace_id))


def test_spanguard_run_shows_an_unchanged_program(tmp_path: Path, program: Path) -> None:
    """Its retries and its breaker, in the local store."""
    done = run(tmp_path, [sys.executable, "-m", "spanguard", "run", "--", sys.executable, str(program)])
    assert (done.returncode, done.stdout, done.stderr) == (4, "", "")
    assert spans(tmp_path) == {"retry ask": 1, "attempt": 3, "circuit_breaker provider": 1}


@pytest.mark.parametrize("guard", [{}, {"SPANGUARD_GUARD": "process"}], ids=["unguarded", "guarded"])
def test_opentelemetry_instrument_shows_it_too(tmp_path: Path, program: Path, guard: dict[str, str]) -> None:
    """With its own pipeline, and our exporters by their name."""
    pytest.importorskip("opentelemetry.distro")  # without it, opentelemetry-instrument sets no SDK up
    instrument = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    exporters = {f"OTEL_{name}_EXPORTER": "spanguard" for name in ("TRACES", "METRICS", "LOGS")}
    done = run(tmp_path, [instrument, sys.executable, str(program)], **exporters, **guard)
    assert done.returncode == 4, done.stderr
    assert spans(tmp_path) == {"retry ask": 1, "attempt": 3, "circuit_breaker provider": 1}


def test_an_instrumentor_can_be_switched_off(tmp_path: Path, program: Path) -> None:
    """By OpenTelemetry's own variable."""
    off = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "spanguard_tenacity"}
    run(tmp_path, [sys.executable, "-m", "spanguard", "run", "--", sys.executable, str(program)], **off)
    assert spans(tmp_path) == {"circuit_breaker provider": 1}


def test_nothing_is_imported_for_libraries_that_are_not_used(tmp_path: Path) -> None:
    """An instrumentor waits for the program to import its library."""
    code = "import sys; print([name for name in ('tenacity', 'pybreaker', 'aiolimiter') if name in sys.modules])"
    (tmp_path / "app.py").write_text(code)
    done = run(tmp_path, [sys.executable, "-m", "spanguard", "run", "--", sys.executable, "app.py"])
    assert done.stdout == "[]\n", done.stderr
