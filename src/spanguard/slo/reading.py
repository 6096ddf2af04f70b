"""Formulas computed over the local store."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from spanguard.slo.indicators import (
    HTTP,
    INDICATORS,
    OLD_HTTP,
    Above,
    Count,
    Filters,
    Formula,
    Piece,
    Quantile,
    Ratio,
    Sum,
    pieces,
)
from spanguard.store.database import Database
from spanguard.store.drops import dropped
from spanguard.store.from_spans import http_tallies, span_tallies
from spanguard.store.histogram import Buckets
from spanguard.store.indicators import Tallies, Tally, known_runs, share_up_to, slices, tallies
from spanguard.store.selection import SECOND_NS, Selection

_FROM_SPANS: Final = (
    "computed from spans, as this run is one of association(run=): what makes no span (retries that succeed at once below "
    "another span, admitted calls of breakers, short waits) is not in it"
)
_REQUESTS: Final = "HTTP requests are counted by spans, as no metric counts them"
_HTTP: Final = frozenset({HTTP.name, OLD_HTTP.name})
_NO_QUERIES: Final = "a query in PromQL needs --prometheus"
_SAMPLED: Final = "spans were sampled or lost: there are {spans} of {calls} calls"


_DROPPED: Final = "the store lacks what was lost before: {what}"
_TOLERANCE: Final = 1e-9


class CannotTell(Exception):  # noqa: N818 - an answer, not a fault
    """Raised where a source cannot know what it is asked; its text says why."""


def passes(value: float, test: tuple[str, float]) -> bool:
    """Whether a value keeps a limit (``("gte", 0.95)``); what is the same but for the rounding of floats is the same."""
    op, limit = test
    same = math.isclose(value, limit, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    if op in ("gte", "lte"):
        return same or (value > limit if op == "gte" else value < limit)
    return not same and (value > limit if op == "gt" else value < limit)


class Figures:
    """What formulas are computed from: the points of one time, added up by metric."""

    def __init__(self, found: Tallies, filters: Filters, seconds: float | None = None) -> None:
        self._found = found
        self._filters = filters
        self._seconds = seconds

    def number(self, term: Formula | str) -> float | None:
        """Return the value of a formula; None where there is nothing to tell of. A query in PromQL is `CannotTell`."""
        if isinstance(term, str):
            raise CannotTell(_NO_QUERIES)
        if isinstance(term, Sum):
            return self._sum(term)
        if isinstance(term, Ratio):
            whole = self._sum(term.whole)
            return self._sum(term.part) / whole if whole > 0 else None
        if isinstance(term, Quantile):
            return self._buckets(term.of).quantile(term.q)
        if isinstance(term, Above):
            kept = share_up_to(self._buckets(term.of), term.limit)
            return None if kept is None else 1 - kept
        return self._count(term)

    def _count(self, formula: Count) -> float | None:
        if self._sum(formula.among) <= 0:
            return None
        if not formula.per_second:
            return self._sum(formula.of)
        if not self._seconds:
            raise CannotTell("a rate needs a time: --since, or the SLO's timeWindow")
        return self._sum(formula.of) / self._seconds

    def _sum(self, total: Sum) -> float:
        return sum(float(getattr(tally, each.part)) for each in total.pieces for tally in self._matching(each))

    def _buckets(self, total: Sum) -> Buckets:
        together = Buckets()
        for tally in (tally for each in total.pieces for tally in self._matching(each)):
            together.merge(tally.buckets)
        return together

    def _matching(self, piece: Piece) -> Iterable[Tally]:
        wheres = (*piece.where, *self._filters.wheres())
        for tally in self._found.get(piece.metric.name, ()):
            if all(where.takes(tally.has(where.key)) for where in wheres):
                yield tally


@dataclass(frozen=True)
class StoreSource:
    """The local store as what verdicts are computed from: all that was exported from a time on, or that belongs to a run."""

    db: Database
    now_ns: int
    name: str = "store"
    _read: dict[tuple[str | None, Selection], Tallies] = field(default_factory=dict, repr=False, compare=False)

    def figures(
        self, terms: Iterable[Formula | str], filters: Filters, seconds: int | None
    ) -> tuple[Figures, tuple[str, ...]]:
        """Return what the formulas are computed from, and what is to be said about it; without seconds it is all there is."""
        names, selection = _names(terms), self._selection(filters, seconds)
        if self._on_spans_alone(filters):
            found, spans, calls = span_tallies(self.db, filters.run or "", filters.service, selection)
            notes = (_FROM_SPANS, *([_SAMPLED.format(spans=spans, calls=calls)] if spans < calls else []))
        else:
            found, notes = self._points(names, filters.service, selection), ()
        if names and not _HTTP.isdisjoint(names) and _HTTP.isdisjoint(found):
            requests = http_tallies(self.db, selection, filters.service)
            found, notes = {**found, HTTP.name: requests}, (*notes, *([_REQUESTS] if requests else []))
        return Figures(found, filters, seconds), (*notes, *self._drops(filters, selection))

    def _drops(self, filters: Filters, selection: Selection) -> tuple[str, ...]:
        """Say what is missing from these figures, as far as the store knows."""
        lost = dropped(self.db, selection, filters.service)
        what = ", ".join(f"{items:,} {signal}" for signal, items in lost.items())
        return (_DROPPED.format(what=what),) if lost else ()

    def _on_spans_alone(self, filters: Filters) -> bool:
        return filters.run is not None and known_runs(self.db, filters.run) == (False, True)

    def _points(self, names: tuple[str, ...], service: str | None, selection: Selection) -> Tallies:
        """Read all that SLIs are made of, once for all objectives that look at the same time."""
        if (service, selection) not in self._read:
            self._read[service, selection] = tallies(self.db, selection, sorted({*_EVERY, *names}), service)
        return self._read[service, selection]

    def sliced(
        self,
        term: Formula | str,
        filters: Filters,
        seconds: int | None,
        length: int,
        *,
        flipped: bool,
        test: tuple[str, float] | None,
    ) -> tuple[float | None, int]:
        """Return the average over slices of time (of the formula, or of whether it passes the test), and their number.

        Slices in which there is nothing to tell of do not count.
        """
        if isinstance(term, str):
            raise CannotTell(_NO_QUERIES)
        if self._on_spans_alone(filters):
            raise CannotTell("slices of time need metrics, and a run of association(run=) has spans alone")
        found = slices(self.db, self._selection(filters, seconds), _names([term]), filters.service, length)
        known = (Figures(each, filters, length).number(term) for _, each in sorted(found.items()))
        values = [1 - each if flipped else each for each in known if each is not None]
        if test is not None:
            values = [float(passes(each, test)) for each in values]
        return (sum(values) / len(values) if values else None), len(values)

    def _selection(self, filters: Filters, seconds: int | None) -> Selection:
        start = None if seconds is None else self.now_ns - seconds * SECOND_NS
        return Selection(filters.run, start)


_EVERY: Final = frozenset(piece.metric.name for each in INDICATORS.values() for piece in pieces(each.formula))


def _names(formulas: Iterable[Formula | str]) -> tuple[str, ...]:
    known = [formula for formula in formulas if not isinstance(formula, str)]
    return tuple(sorted({piece.metric.name for formula in known for piece in pieces(formula)}))
