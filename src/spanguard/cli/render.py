"""A report as text: lists, trees and tables for a terminal or a pipe.

Text is styled with `click.style`; `click.echo` takes the colours out where the output is no terminal.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import click

from spanguard import semconv
from spanguard.store.figures import judged
from spanguard.store.queries import EventRow, SpanRow, TraceRow
from spanguard.store.summary import PolicyRow, Summary

_COLOURS: Final = {"success": "green", "pass": "green", "recovered": "yellow", "degraded": "yellow", "cancelled": "yellow"}
UNKNOWN: Final = "-"


class Glyphs(NamedTuple):
    """What the branches of a tree are drawn with."""

    fork: str
    last: str
    line: str


_LINES: Final = Glyphs("├─ ", "└─ ", "│  ")
_ASCII: Final = Glyphs("|- ", "`- ", "|  ")


def glyphs(encoding: str | None) -> Glyphs:
    """Return lines if the encoding of the output has them, else their likeness in ASCII."""
    try:
        "".join(_LINES).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return _ASCII
    return _LINES


# --------------------------------------------------------------------------------------------------------------- values


def duration(seconds: float | None) -> str:
    """Return a duration as people read it: ``41 ms``, ``1.24 s``."""
    if seconds is None:
        return UNKNOWN
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.2f} s"


def number(count: int | None) -> str:
    """Return a count with separators of thousands."""
    return UNKNOWN if count is None else f"{count:,}"


def money(cost: float | None) -> str:
    """Return a cost in USD to a millionth."""
    return UNKNOWN if cost is None else f"${cost:.6f}"


def share(part: float | None, whole: float | None) -> str:
    """Return a part of a whole in per cent."""
    return UNKNOWN if part is None or not whole else f"{100 * part / whole:.1f} %"


def local(ns: int | None) -> str:
    """Return a point in time by the clock on the wall."""
    return UNKNOWN if ns is None else time.strftime("%m-%d %H:%M:%S", time.localtime(ns / 1e9))


def clean(text: object) -> str:
    """Return text without control characters: a store may hold names from anywhere, and a terminal obeys them."""
    return "".join(character if character.isprintable() else "?" for character in str(text))


def outcome(word: str, width: int = 0) -> str:
    """Return an outcome in the colour that it deserves."""
    return click.style(f"{clean(word):<{width}}", fg=_COLOURS.get(word, "red")) if word else " " * width


def heading(text: str) -> str:
    """Return a heading."""
    return click.style(text, bold=True)


def dim(text: str) -> str:
    """Return text that stands back."""
    return click.style(text, dim=True)


def table(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> Iterable[str]:
    """Yield rows with their columns in line, the first row as head; ``right`` are the columns of numbers."""
    widths = [max(len(click.unstyle(row[column])) for row in rows) for column in range(len(rows[0]))]
    for place, row in enumerate(rows):
        cells = [_padded(cell, widths[column], right=column in right) for column, cell in enumerate(row)]
        line = "  " + "  ".join(cells).rstrip()
        yield dim(line) if place == 0 else line


def _padded(cell: str, width: int, *, right: bool) -> str:
    space = " " * (width - len(click.unstyle(cell)))
    return space + cell if right else cell + space


# --------------------------------------------------------------------------------------------------------------- traces


def trace_list(rows: Sequence[TraceRow]) -> Iterable[str]:
    """Yield one line for each trace, under a head."""
    head = ("trace", "began", "what", "outcome", "duration", "attempts", "spans", "in", "out", "cost")
    lines = [
        (
            row.trace_id[:8],
            local(row.start_ns),
            clean(row.name),
            outcome(row.outcome),
            duration(row.duration_ns / 1e9),
            number(row.attempts),
            number(row.spans),
            number(row.input_tokens),
            number(row.output_tokens),
            money(row.cost),
        )
        for row in rows
    ]
    return table([head, *lines], frozenset(range(4, 10)))


class _Line(NamedTuple):
    """A line of a tree, before the branches are drawn: a span, or one of its events."""

    path: tuple[tuple[int, int], ...]
    label: str
    rest: str = ""


def tree(spans: Sequence[SpanRow], lines: Glyphs) -> Iterable[str]:
    """Yield a line for each span, and for each event that tells something: what lies below a span in order of time."""
    drawn = sorted(_lines(spans), key=lambda line: line.path)
    branches = _branches([len(line.path) - 1 for line in drawn], lines)
    labels = [branch + line.label for branch, line in zip(branches, drawn, strict=True)]
    width = max((len(label) for label, line in zip(labels, drawn, strict=True) if line.rest), default=0)
    for label, line in zip(labels, drawn, strict=True):
        yield f"  {label:<{width}}  {line.rest}" if line.rest else "  " + dim(label)


def _lines(spans: Sequence[SpanRow]) -> Iterable[_Line]:
    names = {span.span_id: clean(span.name) for span in spans}
    path: tuple[tuple[int, int], ...] = ()
    for place, span in enumerate(spans):
        path = (*path[: span.depth], (span.start_ns, place))
        yield _Line(path, _label(span), _rest(span, names))
        for event in span.events:
            if said := _told(event):
                yield _Line((*path, (event.time_ns, place)), said)


def _rest(span: SpanRow, names: Mapping[str, str]) -> str:
    took = duration((span.end_ns - span.start_ns) / 1e9)
    linked = [f"links to {names[link.span_id]}" for link in span.links if link.span_id in names]
    facts = "  ".join([*_facts(span), *linked])
    return f"{took:>8}  {outcome(_outcome(span), 9)}  {dim(facts)}" if facts else f"{took:>8}  {outcome(_outcome(span))}"


def _branches(depths: Sequence[int], lines: Glyphs) -> list[str]:
    """Draw what stands before each line; read upwards, because a branch ends where no sibling follows."""
    drawn: list[str] = []
    open_: set[int] = set()
    for depth in reversed(depths):
        open_ = {each for each in open_ if each <= depth}
        stems = "".join(lines.line if each in open_ else "   " for each in range(1, depth))
        drawn.append(stems + (lines.fork if depth in open_ else lines.last) if depth else "")
        open_.add(depth)
    return drawn[::-1]


def _label(span: SpanRow) -> str:
    attempt = span.attributes.get(semconv.ATTEMPT_NUMBER)
    return f"{clean(span.name)} {attempt}" if span.name == "attempt" and attempt is not None else clean(span.name)


def _outcome(span: SpanRow) -> str:
    told = span.attributes.get(semconv.ATTEMPT_OUTCOME) if span.name.partition(" ")[0] == "attempt" else None
    told = told or span.attributes.get(semconv.OUTCOME)
    return str(told) if told else ("error" if span.status == "ERROR" else "")


def _facts(span: SpanRow) -> Iterable[str]:
    known = span.attributes
    if semconv.ERROR_TYPE in known:
        yield clean(known[semconv.ERROR_TYPE])
    if semconv.GEN_AI_INPUT in known or semconv.GEN_AI_OUTPUT in known:
        yield _tokens(known.get(semconv.GEN_AI_INPUT), known.get(semconv.GEN_AI_OUTPUT), known.get(semconv.CALL_COST))
    for key, word in ((semconv.LIMITER_DELAY, "waited"), (semconv.GEN_AI_FIRST_CHUNK, "first chunk after")):
        if isinstance(seconds := known.get(key), (int, float)):
            yield f"{word} {duration(seconds)}"
    reasons = known.get(semconv.GEN_AI_FINISH)
    if isinstance(reasons, list) and set(reasons) - {"stop", "completed"}:
        yield clean(", ".join(map(str, reasons)))
    for word, names in (
        ("useful", (semconv.USEFUL_INPUT, semconv.USEFUL_OUTPUT, semconv.USEFUL_COST)),
        ("wasted", (semconv.WASTED_INPUT, semconv.WASTED_OUTPUT, semconv.WASTED_COST)),
    ):
        if any(name in known for name in names):
            yield f"{word} " + _tokens(*(known.get(name) for name in names))


def _tokens(sent: object, received: object, cost: object) -> str:
    parts = [f"{number(count)} {way}" for count, way in ((sent, "in"), (received, "out")) if isinstance(count, int)]
    return " ".join([*parts, money(cost)] if isinstance(cost, (int, float)) else parts)


def _told(event: EventRow) -> str:
    known = {name: clean(value) for name, value in event.attributes.items()}
    if event.name in (semconv.EVALUATION.name, semconv.VALIDATION_FAILED.name):
        words = [known.get(semconv.EVALUATION_NAME, "validation"), known.get(semconv.VALIDATION_RESULT, "")]
        words += [f"({known[semconv.VALIDATION_RULE]})"] if semconv.VALIDATION_RULE in known else []
        return " ".join(words)
    if event.name == semconv.RETRY_SCHEDULED.name:
        delay = event.attributes.get(semconv.RETRY_DELAY)
        wait = f" in {duration(delay)}" if isinstance(delay, (int, float)) else ""
        source = f" ({known[semconv.DELAY_SOURCE]})" if semconv.DELAY_SOURCE in known else ""
        return f"tries again{wait}{source}"
    return clean(event.name.removeprefix("resilience.")) if event.name in semconv.EVENTS else ""


# -------------------------------------------------------------------------------------------------------------- summary


def reliability(summary: Summary) -> Iterable[str]:
    """Yield the reliability of a run: its figures, then a table of its policies, then its errors and broken rules."""
    figures = list(_figures(summary))
    width = max(len(name) for name, _ in figures)
    yield from (f"  {name:<{width}}  {value}" for name, value in figures)
    if summary.policies:
        yield ""
        yield from _policies(summary.policies)
        yield ""
    broken = {rule: verdicts.failed for rule, verdicts in summary.validations.items() if verdicts.failed}
    for title, counts in (("failed attempts", summary.errors), ("broken rules", broken)):
        if counts:
            yield f"  {title}: " + ", ".join(f"{clean(name)} {number(count)}" for name, count in counts.items())
    if summary.drops:
        yield click.style(f"  {number(summary.drops)} items were lost before they were in the store", fg="red")


def _figures(summary: Summary) -> Iterable[tuple[str, str]]:
    calls, done, tokens, cost = summary.calls, summary.operations, summary.tokens, summary.cost
    yield "first-attempt success", f"{share(done.first_attempt_success, 1)} of {number(judged(done.outcomes))} operations"
    yield "repaired", f"{number(done.repaired)} by repair, {number(done.recovered)} recovered in all"
    yield "retries", f"{number(done.retries)} attempts beyond the first"
    yield "model calls", f"{number(calls.requests)}, {number(calls.errors)} of them failed"
    yield "latency of calls", f"p50 {duration(calls.p50)}, p95 {duration(calls.p95)}"
    yield "tokens of calls", f"{number(calls.input_tokens)} in, {number(calls.output_tokens)} out"
    yield "wasted tokens", _wasted(tokens.useful, tokens.wasted, number(tokens.wasted))
    yield "wasted cost", _wasted(cost.useful, cost.wasted, money(cost.wasted)) + f"; useful {money(cost.useful)}"


def _wasted(useful: float | None, wasted: float | None, shown: str) -> str:
    return shown if wasted is None else f"{shown}, {share(wasted, wasted + (useful or 0))} of all"


def _policies(rows: Sequence[PolicyRow]) -> Iterable[str]:
    head = ("policy", "operations", "at once", "recovered", "other", "attempts", "useful", "wasted", "p50", "p95")
    lines = [
        (
            clean(f"{row.type} {row.name}"),
            number(row.operations),
            number(row.outcomes.get("success", 0)),
            number(row.outcomes.get("recovered", 0)),
            number(sum(count for word, count in row.outcomes.items() if word not in ("success", "recovered"))),
            number(row.attempts),
            number(row.useful_tokens),
            number(row.wasted_tokens),
            duration(row.p50),
            duration(row.p95),
        )
        for row in rows
    ]
    return table([head, *lines], frozenset(range(1, 10)))
