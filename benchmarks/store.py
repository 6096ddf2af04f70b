"""The local store against its budgets (DESIGN, section 8): ``python benchmarks/store.py [--quick]``.

Prints each figure beside its budget, with the machine that it was measured on; nothing here fails. Rows are spans of model
calls with 13 attributes and the metric points that go with them, through the real exporters where a program would use them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import random
import resource
import sqlite3
import statistics as statistics_
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from spanguard import semconv
from spanguard.privacy import modes
from spanguard.store import Database, StoreSpanExporter
from spanguard.store.columns import COLUMNS
from spanguard.store.export import TABLES, export_otlp, export_tables
from spanguard.store.groups import groups
from spanguard.store.selection import Selection, last
from spanguard.store.statistics import statistics

QUICK = "--quick" in sys.argv
ROWS = 20_000 if QUICK else 100_000
BATCH = 512
EXAMPLE = Path(__file__).parent.parent / "examples" / "slo" / "slo.yaml"
BEGIN = 1_790_000_000 * 10**9
chance = random.Random(1)


def spans(number, first=0):
    """Return rows of spans."""
    made, traces = [], [chance.randbytes(16) for _ in range(number // 4 + 1)]
    for place in range(first, first + number):
        start = BEGIN + place * 36 * 10**6  # 100,000 in an hour
        known = {
            "trace_id": traces[place // 4 % len(traces)],
            "span_id": chance.randbytes(8),
            "resource_id": 1,
            "scope": semconv.SCOPE_GENAI,
            "name": "chat gpt-5.2",
            "kind": "CLIENT",
            "start_ns": start,
            "end_ns": start + chance.randrange(10**7, 10**10),
            "status": "UNSET",
            "operation": "chat",
            "provider": "openai",
            "model": "gpt-5.2",
            "policy_type": "repair",
            "policy_name": "extract_invoice",
            "user": f"h:{place % 500:016x}",
            "space": f"h:{place % 50:016x}",
            "response_model": "gpt-5.2-2026-01-01",
            "input_tokens": chance.randrange(5000),
            "attempt": 1,
            "output_tokens": chance.randrange(900),
            "cost": chance.randrange(9000) / 1e6,
            "attributes": json.dumps(
                {
                    semconv.GEN_AI_RESPONSE_ID: f"h:{chance.getrandbits(64):016x}",
                    semconv.GEN_AI_FINISH: ["stop"],
                    semconv.USAGE_SOURCE: "provider",
                },
                separators=(",", ":"),
            ),
        }
        made.append(tuple(known.get(column) for column in COLUMNS["spans"]))
    return made


def points(number):
    """Return rows of metric points: deltas of a few dozen series, as of exports every five seconds."""
    metric = semconv.GENERATIONS["1.37"].duration
    made = []
    for place in range(number):
        counts = [0] * (len(metric.boundaries) + 1)
        for _ in range(9):
            counts[chance.randrange(len(counts))] += 1
        by = {semconv.GEN_AI_OPERATION: "chat", semconv.GEN_AI_PROVIDER: "openai", semconv.GEN_AI_MODEL: f"m-{place % 30}"}
        known = {
            "resource_id": 1,
            "scope": "s",
            "name": metric.name,
            "unit": "s",
            "kind": "histogram",
            "temporality": "DELTA",
            "start_ns": BEGIN,
            "time_ns": BEGIN + place * 36 * 10**6,
            "attributes": json.dumps(by, sort_keys=True),
            "count": 9,
            "sum": 40.5,
            "min": 0.02,
            "max": 9.5,
            "bounds": json.dumps(metric.boundaries),
            "counts": json.dumps(counts),
        }
        made.append(tuple(known.get(column) for column in COLUMNS["metric_points"]))
    return made


def timed(work):
    """Return how long it took, and what came of it."""
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def busy(work):
    """Return how long the processor was at it, all threads together: what other programs do is not in it."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def say(what, figure, budget, ok):
    """Print a line."""
    print(f"{what:<58} {figure:>16}   {budget:<22} {'ok' if ok else 'MISSED'}", flush=True)


def write(path, rows, table="spans"):
    """Write rows in batches."""
    with Database.open(path) as database:
        database.write({"resources": [(1, "bench", "shop", "{}")]})
        for place in range(0, len(rows), BATCH):
            database.write({table: rows[place : place + BATCH]})


def size(path):
    """Return what the file takes, its log included, in MB."""
    return sum(file.stat().st_size for file in path.parent.glob(path.name + "*")) / 1e6


def one_writer(here):
    """Rows a second of one writer, and what they take."""
    path, rows = here / "one.db", spans(ROWS)
    seconds, _ = timed(lambda: write(path, rows))
    say("one writer, encoded rows", f"{ROWS / seconds:,.0f} rows/s", ">= 25,000 rows/s", ROWS / seconds >= 25_000)
    modes.use("strict")
    exporter = StoreSpanExporter(here / "sdk.db")
    tracer = TracerProvider(resource=Resource({semconv.RUN_ID: "b"}), shutdown_on_exit=False).get_tracer(semconv.SCOPE_GENAI)
    about = {semconv.GEN_AI_OPERATION: "chat", semconv.GEN_AI_PROVIDER: "openai", semconv.GEN_AI_MODEL: "gpt-5.2"}
    about |= {semconv.GEN_AI_INPUT: 100, semconv.GEN_AI_OUTPUT: 20, semconv.CALL_COST: 0.5, semconv.ATTEMPT_NUMBER: 1}
    seconds = 0.0
    for _ in range(ROWS // BATCH):  # no program has more of them in memory than its queue holds
        made = [tracer.start_span("chat gpt-5.2", attributes=about) for _ in range(BATCH)]
        for span in made:
            span.end()
        seconds += timed(lambda made=made: exporter.export(made))[0]
    exporter.shutdown()
    say(
        "one writer, spans of the SDK through the guard",
        f"{ROWS // BATCH * BATCH / seconds:,.0f} spans/s",
        ">= 25,000 spans/s",
        ROWS / seconds >= 25_000,
    )
    with Database.open(path) as database:
        database.give_back()
    scaled = size(path) * 100_000 / ROWS
    say("size of 100,000 spans in SQLite", f"{scaled:.1f} MB", "<= 50 MB", scaled <= 50)
    return path


CHILD = """
import sys, json
sys.path.insert(0, sys.argv[1])
sys.argv = sys.argv[:1] + sys.argv[2:]
import store
store.write(store.Path(sys.argv[1]), store.spans(int(sys.argv[2])))
"""


def many_writers(here):
    """Sixteen processes at once."""
    path, each = here / "many.db", ROWS // 16
    Database.open(path).close()
    command = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(path), str(each)]
    seconds, codes = timed(lambda: [p.wait() for p in [subprocess.Popen(command) for _ in range(16)]])
    with Database.open(path) as database:
        found = database.rows("SELECT count(*) FROM spans")[0][0]
    lost = 16 * each - found
    say("16 processes, start included", f"{found / seconds:,.0f} rows/s", "", ok=True)
    say("16 processes: errors, lost rows", f"{sum(map(bool, codes))}, {lost}", "0, 0", not any(codes) and not lost)


def questions(here, path):
    """How long answers take over many rows."""
    measured = here / "points.db"
    write(measured, points(ROWS), "metric_points")
    for name, file in (("spans", path), ("metric points", measured)):
        with Database.open(file, read_only=True) as db:
            seconds, _ = timed(lambda db=db: statistics(db, last(db, "day")))
            say(f"summary over {ROWS:,} {name}", f"{seconds * 1000:,.0f} ms", "<= 1,000 ms", seconds <= 1)
            for by in ("user", "window"):
                seconds, _ = timed(lambda db=db, by=by: groups(db, Selection(), by, "minute"))
                say(f"summary --by {by} over {ROWS:,} {name}", f"{seconds * 1000:,.0f} ms", "<= 1,000 ms", seconds <= 1)


def exports(here, path):
    """How long files take, and what they take."""
    rows = 2 * ROWS
    double = here / "double.db"
    write(double, [*spans(ROWS), *spans(ROWS, ROWS)])
    with Database.open(double, read_only=True) as db:
        seconds, _ = timed(lambda: export_otlp(db, here / "otlp", Selection()))
        say(f"{rows:,} spans to OTLP-JSON lines", f"{seconds:.1f} s", "", ok=True)
        if not importlib.util.find_spec("duckdb"):
            print("Parquet is not measured: DuckDB is not installed")
            return
        seconds, (file,) = timed(lambda: export_tables(db, here / "pq", ["spans"], Selection(), parquet=True))
        say(f"{rows:,} spans to Parquet", f"{seconds:.1f} s", "<= 5 s", seconds <= 5)
        megabytes = file.bytes / 1e6 * 100_000 / rows
        say("size of 100,000 spans in Parquet", f"{megabytes:.1f} MB", "<= 10 MB", megabytes <= 10)
        seconds = busy(lambda: export_tables(db, here / "all", TABLES, Selection(), parquet=True))
        say(f"{2 * rows:,} rows to Parquet, {len(TABLES)} files, CPU", f"{seconds:.1f} s", "<= 10 s", seconds <= 10)


def starts(path):
    """How long commands take over a small store, beside Python and click alone; what processors did, in one run by turns."""
    commands = {
        "python -c pass": ["-c", "pass"],
        "python -c 'import click'": ["-c", "import click"],
        "spanguard --help": ["-m", "spanguard", "--help"],
        "spanguard show": ["-m", "spanguard", "show", "--store", str(path)],
        "spanguard summary": ["-m", "spanguard", "summary", "--store", str(path)],
        "spanguard slo check": ["-m", "spanguard", "slo", "check", str(EXAMPLE), "--store", str(path)],
    }
    taken = {name: [] for name in commands}
    for _ in range(3 if QUICK else 9):
        for name, arguments in commands.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            taken[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    medians = {name: statistics_.median(each) for name, each in taken.items()}
    for name, seconds in medians.items():
        times = f"{seconds / medians['python -c pass']:.1f} x python"
        say(f"{name}, CPU", f"{seconds * 1000:,.0f} ms", f"<= 300 ms, {times}", seconds <= 0.3)


def main():
    """Measure everything."""
    print(
        f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}\n"
    )
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        path = one_writer(here)
        many_writers(here)
        questions(here, path)
        exports(here, path)
        write(here / "small.db", spans(200))
        starts(here / "small.db")


if __name__ == "__main__":
    main()
