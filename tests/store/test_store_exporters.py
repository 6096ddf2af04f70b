"""What the SDK exports is in the store, and nothing that somebody wrote."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.trace import Link, Status, StatusCode

from spanguard import semconv
from spanguard.privacy import modes
from spanguard.store import (
    Database,
    StoreLogExporter,
    StoreMetricExporter,
    StoreSpanExporter,
    runs,
    summary,
    trace,
    traces,
)
from stores import refilled

CANARY = "canary-4711"
sdk_1_37 = pytest.mark.filterwarnings("ignore:LogRecord init with")  # it warns of its own doing


def table(database: Database, name: str) -> list[dict[str, object]]:
    """Return all rows of a table."""
    return [dict(row) for row in database.rows(f"SELECT * FROM {name} ORDER BY rowid")]


def finished_span(**attributes: object):
    """Return a span as exporters are given it."""
    with TracerProvider(shutdown_on_exit=False).get_tracer("test").start_as_current_span("s") as span:
        span.set_attributes(attributes)
    return span


# ------------------------------------------------------------------------------------------------------------- spans


def test_a_span_is_kept_with_all_it_has(start, read):
    """Names, ids, times, kind, status, attributes, events and links come back as they were recorded."""
    program = start()
    with program.tracer.start_as_current_span("repair invoice", start_time=1_000, end_on_exit=False) as root:
        root.set_attributes({semconv.OUTCOME: "recovered", semconv.ATTEMPT_COUNT: 2, "flags": (True, False)})
        other = Link(root.get_span_context(), {"why": "retried"})
        with program.tracer.start_as_current_span("attempt", links=[other], start_time=2_000, end_on_exit=False) as child:
            child.add_event("resilience.retry.scheduled", {semconv.RETRY_DELAY: 0.5}, timestamp=2_500)
            child.set_status(StatusCode.ERROR)
            child.end(3_000)
        root.end(4_000)
    program.stop()
    above, below = trace(read(), f"{root.get_span_context().trace_id:032x}")
    assert (above.name, above.kind, above.scope, above.status) == ("repair invoice", "INTERNAL", "spanguard", "UNSET")
    assert (above.start_ns, above.end_ns, above.parent_id, above.depth) == (1_000, 4_000, None, 0)
    assert above.attributes == {semconv.OUTCOME: "recovered", semconv.ATTEMPT_COUNT: 2, "flags": [True, False]}
    assert (below.parent_id, below.depth, below.status) == (above.span_id, 1, "ERROR")
    assert [(e.name, e.time_ns, e.attributes) for e in below.events] == [
        ("resilience.retry.scheduled", 2_500, {semconv.RETRY_DELAY: 0.5})
    ]
    assert [(link.span_id, link.attributes) for link in below.links] == [(above.span_id, {"why": "retried"})]


def test_what_is_asked_for_most_has_columns_of_its_own(start, read):
    """Outcome, error, policy, operation, provider and model can be queried without JSON, and stand there only."""
    program = start()
    promoted = {
        semconv.OUTCOME: "exhausted",
        semconv.ERROR_TYPE: "RateLimitError",
        semconv.POLICY_TYPE: "retry",
        semconv.POLICY_NAME: "ask",
        semconv.GEN_AI_OPERATION: "chat",
        semconv.GEN_AI_PROVIDER: "openai",
        semconv.GEN_AI_MODEL: "gpt-5.2",
    }
    program.tracer.start_span("retry ask", attributes={**promoted, "more": 1}).end()
    program.stop()
    (row,) = table(read(), "spans")
    columns = ("outcome", "error_type", "policy_type", "policy_name", "operation", "provider", "model")
    assert tuple(row[column] for column in columns) == tuple(promoted.values())
    assert json.loads(str(row["attributes"])) == {"more": 1}


def test_a_resource_is_kept_once(start, read):
    """All signals of a program, and of its next start with the same attributes, share one row of resources."""
    for _ in range(2):
        program = start()
        for name in ("a", "b"):
            program.tracer.start_span(name).end()
            program.flush()
        program.record(semconv.TOKEN_USAGE, 1, {})
        program.log("resilience.retry.refused")
        program.stop()
    start(run="run-2").tracer.start_span("c").end()
    start(run="run-2").stop()
    database = read()
    assert [(row["run"], row["service"]) for row in table(database, "resources")] == [("run-1", "shop")]
    assert len(table(database, "spans")) == 4


# ------------------------------------------------------------------------------------------------- metrics, log events


def test_metric_points_are_kept(start, read):
    """Counters as deltas, histograms with bounds and counts, up-down counters with their present value."""
    program = start()
    up_down = program.meter.create_up_down_counter("queued")
    program.meter.create_gauge("temperature").set(0.5)
    for amount in (3, 4):
        program.record(semconv.TOKEN_USAGE, amount, {semconv.DISPOSITION: "useful"})
        program.record(semconv.OPERATION_ATTEMPTS, amount, {semconv.OUTCOME: "success"})
        up_down.add(amount)
        program.flush()
    program.stop()
    points = table(read(), "metric_points")
    by_name = {name: [p for p in points if p["name"] == name] for name in {str(p["name"]) for p in points}}
    tokens = by_name[semconv.TOKEN_USAGE.name]
    assert [(p["kind"], p["temporality"], p["value"], p["unit"]) for p in tokens] == [
        ("sum", "DELTA", 3, "{token}"),
        ("sum", "DELTA", 4, "{token}"),
    ]
    assert json.loads(str(tokens[0]["attributes"])) == {semconv.DISPOSITION: "useful"}
    attempts = by_name[semconv.OPERATION_ATTEMPTS.name]
    assert [(p["kind"], p["count"], p["sum"], p["min"], p["max"]) for p in attempts] == [
        ("histogram", 1, 3, 3, 3),
        ("histogram", 1, 4, 4, 4),
    ]
    assert json.loads(str(attempts[1]["bounds"])) == list(semconv.ATTEMPT_BOUNDARIES)
    assert json.loads(str(attempts[1]["counts"])) == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert [(p["kind"], p["temporality"], p["value"]) for p in by_name["queued"]][:2] == [
        ("up_down_sum", "CUMULATIVE", 3),
        ("up_down_sum", "CUMULATIVE", 7),
    ]
    assert by_name["temperature"][0]["kind"] == "gauge"


@sdk_1_37
def test_log_records_with_an_event_name_are_kept(start, read):
    """An event has its name, time, severity, attributes, and the span that it happened in; its body is left out."""
    program = start()
    with program.tracer.start_as_current_span("retry ask") as span:
        program.log("resilience.retry.scheduled", CANARY, delay=0.5)
    program.log("resilience.retry.refused")
    program.stop()
    inside, outside = table(read(), "log_events")
    assert (inside["name"], inside["time_ns"], inside["severity"]) == ("resilience.retry.scheduled", 1_000, "WARN")
    assert inside["trace_id"] == span.get_span_context().trace_id.to_bytes(16, "big")
    assert json.loads(str(inside["attributes"])) == {"delay": 0.5}
    assert (outside["trace_id"], outside["span_id"]) == (None, None)


def test_log_records_without_a_name_are_left_out(start, read):
    """What a program tells its people is not telemetry of ours."""
    program = start()
    program.log(None, CANARY)
    program.log("resilience.retry.refused")
    program.stop()
    assert [row["name"] for row in table(read(), "log_events")] == ["resilience.retry.refused"]


# ----------------------------------------------------------------------------------------------------------- privacy


@sdk_1_37
def test_nothing_that_somebody_wrote_is_in_the_file(start, path, monkeypatch):
    """Status descriptions, exceptions' messages and stacks, log bodies and content attributes are not stored."""
    monkeypatch.setattr(modes.in_force, "mode", "strict")
    program = start()
    with program.tracer.start_as_current_span("chat", attributes={"gen_ai.prompt.0.content": CANARY}) as span:
        span.set_attribute("gen_ai.input.messages", CANARY)
        span.record_exception(ValueError(CANARY))
        span.set_status(Status(StatusCode.ERROR, CANARY))
        span.add_event("gen_ai.evaluation.result", {"gen_ai.evaluation.explanation": CANARY})
        span.add_link(span.get_span_context(), {"input.value": CANARY})
        program.log("gen_ai.client.inference.operation.details", CANARY, **{"gen_ai.output.messages": CANARY})
    program.stop()
    for file in path.parent.iterdir():
        assert CANARY.encode() not in file.read_bytes()


values = st.recursive(
    st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.binary(), st.none()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
text = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=text, attributes=st.dictionaries(text.filter(bool), values, max_size=6))
def test_no_value_is_too_odd(store, name, attributes):
    """Any name and any attribute value is written as strict JSON: surrogates, NaN, bytes, huge numbers, nested values."""
    from spanguard.store.encode import span_rows

    span = finished_span()
    span._name, span._attributes = name, {semconv.POLICY_NAME: name, "odd": name, **attributes}
    refilled(store, span_rows([span]))
    ((valid, written),) = store.rows("SELECT json_valid(attributes), attributes FROM spans")
    assert valid
    json.dumps(json.loads(written), ensure_ascii=False).encode()  # no half of a character, which Parquet has no form for


# ---------------------------------------------------------------------------------------------------------- failures


@pytest.fixture
def blocked(tmp_path: Path) -> Path:
    """A store whose directory is a regular file; it can be written after `unblock`."""
    (tmp_path / "place").write_text("in the way")
    return tmp_path / "place" / "t.db"


def unblock(path: Path) -> None:
    """Make the directory what it should be."""
    path.parent.unlink()
    path.parent.mkdir()


def test_an_export_that_fails_says_so_and_does_not_raise(blocked, caplog):
    """FAILURE is returned, the items are counted, and one line is logged, without the path."""
    exporter = StoreSpanExporter(blocked)
    with caplog.at_level(logging.WARNING, "spanguard"):
        results = {exporter.export([finished_span(), finished_span()]) for _ in range(3)}
    exporter.shutdown()
    assert results == {SpanExportResult.FAILURE}
    assert exporter.dropped == 6
    (line,) = (record.getMessage() for record in caplog.records)
    assert line.startswith("spans dropped: the local store cannot be made or opened (")
    assert str(blocked.parent) not in line


def test_drops_are_in_the_store_when_it_can_be_written_again(blocked):
    """What was lost is known afterwards: the summary of the run counts it."""
    exporter = StoreSpanExporter(blocked)
    provider = TracerProvider(resource=Resource({semconv.RUN_ID: "r"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    tracer.start_span("lost").end()
    tracer.start_span("lost").end()
    unblock(blocked)
    tracer.start_span("kept").end()
    provider.shutdown()
    with Database.open(blocked, read_only=True) as database:
        assert summary(database).drops == 2
        assert [row.name for row in traces(database)] == ["kept"]


def test_drops_are_written_at_the_end(blocked):
    """If nothing is exported any more, the last exporter that is shut down writes what was lost."""
    exporter = StoreSpanExporter(blocked)
    exporter.export([finished_span()])
    unblock(blocked)
    exporter.shutdown()
    with Database.open(blocked, read_only=True) as database:
        assert [(row["signal"], row["items"]) for row in table(database, "drops")] == [("spans", 1)]


@pytest.mark.parametrize("exporter", [StoreSpanExporter, StoreMetricExporter, StoreLogExporter])
def test_an_empty_batch_is_nothing(blocked, exporter):
    """Nothing to write cannot fail."""
    each = exporter(blocked)
    result = each.export(MetricsData([]) if exporter is StoreMetricExporter else [])
    each.shutdown()
    assert result.name == "SUCCESS"


def test_metric_points_are_counted_each(blocked, start, tmp_path):
    """A dropped batch of metrics counts as many items as it had points."""
    (tmp_path / "telemetry.db").mkdir()
    program = start()
    for outcome in ("success", "failed"):
        program.record(semconv.OPERATION_DURATION, 1, {semconv.OUTCOME: outcome})
    program.log("resilience.retry.refused")
    program.stop()
    assert program.metrics.dropped == 2
    assert program.logs.dropped == 1


# ------------------------------------------------------------------------------------------------------ processes

CHILD = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from conftest import Program
from spanguard import semconv
from spanguard.privacy import modes
modes.use("off")
program = Program(Path(sys.argv[1]), service=sys.argv[2])
for number in range(300):
    with program.tracer.start_as_current_span("root"), program.tracer.start_as_current_span("child"):
        program.record(semconv.TOKEN_USAGE, 2, {semconv.DISPOSITION: "useful"})
    if number % 50 == 0:
        program.flush()
program.stop()
"""


def test_two_programs_write_one_run(path, read):
    """Processes of one run, at work at the same time, make one summary."""
    here = Path(__file__).parent
    commands = [[sys.executable, "-c", CHILD, path, name, here, here.parent] for name in ("web", "worker")]
    processes = [subprocess.Popen(command) for command in commands]
    assert [process.wait() for process in processes] == [0, 0]
    database = read()
    assert [(row.run, row.spans) for row in runs(database)] == [("run-1", 1_200)]
    assert summary(database).tokens.useful == 1_200
    assert len(traces(database, limit=1_000)) == 600


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_worker_goes_on_writing(start, read):
    """Parent and child of a fork export through the same exporters; each span is in the store once."""
    program = start()
    program.tracer.start_span("before").end()
    program.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            program.tracer.start_span("child").end()
            program.stop()
            status = program.spans.dropped
        finally:
            os._exit(status)
    program.tracer.start_span("parent").end()
    program.flush()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    program.tracer.start_span("after").end()
    program.stop()
    assert sorted(row.name for row in traces(read())) == ["after", "before", "child", "parent"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_worker_does_not_count_its_parents_drops(blocked):
    """What the parent could not write is counted once, by the parent."""
    exporter = StoreSpanExporter(blocked)
    exporter.export([finished_span()])
    unblock(blocked)
    pid = os.fork()
    if pid == 0:
        try:
            exporter.export([finished_span()])
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    exporter.shutdown()
    with Database.open(blocked, read_only=True) as database:
        assert [row["items"] for row in table(database, "drops")] == [1]


def test_a_reader_does_not_load_the_sdk():
    """The command line shows a store without the time that the SDK takes to import."""
    code = "import sys, spanguard.store; sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
