"""One trace as a waterfall: a row for each span, and below it what happened in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from spanguard import semconv
from spanguard.serve import words
from spanguard.store.queries import EventRow, SpanRow

_HIDDEN: Final = frozenset({semconv.POLICY_TYPE, semconv.POLICY_NAME})
_SAID: Final = (
    *(semconv.EVALUATION_NAME, semconv.VALIDATION_RESULT, semconv.VALIDATION_RULE, semconv.BREAKER_FROM, semconv.BREAKER_TO),
    *(semconv.FAILOVER_FROM, semconv.FAILOVER_TO, semconv.ERROR_TYPE, semconv.DELAY_SOURCE),
)


@dataclass(frozen=True)
class Mark:
    """An event: when it was (seconds from the trace's begin), its name, and what it says."""

    after: float
    name: str
    told: str
    tone: str
    attributes: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Row:
    """A span as it is shown."""

    id: str
    depth: int
    name: str
    kind: str
    sort: str
    seconds: float
    outcome: str
    facts: tuple[str, ...]
    bar: Markup
    marks: tuple[Mark, ...]
    attributes: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Waterfall:
    """A trace as it is shown."""

    trace_id: str
    name: str
    start_ns: int
    seconds: float
    outcome: str
    spans: int
    attempts: int
    tokens: int | None
    rows: tuple[Row, ...]
    ticks: tuple[str, ...]


def waterfall(spans: Sequence[SpanRow]) -> Waterfall:
    """Return a trace, its spans each before its children, as it is shown."""
    start, end = min(span.start_ns for span in spans), max(span.end_ns for span in spans)
    whole = max(end - start, 1)
    root = spans[0]
    rows = tuple(_row(span, start, whole) for span in spans)
    used = [_whole(span.attributes.get(key)) for span in spans for key in (semconv.GEN_AI_INPUT, semconv.GEN_AI_OUTPUT)]
    known = [each for each in used if each is not None]
    return Waterfall(
        root.trace_id,
        root.name,
        start,
        whole / 1e9,
        _outcome(root) or ("failed" if root.status == "ERROR" else "success"),
        len(spans),
        sum(semconv.ATTEMPT_NUMBER in span.attributes for span in spans),
        sum(known) if known else None,
        rows,
        ("0", *(words.duration(whole / 1e9 * part) for part in (0.25, 0.5, 0.75, 1))),
    )


def _row(span: SpanRow, start: int, whole: int) -> Row:
    attempt = span.attributes.get(semconv.ATTEMPT_NUMBER)
    name = f"{span.name} {attempt}" if span.name == "attempt" and attempt is not None else span.name
    outcome = _outcome(span) or ("error" if span.status == "ERROR" else "")
    return Row(
        span.span_id,
        min(span.depth, 24),
        name,
        span.kind.lower(),
        _sort(span),
        (span.end_ns - span.start_ns) / 1e9,
        outcome,
        tuple(_facts(span)),
        _bar(span, start, whole, outcome),
        tuple(_mark(event, start) for event in span.events),
        tuple((key, _value(value)) for key, value in sorted(span.attributes.items())),
        tuple((link.trace_id, link.span_id) for link in span.links),
    )


def _sort(span: SpanRow) -> str:
    """Return what a span is about, which gives its bar a colour."""
    if semconv.GEN_AI_OPERATION in span.attributes:
        return "call"
    if span.name.partition(" ")[0] == "attempt":
        return "attempt"
    if span.attributes.get(semconv.POLICY_TYPE) == "rate_limiter":
        return "wait"
    return "http" if semconv.HTTP_STATUS in span.attributes else "operation"


def _bar(span: SpanRow, start: int, whole: int, outcome: str) -> Markup:
    left, width = 100 * (span.start_ns - start) / whole, 100 * (span.end_ns - span.start_ns) / whole
    bad = " is-bad" if span.status == "ERROR" or (words.tone(outcome) == "bad" and outcome) else ""
    drawn = Markup('<rect class="span-{}{}" x="{:.3f}%" y="4" width="{:.3f}%" height="12" rx="2"/>').format(
        _sort(span), bad, min(left, 99.6), max(width, 0.4)
    )
    dots = [
        Markup('<circle class="dot-{}" cx="{:.3f}%" cy="10" r="3.5"><title>{}</title></circle>').format(
            _event_tone(event), 100 * (event.time_ns - start) / whole, event.name
        )
        for event in span.events
    ]
    return Markup('<svg class="fall" width="100%" height="20" aria-hidden="true">{}</svg>').format(
        Markup().join([drawn, *dots])
    )


def _outcome(span: SpanRow) -> str:
    told = span.attributes.get(semconv.ATTEMPT_OUTCOME) if span.name.partition(" ")[0] == "attempt" else None
    return str(told or span.attributes.get(semconv.OUTCOME) or "")


def _facts(span: SpanRow) -> Iterator[str]:
    known = span.attributes
    yield from dict.fromkeys(
        str(known[key]) for key in (semconv.ERROR_TYPE, semconv.HTTP_STATUS, semconv.SERVER_ADDRESS) if key in known
    )
    counts = [(_whole(known.get(key)), way) for key, way in ((semconv.GEN_AI_INPUT, "in"), (semconv.GEN_AI_OUTPUT, "out"))]
    if any(count is not None for count, _ in counts):
        yield ", ".join(f"{words.exact(count)} {way}" for count, way in counts if count is not None) + " tokens"
    cost = known.get(semconv.CALL_COST)
    if isinstance(cost, (int, float)):
        yield words.money(cost)
    for key, word in ((semconv.LIMITER_DELAY, "waited"), (semconv.GEN_AI_FIRST_CHUNK, "first chunk after")):
        if isinstance(seconds := known.get(key), (int, float)):
            yield f"{word} {words.duration(seconds)}"
    if known.get(semconv.CACHE_RESULT):
        yield f"cache {known[semconv.CACHE_RESULT]}"
    wasted = sum(_whole(known.get(key)) or 0 for key in (semconv.WASTED_INPUT, semconv.WASTED_OUTPUT))
    if wasted:
        yield f"{words.exact(wasted)} tokens wasted"


def _mark(event: EventRow, start: int) -> Mark:
    attributes = tuple((key, _value(value)) for key, value in sorted(event.attributes.items()) if key not in _HIDDEN)
    return Mark((event.time_ns - start) / 1e9, _title(event), _said(event), _event_tone(event), attributes)


def _title(event: EventRow) -> str:
    if event.name == semconv.EVALUATION.name:
        return "verdict"
    return words.plain(event.name.removeprefix("resilience.").replace(".", " "))


def _said(event: EventRow) -> str:
    known = event.attributes
    told = [str(known[key]) for key in _SAID if key in known]
    delay = known.get(semconv.RETRY_DELAY)
    if isinstance(delay, (int, float)):
        told.append(f"after {words.duration(delay)}")
    return " · ".join(told)


def _event_tone(event: EventRow) -> str:
    state = event.attributes.get(semconv.VALIDATION_RESULT, event.attributes.get(semconv.BREAKER_TO))
    if state is not None:
        return words.tone(state)
    declared = semconv.EVENTS.get(event.name)
    return {"ERROR": "bad", "WARN": "fair"}.get(declared.severity if declared else "", "plain")


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
