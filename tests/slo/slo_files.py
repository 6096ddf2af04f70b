"""Files of OpenSLO as plain data."""

from __future__ import annotations

from typing import Any

DOCUMENT: dict[str, Any] = {
    "apiVersion": "openslo/v1",
    "kind": "SLO",
    "metadata": {"name": "answers"},
    "spec": {
        "service": "shop",
        "indicator": {"spec": {}},
        "timeWindow": [{"duration": "1d", "isRolling": True}],
        "budgetingMethod": "Occurrences",
        "objectives": [],
    },
}


def source(sli: str, **filters: str) -> dict[str, Any]:
    """Return the source of one of our SLIs."""
    return {"metricSource": {"type": "spanguard", "spec": {"sli": sli, **filters}}}


def threshold(
    sli: str, op: str, value: float, *, name: str = "answers", target: float = 0.9, **filters: str
) -> dict[str, Any]:
    """Return an SLO whose SLI has to keep a limit."""
    spec = {
        **DOCUMENT["spec"],
        "indicator": {"spec": {"thresholdMetric": source(sli, **filters)}},
        "objectives": [{"op": op, "value": value, "target": target}],
    }
    return {**DOCUMENT, "metadata": {"name": name}, "spec": spec}


def ratio(sli: str, target: float, *, side: str = "good", name: str = "answers", **filters: str) -> dict[str, Any]:
    """Return an SLO on a share."""
    metric = {side: source(sli, **filters), "total": source(sli, **filters)}
    spec = {**DOCUMENT["spec"], "indicator": {"spec": {"ratioMetric": metric}}, "objectives": [{"target": target}]}
    return {**DOCUMENT, "metadata": {"name": name}, "spec": spec}
