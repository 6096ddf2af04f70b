"""Servers and workers, the real ones: each piece of work is told once, by the process that did it, and arrives."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.foreign, pytest.mark.skipif(os.name != "posix", reason="POSIX has these servers")]
for _each in ("gunicorn", "hypercorn", "celery", "nbclient", "opentelemetry.distro"):
    pytest.importorskip(_each, reason=f"{_each} is not installed")
PROGRAM = Path(__file__).parent / "served_program.py"
REQUESTS = 24
WARN = "error"
LONG = 90
"""Seconds that anything may take on a busy machine."""
WAYS = {
    "code": [],
    "spanguard run": [sys.executable, "-m", "spanguard", "run", "--"],
    "opentelemetry-instrument": ["opentelemetry-instrument"],
}
SERVERS = {
    "gunicorn": ("gunicorn", "-w", "2", "-b", "127.0.0.1:{port}", "--log-level", "warning", "served_program:wsgi"),
    "gunicorn --preload": (
        *("gunicorn", "-w", "2", "-k", "gthread", "--threads", "2", "--preload", "-b", "127.0.0.1:{port}"),
        *("--log-level", "warning", "served_program:wsgi"),
    ),
    "uvicorn": ("uvicorn", "--port", "{port}", "--log-level", "warning", "served_program:asgi"),
    "uvicorn --workers": ("uvicorn", "--workers", "2", "--port", "{port}", "--log-level", "warning", "served_program:asgi"),
    "hypercorn": ("hypercorn", "-w", "2", "-b", "127.0.0.1:{port}", "--log-level", "WARNING", "served_program:asgi"),
}
SERVED = [
    *((server, way) for server in ("gunicorn", "gunicorn --preload", "uvicorn --workers") for way in WAYS),
    ("uvicorn", "spanguard run"),
    ("hypercorn", "spanguard run"),
]
CHILDREN = [(kind, method) for kind in ("processes", "pool") for method in ("fork", "spawn", "forkserver")]


@dataclass
class Kept:
    """What is in a store: per resource the number of repairs, by spans and by metrics, and what does not fit."""

    spans: list[int]
    counted: list[int]
    instances: int
    strays: int

    @classmethod
    def of(cls, directory: Path) -> Kept:
        """Read the store of a program."""
        with contextlib.closing(sqlite3.connect(directory / ".spanguard" / "telemetry.db")) as db:
            rows = db.execute(
                "SELECT s.resource_id, s.name, p.name, p.resource_id, hex(s.trace_id) || hex(s.span_id)"
                " FROM spans s LEFT JOIN spans p ON p.trace_id = s.trace_id AND p.span_id = s.parent_id"
            ).fetchall()
            counted = db.execute(
                "SELECT sum(count) FROM metric_points WHERE name = 'resilience.operation.attempts' GROUP BY resource_id"
            ).fetchall()
            (instances,) = db.execute(
                "SELECT count(DISTINCT json_extract(attributes, '$.\"service.instance.id\"')) FROM resources"
                " WHERE id IN (SELECT resource_id FROM spans)"
            ).fetchone()
        parents = {"repair answer": None, "attempt": "repair answer", "chat gpt-5.2": "attempt"}
        strays = [row for row in rows if parents[row[1]] != row[2] or (row[2] is not None and row[0] != row[3])]
        assert len({row[4] for row in rows}) == len(rows)
        made = Counter(row[0] for row in rows if row[1] == "repair answer")
        assert len(rows) == 3 * sum(made.values())
        return cls(sorted(made.values()), sorted(count for (count,) in counted), instances, len(strays))


def surroundings(way: str, directory: Path) -> dict[str, str]:
    """Return the environment of a program that is made visible in one of three ways."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SPANGUARD_", "PYTHON"))}
    kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
    kept["PYTHONPATH"] = str(directory)
    kept["CONFIGURED_BY"] = way
    kept["SPANGUARD_EXIT_TIMEOUT"] = "30"  # a busy machine is no slow collector
    if way == "opentelemetry-instrument":
        kept |= {f"OTEL_{each}_EXPORTER": "spanguard" for each in ("TRACES", "METRICS", "LOGS")}
        kept["SPANGUARD_STORE"] = str(directory / ".spanguard" / "telemetry.db")
    return kept


@contextlib.contextmanager
def started(way: str, command: Sequence[str], directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a command, and end it in any case."""
    shutil.copy(PROGRAM, directory)
    environment = surroundings(way, directory)
    os.environ["PATH"] = environment["PATH"]  # where commands are looked for
    process = subprocess.Popen(
        [*WAYS[way], *command],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def get(port: int) -> str:
    """Ask once, over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode()
    finally:
        connection.close()


def wait_for(port: int, process: subprocess.Popen[str]) -> None:
    """Wait until a server takes connections."""
    until = time.monotonic() + LONG
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    pytest.fail("the server does not begin")


def ask(port: int, times: int) -> Counter[str]:
    """Ask from four threads at a time, and return how often each process has answered."""
    answers: list[str] = []

    def some() -> None:
        answers.extend(get(port) for _ in range(times // 4))

    threads = [threading.Thread(target=some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == times
    return Counter(answers)


@pytest.mark.parametrize(("server", "way"), SERVED)
def test_each_request_is_told_once_by_the_worker_that_answered(tmp_path: Path, server: str, way: str) -> None:
    """And the last ones arrive too: the server is ended by SIGTERM right after them, and says nothing."""
    port = free_port()
    with started(way, [each.format(port=port) for each in SERVERS[server]], tmp_path) as process:
        wait_for(port, process)
        answered = ask(port, REQUESTS)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=LONG)
    found = Kept.of(tmp_path)
    assert found.spans == sorted(answered.values())
    assert found.counted == found.spans
    assert (found.instances, found.strays) == (len(answered), 0)
    assert process.returncode in (0, -signal.SIGTERM), out
    assert out == ""


@pytest.mark.parametrize("way", ["spanguard run", "opentelemetry-instrument"])
@pytest.mark.parametrize(("kind", "method"), CHILDREN)
def test_each_child_tells_its_own_work(tmp_path: Path, kind: str, method: str, way: str) -> None:
    """Of `multiprocessing` and of `concurrent.futures`; what the parent did before is told by the parent.

    With `configure` in the code it is the same: tests/test_processes.py.
    """
    shutil.copy(PROGRAM.parent / "forking_program.py", tmp_path)
    with started(way, [sys.executable, "-W", WARN, "forking_program.py", method, kind], tmp_path) as process:
        out, _ = process.communicate(timeout=LONG)
    assert (process.returncode, out) == (0, "")
    found = Kept.of(tmp_path)
    assert (sum(found.spans), found.strays) == (11, 0)
    assert 5 in found.spans
    assert found.counted == found.spans
    assert found.instances == len(found.spans)


@pytest.mark.parametrize("way", WAYS)
def test_each_task_of_celery_is_told_once(tmp_path: Path, way: str) -> None:
    """With prefork, over a broker of files; the worker ends in order."""
    pytest.importorskip("celery")
    for each in ("broker", "results"):
        (tmp_path / each).mkdir()
    command = [
        "celery",
        "-A",
        "served_program:tasks",
        "worker",
        "-c",
        "2",
        "-l",
        "ERROR",
        "--without-mingle",
        "--without-gossip",
    ]
    with started(way, command, tmp_path) as process:
        ask = "from served_program import done; print([each.get(timeout=60) for each in [done.delay() for _ in range(12)]])"
        client = subprocess.run(
            [sys.executable, "-c", ask],
            cwd=tmp_path,
            env=surroundings("", tmp_path),
            capture_output=True,
            text=True,
            timeout=LONG,
        )
        answered = Counter(json.loads(client.stdout or "[]"))
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=LONG)
    assert sum(answered.values()) == 12, client.stderr + out
    found = Kept.of(tmp_path)
    assert found.spans == sorted(answered.values())
    assert found.counted == found.spans
    assert (found.instances, found.strays) == (len(answered), 0)
    assert process.returncode == 0, out


CELLS = [
    "import spanguard; spanguard.configure()",
    "%load_ext autoreload\n%autoreload 2\nimport served_program; served_program.work()",
    "from pathlib import Path; file = Path('served_program.py'); file.write_text(file.read_text() + '# changed')",
    "served_program.work()",
    "import spanguard; spanguard.configure(); served_program.work()",
]


@pytest.mark.parametrize("way", ["code", "spanguard run"])
def test_a_notebook_tells_each_cell_once(tmp_path: Path, way: str) -> None:
    """Configured again, its module reloaded, and run again from the start with a new kernel."""
    pytest.importorskip("nbclient")
    cells = [{"cell_type": "code", "source": cell, "metadata": {}, "outputs": [], "execution_count": None} for cell in CELLS]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4}
    book = tmp_path / "book.ipynb"
    book.write_text(json.dumps(notebook))
    for _ in range(2):
        with started(
            way, ["jupyter", "execute", "--inplace", "--KernelManager.shutdown_wait_time=60", "book.ipynb"], tmp_path
        ) as process:
            out, _ = process.communicate(timeout=LONG)
        assert process.returncode == 0, out
        outputs = [output for cell in json.loads(book.read_text())["cells"] for output in cell["outputs"]]
        assert not [output for output in outputs if output["output_type"] in ("stream", "error")]
    found = Kept.of(tmp_path)
    assert (found.spans, found.counted, found.strays) == ([3, 3], [3, 3], 0)
    assert found.instances == 2
