"""The store reads what the real collector's file exporter writes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from spanguard.store import Database
from spanguard.store.imports import import_lines
from spanguard.store.selection import Selection
from spanguard.store.statistics import statistics
from spanguard.store.views import VIEWS

pytestmark = pytest.mark.collector
HERE = Path(__file__).parent
BUILD = HERE.parent.parent / "collector-config" / "build.py"
OF_METRICS = {"breaker_calls", "rate_limits", "sessions"}
"""Views whose rows come from metric points too, which two readers export at two times."""
CONFIGURATION = """
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{port}'}}}}}}
exporters:
  file: {{path: '{target}', flush_interval: 100ms}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file]}}
    metrics: {{receivers: [otlp], exporters: [file]}}
    logs: {{receivers: [otlp], exporters: [file]}}
"""


@pytest.fixture
def binary() -> str:
    """The collector, if it has been built."""
    found = subprocess.run([sys.executable, BUILD, "--cached"], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip("no collector is built yet: python collector-config/build.py (needs Go, takes minutes)")
    return found.stdout.strip()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Wait until somebody listens."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("the collector does not listen")


def tables(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of the views of spans and events."""
    names = VIEWS.keys() - OF_METRICS
    return {name: sorted((tuple(row) for row in database.rows(f"SELECT * FROM {name}")), key=str) for name in names}


def test_what_the_collector_wrote_is_what_the_store_has(tmp_path, binary):
    """A program tells the collector and the store the same; the collector's file, imported, makes the same views."""
    port, collected = free_port(), tmp_path / "collected.jsonl"
    (tmp_path / "c.yaml").write_text(CONFIGURATION.format(port=port, target=collected))
    environment = {f"OTEL_{signal}_EXPORTER": "otlp,spanguard" for signal in ("TRACES", "METRICS", "LOGS")}
    environment |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
    }
    with subprocess.Popen([binary, f"--config={tmp_path / 'c.yaml'}"], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(port)
            command = [sys.executable, HERE / "every_column.py", tmp_path / "t.db"]
            subprocess.run(command, check=True, timeout=60, env={**os.environ, **environment})
        finally:
            process.terminate()
    with Database.open(tmp_path / "t.db") as database, Database.open(tmp_path / "new.db") as new:
        assert import_lines(new, collected).unreadable == 0
        assert tables(new) == tables(database)
        expected, told = (statistics(each, Selection("nightly")) for each in (database, new))
    assert (told.requests.count, told.requests.errors) == (expected.requests.count, expected.requests.errors) == (5, 1)
    assert told.operations.outcomes == expected.operations.outcomes
    assert told.users == expected.users
