"""What happened in a time or a run, in figures.

Counts and rates are of metric points; what is said of users, spaces, error categories, costs and dependencies is of spans,
and as sampled as they are.

Rates are shares from 0 to 1: 0 where nothing was attempted, None where it is not known. Nothing here is a message.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from spanguard import semconv
from spanguard.store.columns import attribute
from spanguard.store.database import Database
from spanguard.store.drops import dropped
from spanguard.store.figures import plus
from spanguard.store.from_points import (
    TOP,
    Breaker,
    Cache,
    Category,
    Errors,
    Hop,
    Limiter,
    Requests,
    Times,
    Validation,
    Work,
    breakers,
    errors_by_type,
    failovers,
    limiters,
    lookups,
    requests,
    times,
    validation,
    work,
)
from spanguard.store.groups import Group, by_spans, from_spans
from spanguard.store.points import Points, read
from spanguard.store.selection import SECOND_NS, Selection


@dataclass(frozen=True)
class Statistics:
    """Everything about a selection; times in ns since 1970, ``seconds`` what lies between them."""

    run: str | None
    start_ns: int | None
    end_ns: int | None
    seconds: float | None
    requests: Requests
    latency: Times
    operations: Work
    errors: Errors
    cache: Cache
    validation: Validation
    breakers: tuple[Breaker, ...]
    failovers: tuple[Hop, ...]
    limiters: tuple[Limiter, ...]
    dependencies: dict[str, int]
    users: tuple[Group, ...]
    spaces: tuple[Group, ...]
    drops: int

    def to_dict(self) -> dict[str, object]:
        """Return the same as dictionaries and lists, for JSON."""
        return asdict(self)


def statistics(db: Database, selection: Selection) -> Statistics:
    """Add up a selection. Where the store has nothing of it, counts are 0 and what is unknown is None."""
    points = read(db, selection)
    start, end = _span(selection, points)
    seconds = None if start is None or end is None else max(end - start, 0) / SECOND_NS
    return Statistics(
        selection.run,
        start,
        end,
        seconds,
        requests(points, seconds, plus(*(each.cost for each in by_spans(db, selection, "''").values()))),
        times(points),
        work(points),
        Errors(errors_by_type(points), _categories(db, selection)),
        lookups(points),
        validation(points),
        breakers(points),
        failovers(points),
        limiters(points),
        _dependencies(db, selection),
        tuple(from_spans(db, selection, "user")),
        tuple(from_spans(db, selection, "space")),
        sum(dropped(db, selection).values()),
    )


def _span(selection: Selection, points: Points) -> tuple[int | None, int | None]:
    series = points.all()
    first = min((each.start_ns for each in series), default=None)
    last = max((each.end_ns for each in series), default=None)
    return (
        selection.start_ns if selection.start_ns is not None else first,
        selection.end_ns if selection.end_ns is not None else last,
    )


def _categories(db: Database, selection: Selection) -> tuple[Category, ...]:
    where, values = selection.of_spans()
    recoverable = attribute(semconv.ERROR_RECOVERABLE)
    rows = db.rows(
        f"""SELECT coalesce(s.error_category, 'other') AS category, {recoverable} AS recoverable, count(*) AS count
        FROM spans AS s JOIN resources AS r ON r.id = s.resource_id
        WHERE s.operation IS NOT NULL AND s.status = 'ERROR' AND {where}
        GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT {TOP}""",  # noqa: S608 - of this package
        values,
    )
    return tuple(
        Category(row["category"], None if row["recoverable"] is None else bool(row["recoverable"]), row["count"])
        for row in rows
    )


def _dependencies(db: Database, selection: Selection) -> dict[str, int]:
    where, values = selection.of_spans()
    rows = db.rows(
        f"""SELECT d.value AS name, count(*) AS count FROM spans AS s JOIN resources AS r ON r.id = s.resource_id,
            json_each(s.attributes, '$."{semconv.DEPENDENCIES}"') AS d
        WHERE instr(s.attributes, '"{semconv.DEPENDENCIES}"') AND {where} GROUP BY 1 ORDER BY 2 DESC, 1""",  # noqa: S608 - of this package
        values,
    )
    return {str(row["name"]): int(row["count"]) for row in rows}
