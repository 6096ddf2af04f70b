"""Dashboards as Grafana's JSON (schema 39, which Grafana 10 and newer read), to be provisioned or imported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from spanguard import semconv
from spanguard.slo.dashboards import Dashboard, Panel, Query, Row
from spanguard.slo.promql import label, metric_name

_SCHEMA: Final = 39
_HEIGHT: Final = {"stat": 4}
_TALL: Final = 8
_WHOLE: Final = 24
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_POLICIES: Final = (
    *(semconv.OPERATION_DURATION, semconv.BREAKER_CALLS, semconv.LIMITER_REQUESTS, semconv.CACHE_LOOKUPS),
    semconv.VALIDATIONS,
)


def to_json(dashboard: Dashboard) -> str:
    """Return a dashboard as text; the same dashboard gives the same text."""
    return json.dumps(grafana(dashboard), indent=1, ensure_ascii=False) + "\n"


def grafana(dashboard: Dashboard) -> dict[str, object]:
    """Return a dashboard as Grafana's JSON model."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.brief,
        "tags": ["spanguard"],
        "schemaVersion": _SCHEMA,
        "editable": False,
        "refresh": "1m",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "",
        "templating": {"list": list(_variables())},
        "panels": list(_panels(dashboard.rows)),
    }


def _variables() -> Iterator[dict[str, object]]:
    yield {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    series = "|".join(sorted(map(_series, _POLICIES)))
    policy = label(semconv.POLICY_NAME)
    queries = {"service": "label_values(job)", "policy": f'label_values({{__name__=~"{series}", job=~"$service"}}, {policy})'}
    for name, query in queries.items():
        yield {
            "name": name,
            "type": "query",
            "datasource": _SOURCE,
            "query": {"query": query, "refId": name},
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*" if name == "policy" else ".+",
            "current": {"text": "All", "value": "$__all"},
        }


def _series(metric: semconv.Metric) -> str:
    return metric_name(metric) + ("_count" if metric.kind == "histogram" else "")


def _panels(rows: tuple[Row, ...]) -> Iterator[dict[str, object]]:
    """Give the panels, each in its place: from left to right, then a line further down."""
    identity, top = 0, 0
    for row in rows:
        identity += 1
        yield _heading(row, identity, top)
        top, left, height = top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > _WHOLE:
                top, left, height = top + height, 0, 0
            identity += 1
            tall = _HEIGHT.get(panel.kind, _TALL)
            yield _panel(panel, identity, {"h": tall, "w": panel.width, "x": left, "y": top})
            left, height = left + panel.width, max(height, tall)
        top += height


def _heading(row: Row, identity: int, top: int) -> dict[str, object]:
    place = {"h": 1, "w": _WHOLE, "x": 0, "y": top}
    heading: dict[str, object] = {"id": identity, "type": "row", "title": row.title, "gridPos": place}
    return {**heading, "collapsed": False, "panels": [], **({"repeat": "policy"} if row.each_policy else {})}


def _panel(panel: Panel, identity: int, place: dict[str, int]) -> dict[str, object]:
    defaults: dict[str, object] = {"unit": panel.unit, "min": 0}
    if panel.stacked:
        defaults["custom"] = {"stacking": {"mode": "normal"}, "fillOpacity": 30}
    return {
        "id": identity,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.brief,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [_target(query, chr(ord("A") + number)) for number, query in enumerate(panel.queries)],
    }


def _target(query: Query, letter: str) -> dict[str, object]:
    return {
        "refId": letter,
        "datasource": _SOURCE,
        "expr": query.expression,
        "legendFormat": query.legend,
        "instant": query.instant,
        "range": not query.instant,
    }
