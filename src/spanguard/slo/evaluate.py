"""Whether objectives are met: a verdict for each, over the local store or over Prometheus."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Final, Literal, Protocol, TypeAlias

from spanguard.slo.indicators import Filters, Formula, Indicator, Ratio, bad_share
from spanguard.slo.openslo import Named, Objective, Query, RatioMetric, Slo, Source, Window
from spanguard.slo.reading import CannotTell, passes

State = Literal["met", "not met", "unknown"]
Test: TypeAlias = "tuple[str, float]"
"""An operator of OpenSLO and a limit."""
Term: TypeAlias = "Formula | str"
"""A formula, or a query in PromQL."""

_BY_POLICY: Final[dict[str, State]] = {"unknown": "unknown", "fail": "not met", "pass": "met"}
SIGNS: Final = {"gte": ">=", "gt": ">", "lte": "<=", "lt": "<"}


class Figures(Protocol):
    """What terms are computed from."""

    def number(self, term: Formula | str) -> float | None:
        """Return the value of a term; None where there is nothing to tell of."""
        ...


class Backend(Protocol):
    """What verdicts are computed from."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def figures(self, terms: Iterable[Term], filters: Filters, seconds: int | None) -> tuple[Figures, tuple[str, ...]]:
        """Return what the terms are computed from, and what is to be said about it."""
        ...

    def sliced(
        self, term: Term, filters: Filters, seconds: int | None, length: int, *, flipped: bool, test: Test | None
    ) -> tuple[float | None, int]:
        """Return the average over slices (of the term, or of whether it passes the test), and how many slices there are."""
        ...


@dataclass(frozen=True)
class Verdict:
    """The verdict on one objective.

    ``value`` (None if it is not known) is compared with ``target`` by ``op``; both are shares from 0 to 1, or in ``unit``.
    ``sample`` is how many ``sampled`` (calls, operations ...) the value is made of. ``budget_left`` is the share of the error
    budget that is left, below 0 if it is overdrawn; ``burn_rate`` 1 uses it up exactly by the end of the window; both are
    None where there is no budget. ``reason`` says why a verdict is unknown or what stood in for missing data.
    """

    slo: str
    service: str
    objective: str
    indicator: str
    state: State
    value: float | None
    op: str
    target: float
    unit: str
    sample: float | None
    sampled: str
    minimum: int
    window: str
    source: str
    budget_left: float | None
    burn_rate: float | None
    reason: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Scope:
    """What is judged: one run, or the last so many seconds, instead of what the file says; and what missing data mean."""

    run: str | None = None
    seconds: int | None = None
    minimum: int | None = None
    missing: Literal["unknown", "fail", "pass"] | None = None


def check(slos: Iterable[Slo], backend: Backend, scope: Scope, now: datetime) -> list[Verdict]:
    """Return the verdict on each objective of each SLO, in the order of the file."""
    changed = [
        replace(
            slo,
            minimum=slo.minimum if scope.minimum is None else scope.minimum,
            missing=scope.missing or slo.missing,
        )
        for slo in slos
    ]
    return [_verdict(slo, objective, backend, scope, now) for slo in changed for objective in slo.objectives]


@dataclass(frozen=True)
class Aim:
    """What an objective asks: a term (or 1 less it), what it is a sample of, and what uses up its budget."""

    term: Term
    flipped: bool
    sample: Term | None
    bad: Term | None
    bad_flipped: bool
    budget: float
    name: str
    unit: str
    sampled: str
    filters: Filters

    @property
    def terms(self) -> tuple[Term, ...]:
        """All that is asked of the source."""
        return tuple(each for each in (self.term, self.sample, self.bad) if each is not None)


def aim(slo: Slo, objective: Objective) -> Aim:
    """Return what an objective asks."""
    metric = slo.metric
    if isinstance(metric, RatioMetric):
        return _ratio(metric, 1 - objective.target)
    if isinstance(metric.source, Query):
        return Aim(metric.source.text, False, None, None, False, 0, "query", "", "", Filters())  # noqa: FBT003
    indicator, filters = metric.source.indicator, metric.source.filters
    bad = _bad(indicator, objective)
    return Aim(
        indicator.formula,
        False,  # noqa: FBT003
        indicator.sample,
        bad[0] if bad else None,
        indicator.is_share and indicator.better == "high",
        bad[1] if bad else 0,
        indicator.name,
        indicator.unit,
        indicator.sampled,
        filters,
    )


def _bad(indicator: Indicator, objective: Objective) -> tuple[Formula, float] | None:
    """Return what uses up the budget, if the limit is on the side on which there is one."""
    way = "high" if objective.op in ("gte", "gt") else "low"
    if objective.value is None or way != indicator.better:
        return None
    return bad_share(indicator, objective.value)


def _ratio(metric: RatioMetric, budget: float) -> Aim:
    flipped = metric.bad is not None or (metric.raw is not None and metric.raw_type == "failure")
    part = metric.raw or metric.bad or metric.good
    if isinstance(part, Named):
        formula = part.indicator.formula
        total = metric.total.indicator.formula if isinstance(metric.total, Named) else formula
        assert isinstance(formula, Ratio)  # the loader saw to it
        assert isinstance(total, Ratio)
        term: Term = Ratio(formula.part, total.whole)
        sample: Term | None = total.whole
        name, sampled, filters = part.indicator.name, part.indicator.sampled, part.filters
    else:
        name, sampled, filters = "query", "", Filters()
        term, sample = _queries(part, metric)
    return Aim(term, flipped, sample, term, not flipped, budget, name, "share", sampled, filters)


def _queries(part: Source | None, metric: RatioMetric) -> tuple[str, str | None]:
    assert isinstance(part, Query)
    if not isinstance(metric.total, Query):
        return part.text, None
    share, total = (
        f"sum(increase(({each.text})[{{{{.window}}}}:]))" if metric.counter else each.text for each in (part, metric.total)
    )
    return f"({share}) / (({total}) > 0)", total


@dataclass(frozen=True)
class _Case:
    """One objective, and where the answer is sought; ``seconds`` is None for all of a run."""

    slo: Slo
    objective: Objective
    asked: Aim
    backend: Backend
    seconds: int | None


def _verdict(slo: Slo, objective: Objective, backend: Backend, scope: Scope, now: datetime) -> Verdict:
    asked = aim(slo, objective)
    asked = replace(asked, filters=replace(asked.filters, run=scope.run or asked.filters.run))
    seconds = scope.seconds or (None if asked.filters.run else seconds_of(slo.window, now))
    case = _Case(slo, objective, asked, backend, seconds)
    blank = _blank(case)
    try:
        return _of_whole(blank, case) if objective.slice_seconds is None else _of_slices(blank, case)
    except CannotTell as reason:
        return replace(blank, reason=str(reason))


def _blank(case: _Case) -> Verdict:
    slo, objective, asked = case.slo, case.objective, case.asked
    op, target, unit, sampled = ">=", objective.target, "share", "slices of time"
    if objective.slice_seconds is None:
        unit, sampled = asked.unit, asked.sampled
        if objective.value is not None:
            op, target = SIGNS[objective.op], objective.value
    window = slo.window.text if case.seconds == slo.window.seconds else f"{case.seconds}s"
    window = f"run {asked.filters.run}" if case.seconds is None else window
    return Verdict(
        slo=slo.name,
        service=slo.service,
        objective=objective.name,
        indicator=asked.name,
        state="unknown",
        value=None,
        op=op,
        target=target,
        unit=unit,
        sample=None,
        sampled=sampled,
        minimum=slo.minimum,
        window=window,
        source=case.backend.name,
        budget_left=None,
        burn_rate=None,
        reason=None,
        notes=(),
    )


def _of_whole(blank: Verdict, case: _Case) -> Verdict:
    objective, asked = case.objective, case.asked
    figures, notes = case.backend.figures(asked.terms, asked.filters, case.seconds)
    value = figures.number(asked.term)
    sample = figures.number(asked.sample) if asked.sample is not None else (None if value is None else 1.0)
    made = replace(blank, value=_flip(value, flipped=asked.flipped), sample=sample, notes=notes)
    if asked.bad is not None and asked.budget > 0:
        bad = _flip(value if asked.bad == asked.term else figures.number(asked.bad), flipped=asked.bad_flipped)
        burn = None if bad is None else bad / asked.budget
        made = replace(made, burn_rate=burn, budget_left=None if burn is None else 1 - burn)
    test = ("gte", objective.target) if objective.value is None else (objective.op, objective.value)
    return _judged(made, case.slo, test)


def _of_slices(blank: Verdict, case: _Case) -> Verdict:
    objective, asked = case.objective, case.asked
    test: Test | None = None
    if objective.value is not None:
        test = (objective.op, objective.value)
    elif objective.slice_target is not None:
        test = ("gte", objective.slice_target)
    length = objective.slice_seconds or 0
    value, count = case.backend.sliced(asked.term, asked.filters, case.seconds, length, flipped=asked.flipped, test=test)
    made = replace(blank, value=value, sample=float(count))
    if value is not None and objective.target < 1:
        burn = (1 - value) / (1 - objective.target)
        made = replace(made, burn_rate=burn, budget_left=1 - burn)
    return _judged(made, case.slo, ("gte", objective.target))


def _judged(made: Verdict, slo: Slo, test: Test) -> Verdict:
    sample = round(made.sample or 0)
    if made.value is not None and sample >= slo.minimum:
        return replace(made, state="met" if passes(made.value, test) else "not met")
    if made.value is None:
        reason = f"there are no data: no {made.sampled}" if made.sampled else "there are no data"
    else:
        reason = f"{sample} {made.sampled or 'samples'} are too few; at least {slo.minimum} are needed"
    return replace(made, state=_BY_POLICY[slo.missing], reason=reason)


def _flip(value: float | None, *, flipped: bool) -> float | None:
    return 1 - value if flipped and value is not None else value


def seconds_of(window: Window, now: datetime) -> int:
    """Return how many seconds back an SLO's window goes: all of it, or to where the calendar's period began."""
    begin = window.calendar_start
    if begin is None:
        return window.seconds
    unit, count = window.text[-1], int(window.text[:-1])
    if unit not in "MQY":
        begun = begin.astimezone(timezone.utc)
        since = (now - begun).total_seconds() % window.seconds
        return max(1, math.ceil(since))
    months = count * {"M": 1, "Q": 3, "Y": 12}[unit]
    local = now.astimezone(begin.tzinfo)
    passed = (local.year - begin.year) * 12 + local.month - begin.month
    period = _months_later(begin, passed - passed % months)
    if period > local:
        period = _months_later(begin, passed - passed % months - months)
    return max(1, math.ceil((now - period).total_seconds()))


def _months_later(begin: datetime, months: int) -> datetime:
    """Return the same day of another month, or its last day where it has no such day."""
    year, month = divmod(begin.month - 1 + months, 12)
    first = begin.replace(year=begin.year + year, month=month + 1, day=1)
    following = (first.replace(day=28) + timedelta(days=4)).replace(day=1)
    last = (following - timedelta(days=1)).day
    return first.replace(day=min(begin.day, last))


def overall(verdicts: Iterable[Verdict]) -> int:
    """Return the exit code: 0 if all are met, 1 if one is not, 2 if that cannot be told."""
    states = {each.state for each in verdicts}
    return 1 if "not met" in states else 2 if "unknown" in states else 0
