"""The nine views, over what the verbs really record, through the real pipeline and the guard."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from spanguard import semconv
from spanguard.store import Database
from spanguard.store.views import VIEWS

HERE = Path(__file__).parent
COMMON = ["run", "time", "role", "user", "space", "tenant"]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory):
    """The store of a program that uses everything."""
    path = tmp_path_factory.mktemp("views") / "telemetry.db"
    subprocess.run([sys.executable, HERE / "every_column.py", path], check=True, timeout=60)
    with Database.open(path, read_only=True) as opened:
        yield opened


def rows(database: Database, view: str, **where: object) -> list[dict[str, object]]:
    """Return the rows of a view in order of time, without what is common to all."""
    condition = " AND ".join(["1", *(f'"{key}" IS :{key}' for key in where)])
    found = database.rows(f"SELECT * FROM {view} WHERE {condition} ORDER BY time", where)  # type: ignore[arg-type]
    left_out = {*COMMON, "trace_id", "span_id"}
    return [{key: row[key] for key in row.keys() if key not in left_out} for row in found]  # noqa: SIM118


def some(row: dict[str, object], *keys: str) -> list[object]:
    """Return some columns of a row."""
    return [row[key] for key in keys]


@pytest.mark.parametrize(("view", "column"), [(view.name, column.name) for view in VIEWS.values() for column in view.columns])
def test_every_column_can_be_filled(database, view, column):
    """A verb or an argument fills each; a column that nothing fills would be a promise not kept."""
    filled = database.rows(f'SELECT 1 FROM {view} WHERE "{column}" IS NOT NULL')
    assert filled


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_columns_are_as_declared(database, view):
    """Names in their order, values of their types, and whose work it is first."""
    found = database.rows(f"SELECT * FROM {view.name}")
    assert list(found[0].keys()) == [column.name for column in view.columns]
    assert list(found[0].keys())[:6] == COMMON
    types = {"text": str, "time": str, "json": str, "integer": int, "real": (int, float), "boolean": int}
    for row in found:
        for column in view.columns:
            assert row[column.name] is None or isinstance(row[column.name], types[column.type]), column.name


@pytest.mark.parametrize("view", VIEWS)
def test_whose_work_it_is_is_a_pseudonym(database, view):
    """Names of the program are clear, identities are not; a row of a metric has none of them."""
    grain = "AND grain <> 'total'" if "grain" in [column.name for column in VIEWS[view].columns] else ""
    for row in database.rows(f"SELECT * FROM {view} WHERE role IS NOT NULL {grain}"):
        assert (row["run"], row["role"]) == ("nightly", "planner")
        assert all(str(row[key]).startswith("h:") and len(row[key]) == 18 for key in ("user", "space", "tenant"))


def test_times_are_iso_8601(database):
    """SQLite's own functions, and everybody else's, read them."""
    (row,) = database.rows("SELECT time, julianday(time) AS day, julianday('now') AS now FROM sessions")
    assert len(row["time"]) == len("2026-11-21T05:14:57.123456Z")
    assert 0 <= row["now"] - row["day"] < 1


def test_llm_calls(database):
    """A row for each call, with what it served and what it used."""
    found = rows(database, "llm_calls")
    assert [row["operation"] for row in found] == ["retrieval", *["chat"] * 4]
    first = rows(database, "llm_calls", policy_name="report")[0]
    about = some(first, "provider", "model", "response_model", "success", "attempt", "cache_result", "finish_reasons")
    assert about == ["openai", "gpt-5.2", "gpt-5.2-2026-01-01", 1, 1, "miss", '["stop"]']
    assert some(first, "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens") == [9, 5, 4, 3]
    assert some(first, "reasoning_tokens", "cost", "policy_type") == [2, 0.25, "repair"]
    (failed,) = rows(database, "llm_calls", success=0)
    assert some(failed, "error_type", "error_category", "recoverable") == ["TimeoutError", "timeout", 1]


def test_generations(database):
    """A row for each repair; the one in the other is not counted twice."""
    (row,) = rows(database, "generations", name="report")
    assert some(row, "outcome", "attempts", "useful_tokens", "wasted_tokens") == ["recovered", 2, 14, 14]
    assert some(row, "useful_cost", "wasted_cost", "input_length", "output_length") == [0.25, 0.25, 100, 20]
    assert row["dependencies"] == '["json","numpy"]'
    assert [each["name"] for each in rows(database, "generations")] == ["work", "report", "hopeless"]


def test_validations(database):
    """A row for each verdict, of attempts and of validators."""
    keys = ("policy_type", "validator", "rule", "stage", "passed", "action", "risk_level", "pattern_category", "attempt")
    assert [some(row, *keys) for row in rows(database, "validations")] == [
        ["repair", "schema", "total_matches", "output", 0, "retried", None, None, 1],
        ["repair", "schema", "total_matches", "output", 1, "retried", None, None, 2],
        ["validator", "shell", "rm", "tool", 0, "blocked", "high", "destructive_rm", None],
    ]


def test_failovers(database):
    """A row for each candidate, with the one before and the one after."""
    keys = ("chain", "candidate", "tier", "source", "outcome", "reason", "status", "from_candidate", "to_candidate")
    assert [some(row, *keys) for row in rows(database, "failovers")] == [
        ["mirrors", "first", 1, "eu", "error", "TimeoutError", 503, None, "second"],
        ["mirrors", "second", 2, "us", "success", None, None, "first", None],
    ]
    assert all(str(row["work_id"]).startswith("h:") for row in rows(database, "failovers"))


def test_breakers(database):
    """Transitions one by one, rejected calls one by one, and all calls in total."""
    (row,) = rows(database, "breaker_transitions")
    about = ["provider", "openai", "closed", "open", 5, 30.0]
    assert some(row, "name", "scope", "from_state", "to_state", "failures", "reset_timeout") == about
    keys = ("grain", "name", "state", "result", "calls")
    found = [some(row, *keys) for row in rows(database, "breaker_calls")]
    assert ["call", "provider", "open", "rejected", 1] in found
    assert sorted(each for each in found if each[0] == "total") == [
        ["total", "other", None, "success", 1],
        ["total", "provider", None, "rejected", 1],
    ]


def test_http_attempts(database):
    """A row for each request, with what the attempt around it knows of caches, limiters and breakers."""
    keys = ("host", "method", "status", "from_cache", "revalidated", "stale", "resend_count", "retry_after")
    found = [some(row, *keys) for row in rows(database, "http_attempts", method="POST")]
    assert found == [["localhost", "POST", 503, 1, 1, 0, None, 1.0], ["localhost", "POST", 200, 1, 1, 0, 1, 1.0]]
    last = rows(database, "http_attempts")[-1]
    assert some(last, "limiter_delay", "breaker_state", "breaker_result") == [0.25, "closed", "success"]


def test_rate_limits(database):
    """Long waits and refusals one by one, of limiters and of HTTP; all waits in total."""
    keys = ("limiter", "action", "max_delay", "requests")
    found = [some(row, *keys) for row in rows(database, "rate_limits", grain="request")]
    assert found[:2] == [["provider", "delay", 5.0, 1], ["provider", "block", 5.0, 1]]
    assert found[2:] == [["localhost", "delay", None, 1]] * 2
    totals = [some(row, *keys) for row in rows(database, "rate_limits", grain="total")]
    assert sorted(totals, key=str) == [["provider", "block", None, 1], ["provider", "delay", None, 1]]


def test_sessions(database):
    """One row for each configure()."""
    (row,) = rows(database, "sessions")
    assert some(row, "service", "schema_version") == ["shop", "1"]
    assert str(row["start"]) < str(row["end"])


def test_an_event_told_twice_is_one_row(path, start, read):
    """With SPANGUARD_EVENTS=both an event is on the span and in the log; the view has it once."""
    program = start()
    about = {semconv.POLICY_NAME: "p", semconv.BREAKER_TO: "open"}
    with program.tracer.start_as_current_span("work") as span:
        span.add_event(semconv.BREAKER_TRANSITION.name, about)
        program.log(semconv.BREAKER_TRANSITION.name, **about)
    program.log(semconv.BREAKER_TRANSITION.name, **about)
    program.stop()
    assert len(rows(read(), "breaker_transitions")) == 2
