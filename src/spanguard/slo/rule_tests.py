"""Tests of the rules for ``promtool test rules``, which notice each other number, window, sign or label.

What is recorded is tested over series in which every sample adds something else, so that one more or one less is another
value. Alerts are tested over what is recorded: just short of each of their limits, at it, and just past it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import count, product
from math import ceil, gcd
from typing import Final

from spanguard import semconv
from spanguard.semconv import ATTRIBUTES
from spanguard.slo.indicators import INDICATORS, Above, Count, Filters, Formula, Piece, Quantile, Ratio, Sum, Where, pieces
from spanguard.slo.openslo import Slo
from spanguard.slo.promql import label, metric_name, seconds, window_text
from spanguard.slo.rules import AlertRule, Group, groups, to_yaml
from spanguard.slo.sli_rules import RECORD, WINDOWS

_DAY: Final = 86_400
_LEAST_STEP: Final = 300
"""Prometheus looks so many seconds back for a sample: with shorter steps a gap would be none."""
_SUFFIXES: Final = {"count": "_count", "sum": "_sum"}
_UNITS: Final = (_DAY, 3600, 60, 1)
_NEAR: Final = 1e-6
_FAR: Final = 10**7
"""Where counters stand in the beginning: `increase` looks no further back than to where a counter would have been 0."""
_CONDITION: Final = re.compile(r'(slo:[\w:]+)\{(?:"(?:[^"\\]|\\.)*"|[^"}])*\} (>=|>|<=|<) (\S+)')
_SIGNS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


def tests(slos: Sequence[Slo], rule_file: str) -> str:
    """Return tests of the rules of these SLOs, which stand in a file of that name beside them, as YAML."""
    made = groups(slos)
    waits = gcd(*(seconds(each.after) for group in made for each in group.alerts))
    step = max(waits, _LEAST_STEP) if waits else 2 * max(each.window.seconds for each in slos)
    return _document(rule_file, step, [case for group in made for case in _cases(group, step)])


def sli_tests(rule_file: str) -> str:
    """Return tests of the rules that record every SLI."""
    cases: list[dict[str, object]] = []
    for name, each in INDICATORS.items():
        whole = _History(each.formula, None, Filters(), tuple(map(seconds, WINDOWS)))
        for title, history in whole.variants(each.formula).items():
            samples = [(RECORD + window, {"sli": name}, history.value(each.formula, seconds(window))) for window in WINDOWS]
            cases.append(_over_time(f"{name}: {title}", history, samples, _DAY))
    return _document(rule_file, _DAY, cases)


def _document(rule_file: str, step: int, cases: Sequence[object]) -> str:
    head = {"rule_files": [rule_file], "evaluation_interval": window_text(step), "fuzzy_compare": True}
    return to_yaml({**head, "tests": cases})


def _cases(group: Group, step: int) -> Iterator[dict[str, object]]:
    asked, title = group.asked, f"{group.slo.name}, {group.objective.name}"
    formula, flipped = (asked.term, asked.flipped) if asked.bad is None else (asked.bad, asked.bad_flipped)
    sample = None if isinstance(asked.sample, str) else asked.sample
    if not isinstance(formula, str) and group.objective.slice_seconds is None:  # else it is a query of the user's own
        named = [re.fullmatch(r"slo:.*?(?:ratio_rate|increase|value)(\w+)", each.name) for each in group.records]
        windows = {seconds(found[1]) for found in named if found} | ({group.slo.window.seconds} if asked.bad else set())
        history = _History(formula, sample, asked.filters, tuple(sorted(windows)))
        for variant, each in history.variants(formula).items():
            told = _Told(group, each, formula, sample, flipped)
            samples = [(record.name, record.labels, told.value(record.name)) for record in group.records]
            yield _over_time(f"{title}: {variant}", each, samples, step)
    for place, alert in enumerate(group.alerts):
        yield _probed(f"{title}: alert {place + 1}", group, alert, step)


# ---------------------------------------------------------------------------------------------------------- what is recorded


@dataclass(frozen=True)
class _Told:
    """What the rules of an objective have to record of a history."""

    group: Group
    history: _History
    formula: Formula
    sample: Formula | None
    flipped: bool

    def value(self, name: str) -> float | None:
        """Return the value of a recorded series; None if there must not be any."""
        kind, _, what = name.removeprefix("slo:").partition(":")
        budget = self.group.asked.budget
        if kind in ("objective", "error_budget"):
            return budget if kind == "error_budget" else 1 - budget
        if kind == "error_budget_left":
            bad = self._of(self.group.slo.window.seconds) if budget else 0
            return None if bad is None else 1 - bad / budget if budget else 0
        window = seconds(re.sub(r"^[a-z_]+", "", what))
        if kind == "sli_sample":
            return (self.history.value(self.sample, window) or None) if self.sample else None
        return self._of(window)

    def _of(self, window: int) -> float | None:
        found = self.history.value(self.formula, window)
        return found if found is None or not self.flipped else 1 - found


def _over_time(
    title: str, history: _History, samples: Sequence[tuple[str, Mapping[str, str], float | None]], step: int
) -> dict[str, object]:
    end = ceil(history.ages[-1] / step) * step
    interval = gcd(end, *history.ages)
    expected = [
        {
            "expr": f"round({name}{{{_matchers(labels)}}}, 0.000001)",  # promtool compares to the last bit, or nearly
            "eval_time": window_text(end),
            "exp_samples": [] if value is None else [{"labels": f"{{{_matchers(labels)}}}", "value": round(value, 6)}],
        }
        for name, labels, value in samples
    ]
    series = [
        {"series": f"{each.name}{{{_matchers(each.labels)}}}", "values": each.written(history.ages, end, interval)}
        for each in history.series
    ]
    return {"name": title, "interval": window_text(interval), "input_series": series, "promql_expr_test": expected}


@dataclass(frozen=True)
class _Series:
    """A series: its values at each age, the newest first."""

    name: str
    labels: Mapping[str, str]
    values: tuple[float, ...]

    def written(self, ages: Sequence[int], end: int, interval: int) -> str:
        """Return the values as promtool reads them, from 0 to the end, with gaps between."""
        told, place = [], -1
        for age, value in reversed([*zip(ages, self.values, strict=False)]):
            at = (end - age) // interval
            told += [f"_x{at - place - 1}"] * (at - place > 1) + [f"{value:.16g}"]
            place = at
        return " ".join(told)


class _History:
    """Series for a formula, with a sample shortly before and shortly after each window begins."""

    def __init__(self, formula: Formula, sample: Formula | None, filters: Filters, windows: Sequence[int]) -> None:
        halves = {window: next(unit for unit in _UNITS if window % unit == 0) // 2 for window in windows}
        self._windows = windows
        self.ages = sorted({0, *(w - half for w, half in halves.items()), *(w + half for w, half in halves.items())})
        self._run = filters.run is not None
        self._common = {label(where.key): where.values[0] for where in filters.wheres()}
        if filters.run is not None:
            self._common[label(semconv.RUN_ID)] = filters.run
        if filters.service is not None:
            self._common["job"] = filters.service
        self.series = tuple(self._made([*pieces(formula), *(pieces(sample) if sample else ())], formula))

    def variants(self, formula: Formula) -> dict[str, _History]:
        """Return this, and the same with less: what is missing, and where nothing happened, has to be seen as well."""
        found = {"what is recorded": self, "hardly anything": self._only(self._few(formula)), "silence": self._only(())}
        sums = {Ratio: ("part", "whole"), Count: ("of", "among"), Sum: ()}.get(type(formula), ("of",))
        for name in sums:
            total: Sum = getattr(formula, name)
            for place, piece in enumerate(total.pieces if len(total.pieces) > 1 or isinstance(formula, Count) else ()):
                left = [each for each in self.series if each.name != _name(piece) or not self._is_of(piece, each.labels)]
                found[f"without {name} {place + 1}"] = self._only(left)
        for window in self._windows if isinstance(formula, Count) else ():
            last = sum(age < window for age in self.ages) - 1
            flat = [replace(each, values=(each.values[last],) * last + each.values[last:]) for each in self.series]
            found[f"nothing within {window_text(window)}"] = self._only(flat)
        return found

    def _only(self, series: Iterable[_Series]) -> _History:
        other = copy(self)
        other.series = tuple(series)
        return other

    def value(self, formula: Formula, window: int) -> float | None:
        """Return what a formula has to be over a window, computed without PromQL; None where there is nothing to tell of."""
        if isinstance(formula, Sum):
            return sum(self._piece(each, window) for each in formula.pieces)
        if isinstance(formula, Ratio):
            part, whole = (self.value(each, window) or 0 for each in (formula.part, formula.whole))
            return part / whole if whole else None
        if isinstance(formula, Count):
            known = self.value(formula.among, window)
            return (self.value(formula.of, window) or 0) / (window if formula.per_second else 1) if known else None
        buckets = self._buckets(formula.of, window)
        if not buckets:
            return None
        return _quantile(formula.q, buckets) if isinstance(formula, Quantile) else 1 - _fraction(formula.limit, buckets)

    def _few(self, formula: Formula) -> Iterator[_Series]:
        left_out = formula.part.pieces if isinstance(formula, Ratio) else ()
        for each in self.series:
            of = [piece for piece in left_out if each.name == _name(piece) and self._is_of(piece, each.labels)]
            if any(piece.metric.kind == "observable_up_down_counter" for piece in of):
                yield replace(each, values=each.values[:1])
                return
            if not of:
                yield replace(each, values=tuple(value / _FAR for value in each.values))

    def _made(self, wanted: Sequence[Piece], formula: Formula) -> Iterator[_Series]:
        bounds, seeds = _bounds(formula), count()
        for name, metric in {_name(each): each.metric for each in wanted}.items():
            asked = [each for each in wanted if each.metric == metric]
            kinds = list(_kinds([where for each in asked for where in each.where], self._common))
            alike = {kinds.index(next(each for each in kinds if self._is_of(piece, each))) for piece in asked}
            for labels in (*kinds, *({**kinds[place], "another": "series"} for place in sorted(alike))):
                if name.endswith("_count"):
                    yield from self._in_buckets(f"{metric_name(metric)}_bucket", labels, bounds, next(seeds))
                yield _Series(name, labels, self._values(next(seeds), gauge=metric.kind == "observable_up_down_counter"))

    def _in_buckets(self, name: str, labels: Mapping[str, str], bounds: Sequence[float], seed: int) -> Iterator[_Series]:
        values: tuple[float, ...] = (0,) * len(self.ages)
        for place, bound in enumerate(bounds):
            values = tuple(a + b for a, b in zip(values, self._values(seed + place), strict=True))
            yield _Series(name, {**labels, "le": f"{bound:g}"}, values)
        if bounds:
            yield _Series(name, {**labels, "le": "+Inf"}, values)

    def _values(self, seed: int, *, gauge: bool = False) -> tuple[float, ...]:
        steps = [1000 + 37 * (seed + 3) * (place + 2) ** 2 % 991 for place in range(len(self.ages))]
        return tuple(steps) if gauge else tuple(_FAR + sum(steps[place:]) for place in range(len(steps)))

    def _piece(self, piece: Piece, window: int) -> float:
        found = [each for each in self.series if each.name == _name(piece) and self._is_of(piece, each.labels)]
        within = sum(age < window for age in self.ages)
        if piece.metric.kind == "observable_up_down_counter":
            samples = [each.values[:within] for each in found]
            return sum(sum(each) if piece.part == "value" else len(each) for each in samples)
        return sum(self._increase(each, window) for each in found)

    def _increase(self, series: _Series, window: int) -> float:
        """Return `increase` as Prometheus computes it: carried on to the window's begin, unless that is too far away."""
        if self._run:
            return series.values[0]
        last = sum(age < window for age in self.ages) - 1
        mean, missing = self.ages[last] / last, window - self.ages[last]
        length = self.ages[last] + (missing if missing < 1.1 * mean else mean / 2)
        return (series.values[0] - series.values[last]) * length / self.ages[last]

    def _is_of(self, piece: Piece, labels: Mapping[str, str]) -> bool:
        common = all(labels.get(key) == value for key, value in self._common.items())
        return common and all(each.takes(labels.get(label(each.key), "")) for each in piece.where)

    def _buckets(self, total: Sum, window: int) -> list[tuple[float, float]]:
        found: dict[float, float] = {}
        for piece in total.pieces:
            for each in self.series:
                if each.name == f"{metric_name(piece.metric)}_bucket" and self._is_of(piece, each.labels):
                    bound = float(each.labels["le"])
                    found[bound] = found.get(bound, 0) + self._increase(each, window)
        return sorted(found.items())


def _name(piece: Piece) -> str:
    return metric_name(piece.metric) + _SUFFIXES.get(piece.part, "")


def _bounds(formula: Formula) -> tuple[float, ...]:
    """Return the bounds of some buckets: two on each side of a limit, or a few of all."""
    if isinstance(formula, Quantile):
        return formula.of.pieces[0].metric.boundaries[::4]
    if not isinstance(formula, Above):
        return ()
    bounds = formula.of.pieces[0].metric.boundaries
    below, above = [each for each in bounds if each <= formula.limit], [each for each in bounds if each > formula.limit]
    return (*below[-2:], *above[:2])


def _fraction(limit: float, buckets: Sequence[tuple[float, float]]) -> float:
    before, kept = 0.0, 0.0
    for bound, reached in buckets:
        if limit < bound:
            inside = 0.0 if bound == float("inf") else (reached - kept) * (limit - before) / (bound - before)
            return (kept + inside) / buckets[-1][1]
        before, kept = bound, reached
    return 1.0


def _quantile(q: float, buckets: Sequence[tuple[float, float]]) -> float:
    rank, before, kept = q * buckets[-1][1], 0.0, 0.0
    for bound, reached in buckets:
        if reached >= rank:
            return before + (bound - before) * (rank - kept) / (reached - kept)
        before, kept = bound, reached
    return before


def _kinds(wheres: Sequence[Where], common: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Give labels of every kind: each value that is asked for, another, and none; and one that each filter leaves out."""
    keys = list(dict.fromkeys(where.key for where in wheres))
    first: dict[str, str] | None = None
    for values in product(*(_choices(key, wheres) for key in keys)):
        labels = {**common, **{label(key): value for key, value in zip(keys, values, strict=True) if value}}
        first = first or labels
        yield labels
    for key in common:
        yield {**(first or {}), key: "elsewhere"}


def _choices(key: str, wheres: Sequence[Where]) -> list[str]:
    named = [value for where in wheres if where.key == key for value in where.values if value]
    closed = [value for value in (ATTRIBUTES[key].values if key in ATTRIBUTES else ()) if value not in named]
    return [*dict.fromkeys(named), (closed or ["another"])[0], ""]


# --------------------------------------------------------------------------------------------------------------- the alerts


@dataclass(frozen=True)
class _Condition:
    """What an alert compares: a recorded series with a limit."""

    name: str
    sign: str
    limit: float

    @property
    def probes(self) -> tuple[float, float, float]:
        """Return values just short of the limit, at it, and just past it."""
        near = (abs(self.limit) or 1) * _NEAR * (1 if ">" in self.sign else -1)
        return self.limit - near, self.limit, self.limit + near


def _conditions(alert: AlertRule) -> list[_Condition]:
    return [_Condition(name, sign, float(limit)) for name, sign, limit in _CONDITION.findall(alert.expression)]


def _probed(title: str, group: Group, alert: AlertRule, step: int) -> dict[str, object]:
    """Test an alert where its conditions hold but for one, which only nearly holds, just holds or holds."""
    of = _conditions(alert)
    past = {each.name: each.probes[-1] for each in of}
    probes = [{**past, each.name: value} for each in of for value in each.probes]
    waits = ceil(max(seconds(each.after) for each in group.alerts) / step)
    length = waits + 2  # a gap, then the values until even the alert that waits longest fires
    series = [
        {
            "series": f"{name}{{{_matchers(group.records[0].labels)}}}",
            "values": " ".join(f"stale {probe[name]:.12g}" + f" {probe[name]:.12g}" * waits for probe in probes),
        }
        for name in past
    ]
    asked = [
        {
            "eval_time": window_text((place * length + 1 + waited) * step),
            "alertname": alert.name,
            "exp_alerts": [
                {"exp_labels": each.labels, "exp_annotations": each.annotations}
                for each in group.alerts
                if _fires(each, probe, waited * step)
            ],
        }
        for place, probe in enumerate(probes)
        for waited in range(max(0, waits - 1), waits + 1)
    ]
    return {"name": title, "interval": window_text(step), "input_series": series, "alert_rule_test": asked}


def _fires(alert: AlertRule, values: Mapping[str, float], held: int) -> bool:
    """Whether an alert fires where these values stand since so many seconds."""
    met = all(each.name in values and _SIGNS[each.sign](values[each.name], each.limit) for each in _conditions(alert))
    return met and held >= seconds(alert.after)


def _matchers(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in labels.items())
