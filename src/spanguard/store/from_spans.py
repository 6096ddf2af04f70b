"""What metrics would say of a part of a process, told by its spans: for runs of ``association(run=)``, which metrics lack.

Spans may be sampled, and what makes no span is not here: a retry below another span that succeeds at once, an admitted call
of a breaker, a wait under 10 ms.
"""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from spanguard import semconv
from spanguard.semconv import Metric
from spanguard.store.columns import PROMOTED, attribute
from spanguard.store.database import Database
from spanguard.store.indicators import Tallies, Tally
from spanguard.store.selection import Selection

_CALL: Final = semconv.GENERATIONS[semconv.DEFAULT_GENERATION]
_USED: Final = (
    (semconv.USEFUL_INPUT, "useful"),
    (semconv.USEFUL_OUTPUT, "useful"),
    (semconv.WASTED_INPUT, "wasted"),
    (semconv.WASTED_OUTPUT, "wasted"),
)
_SPANS: Final = """SELECT s.*, r.id AS resource FROM spans AS s JOIN resources AS r ON r.id = s.resource_id
    WHERE s.run = :run AND {where} ORDER BY s.id"""
_VERDICTS: Final = """SELECT e.attributes FROM span_events AS e
    JOIN spans AS s ON s.trace_id = e.trace_id AND s.span_id = e.span_id JOIN resources AS r ON r.id = s.resource_id
    WHERE s.run = :run AND e.name IN (:evaluation, :failed) AND {where}"""
_POINTS: Final = "SELECT total(count) FROM metric_points WHERE resource_id = ? AND name IN (?, ?)"
_CALLS: Final = "SELECT count(*) FROM spans WHERE resource_id = ? AND operation IS NOT NULL"

_STATUS: Final = f"coalesce({attribute(semconv.HTTP_STATUS)}, {attribute('http.status_code')})"
_SENT: Final = f"(coalesce({attribute(semconv.FROM_CACHE)}, 0) = 0 OR coalesce({attribute(semconv.REVALIDATED)}, 0) = 1)"
_REQUESTS: Final = f"""SELECT {_STATUS} AS status, count(*) AS count FROM spans AS s
    JOIN resources AS r ON r.id = s.resource_id
    WHERE s.kind = 'CLIENT' AND {_STATUS} IS NOT NULL AND {_SENT} AND {{where}} GROUP BY 1"""  # noqa: S608 - names of the vocabulary

_One = tuple[Metric, dict[str, object], float]


def span_tallies(db: Database, run: str, service: str | None, selection: Selection) -> tuple[Tallies, int, int]:
    """Return the figures of a run from its spans, and of the processes that it ran in how many spans of calls there are.

    The last number is how many calls their metrics know of: if it is higher, spans were sampled or lost.
    """
    where, values = Selection(None, selection.start_ns, selection.end_ns).of("s.start_ns", "r.run")
    if service is not None:
        where, values = f"{where} AND r.service = :service", {**values, "service": service}
    values |= {"run": run}
    rows = db.rows(_SPANS.format(where=where), values)
    names = {"evaluation": semconv.EVALUATION.name, "failed": semconv.VALIDATION_FAILED.name}
    verdicts = db.rows(_VERDICTS.format(where=where), {**values, **names})
    found: dict[tuple[str, str], Tally] = {}
    for metric, attributes, value in (*_measured(rows), *_judged(verdicts)):
        _add(found, metric, attributes, value)
    by_name: Tallies = {}
    for (name, _), tally in found.items():
        by_name.setdefault(name, []).append(tally)
    resources = {row["resource"] for row in rows}
    durations = [generation.duration.name for generation in semconv.GENERATIONS.values()]
    known = sum(int(db.rows(_CALLS, [each])[0][0]) for each in resources)
    counted = sum(int(db.rows(_POINTS, [each, *durations])[0][0]) for each in resources)
    return by_name, known, counted


def http_tallies(db: Database, selection: Selection, service: str | None) -> list[Tally]:
    """Count HTTP requests by status from spans, where no metric counts them: those of a run of ``association(run=)``."""
    where, values = selection.of("s.start_ns", "coalesce(s.run, r.run)")
    if service is not None:
        where, values = f"{where} AND r.service = :service", {**values, "service": service}
    rows = db.rows(_REQUESTS.format(where=where), values)
    return [Tally({semconv.HTTP_STATUS: row["status"]}, count=int(row["count"])) for row in rows]


def _measured(rows: Iterable[sqlite3.Row]) -> Iterator[_One]:
    """Yield what a recorder would have measured where these spans were made."""
    told = [(row, _attributes(row)) for row in rows]
    operations = {row["span_id"] for row, known in told if semconv.ATTEMPT_COUNT in known and row["outcome"]}
    parents = {row["span_id"]: row["parent_id"] for row, _ in told}
    for row, known in told:
        seconds = (row["end_ns"] - row["start_ns"]) / 1e9
        if row["operation"]:
            yield from _call(known, seconds, failed=row["status"] == "ERROR")
        if row["span_id"] in operations:
            yield semconv.OPERATION_DURATION, _carried(semconv.OPERATION_DURATION, known), seconds
            count = _number(known.get(semconv.ATTEMPT_COUNT)) or 0
            yield semconv.OPERATION_ATTEMPTS, _carried(semconv.OPERATION_ATTEMPTS, known), count
            if not _inside(row["parent_id"], parents, operations):  # an outer one states its own and theirs
                yield from _tokens(known)
        yield from _gates(known)


def _call(known: Mapping[str, object], seconds: float, *, failed: bool) -> Iterator[_One]:
    carried = _carried(_CALL.duration, known)
    if not failed:
        carried.pop(semconv.ERROR_TYPE, None)
    yield _CALL.duration, carried, seconds
    first = _number(known.get(semconv.GEN_AI_FIRST_CHUNK))
    if first is not None:
        yield _CALL.first_chunk, _carried(_CALL.first_chunk, known), first
    for each in _CALL.tokens:
        count = _number(known.get({"input": semconv.GEN_AI_INPUT, "output": semconv.GEN_AI_OUTPUT}.get(each.kind, "")))
        if count is not None:
            yield each.metric, {**_carried(each.metric, known), **dict(each.fixed or {})}, count


def _tokens(known: Mapping[str, object]) -> Iterator[_One]:
    for key, disposition in _USED:
        count = _number(known.get(key))
        if count is not None:
            yield semconv.TOKEN_USAGE, {**_carried(semconv.TOKEN_USAGE, known), semconv.DISPOSITION: disposition}, count


def _gates(known: Mapping[str, object]) -> Iterator[_One]:
    delay = _number(known.get(semconv.LIMITER_DELAY))
    if delay is not None and known.get(semconv.POLICY_TYPE) == "rate_limiter":
        yield semconv.LIMITER_WAIT, _carried(semconv.LIMITER_WAIT, known), delay
    if semconv.CACHE_RESULT in known:
        yield semconv.CACHE_LOOKUPS, _carried(semconv.CACHE_LOOKUPS, known), 1


def _judged(rows: Iterable[sqlite3.Row]) -> Iterator[_One]:
    for row in rows:
        known = json.loads(row["attributes"])
        known.setdefault(semconv.VALIDATION_RESULT, known.get(semconv.EVALUATION_LABEL))
        yield semconv.VALIDATIONS, _carried(semconv.VALIDATIONS, known), 1


def _inside(parent: bytes | None, parents: Mapping[bytes, bytes | None], operations: set[bytes]) -> bool:
    seen: set[bytes] = set()
    while parent is not None and parent not in seen:
        if parent in operations:
            return True
        seen.add(parent)
        parent = parents.get(parent)
    return False


def _attributes(row: sqlite3.Row) -> dict[str, object]:
    promoted = {key: row[column] for key, column in PROMOTED.items() if row[column] is not None}
    return {**json.loads(row["attributes"]), **promoted}


def _carried(metric: Metric, known: Mapping[str, object]) -> dict[str, object]:
    return {key: known[key] for key in metric.attributes if key in known}


def _add(found: dict[tuple[str, str], Tally], metric: Metric, attributes: dict[str, object], value: float) -> None:
    key = metric.name, json.dumps(attributes, sort_keys=True)
    tally = found.setdefault(key, Tally(attributes))
    if metric.kind != "histogram":
        tally.add(value, None, None, 1)
        return
    counts = [0] * (len(metric.boundaries) + 1)
    counts[bisect_left(metric.boundaries, value)] = 1
    tally.add(None, 1, value, 1)
    tally.buckets.add(metric.boundaries, counts)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
