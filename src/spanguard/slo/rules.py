"""Rules for Prometheus made of objectives: error ratios, budgets, and alerts on how fast a budget burns.

The windows are those of the Google SRE workbook (chapter 5, "Multiwindow, Multi-Burn-Rate Alerts"): a long window says that
it matters, a short one that it still goes on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from spanguard.slo.evaluate import SIGNS, Aim, Term, aim
from spanguard.slo.openslo import Objective, Slo
from spanguard.slo.policies import Burn
from spanguard.slo.promql import promql, seconds, window_text

RECORDED: Final = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
_PERIOD: Final = 30 * 86_400
_OPPOSITE: Final = {"gte": "<", "gt": "<=", "lte": ">", "lt": ">="}


@dataclass(frozen=True)
class BurnWindow:
    """How many times too fast a budget may burn over a long and a short window, and how urgent it is if it does."""

    severity: str
    factor: float
    long: str
    short: str


WORKBOOK: Final = (
    BurnWindow("page", 14.4, "1h", "5m"),
    BurnWindow("page", 6.0, "6h", "30m"),
    BurnWindow("ticket", 1.0, "3d", "6h"),
)
"""For a window of 30 days: 2 % of the budget in an hour, 5 % in six hours, 10 % in three days."""


@dataclass(frozen=True)
class AlertRule:
    """One alert: what it is called, when it fires, and what it says."""

    name: str
    expression: str
    after: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True)
class Recorded:
    """One recorded series."""

    name: str
    expression: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Group:
    """The rules of one objective. ``asked`` is what they are made of."""

    slo: Slo
    objective: Objective
    asked: Aim
    name: str
    records: tuple[Recorded, ...]
    alerts: tuple[AlertRule, ...]


def rules(slos: Sequence[Slo]) -> str:
    """Return the rules of all objectives as YAML; the same objectives give the same text."""
    return to_yaml({"groups": [_written(group) for group in groups(slos)]})


def groups(slos: Sequence[Slo]) -> list[Group]:
    """Return the rules of each objective."""
    found: list[Group] = []
    names: set[str] = set()
    for slo in slos:
        for objective in slo.objectives:
            name = camel(f"{slo.name}-{objective.name}")
            while name in names:
                name += "X"
            names.add(name)
            found.append(_group(slo, objective, name))
    return found


def threshold(factor: float, budget: float) -> float:
    """Return the error ratio at which a budget burns so fast; at most halfway from the budget to 1, to be reachable."""
    return min(factor * budget, (1 + budget) / 2)


def camel(text: str) -> str:
    """Return text as the name of an alert."""
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[^a-zA-Z0-9]+", text)) or "Slo"


def _group(slo: Slo, objective: Objective, name: str) -> Group:
    asked = aim(slo, objective)
    # In labels of alerts, two braces would begin a template.
    texts = {"slo": slo.name, "objective": objective.name, "service": slo.service}
    labels = {key: text.replace("{{", "{ {") for key, text in texts.items()}
    burnable = asked.bad is not None or objective.slice_seconds is not None
    if not burnable:
        return Group(slo, objective, asked, name, *_limits(slo, objective, asked, name, labels))
    budget = asked.budget if objective.slice_seconds is None else 1 - objective.target
    burns = _windows(slo)
    wanted = {*(burn.long for burn in burns), *(burn.short for burn in burns), *(window_text(b.window) for b in slo.burns)}
    windows = [each for each in RECORDED if each in wanted] + sorted(wanted - set(RECORDED), key=seconds)
    period = window_text(slo.window.seconds)
    left = f"1 - ({bad_ratio(objective, asked, period)}) / {_number(budget)}" if budget else "vector(0)"
    records = (
        *(Recorded(f"slo:sli_error:ratio_rate{each}", bad_ratio(objective, asked, each), labels) for each in windows),
        *_samples(slo, asked, burns, labels),
        Recorded("slo:objective:ratio", f"vector({_number(1 - budget)})", labels),
        Recorded("slo:error_budget:ratio", f"vector({_number(budget)})", labels),
        Recorded("slo:error_budget_left:ratio", left, labels),
    )
    alerts = [_burns(slo, asked, _number(threshold(each.factor, budget)), each, (name, labels)) for each in burns]
    alerts += [_policy(slo, budget, each, name, labels) for each in slo.burns]
    return Group(slo, objective, asked, name, records, tuple(alerts))


def _guarded(slo: Slo, asked: Aim) -> bool:
    """Whether alerts wait for a number of samples; slices of time are no samples of anything."""
    return asked.sample is not None and slo.minimum > 1 and slo.method == "Occurrences"


def _samples(slo: Slo, asked: Aim, burns: Sequence[BurnWindow], labels: Mapping[str, str]) -> Iterator[Recorded]:
    if asked.sample is not None and _guarded(slo, asked):
        for burn in burns:
            counted = f"({_query(asked.sample, asked, burn.long)}) > 0"
            yield Recorded(f"slo:sli_sample:increase{burn.long}", counted, labels)


def _windows(slo: Slo) -> list[BurnWindow]:
    """Return the workbook's windows for an SLO without policies of its own: those that its period is long enough for."""
    if slo.burns:
        return []
    scale = slo.window.seconds / _PERIOD
    fitting = [each for each in WORKBOOK if seconds(each.long) <= slo.window.seconds] or [BurnWindow("page", 1, "5m", "5m")]
    return [BurnWindow(e.severity, max(1.0, round(e.factor * scale, 6)), e.long, e.short) for e in fitting]


def bad_ratio(objective: Objective, asked: Aim, window: str) -> str:
    """Return the query for the share of bad things (or of bad slices of time) over a window."""
    if objective.slice_seconds is not None:
        length = window_text(objective.slice_seconds)
        value = _flipped(_query(asked.term, asked, length), flipped=asked.flipped)
        if objective.value is not None:
            value = f"({value}) {SIGNS[objective.op]} bool {_number(objective.value)}"
        elif objective.slice_target is not None:
            value = f"({value}) >= bool {_number(objective.slice_target)}"
        return f"1 - avg_over_time(({value})[{window}:{length}])"
    assert asked.bad is not None
    return _flipped(_query(asked.bad, asked, window), flipped=asked.bad_flipped)


def _query(term: Term, asked: Aim, window: str) -> str:
    if isinstance(term, str):
        return term.replace("{{.window}}", window)
    return promql(term, asked.filters, window)


def _flipped(query: str, *, flipped: bool) -> str:
    return f"1 - ({query})" if flipped else query


def _burns(slo: Slo, asked: Aim, limit: str, burn: BurnWindow, called: tuple[str, Mapping[str, str]]) -> AlertRule:
    name, labels = called
    parts = [f"slo:sli_error:ratio_rate{window}{_matchers(labels)} > {limit}" for window in (burn.long, burn.short)]
    if _guarded(slo, asked):
        parts.append(f"slo:sli_sample:increase{burn.long}{_matchers(labels)} >= {slo.minimum}")
    text = f"The error budget of {slo.name} burns {burn.factor:g} times too fast, over {burn.long} and over {burn.short}."
    about = {**labels, "severity": burn.severity, "long_window": burn.long, "short_window": burn.short}
    return AlertRule(f"{name}BudgetBurns", " and ".join(parts), "", about, {"summary": text})


def _policy(slo: Slo, budget: float, burn: Burn, name: str, labels: Mapping[str, str]) -> AlertRule:
    window = window_text(burn.window)
    limit = _number(threshold(burn.threshold, budget))
    expression = f"slo:sli_error:ratio_rate{window}{_matchers(labels)} {SIGNS[burn.op]} {limit}"
    text = f"The error budget of {slo.name} burns at {SIGNS[burn.op]} {burn.threshold:g} times its rate over {window}."
    about = {**labels, "severity": burn.severity, "condition": burn.name, "long_window": window}
    return AlertRule(
        f"{name}BudgetBurns", expression, window_text(burn.after) if burn.after else "", about, {"summary": text}
    )


def _limits(
    slo: Slo, objective: Objective, asked: Aim, name: str, labels: Mapping[str, str]
) -> tuple[tuple[Recorded, ...], tuple[AlertRule, ...]]:
    """Return the rules of what has no budget: its value over two windows, and an alert if both pass the limit."""
    windows = ("5m", "1h")
    records = tuple(
        Recorded(f"slo:sli:value{each}", _flipped(_query(asked.term, asked, each), flipped=asked.flipped), labels)
        for each in windows
    )
    limit = objective.target if objective.value is None else objective.value
    sign = _OPPOSITE[objective.op]
    expression = " and ".join(f"slo:sli:value{each}{_matchers(labels)} {sign} {_number(limit)}" for each in windows[::-1])
    text = f"{asked.name} of {slo.name} is {sign} {limit:g}, over 1h and over 5m."
    about = {**labels, "severity": "ticket", "long_window": "1h", "short_window": "5m"}
    return records, (AlertRule(f"{name}LimitPassed", expression, "", about, {"summary": text}),)


def _matchers(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{key}={json.dumps(labels[key], ensure_ascii=False)}" for key in ("slo", "objective")) + "}"


def _number(value: float) -> str:
    return f"{value:.10g}"


# ----------------------------------------------------------------------------------------------------------------- as YAML


def _written(group: Group) -> dict[str, object]:
    recorded: list[object] = [{"record": each.name, "expr": each.expression, "labels": each.labels} for each in group.records]
    alerts: list[object] = [
        {
            "alert": each.name,
            "expr": each.expression,
            **({"for": each.after} if each.after else {}),
            "labels": each.labels,
            "annotations": each.annotations,
        }
        for each in group.alerts
    ]
    return {"name": f"slo-{group.slo.name}-{group.name}", "rules": [*recorded, *alerts]}


def _yaml(value: object, indent: int = 0) -> str:
    """Return mappings, lists and scalars as YAML; scalars in double quotes are as in JSON."""
    space = "  " * indent
    if isinstance(value, Mapping):
        return "\n".join(f"{space}{key}:{_nested(each, indent)}" for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return "\n".join(_item(each, indent) for each in value)
    return space + json.dumps(value, ensure_ascii=False)


def _nested(value: object, indent: int) -> str:
    if isinstance(value, (Mapping, list, tuple)):
        return "\n" + _yaml(value, indent + 1) if value else " []" if isinstance(value, (list, tuple)) else " {}"
    return f" {json.dumps(value, ensure_ascii=False)}"


def _item(value: object, indent: int) -> str:
    text = _yaml(value, indent + 1)
    return "  " * indent + "- " + text[2 * (indent + 1) :]


def to_yaml(value: Mapping[str, object]) -> str:
    """Return a document as YAML, with keys in the order given."""
    return _yaml(value) + "\n"
