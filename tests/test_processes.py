"""Counts over many processes: each call is counted once, by the process that made it, and arrives."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from otlp_receiver import GrpcReceiver, HttpReceiver
from spanguard.store.spool import status

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

PROGRAM = """
    import concurrent.futures, multiprocessing, os, signal, sys, threading, time
    import spanguard
    from spanguard import traced_llm_call, traced_repair

    @traced_llm_call(provider="openai", model="gpt-5.2")
    def ask(*_):
        return {"usage": {"prompt_tokens": 10, "completion_tokens": 5}, "choices": []}

    def asks(times):
        for _ in range(times):
            ask()

    def forked(work):
        child = os.fork()
        if not child:
            work()
            sys.exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""
CALLS = "gen_ai.client.operation.duration"


@dataclass
class Kept:
    """What is in a store: for each session (a process) how many calls its metrics and its spans tell."""

    calls: list[int]
    spans: list[int]
    distinct_spans: int
    runs: set[str]
    sessions: set[str]
    instances: set[str]


def kept(directory: Path) -> Kept:
    """Read the store of a program."""
    with closing(sqlite3.connect(directory / ".spanguard" / "telemetry.db")) as store:
        by_id = {
            key: (run, json.loads(text)) for key, run, text in store.execute("SELECT id, run, attributes FROM resources")
        }
        counted = f"SELECT sum(count) FROM metric_points WHERE name = '{CALLS}' GROUP BY resource_id"
        calls = sorted(count for (count,) in store.execute(counted))
        spans = sorted(count for (count,) in store.execute("SELECT count(*) FROM spans GROUP BY resource_id"))
        (distinct,) = store.execute("SELECT count(DISTINCT hex(trace_id) || hex(span_id)) FROM spans").fetchone()
        return Kept(
            calls,
            spans,
            distinct,
            runs={run for run, _ in by_id.values()},
            sessions={attributes["resilience.session.id"] for _, attributes in by_id.values()},
            instances={attributes["service.instance.id"] for _, attributes in by_id.values()},
        )


def start(directory: Path, code: str, **environment: str) -> subprocess.Popen[str]:
    """Start a program that has `ask`, `asks` and `forked`; its code is a file, as spawned processes import it."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SPANGUARD_"))}
    program = directory / "program.py"
    program.write_text(textwrap.dedent(PROGRAM) + textwrap.dedent(code))
    # Forking with threads is deprecated since 3.12, and what these programs are about.
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-W", "ignore:This process:DeprecationWarning", str(program)],
        cwd=directory,
        env={**inherited, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(directory: Path, code: str, expected: str = "", **environment: str) -> str:
    """Run such a program to its end and return what it wrote to stderr, by default nothing."""
    with start(directory, code, **environment) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, expected), err
    return err


# ------------------------------------------------------------------------------------------------------------- os.fork


@pytest.mark.parametrize(
    ("end", "code"),
    [("pass", 0), ("sys.exit(3)", 3), ("raise ValueError", 1), ("pipeline.flush(); os._exit(4)", 4)],
)
def test_a_forked_child_sends_its_own_calls_and_leaves_the_parents_alone(tmp_path: Path, end: str, code: int) -> None:
    """However it ends; only before `os._exit` the program has to flush. The run is one, the sessions are two."""
    program = f"""
        pipeline = spanguard.configure()
        asks(5)  # not collected when the process forks
        def child():
            asks(3)
            {end}
        assert forked(child) == {code}
        asks(2)
    """
    errors = run(tmp_path, program)
    assert errors.count("Traceback") == (end == "raise ValueError")
    found = kept(tmp_path)
    assert (found.calls, found.spans, found.distinct_spans) == ([3, 7], [3, 7], 10)
    assert (len(found.runs), len(found.sessions), len(found.instances)) == (1, 2, 2)


def test_a_child_that_records_nothing_sends_nothing(tmp_path: Path) -> None:
    """Not the parent's queue either, though it inherits the parent's exit handler."""
    assert run(tmp_path, "spanguard.configure(); asks(5); forked(lambda: None)") == ""
    found = kept(tmp_path)
    assert (found.calls, found.spans, len(found.sessions)) == ([5], [5], 1)


def test_children_of_children_count_for_themselves(tmp_path: Path) -> None:
    """Three generations, three sessions."""
    code = """
        spanguard.configure()
        asks(1)
        def grandchild():
            asks(4)
        def child():
            asks(2)
            forked(grandchild)
        forked(child)
    """
    assert run(tmp_path, code) == ""
    found = kept(tmp_path)
    assert (found.calls, found.spans, len(found.sessions), len(found.runs)) == ([1, 2, 4], [1, 2, 4], 3, 1)


def test_what_waited_for_the_collection_at_the_fork_is_the_parents(tmp_path: Path) -> None:
    """With providers of the program's own, each process tells its own calls, and nobody a call that was open for both."""
    code = """
        from opentelemetry import metrics
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        def told(reader):
            data = reader.get_metrics_data()
            return sum(
                point.count for resource in data.resource_metrics for scope in resource.scope_metrics
                for metric in scope.metrics if metric.name == "gen_ai.client.operation.duration"
                for point in metric.data.data_points
            )
        reader = InMemoryMetricReader()
        metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
        asks(1)
        begun = told(reader)
        asks(20)
        with traced_llm_call(provider="openai", model="gpt-5.2"):
            child = os.fork()
        if child:
            os.waitpid(child, 0)
        else:
            asks(3)
        print("parent" if child else "child", told(reader) - begun, flush=True)
    """
    with start(tmp_path, code) as process:
        out, errors = process.communicate(timeout=120)
    assert (sorted(out.splitlines()), errors) == (["child 3", "parent 21"], "")


def test_what_was_open_at_the_fork_is_the_parents_to_end(tmp_path: Path) -> None:
    """The child leaves the operation too, by `SystemExit`, and a span of another library; both are told once.

    The child's calls are inside the operation.
    """
    code = """
        from opentelemetry import trace
        pipeline = spanguard.configure()
        with trace.get_tracer("somebody").start_as_current_span("request"), traced_repair("invoice") as repair:
            for attempt in repair.attempts(1):
                with attempt:
                    ask()
                    forked(ask)
    """
    assert run(tmp_path, code) == ""
    found = kept(tmp_path)
    assert (found.calls, found.spans, found.distinct_spans) == ([1, 1], [1, 4], 5)
    with closing(sqlite3.connect(tmp_path / ".spanguard" / "telemetry.db")) as store:
        inside = (
            "SELECT count(*) FROM spans JOIN spans AS outer ON spans.parent_id = outer.span_id WHERE outer.name = 'attempt'"
        )
        assert store.execute(inside).fetchone() == (2,)
        outcomes = "SELECT sum(count) FROM metric_points WHERE name = 'resilience.operation.duration'"
        assert store.execute(outcomes).fetchone() == (1,)


def test_forks_while_threads_are_calling(tmp_path: Path) -> None:
    """No child hangs on a lock that a thread of the parent held, and no call is lost or counted twice."""
    code = """
        spanguard.configure()
        stop, made = threading.Event(), []
        def work():
            mine = 0
            while not stop.is_set():
                ask()
                mine += 1
                time.sleep(0.0005)  # as a call of a model waits; without it the store's writer hardly gets its turn
            made.append(mine)
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads: thread.start()
        codes = [forked(lambda: asks(7)) for _ in range(15)]
        stop.set()
        for thread in threads: thread.join()
        assert codes == [0] * 15, codes
        print(sum(made))
    """
    # The interval is also what the SDK grants the last collection.
    environment = {
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "OTEL_BSP_SCHEDULE_DELAY": "20",
        "OTEL_BSP_MAX_QUEUE_SIZE": "1000000",
    }
    with start(tmp_path, code, SPANGUARD_EXIT_TIMEOUT="30", **environment) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    found = kept(tmp_path)
    assert (found.calls, found.spans) == ([7] * 15 + [int(out)], [7] * 15 + [int(out)])


def test_a_preloading_server(tmp_path: Path) -> None:
    """As gunicorn with `preload_app`: configured in the parent, again in each worker, which ends by `sys.exit`."""
    code = """
        first = spanguard.configure()
        asks(1)
        def worker():
            assert spanguard.configure() is first
            asks(10)
        for _ in range(3):
            forked(worker)
    """
    assert run(tmp_path, code) == ""
    found = kept(tmp_path)
    assert (found.calls, found.spans, len(found.sessions)) == ([1, 10, 10, 10], [1, 10, 10, 10], 4)


def test_a_fork_after_shutdown_stays_silent(tmp_path: Path) -> None:
    """And calls in it go on as ever."""
    code = """
        pipeline = spanguard.configure()
        asks(2)
        pipeline.shutdown()
        assert forked(lambda: asks(3)) == 0
    """
    assert run(tmp_path, code) == ""
    assert (kept(tmp_path).calls, kept(tmp_path).spans) == ([2], [2])


# ----------------------------------------------------------------------------------------------------- multiprocessing

WORKERS = {
    "process": """
        workers = [context.Process(target=asks, args=(10,)) for _ in range(2)]
        for worker in workers: worker.start()
        for worker in workers: worker.join()
        assert [worker.exitcode for worker in workers] == [0, 0]
    """,
    "pool": """
        pool = context.Pool(2)
        pool.map(ask, range(20), chunksize=1)
        pool.close()
        pool.join()
    """,
    "executor": """
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor:
            list(executor.map(ask, range(20)))
    """,
}


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_multiprocessing_send_what_they_recorded(tmp_path: Path, method: str, workers: str) -> None:
    """They end by `os._exit`, before Python 3.13 without exit handlers; all belong to the run of their parent."""
    configured = "spanguard.configure()\n" if method != "fork" else ""
    main = f"""
if __name__ == "__main__":
    spanguard.configure()
    context = multiprocessing.get_context("{method}")
    asks(5)
{textwrap.indent(textwrap.dedent(WORKERS[workers]), "    ")}
"""
    assert run(tmp_path, configured + main) == ""
    found = kept(tmp_path)
    assert (sum(found.calls), sum(found.spans), found.distinct_spans) == (25, 25, 25)
    assert found.calls == found.spans
    assert 5 in found.calls
    assert (len(found.runs), len(found.sessions)) == (1, len(found.calls))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_configured_in_the_worker_alone(tmp_path: Path, method: str) -> None:
    """A worker that calls `configure` itself, with an error at its end."""
    code = f"""
        def worker():
            spanguard.configure()
            asks(4)
            raise SystemExit(3)
        if __name__ == "__main__":
            child = multiprocessing.get_context("{method}").Process(target=worker)
            child.start()
            child.join()
            assert child.exitcode == 3
    """
    assert run(tmp_path, code) == ""
    assert (kept(tmp_path).calls, kept(tmp_path).spans) == ([4], [4])


# ------------------------------------------------------------------------------------------------------------ OTLP, exit


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_children_send_by_otlp_over_connections_of_their_own(tmp_path: Path, protocol: str) -> None:
    """After the parent has used its own; the spans of three children arrive once each."""
    code = """
        pipeline = spanguard.configure(exit_timeout=20)
        asks(5)
        assert pipeline.flush()
        children = [multiprocessing.get_context("fork").Process(target=asks, args=(4,)) for _ in range(3)]
        for child in children: child.start()
        for child in children: child.join()
        assert [child.exitcode for child in children] == [0, 0, 0]
        asks(3)
    """
    with GrpcReceiver() if protocol == "grpc" else HttpReceiver() as receiver:
        run(tmp_path, code, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    assert (len(receiver.spans), len({span["id"] for span in receiver.spans})) == (20, 20)


def test_no_process_uses_the_exporter_of_another(tmp_path: Path) -> None:
    """Two processes on one connection would read each other's answers; a child makes its exporter when it first needs it."""
    code = """
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        from spanguard.pipeline.forked import OwnSpanExporter
        makers, parent = [], os.getpid()
        exporter = OwnSpanExporter(lambda: makers.append(os.getpid()) or InMemorySpanExporter())
        def child():
            assert makers == [parent]
            exporter.export([])
            exporter.export([])
            assert makers == [parent, os.getpid()]
        assert forked(child) == 0
        exporter.export([])
        assert makers == [parent]
    """
    assert run(tmp_path, code) == ""


@pytest.mark.parametrize("way", ["os", "multiprocessing"])
def test_the_end_of_a_child_is_bounded_too(tmp_path: Path, way: str) -> None:
    """A collector that never answers holds up neither child nor parent for longer than the setting; nothing is lost."""
    code = f"""
        spanguard.configure(exit_timeout=1)
        asks(1)
        began = time.monotonic()
        if {way == "os"}:
            assert forked(ask) == 0
        else:
            child = multiprocessing.get_context("fork").Process(target=ask)
            child.start()
            child.join()
        print(time.monotonic() - began)
    """
    with HttpReceiver(hang=True) as receiver, start(tmp_path, code, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint) as process:
        out, err = process.communicate(timeout=60)
    assert 0.2 < float(out) < 5  # its own deadline; generous, because the machine may be busy
    assert all("what is recorded is kept" in line for line in err.splitlines())  # told by those that saw the deadline pass
    waiting = {each.signal: each.items for each in status(tmp_path / ".spanguard" / "spool.db").waiting}
    assert waiting["traces"] == 2


def test_a_program_that_handles_sigterm_by_sys_exit_sends_what_is_left(tmp_path: Path) -> None:
    """As any program that ends in order."""
    code = """
        spanguard.configure()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        asks(6)
        print("ready", flush=True)
        time.sleep(30)
    """
    with start(tmp_path, code) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert (kept(tmp_path).calls, kept(tmp_path).spans) == ([6], [6])


def test_debug_prints_each_line_once_over_parent_and_child(tmp_path: Path) -> None:
    """`SPANGUARD_DEBUG=1` in a child: its own spans, and at its end its own metrics."""
    code = "spanguard.configure(); asks(2); forked(lambda: asks(3))"
    lines = run(tmp_path, code, SPANGUARD_DEBUG="1").splitlines()
    assert len([line for line in lines if line.startswith("spanguard span ")]) == 5
    counts = [line.split("count=")[1].split()[0] for line in lines if f"metric {CALLS} " in line]
    assert counts == ["3", "2"]
    assert not (tmp_path / ".spanguard").exists()


@pytest.mark.parametrize("interval", ["inf", "nan", "0", "-5", "1e300", "soon", "50"])
def test_no_interval_loses_what_is_left_at_the_end(tmp_path: Path, interval: str) -> None:
    """Odd intervals of exports, for spans and for metrics: the end of the process still sends all; nonsense is warned of."""
    variables = ("OTEL_METRIC_EXPORT_INTERVAL", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY")
    errors = run(tmp_path, "spanguard.configure(); asks(4); forked(lambda: asks(2))", **dict.fromkeys(variables, interval))
    assert (kept(tmp_path).calls, kept(tmp_path).spans) == ([2, 4], [2, 4])
    refused = [f"{variable}: expected milliseconds above 0" in errors for variable in variables]
    assert refused == [interval in ("nan", "0", "-5", "soon")] * 3
