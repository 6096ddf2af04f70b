"""Runs, traces and trees."""

from __future__ import annotations

import pytest
from opentelemetry.trace import StatusCode, set_span_in_context

from spanguard import semconv
from spanguard.store import Database, StoreError, queries, runs, trace, traces
from spanguard.store.columns import COLUMNS, PROMOTED
from spanguard.store.queries import Wanted
from spanguard.store.retention import purge

CALL = {semconv.GEN_AI_OPERATION: "chat", semconv.GEN_AI_INPUT: 100, semconv.GEN_AI_OUTPUT: 20, semconv.CALL_COST: 0.5}


def span(program, name, *, parent=None, begin=1, end=9, attributes=None, error=False):
    """Record a span at given seconds."""
    context = set_span_in_context(parent) if parent else None
    made = program.tracer.start_span(name, context, attributes=attributes, start_time=begin * 10**9)
    if error:
        made.set_status(StatusCode.ERROR)
    made.end(end * 10**9)
    return made


def only(read):
    """Return the only trace in a line."""
    (row,) = traces(read())
    return row


def test_traces_come_newest_first(start, read):
    """The trace that began last is first, whatever order they were exported in."""
    program = start()
    for begin in (2, 5, 3, 4, 1):
        span(program, f"t{begin}", begin=begin)
    program.stop()
    assert [row.name for row in traces(read(), limit=3)] == ["t5", "t4", "t3"]


def test_traces_of_one_run(start, read):
    """run= shows the traces of this run only."""
    for run in ("a", "b"):
        program = start(run=run)
        span(program, run)
        program.stop()
    assert [row.name for row in traces(read(), run="a")] == ["a"]
    assert len(traces(read())) == 2
    assert traces(read(), run="c") == []


def test_a_trace_in_a_line(start, read):
    """A repair that succeeded at the second attempt: its outcome, attempts, tokens of both calls, and their cost."""
    program = start()
    root = span(program, "repair x", attributes={semconv.OUTCOME: "recovered", semconv.ATTEMPT_COUNT: 2})
    for number in (1, 2):
        attempt = span(program, "attempt", parent=root, begin=number, attributes={semconv.ATTEMPT_NUMBER: number})
        span(program, "chat", parent=attempt, begin=number, attributes=CALL)
    program.stop()
    row = only(read)
    assert row.trace_id == f"{root.get_span_context().trace_id:032x}"
    assert (row.name, row.outcome, row.spans, row.attempts) == ("repair x", "recovered", 5, 2)
    assert (row.start_ns, row.duration_ns) == (10**9, 8 * 10**9)
    assert (row.input_tokens, row.output_tokens, row.cost) == (200, 40, 1.0)


def test_a_trace_without_an_operation(start, read):
    """A plain span is one attempt; what nobody stated is unknown, not 0."""
    program = start()
    span(program, "GET /")
    program.stop()
    row = only(read)
    assert (row.outcome, row.attempts, row.input_tokens, row.output_tokens, row.cost) == ("success", 1, None, None, None)


def test_attempts_below_the_root_count(start, read):
    """Under a request handler the attempts are counted from their spans."""
    program = start()
    root = span(program, "POST /ask")
    for number in (1, 2, 3):
        span(program, "attempt", parent=root, attributes={semconv.ATTEMPT_NUMBER: number})
    program.stop()
    assert only(read).attempts == 3


@pytest.mark.parametrize(("error", "outcome"), [(True, "failed"), (False, "success")])
def test_without_an_outcome_the_status_tells(start, read, error, outcome):
    """A root that is an error failed, any other succeeded; an error below that was handled does not matter."""
    program = start()
    root = span(program, "root", error=error)
    span(program, "child", parent=root, error=True)
    program.stop()
    assert only(read).outcome == outcome


def test_tokens_are_counted_once(start, read):
    """An agent's span that states the sum of its calls does not add to them."""
    program = start()
    root = span(program, "invoke_agent", attributes={semconv.GEN_AI_INPUT: 200, semconv.GEN_AI_OUTPUT: 40})
    step = span(program, "step", parent=root)
    for _ in range(2):
        span(program, "chat", parent=step, attributes=CALL)
    program.stop()
    assert (only(read).input_tokens, only(read).output_tokens) == (200, 40)


def test_tokens_of_an_operation_stand_in_for_calls(start, read):
    """If no call says what it used, the operation does: useful and wasted together."""
    program = start()
    stated = {semconv.USEFUL_INPUT: 10, semconv.WASTED_INPUT: 5, semconv.USEFUL_COST: 0.25, semconv.WASTED_COST: 0.5}
    span(program, "retry ask", attributes=stated)
    program.stop()
    assert (only(read).input_tokens, only(read).output_tokens, only(read).cost) == (15, None, 0.75)


def test_a_tree(start, read):
    """Each span stands before its children, siblings in the order of their start, and depth says how deep."""
    program = start()
    root = span(program, "root")
    second = span(program, "second", parent=root, begin=4)
    span(program, "first.2", parent=(first := span(program, "first", parent=root, begin=2)), begin=3)
    span(program, "first.1", parent=first, begin=2)
    span(program, "second.1", parent=second, begin=5)
    program.stop()
    rows = trace(read(), f"{root.get_span_context().trace_id:032x}")
    assert [(row.depth, row.name) for row in rows] == [
        (0, "root"),
        (1, "first"),
        (2, "first.1"),
        (2, "first.2"),
        (1, "second"),
        (2, "second.1"),
    ]


def test_a_span_without_its_parent_is_a_root(start, read):
    """A parent that was not recorded, or is in another service, is missed by nobody."""
    program = start()
    lost = program.tracer.start_span("lost")  # never ended
    made = span(program, "here", parent=lost)
    program.stop()
    (row,) = trace(read(), f"{made.get_span_context().trace_id:032x}")
    assert (row.depth, row.parent_id) == (0, f"{lost.get_span_context().span_id:016x}")


def test_a_circle_of_parents_has_an_end(path):
    """Spans that are each other's parents (a broken exporter) are shown once each."""
    row = (1, "scope", "name", "INTERNAL", 1, 2, "UNSET", *[None] * len(PROMOTED), "{}", None)
    with Database.open(path) as database:
        ids = [bytes([number] * 8) for number in (1, 2)]
        database.write({"spans": [(b"t" * 16, ids[0], ids[1], *row), (b"t" * 16, ids[1], ids[0], *row)]})
        rows = trace(database, (b"t" * 16).hex())
        assert [(row.depth, row.span_id) for row in rows] == [(0, ids[0].hex()), (1, ids[1].hex())]
        assert len(traces(database)) == 1


def test_the_beginning_of_an_id_is_enough(path):
    """A trace is found by the first digits of its id, if no other begins so."""
    row = (b"s" * 8, None, 1, "scope", "name", "INTERNAL", 1, 2, "UNSET", *[None] * len(PROMOTED), "{}", None)
    with Database.open(path) as database:
        database.write({"spans": [(bytes.fromhex(start.ljust(32, "7")), *row) for start in ("ab1", "ab2", "c")]})
        assert [each.trace_id[:4] for each in trace(database, "AB1")] == ["ab17"]
        assert len(trace(database, "c7")) == 1
        assert trace(database, "d") == trace(database, "no hex") == trace(database, "0" * 33) == []
        with pytest.raises(StoreError, match="several traces whose id begins with 'ab'"):
            trace(database, "ab")


def write(database, *numbers):
    """Write traces of one span each, by a number that they begin with and at."""
    known = {"resource_id": 1, "scope": "s", "kind": "CLIENT", "status": "UNSET", "name": "n", "attributes": "{}"}
    rows = ({**known, "trace_id": bytes([n] * 16), "span_id": bytes(8), "start_ns": n, "end_ns": n} for n in numbers)
    spans = [tuple(row.get(column) for column in COLUMNS["spans"]) for row in rows]
    database.write({"resources": [(1, "r", "shop", "{}")], "spans": spans})


def test_a_trace_that_is_deleted_while_it_is_listed_is_left_out(path, monkeypatch):
    """Retention may come between the look for traces and the look into one of them."""
    with Database.open(path) as database:
        write(database, 1, 2, 3)
        whole = queries._spans
        monkeypatch.setattr(queries, "_spans", lambda db, each: [] if each == bytes([2] * 16) else whole(db, each))
        assert [row.start_ns for row in traces(database)] == [3, 1]
        assert [row.start_ns for row in queries.finished_since(database, 0, Wanted())[0]] == [1, 3]


def test_who_follows_a_store_that_is_purged_sees_what_comes_after(path):
    """The numbers of rows begin anew then."""
    with Database.open(path) as database:
        write(database, 1, 2, 3)
        mark = queries.last_span(database)
        purge(database)
        write(database, 4)
        found, _ = queries.finished_since(database, mark, Wanted())
        assert [row.trace_id[:2] for row in found] == ["04"]


def test_runs_come_newest_first(start, read):
    """A run has its service, the time from its first to its last telemetry, and its spans; metrics alone make one too."""
    for run, begin in (("old", 1), ("new", 5)):
        program = start(run=run)
        span(program, "a", begin=begin, end=begin + 1)
        span(program, "b", begin=begin + 1, end=begin + 3)
        program.stop()
    program = start(run="metrics", service="batch")
    program.record(semconv.TOKEN_USAGE, 1, {})
    program.stop()
    metrics, new, old = runs(read())
    assert (metrics.run, metrics.service, metrics.spans) == ("metrics", "batch", 0)
    assert (new.run, new.service, new.start_ns, new.end_ns, new.spans) == ("new", "shop", 5 * 10**9, 8 * 10**9, 2)
    assert old.run == "old"


def test_telemetry_without_a_run_is_the_run_without_a_name(start, read):
    """A program that only uses our exporters has no run; its telemetry is found all the same."""
    program = start(run="")
    span(program, "a")
    program.stop()
    assert [(row.run, row.spans) for row in runs(read())] == [("", 1)]
    assert len(traces(read(), run="")) == 1


def test_an_empty_store_has_no_runs(path):
    """Nothing yet is not an error."""
    with Database.open(path) as database:
        assert runs(database) == []
        assert traces(database) == []
