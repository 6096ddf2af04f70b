"""Recording rules for Prometheus of every SLI, so that dashboards and alerts of one's own need no long queries."""

from __future__ import annotations

from typing import Final

from spanguard.slo.indicators import INDICATORS, Filters
from spanguard.slo.promql import promql
from spanguard.slo.rules import to_yaml

RECORD: Final = "spanguard:sli:value"
"""The recorded series, without its window: ``spanguard:sli:value5m``, with the label ``sli``."""
WINDOWS: Final = ("5m", "1h")


def sli_rules() -> str:
    """Return rules that record every SLI over each window, as YAML."""
    groups = [
        {
            "name": f"spanguard-sli-{window}",
            "rules": [
                {"record": RECORD + window, "expr": promql(each.formula, Filters(), window), "labels": {"sli": name}}
                for name, each in INDICATORS.items()
            ],
        }
        for window in WINDOWS
    ]
    return to_yaml({"groups": groups})
