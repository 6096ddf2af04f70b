"""Tests of the rules for ``promtool test rules``: series in which all is well, all is bad, or half the budget is used."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from spanguard import semconv
from spanguard.semconv import ATTRIBUTES
from spanguard.slo.indicators import Above, Filters, Piece, Ratio, Where
from spanguard.slo.openslo import Slo
from spanguard.slo.promql import label, metric_name, seconds
from spanguard.slo.rules import AlertRule, Group, groups, to_yaml

_MINUTES: Final = 90
"""How long the series go before the rules are looked at, and as much longer as an alert has to last."""
_EACH_MINUTE: Final = 10_000
_SUFFIXES: Final = {"count": "_count", "sum": "_sum"}


@dataclass(frozen=True)
class _Series:
    """A series, and what it grows by each minute (or is, where ``constant``)."""

    name: str
    labels: Mapping[str, str]
    step: float
    constant: bool = False

    def written(self, minutes: int) -> dict[str, object]:
        matchers = ",".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in self.labels.items())
        start, step = (f"{self.step:g}", 0) if self.constant else ("0", self.step)
        return {"series": f"{self.name}{{{matchers}}}", "values": f"{start}+{step:g}x{minutes}"}


def tests(slos: Sequence[Slo], rule_file: str) -> str:
    """Return tests of the rules of these SLOs, which stand in a file of that name beside them, as YAML."""
    cases = [case for group in groups(slos) for case in _cases(group)]
    head: dict[str, object] = {"rule_files": [rule_file], "evaluation_interval": "5m", "fuzzy_compare": True}
    return to_yaml({**head, "tests": cases})


def _cases(group: Group) -> Iterator[dict[str, object]]:
    if not group.asked.budget or group.objective.slice_seconds is not None:
        yield from _recorded_cases(group)
        return
    for title, share in (("all is well", 0.0), ("half the budget", group.asked.budget / 2), ("all is bad", 1.0)):
        series = _series(group, share)
        if series is None:
            yield from _recorded_cases(group)
            return
        fires = group.alerts if share == 1.0 else ()
        recorded = [{"expr": _sample(group), "eval_time": _at(group), "exp_samples": [_expected(group, share)]}]
        yield _case(group, title, series, fires, recorded)


def _recorded_cases(group: Group) -> Iterator[dict[str, object]]:
    """Test the alerts alone, over series as the rules would record them: the queries are the user's own, or need slices."""
    names = [each.name for each in group.records if ":value" in each.name or ":ratio_rate" in each.name]
    labels = group.records[0].labels
    bad = _violation(group)
    for title, value in (("no violation", 1.0 - bad if group.asked.budget else _kept(group)), ("violation", bad)):
        series = [_Series(name, labels, value, constant=True) for name in names]
        enough = [each.name for each in group.records if ":sli_sample:" in each.name]
        series += [_Series(name, labels, group.slo.minimum, constant=True) for name in enough]
        yield _case(group, f"{title}, as recorded", series, group.alerts if value == bad else (), [])


def _violation(group: Group) -> float:
    objective = group.objective
    if group.alerts[0].name.endswith("BudgetBurns"):
        return 1.0
    limit = objective.target if objective.value is None else objective.value
    return limit - 1 if objective.op in ("gte", "gt") else limit + 1


def _kept(group: Group) -> float:
    objective = group.objective
    if group.alerts[0].name.endswith("BudgetBurns"):
        return 0.0
    limit = objective.target if objective.value is None else objective.value
    return limit + 1 if objective.op in ("gte", "gt") else limit - 1


def _case(
    group: Group, title: str, series: Sequence[_Series], fires: Sequence[AlertRule], recorded: Sequence[object]
) -> dict[str, object]:
    expected = [{"exp_labels": each.labels, "exp_annotations": each.annotations} for each in fires]
    alert: dict[str, object] = {"eval_time": _at(group), "alertname": group.alerts[0].name, "exp_alerts": expected}
    return {
        "name": f"{group.slo.name}, {group.objective.name}: {title}",
        "interval": "1m",
        "input_series": [each.written(_minutes(group)) for each in series],
        "alert_rule_test": [alert],
        **({"promql_expr_test": list(recorded)} if recorded else {}),
    }


def _minutes(group: Group) -> int:
    return _MINUTES + max(seconds(each.after) for each in group.alerts) // 60


def _at(group: Group) -> str:
    return f"{_minutes(group)}m"


def _sample(group: Group) -> str:
    name = next(each.name for each in group.records)
    labels = ",".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in group.records[0].labels.items())
    return f"round({name}{{{labels}}}, 0.000001)"  # promtool compares to the last bit, or nearly


def _expected(group: Group, share: float) -> dict[str, object]:
    labels = ", ".join(
        f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted(group.records[0].labels.items())
    )
    return {"labels": f"{{{labels}}}", "value": round(share, 6)}


# --------------------------------------------------------------------------------------------------- series that make a share


def _series(group: Group, share: float) -> list[_Series] | None:
    """Return series of which such a share is bad; None for a query of the user's own."""
    asked = group.asked
    common = _common(asked.filters)
    if isinstance(asked.bad, Above):
        return _histogram(asked.bad, common, share)
    if not isinstance(asked.bad, Ratio):
        return None
    part, whole = asked.bad.part.pieces[0], asked.bad.whole.pieces[0]
    share = 1 - share if asked.bad_flipped else share
    name = metric_name(whole.metric) + _SUFFIXES.get(whole.part, "")
    if whole.metric.kind == "observable_up_down_counter":
        labels = _kinds(whole.where, ())[0][0]
        return [_Series(name, {**common, **labels}, share, constant=True)]
    inside, outside, neither = _kinds(whole.where, part.where)
    amounts = (inside, share), (outside, 1 - share), (neither, 1.0)
    return [
        _Series(name, {**common, **labels}, round(amount * _EACH_MINUTE / len(kinds), 6))
        for kinds, amount in amounts
        for labels in kinds
    ]


def _histogram(bad: Above, common: Mapping[str, str], share: float) -> list[_Series]:
    piece: Piece = bad.of.pieces[0]
    bounds = piece.metric.boundaries
    below = [each for each in bounds if each <= bad.limit][-1:]
    above = [each for each in bounds if each > bad.limit][:1]
    labels = {**common, **_kinds(piece.where, ())[0][0]}
    name, kept = metric_name(piece.metric) + "_bucket", (1 - share) * _EACH_MINUTE
    found = [_Series(name, {**labels, "le": f"{each:g}"}, kept) for each in (*below, *above)]
    whole = _Series(f"{metric_name(piece.metric)}_count", labels, _EACH_MINUTE)
    return [*found, _Series(name, {**labels, "le": "+Inf"}, _EACH_MINUTE), whole]


def _common(filters: Filters) -> dict[str, str]:
    found = {label(where.key): where.values[0] for where in filters.wheres()}
    if filters.run is not None:
        found[label(semconv.RUN_ID)] = filters.run
    if filters.service is not None:
        found["job"] = filters.service
    return found


_Labels = dict[str, str]


def _kinds(whole: Sequence[Where], part: Sequence[Where]) -> tuple[list[_Labels], list[_Labels], list[_Labels]]:
    """Return the labels of points that are of the part, of the rest of the whole, and of neither."""
    keys = list(dict.fromkeys(where.key for where in (*whole, *part)))
    found: tuple[list[_Labels], list[_Labels], list[_Labels]] = [], [], []
    for values in product(*(_choices(key, (*whole, *part)) for key in keys)):
        known = dict(zip(keys, values, strict=True))
        of_whole = all(each.takes(known[each.key]) for each in whole)
        of_part = all(each.takes(known[each.key]) for each in part)
        kind = 2 if not of_whole else 0 if of_part else 1
        found[kind].append({label(key): value for key, value in known.items() if value})
    return found


def _choices(key: str, wheres: Sequence[Where]) -> list[str]:
    closed = ATTRIBUTES[key].values if key in ATTRIBUTES else ()
    named = [value for where in wheres if where.key == key for value in where.values]
    return list(dict.fromkeys([*closed, *named, "200", "other", ""]))
