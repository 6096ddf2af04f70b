"""Stores to show, written by the real SDK, and commands run as a user runs them."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import StatusCode, set_span_in_context

from spanguard import semconv
from spanguard.cli import main
from spanguard.store import StoreSpanExporter
from stores import as_recorded

__all__ = ["as_recorded"]

Run = Callable[..., Result]
Process = Callable[..., "subprocess.CompletedProcess[str]"]

# All of this would break the demo, or change its figures, if the program that it runs saw it.
HOSTILE = {
    "ALL_PROXY": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "",
    "OPENAI_API_KEY": "sk-secret",
    "OPENAI_BASE_URL": "http://127.0.0.1:9",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_SDK_DISABLED": "true",
    "OTEL_TRACES_SAMPLER": "always_off",
    "SPANGUARD_EVENTS": "log",
    "SPANGUARD_RUN": "mine",
    "SPANGUARD_SEMCONV": "dev-2026-10",
    "SPANGUARD_STORE": "off",
}


class Recorder:
    """Writes spans of one run into a store, at given seconds."""

    def __init__(self, path: Path, run: str) -> None:
        self._provider = TracerProvider(resource=Resource({semconv.RUN_ID: run}), shutdown_on_exit=False)
        self._provider.add_span_processor(SimpleSpanProcessor(StoreSpanExporter(path)))
        self._tracer = self._provider.get_tracer(semconv.SCOPE)

    def span(self, name: str, *, parent=None, at: float = 1, seconds: float = 1, error=False, **attributes: object):
        """Record a span; attributes are named after the constants of `semconv`, in lower case."""
        span = self._tracer.start_span(
            name,
            set_span_in_context(parent) if parent else None,
            attributes={getattr(semconv, key.upper()): value for key, value in attributes.items()},
            start_time=int(at * 1e9),
        )
        if error:
            span.set_status(StatusCode.ERROR)
        span.end(int((at + seconds) * 1e9))
        return span

    def repair(self, name: str, attempts: int, at: float = 1) -> str:
        """Record a repair with so many attempts, and return the id of its trace."""
        outcome = "recovered" if attempts > 1 else "success"
        root = self.span(f"repair {name}", at=at, outcome=outcome, attempt_count=attempts)
        for number in range(1, attempts + 1):
            self.span("attempt", parent=root, at=at, attempt_number=number)
        return f"{root.get_span_context().trace_id:032x}"

    def stop(self) -> None:
        """Close the store."""
        self._provider.shutdown()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no store anywhere else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "state"))
    monkeypatch.delenv("SPANGUARD_STORE", raising=False)
    return tmp_path


@pytest.fixture
def record(here: Path):
    """Start writing into a store; in the default place if no path is given."""
    recorders: list[Recorder] = []

    def start(path: Path | None = None, run: str = "run-1") -> Recorder:
        path = path or here / ".spanguard" / "telemetry.db"
        path.parent.mkdir(exist_ok=True)
        recorders.append(Recorder(path, run))
        return recorders[-1]

    yield start
    for recorder in recorders:
        recorder.stop()


@pytest.fixture
def run() -> Run:
    """Run a command in this process, its output piped."""

    def invoke(*arguments: object, colour: bool = False) -> Result:
        # Click 8.1 mixes stdout and stderr unless it is told not to; later ones do not know the argument.
        separate = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
        return CliRunner(**separate).invoke(main, [str(each) for each in arguments], color=colour)

    return invoke


def process(*arguments: object, env: Mapping[str, str] | None = None, cwd: Path | None = None):
    """Run Python in a process of its own, its output piped."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **(env or {})},
        cwd=cwd,
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


@pytest.fixture(name="process", scope="session")
def _process() -> Process:
    return process


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working directory in which the demo ran."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="session")
def demo(place: Path, process):
    """The demo, run once in a hostile environment."""
    return process("-c", "from spanguard.cli import main; main()", "demo", cwd=place, env=HOSTILE)
