"""What service levels are computed from: the metric points of a time or a run, added up, whole or in slices of time."""

from __future__ import annotations

import json
import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from spanguard.store.database import Database
from spanguard.store.growth import grown, summed_up
from spanguard.store.histogram import Buckets
from spanguard.store.selection import SECOND_NS, Selection


@dataclass
class Tally:
    """All points of one metric with the same attributes, added up.

    ``value`` is of counters, ``count``, ``sum`` and ``buckets`` of histograms; of what is observed again and again (the state
    of a breaker) ``value`` is the sum of what was observed and ``points`` how often it was.
    """

    attributes: Mapping[str, object]
    value: float = 0
    count: int = 0
    sum: float = 0
    points: int = 0
    buckets: Buckets = field(default_factory=Buckets)

    def has(self, key: str) -> str:
        """Return an attribute as text, empty if there is none."""
        return str(self.attributes.get(key, ""))

    def add(self, value: float | None, count: int | None, total: float | None, points: int) -> None:
        """Add figures of points."""
        self.value += value or 0
        self.count += count or 0
        self.sum += total or 0
        self.points += points


Tallies: TypeAlias = dict[str, list[Tally]]
"""By name of metric."""

_MATCHING: Final = """FROM metric_points AS p JOIN resources AS r ON r.id = p.resource_id
    WHERE p.name IN ({names}) AND {where}"""
# Deltas add up; what is observed is as good as often as it was observed. The counts of buckets come as one text for
# each series (`summed_up`): that takes a tenth of the time that a row for each point takes.
_DELTAS: Final = """SELECT {key} AS key, p.name, p.attributes, total(p.value) AS value, sum(p.count) AS count,
    total(p.sum) AS sum, p.bounds, group_concat(p.counts) AS counts, count(*) AS times {matching}
    AND (p.temporality = 'DELTA' OR p.kind IN ('up_down_sum', 'gauge')) GROUP BY 1, 2, 3, p.bounds"""
# A cumulative point contains all before it: what counts is what came since the one before.
_CUMULATIVE: Final = """SELECT p.*, {key} AS key {matching} AND p.temporality = 'CUMULATIVE'
    AND p.kind NOT IN ('up_down_sum', 'gauge') ORDER BY p.time_ns, p.id"""


def tallies(db: Database, selection: Selection, names: Sequence[str], service: str | None = None) -> Tallies:
    """Add up the points of some metrics; of one service, if one is given."""
    return _read(db, selection, names, service, "0").get(0, {})


def slices(db: Database, selection: Selection, names: Sequence[str], service: str | None, seconds: int) -> dict[int, Tallies]:
    """Add them up apart for each slice of so many seconds; slices begin at multiples of their length since 1970."""
    return _read(db, selection, names, service, f"p.time_ns / {seconds * SECOND_NS}")


def share_up_to(buckets: Buckets, limit: float) -> float | None:
    """Return the share of values that do not exceed a limit, as Prometheus' ``histogram_fraction`` does; None without any."""
    by_upper = buckets._by_upper()
    total, below, lower = by_upper.total(), 0.0, 0.0
    for upper, inside in sorted(by_upper.items()):
        if upper > limit:
            if upper != math.inf and limit > lower:
                below += inside * (limit - lower) / (upper - lower)
            break
        below, lower = below + inside, upper
    return below / total if total else None


def known_runs(db: Database, run: str) -> tuple[bool, bool]:
    """Tell whether a run is that of whole processes, and whether spans alone belong to it (by ``association(run=)``)."""
    whole = bool(db.rows("SELECT 1 FROM resources WHERE run = ? LIMIT 1", [run]))
    return whole, not whole and bool(db.rows("SELECT 1 FROM spans WHERE run = ? LIMIT 1", [run]))  # looks at all of them


def _read(db: Database, selection: Selection, names: Sequence[str], service: str | None, key: str) -> dict[int, Tallies]:
    found = _Found()
    asked = _Asked(tuple(names), service, key)
    for row in asked.rows(db, _DELTAS, selection):
        each = found.tally(row["key"], row["name"], row["attributes"])
        each.add(row["value"], row["count"], row["sum"], row["times"])
        if row["bounds"]:
            each.buckets.add(*summed_up(row["bounds"], row["counts"]))
    for row, growth in grown(asked.rows(db, _CUMULATIVE, replace(selection, start_ns=None)), selection.start_ns or 0):
        each = found.tally(row["key"], row["name"], row["attributes"])
        each.add(growth.value, growth.number, growth.sum, 1)
        if growth.counts:
            each.buckets.add(growth.bounds, growth.counts)
    return {key: tallies for key, tallies in found.by_name() if tallies}


class _Found:
    """Tallies by slice, metric and attributes."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[int, str, str], Tally] = {}

    def tally(self, key: int, name: str, attributes: str) -> Tally:
        known = self._tallies.get((key, name, attributes))
        if known is None:
            known = self._tallies[key, name, attributes] = Tally(json.loads(attributes))
        return known

    def by_name(self) -> Iterator[tuple[int, Tallies]]:
        found: defaultdict[int, defaultdict[str, list[Tally]]] = defaultdict(lambda: defaultdict(list))
        for (key, name, _), tally in self._tallies.items():
            found[key][name].append(tally)
        yield from ((key, dict(tallies)) for key, tallies in found.items())


@dataclass(frozen=True)
class _Asked:
    """Which points are read: of which metrics and service, and by which SQL expression they are kept apart."""

    names: tuple[str, ...]
    service: str | None
    key: str

    def rows(self, db: Database, statement: str, selection: Selection) -> list[sqlite3.Row]:
        where, values = selection.of("p.time_ns", "r.run")
        if self.service is not None:
            where, values = f"{where} AND r.service = :service", {**values, "service": self.service}
        listed = {f"n{number}": name for number, name in enumerate(self.names)}
        matching = _MATCHING.format(names=", ".join(f":{each}" for each in listed), where=where)
        return db.rows(statement.format(key=self.key, matching=matching), {**listed, **values})
