"""What comes out of the store, and what comes in."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation

from spanguard import semconv
from spanguard.privacy import modes
from spanguard.store import Database, StoreError, export
from spanguard.store.columns import COLUMNS
from spanguard.store.export import SIGNALS, TABLES, MissingDuckDBError, count, export_otlp, export_tables, holds
from spanguard.store.imports import import_lines
from spanguard.store.jsonl import JsonLinesLogExporter, JsonLinesMetricExporter, JsonLinesSpanExporter
from spanguard.store.selection import Selection
from spanguard.store.statistics import statistics
from spanguard.store.views import VIEWS

HERE = Path(__file__).parent
duckdb = pytest.mark.skipif(not importlib.util.find_spec("duckdb"), reason="needs the extra parquet")


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """The store of a program that uses everything."""
    path = tmp_path_factory.mktemp("export") / "telemetry.db"
    subprocess.run([sys.executable, HERE / "every_column.py", path], check=True, timeout=60)
    return path


@pytest.fixture
def database(store):
    """The store, opened for reading."""
    with Database.open(store, read_only=True) as opened:
        yield opened


def lines(path: Path) -> list[dict[str, object]]:
    """Read JSON lines."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


# ------------------------------------------------------------------------------------------------------------ tables


def test_each_table_is_a_file_of_json_lines(database, tmp_path):
    """A line for each row, with the columns as they are; what is true or false says so."""
    files = export_tables(database, tmp_path / "out", TABLES, Selection(), parquet=False)
    assert [file.name for file in files] == list(TABLES)
    for file in files:
        found, view = lines(Path(file.path)), TABLES[file.name]
        assert len(found) == file.rows == len(database.rows(view.statement))
        assert file.bytes == Path(file.path).stat().st_size
        assert all(list(each) == [column.name for column in view.columns] for each in found)
    assert sum(file.rows for file in files) == count(database, TABLES, Selection())
    assert [holds(database, [file.name], Selection()) for file in files] == [bool(file.rows) for file in files]
    assert not holds(database, TABLES, Selection("other"))
    assert lines(tmp_path / "out" / "llm_calls.jsonl")[0]["success"] is True


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_only_the_owner_can_read_the_files(database, tmp_path):
    """They hold what the store holds."""
    before = os.umask(0)
    try:
        export_tables(database, tmp_path / "out", ["spans"], Selection(), parquet=False)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "out").iterdir()] == [0o600]


@pytest.mark.parametrize(("selection", "some"), [(Selection("nightly"), True), (Selection("other"), False)])
def test_a_run_is_exported(database, tmp_path, selection, some):
    """Only its rows, in every table."""
    files = export_tables(database, tmp_path, TABLES, selection, parquet=False)
    assert any(file.rows for file in files) is some
    assert all(row["run"] == "nightly" for file in files for row in lines(Path(file.path)))


def test_a_time_is_exported(database, tmp_path):
    """From its begin on, and until before its end."""
    times = [row["start_ns"] for row in database.rows("SELECT start_ns FROM spans ORDER BY start_ns")]
    (file,) = export_tables(database, tmp_path, ["spans"], Selection(None, times[2], times[-1]), parquet=False)
    # The text of a time has microseconds.
    assert file.rows == sum(times[2] // 1000 <= each // 1000 < times[-1] // 1000 for each in times)


def test_a_program_may_write_meanwhile(store, database, tmp_path):
    """All files are of one moment."""
    with Database.open(store) as writer:
        drop = {"drops": [(1, "spans", 1, 1)]}
        files = export_tables(database, tmp_path, ["spans"], Selection(), parquet=False, told=lambda _: writer.write(drop))
    assert files[0].rows


def test_a_file_that_cannot_be_written_is_an_error(database, tmp_path):
    """And nothing half is left."""
    (tmp_path / "place").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be made"):
        export_tables(database, tmp_path / "place", ["spans"], Selection(), parquet=False)


def test_rows_are_counted_again(database, tmp_path, monkeypatch):
    """A file that is not whole does not take its place."""
    monkeypatch.setattr(export, "_lines", lambda _: 3)
    with pytest.raises(StoreError, match="it would have 3 rows"):
        export_tables(database, tmp_path, ["spans"], Selection(), parquet=False)
    assert list(tmp_path.iterdir()) == []


@duckdb
def test_parquet_has_the_same_rows(database, tmp_path):
    """Each view and kind, with types of its own; read back by DuckDB, every cell is the one of the view."""
    import duckdb

    files = export_tables(database, tmp_path, TABLES, Selection(), parquet=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(f"{name}.parquet" for name in TABLES)
    for file in files:
        view = TABLES[file.name]
        names = ", ".join(
            f"strftime(\"{c.name}\", '%Y-%m-%dT%H:%M:%S.%fZ')" if c.type == "time" else f'"{c.name}"' for c in view.columns
        )
        found = duckdb.sql(f"SELECT {names} FROM '{file.path}'").fetchall()
        assert len(found) == file.rows
        kept = [tuple(row) for row in database.rows(view.statement)]
        assert sorted(found, key=str) == sorted(_typed(view, kept), key=str)


def _typed(view, rows):
    kinds = {"boolean": bool, "real": float}
    return [
        tuple(
            None if cell is None else kinds.get(c.type, lambda x: x)(cell) for c, cell in zip(view.columns, row, strict=True)
        )
        for row in rows
    ]


ODD = ['"quoted", it\'s', "a\\b", "line\nbreak\ttab", "nothing\x00more", "\x7f\u2028\ufeff", "déjà 😀", "", "null", "{}"]
FIGURES = [0.1, 1 / 3, 0.007805, 2.5e-10, 1.1 + 2.2, 123456789.123456789, 0.0, 5.0, 1e15 / 7]


@pytest.mark.parametrize("parquet", [False, pytest.param(True, marks=duckdb)])
def test_no_cell_is_too_odd(tmp_path, parquet):
    """Quotes, control characters, scripts, and every digit of a number come out as they are in the store."""
    known = {
        "resource_id": 1,
        "scope": "s",
        "kind": "CLIENT",
        "start_ns": 1,
        "end_ns": 2,
        "status": "UNSET",
        "attributes": "{}",
    }
    cells = [(text, FIGURES[place % len(FIGURES)]) for place, text in enumerate(ODD)]
    rows = [
        tuple(
            {**known, "trace_id": bytes(16), "span_id": bytes(8), "name": text, "cost": cost}.get(c) for c in COLUMNS["spans"]
        )
        for text, cost in cells
    ]
    with Database.open(tmp_path / "t.db") as database:
        database.write({"resources": [(1, "r", "shop", "{}")], "spans": rows})
        (file,) = export_tables(database, tmp_path, ["spans"], Selection(), parquet=parquet)
    if parquet:
        import duckdb

        found = duckdb.sql(f"SELECT name, cost FROM '{file.path}'").fetchall()
    else:
        found = [(row["name"], row["cost"]) for row in lines(Path(file.path))]
    assert found == cells


# What others put where a number is expected, in the attribute `http.response.status_code`.
STATUSES = [("200", 200), (200, 200), (200.0, 200), (1.5, None), ("OK", None), (2**70, None), ([1, "x"], None), (None, None)]


@pytest.mark.parametrize("parquet", [False, pytest.param(True, marks=duckdb)])
def test_what_is_no_number_is_none(tmp_path, parquet):
    """Somebody else's attribute does not keep a whole table from being written."""
    known = {"resource_id": 1, "scope": "s", "name": "GET", "kind": "CLIENT", "start_ns": 1, "end_ns": 2, "status": "UNSET"}
    rows = [
        {
            **known,
            "trace_id": bytes([place] * 16),
            "span_id": bytes(8),
            "attributes": json.dumps({semconv.HTTP_STATUS: status}),
        }
        for place, (status, _) in enumerate(STATUSES)
    ]
    with Database.open(tmp_path / "t.db") as database:
        spans = [tuple(row.get(column) for column in COLUMNS["spans"]) for row in rows]
        database.write({"resources": [(1, "r", "shop", "{}")], "spans": spans})
        (file,) = export_tables(database, tmp_path, ["http_attempts"], Selection(), parquet=parquet)
    if parquet:
        import duckdb

        found = [status for (status,) in duckdb.sql(f"SELECT status FROM '{file.path}'").fetchall()]
    else:
        found = [row["status"] for row in lines(Path(file.path))]
    wanted = [number for _, number in STATUSES]
    assert found in (wanted, wanted[:-1])  # a span without a status may be no HTTP attempt


@duckdb
def test_what_duckdb_refuses_is_an_error_that_says_so(tmp_path):
    """A row that another program has broken; what stands in it is not repeated."""
    known = {"resource_id": 1, "scope": "s", "kind": "CLIENT", "start_ns": 1, "end_ns": 2, "status": "UNSET"}
    known |= {"trace_id": bytes(16), "span_id": bytes(8), "name": "n", "user": "secret"}
    known |= {"attributes": json.dumps({semconv.GEN_AI_RESPONSE_ID: "\ud800"})}
    with Database.open(tmp_path / "t.db") as database:
        database.write({"resources": [(1, "r", "shop", "{}")]})
        with database.transaction() as connection:
            names = ", ".join(known)
            places = ", ".join("?" * len(known))
            connection.execute(f"INSERT INTO spans ({names}) VALUES ({places})", list(known.values()))
            connection.execute("UPDATE spans SET name = CAST(x'ff22' AS TEXT)")
        with pytest.raises(StoreError, match="was not written") as caught:
            export_tables(database, tmp_path, ["spans"], Selection(), parquet=True)
    assert "secret" not in str(caught.value)
    assert not list(tmp_path.glob("*.part"))


def test_without_duckdb_it_says_what_to_install(database, tmp_path, monkeypatch):
    """Parquet is an extra."""
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingDuckDBError, match=r"spanguard\[parquet\]"):
        export_tables(database, tmp_path, ["spans"], Selection(), parquet=True)


# -------------------------------------------------------------------------------------------------------------- OTLP


def tables(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of every view."""
    with Database.open(path, read_only=True) as database:
        return {name: sorted((tuple(row) for row in database.rows(f"SELECT * FROM {name}")), key=str) for name in VIEWS}


def test_what_is_exported_and_imported_is_the_same(store, database, tmp_path):
    """Every view, cell by cell, and every figure."""
    export_otlp(database, tmp_path, Selection())
    with Database.open(tmp_path / "new.db") as new:
        for signal in SIGNALS:
            imported = import_lines(new, tmp_path / f"{signal}.jsonl")
            assert (imported.known, imported.unreadable) == (0, 0)
        told = statistics(new, Selection())
    assert tables(tmp_path / "new.db") == tables(store)
    assert told == statistics(database, Selection())


def test_a_file_may_be_imported_twice(database, tmp_path):
    """What is known already is left out, so that nothing counts twice."""
    export_otlp(database, tmp_path, Selection())
    with Database.open(tmp_path / "new.db") as new:
        for signal in SIGNALS:
            first, again = (import_lines(new, tmp_path / f"{signal}.jsonl") for _ in range(2))
            assert set(again.rows.values()) == {0}
            assert again.known == sum(first.rows.values())


def test_the_format_is_the_collectors(database, tmp_path):
    """The opentelemetry-proto package, made from the same definitions, reads every line."""
    from google.protobuf.json_format import Parse
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    kinds = {
        "traces": ExportTraceServiceRequest,
        "metrics": ExportMetricsServiceRequest,
        "logs": ExportLogsServiceRequest,
    }
    for file in export_otlp(database, tmp_path, Selection()):
        for line in Path(file.path).read_text().splitlines():
            Parse(line, kinds[file.name]())


def test_what_somebody_wrote_does_not_come_in(tmp_path):
    """An import goes through the guard: prompts, messages and unknown keys stay outside."""
    attributes = [{"key": key, "value": {"stringValue": "canary-1"}} for key in ("gen_ai.prompt", "own.key", "user.id")]
    span = {"traceId": "1" * 32, "spanId": "2" * 16, "name": "canary-2", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    span |= {"attributes": attributes, "status": {"code": "STATUS_CODE_ERROR", "message": "canary-3"}, "kind": 3}
    request = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    (tmp_path / "in.jsonl").write_text(json.dumps(request))
    modes.use("strict")  # the fixture puts it back
    with Database.open(tmp_path / "t.db") as database:
        assert import_lines(database, tmp_path / "in.jsonl").rows["spans"] == 1
        (row,) = database.rows("SELECT * FROM spans")
    assert (row["status"], row["kind"]) == ("ERROR", "CLIENT")
    for file in tmp_path.glob("t.db*"):
        assert b"canary" not in file.read_bytes()


def test_a_torn_line_is_left_out(database, tmp_path):
    """As at the end of a file that is still written."""
    export_otlp(database, tmp_path, Selection())
    whole = (tmp_path / "traces.jsonl").read_text()
    (tmp_path / "torn.jsonl").write_text(whole + whole[:100] + '\n[1]\n{"other":1}\n\n')
    with Database.open(tmp_path / "new.db") as new:
        imported = import_lines(new, tmp_path / "torn.jsonl")
    assert imported.unreadable == 3
    assert imported.rows["spans"]


def test_packed_files_and_lists_of_requests_are_read(database, tmp_path):
    """As log rotation leaves the collector's files; of a file that was cut short what can be unpacked."""
    export_otlp(database, tmp_path, Selection())
    requests = lines(tmp_path / "traces.jsonl")
    packed = gzip.compress((json.dumps(requests) + "\n").encode())
    (tmp_path / "list.jsonl.gz").write_bytes(packed)
    (tmp_path / "torn.jsonl.gz").write_bytes(packed[:-9])
    told: list[int] = []
    with Database.open(tmp_path / "new.db") as new:
        first = import_lines(new, tmp_path / "list.jsonl.gz", told.append)
        torn = import_lines(new, tmp_path / "torn.jsonl.gz")
        assert first.rows["spans"] == len(database.rows("SELECT 1 FROM spans"))
    assert (first.unreadable, sum(told)) == (0, len(packed))
    assert (sum(torn.rows.values()), torn.unreadable) == (0, 1)


def _histogram(counts: list[object], bounds: list[object], **more: object) -> dict[str, object]:
    point = {"startTimeUnixNano": "1", "timeUnixNano": "5", "count": "3", "sum": 1.5, "bucketCounts": counts}
    data = {"aggregationTemporality": 1, "dataPoints": [{**point, "explicitBounds": bounds, **more}]}
    metric = {"name": "gen_ai.client.operation.duration", "unit": "s", "histogram": data}
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}


def _imported(tmp_path: Path, *requests: object) -> Path:
    modes.use("strict")  # the fixture puts it back
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, requests)))
    with Database.open(tmp_path / "t.db") as database:
        import_lines(database, tmp_path / "in.jsonl")
    return tmp_path / "t.db"


BOUNDS = list(semconv.GENERATIONS["1.37"].duration.boundaries)


def test_a_histogram_need_not_state_its_extremes(tmp_path):
    """They are optional in OTLP, and many writers leave them out."""
    with Database.open(_imported(tmp_path, _histogram([3, *[0] * len(BOUNDS)], BOUNDS)), read_only=True) as database:
        (row,) = database.rows("SELECT count, sum, min, max FROM metric_points")
    assert tuple(row) == (3, 1.5, None, None)


@pytest.mark.parametrize("counts", [[], [1, 2], [1] * 40])
def test_a_histogram_whose_counts_do_not_fit_its_bounds_keeps_its_number(tmp_path, counts):
    """Each of them has a count more than bounds, or none can be read."""
    with Database.open(_imported(tmp_path, _histogram(counts, BOUNDS)), read_only=True) as database:
        told = statistics(database, Selection())
    assert (told.requests.count, told.latency.model.average, told.latency.model.p95) == (3, 0.5, None)


@pytest.mark.parametrize(
    "broken",
    [
        _histogram([float("inf")], []),
        _histogram([1], [], timeUnixNano=float("inf")),
        {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "x"}]}]}]},
        {
            "resourceSpans": [
                {"scopeSpans": [{"spans": [{"traceId": "1", "spanId": "2", "startTimeUnixNano": float("inf")}]}]}
            ]
        },
    ],
)
def test_numbers_that_are_none_make_a_line_unreadable(tmp_path, broken):
    """The others are read."""
    (tmp_path / "in.jsonl").write_text(f"{json.dumps(broken)}\n{'[' * 100_000}\n{json.dumps({'resourceSpans': []})}\n")
    with Database.open(tmp_path / "t.db") as database:
        assert import_lines(database, tmp_path / "in.jsonl").unreadable == 2


def test_other_writers_are_read_too(tmp_path):
    """Enumerations by name, numbers as numbers, nested values, exponential histograms, gauges."""
    buckets = {"offset": 0, "bucketCounts": [1, 2]}
    point = {"timeUnixNano": 5, "count": 3, "sum": 9.5, "scale": 0, "positive": buckets}
    nested = {"kvlistValue": {"values": [{"key": "b", "value": {"arrayValue": {"values": [{"intValue": 1}]}}}]}}
    gauge = {"name": "g", "gauge": {"dataPoints": [{"timeUnixNano": "5", "asDouble": 1.5, "attributes": []}]}}
    temporality = "AGGREGATION_TEMPORALITY_DELTA"
    exponential = {"name": "e", "exponentialHistogram": {"aggregationTemporality": temporality, "dataPoints": [point]}}
    request = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [gauge, exponential]}]}]}
    link = {"traceId": "3" * 32, "spanId": "4" * 16}
    span = {"traceId": "1" * 32, "spanId": "2" * 16, "name": "n", "kind": "SPAN_KIND_SERVER", "links": [link]}
    span |= {"attributes": [{"key": "a", "value": nested}]}
    traces = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    (tmp_path / "in.jsonl").write_text(json.dumps(request) + "\n" + json.dumps(traces))
    with Database.open(tmp_path / "t.db") as database:
        assert import_lines(database, tmp_path / "in.jsonl").rows == {"spans": 1, "metric_points": 2, "log_events": 0}
        (row,) = database.rows("SELECT kind, attributes, links FROM spans")
        assert (row["kind"], json.loads(row["attributes"])) == ("SERVER", {"a": {"b": [1]}})
        assert json.loads(row["links"])[0]["trace_id"] == "3" * 32
        found = database.rows("SELECT kind, value, count, sum FROM metric_points ORDER BY name")
    assert [tuple(each) for each in found] == [("exponential_histogram", None, 3, 9.5), ("gauge", 1.5, None, None)]


# ---------------------------------------------------------------------------------------------------- live JSON lines

PROGRAM = """
import sys
from spanguard import configure, traced_llm_call, traced_breaker
pipeline = configure(service_name="shop", run="live")
with traced_llm_call(provider="openai", model="gpt-5.2") as call:
    call.record_usage(input_tokens=3)
traced_breaker("provider").on_transition("closed", "open")
pipeline.shutdown()
"""


@pytest.fixture
def installed(tmp_path) -> Path:
    """A directory for PYTHONPATH in which the entry points are, however old the installation of the package is."""
    about = tmp_path / "lines" / "lines-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Name: lines\nVersion: 1\n")
    names = {"traces": "JsonLinesSpanExporter", "metrics": "JsonLinesMetricExporter", "logs": "JsonLinesLogExporter"}
    points = (
        f"[opentelemetry_{signal}_exporter]\nspanguard_jsonl = spanguard.store.jsonl:{name}\n"
        for signal, name in names.items()
    )
    (about / "entry_points.txt").write_text("".join(points))
    return about.parent


def test_lines_are_written_as_a_program_runs(tmp_path, installed):
    """The environment names the exporter; the store reads its files as it reads the collector's."""
    store = tmp_path / ".spanguard" / "telemetry.db"
    exporters = {f"OTEL_{signal.upper()}_EXPORTER": "spanguard_jsonl" for signal in SIGNALS}
    environment = {
        **os.environ,
        **exporters,
        "PYTHONPATH": os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")]),
    }
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, cwd=tmp_path, env=environment, timeout=60)
    assert not store.exists()
    with Database.open(tmp_path / "new.db") as database:
        for signal in SIGNALS:
            assert sum(import_lines(database, store.with_name(f"{signal}.jsonl")).rows.values())
        assert [row["model"] for row in database.rows("SELECT model FROM llm_calls")] == ["gpt-5.2"]
        assert [row["to_state"] for row in database.rows("SELECT to_state FROM breaker_transitions")] == ["open"]


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_file_that_cannot_be_written_disturbs_nobody(tmp_path, signal, caplog, start):
    """FAILURE is returned, and one line is logged."""
    program = start()
    made = {"traces": JsonLinesSpanExporter, "metrics": JsonLinesMetricExporter, "logs": JsonLinesLogExporter}[signal]
    exporter = made(tmp_path / "missing" / "x.jsonl")
    results = [_export(exporter, signal, program) for _ in range(2)]
    exporter.shutdown()
    assert [result.name for result in results] == ["FAILURE", "FAILURE"]
    assert len([record for record in caplog.records if "cannot be written" in record.getMessage()]) == 1


def _export(exporter, signal, program):
    from opentelemetry._logs import LogRecord
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.resources import Resource

    if signal == "traces":
        span = program.tracer.start_span("work")
        span.end()
        return exporter.export([span])
    if signal == "metrics":
        return exporter.export(MetricsData([]))
    return exporter.export([ReadableLogRecord(LogRecord(event_name="e", attributes={}), Resource({}))])


def test_exponential_histograms_become_explicit_ones(tmp_path):
    """The store keeps one kind of histogram; its quantiles are the same."""
    from opentelemetry.sdk.metrics import Histogram, MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    exporter = JsonLinesMetricExporter(tmp_path / "m.jsonl")
    exporter._preferred_aggregation = {Histogram: ExponentialBucketHistogramAggregation()}
    provider = MeterProvider([PeriodicExportingMetricReader(exporter)], shutdown_on_exit=False)
    provider.get_meter("m").create_histogram(semconv.OPERATION_DURATION.name, "s").record(3.0)
    provider.shutdown()
    (request,) = lines(tmp_path / "m.jsonl")
    assert request["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["histogram"]["dataPoints"][0]["count"] == "1"  # type: ignore[index]
