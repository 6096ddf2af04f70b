"""Reports as text."""

from __future__ import annotations

import click
import pytest

from spanguard import semconv
from spanguard.cli import render
from spanguard.store import Calls, Cost, EventRow, LinkRow, Operations, PolicyRow, SpanRow, Summary, Tokens, Verdicts

LINES = render.glyphs("utf-8")


def span(name: str, depth: int, at: int, ms: int, *, events=(), links=(), status: str = "UNSET", **known) -> SpanRow:
    """Return a span that began at a millisecond and took some; attributes are named after `semconv`'s constants."""
    attributes = {getattr(semconv, key.upper()): value for key, value in known.items()}
    times = (at * 10**6, (at + ms) * 10**6)
    return SpanRow("t", f"{name}@{at}", None, depth, name, "INTERNAL", "s", *times, status, attributes, events, links)


def event(name: str, at: int, **known) -> EventRow:
    """Return an event at a millisecond."""
    return EventRow(name, at * 10**6, {getattr(semconv, key.upper()): value for key, value in known.items()})


def text(lines) -> list[str]:
    """Return lines without their colours."""
    return [click.unstyle(line) for line in lines]


def summary(**more) -> Summary:
    """Return the summary of a run that recorded nothing, but for what is given."""
    nothing = {
        "calls": Calls(0, 0, None, None, None, None),
        "operations": Operations(0, {}, None, 0, 0, None, None),
        "tokens": Tokens(None, None),
        "cost": Cost(None, None),
        "policies": (),
        "errors": {},
        "validations": {},
        "drops": 0,
    }
    return Summary("run", None, None, **{**nothing, **more})


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "-"), (0, "0 ms"), (0.0412, "41 ms"), (0.9994, "999 ms"), (0.9996, "1.00 s"), (75.5, "75.50 s")],
)
def test_durations(seconds, shown) -> None:
    """Milliseconds below a second, seconds above."""
    assert render.duration(seconds) == shown


def test_what_is_unknown_is_a_dash() -> None:
    """Unknown is not 0."""
    assert render.number(None) == render.money(None) == render.share(None, 1) == render.share(1, 0) == "-"
    assert (render.number(0), render.money(0.0), render.share(0, 1)) == ("0", "$0.000000", "0.0 %")


def test_a_name_cannot_move_the_cursor() -> None:
    """Control characters of a stored name are shown as question marks: a terminal would obey them."""
    (line,) = text(render.tree([span("chat \x1b[2Jgpt\n", 0, 0, 5)], LINES))
    assert "chat ?[2Jgpt?" in line


def test_a_tree_shows_what_happened_in_order_of_time() -> None:
    """Spans and events below one span stand in one sequence; times, outcomes and facts are in line."""
    verdict = event(
        semconv.EVALUATION.name, 90, evaluation_name="schema", validation_result="fail", validation_rule="is_json"
    )
    wait = event(semconv.RETRY_SCHEDULED.name, 101, retry_delay=0.25, delay_source="backoff")
    spans = [
        span("repair x", 0, 0, 400, events=(wait,), outcome="recovered", wasted_input=70, wasted_output=8, wasted_cost=0.5),
        span("attempt", 1, 0, 100, events=(verdict,), attempt_number=1, attempt_outcome="invalid", error_type="bad"),
        span("chat m", 2, 10, 70, gen_ai_input=70, gen_ai_output=8, call_cost=0.5),
        span("attempt", 1, 350, 50, attempt_number=2, attempt_outcome="success"),
    ]
    assert text(render.tree(spans, LINES)) == [
        "  repair x        400 ms  recovered  wasted 70 in 8 out $0.500000",
        "  ├─ attempt 1    100 ms  invalid    bad",
        "  │  ├─ chat m     70 ms             70 in 8 out $0.500000",
        "  │  └─ schema fail (is_json)",
        "  ├─ tries again in 250 ms (backoff)",
        "  └─ attempt 2     50 ms  success",
    ]


def test_a_tree_can_be_drawn_in_ascii() -> None:
    """For outputs that have no lines."""
    spans = [span("a", 0, 0, 9), span("b", 1, 1, 1), span("c", 2, 1, 1), span("d", 1, 2, 1)]
    drawn = text(render.tree(spans, render.glyphs("ascii")))
    assert [line[2:10].rstrip() for line in drawn] == ["a", "|- b", "|  `- c", "`- d"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", None, "no-such-encoding"])
def test_an_encoding_without_lines_gets_ascii(encoding) -> None:
    """Printing must not fail on a terminal of another kind."""
    assert "".join(render.glyphs(encoding)).isascii()


def test_several_roots_are_several_trees() -> None:
    """A trace whose root was not stored has roots of its own."""
    drawn = text(render.tree([span("a", 0, 0, 1), span("b", 1, 0, 1), span("c", 0, 2, 1)], LINES))
    assert [line[:8].rstrip() for line in drawn] == ["  a", "  └─ b", "  c"]


def test_a_span_that_failed_says_so() -> None:
    """Also one of another instrumentation, which has a status only."""
    (line,) = text(render.tree([span("GET", 0, 0, 1, status="ERROR", error_type="ConnectError")], LINES))
    assert line.split() == ["GET", "1", "ms", "error", "ConnectError"]


def test_a_link_inside_the_trace_is_named() -> None:
    """The first attempt of a retry that made its span late links to what ran in it."""
    spans = [span("attempt", 0, 0, 1, links=(LinkRow("t", "chat@2", {}), LinkRow("u", "x", {}))), span("chat", 0, 2, 1)]
    assert text(render.tree(spans, LINES))[0].endswith("links to chat")


def test_an_unusual_finish_reason_is_shown() -> None:
    """`stop` and `completed` go without saying."""
    usual, unusual = (span("chat", 0, 0, 1, gen_ai_finish=[why]) for why in ("stop", "content_filter"))
    assert "stop" not in text(render.tree([usual], LINES))[0]
    assert text(render.tree([unusual], LINES))[0].endswith("content_filter")


def test_events_of_others_are_left_out() -> None:
    """A tree shows what the program decided, not all that was logged."""
    assert len(list(render.tree([span("chat", 0, 0, 1, events=(event("cache.miss", 0),))], LINES))) == 1


def test_tables_are_in_line() -> None:
    """Numbers to the right, words to the left, colours without width."""
    rows = [("a", "n"), (click.style("long", fg="red"), "1,000")]
    assert text(render.table(rows, frozenset({1}))) == ["  a         n", "  long  1,000"]


def test_a_run_without_figures_shows_dashes() -> None:
    """Nothing is made up."""
    shown = text(render.reliability(summary()))
    assert "  first-attempt success  - of 0 operations" in shown
    assert "  wasted cost            -; useful -" in shown


def test_the_reliability_of_a_run() -> None:
    """Shares are of all, policies are in a table, errors and broken rules are counted."""
    shown = text(
        render.reliability(
            summary(
                calls=Calls(10, 2, 1500, 300, 0.12, 1.5),
                operations=Operations(4, {"success": 3, "recovered": 1}, 0.75, 1, 1, 5, 1),
                tokens=Tokens(750, 250),
                cost=Cost(0.003, 0.001),
                policies=(PolicyRow("repair", "x", 4, {"success": 3, "recovered": 1}, 5, 750, 250, 0.2, None),),
                errors={"validation_error": 1},
                validations={"kept": Verdicts(4, 0), "is_json": Verdicts(3, 1)},
                drops=2,
            )
        )
    )
    assert "  first-attempt success  75.0 % of 4 operations" in shown
    assert "  model calls            10, 2 of them failed" in shown
    assert "  latency of calls       p50 120 ms, p95 1.50 s" in shown
    assert "  wasted tokens          250, 25.0 % of all" in shown
    assert "  wasted cost            $0.001000, 25.0 % of all; useful $0.003000" in shown
    assert ["repair", "x", "4", "3", "1", "0", "5", "750", "250", "200", "ms", "-"] in [line.split() for line in shown]
    assert "  failed attempts: validation_error 1" in shown
    assert "  broken rules: is_json 1" in shown
    assert shown[-1] == "  2 items were lost before they were in the store"
