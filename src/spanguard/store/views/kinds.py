"""The generic rows as tables for export, one for each kind: what the views are made of, with nothing left out."""

from __future__ import annotations

from typing import Final

from spanguard.store.columns import COLUMNS, PROMOTED
from spanguard.store.views.view import SPANS, Column, Type, View, time

_NUMBERS: Final = ("input_tokens", "output_tokens", "attempt", "count")
_TEXT: Final = ("scope", "name", "kind", "status", "unit", "temporality", "severity")


def _columns(of: str, table: str) -> tuple[Column, ...]:
    return tuple(_column(of, name) for name in COLUMNS[table] if name not in ("id", "run", "service"))


def _column(of: str, name: str) -> Column:
    promoted = {column: key for key, column in PROMOTED.items()}
    if name == "resource_id":
        return Column(name, "integer", "The row of `resources`.", f"{of}.{name}")
    if name.endswith("_id"):
        return Column(name, "text", "Hexadecimal.", f"nullif(lower(hex({of}.{name})), '')")
    if name.endswith("_ns"):
        return Column(name, "integer", "In ns since 1970.", f"{of}.{name}")
    if name in ("attributes", "links", "bounds", "counts"):
        return Column(name, "json", "As recorded.", f"{of}.{name}")
    text = name in _TEXT or (name in promoted and name != "cost")
    kind: Type = "integer" if name in _NUMBERS else "text" if text else "real"
    return Column(name, kind, f"Attribute `{promoted[name]}`." if name in promoted else "As recorded.", f"{of}.{name}")


def _head(of: str, when: str, run: str = "r.run") -> tuple[Column, ...]:
    return (
        Column("run", "text", "The run.", run),
        Column("service", "text", "The service.", "r.service"),
        Column("time", "time", "When, in UTC.", time(f"{of}.{when}")),
    )


KINDS: Final = {
    kind.name: kind
    for kind in (
        View(
            "spans",
            "One span.",
            (*_head("s", "start_ns", "coalesce(s.run, r.run)"), *_columns("s", "spans")),
            SPANS,
        ),
        View(
            "span_events",
            "One event of a span.",
            (*_head("e", "time_ns", "coalesce(s.run, r.run)"), *_columns("e", "span_events")),
            """FROM span_events AS e JOIN spans AS s ON s.trace_id = e.trace_id AND s.span_id = e.span_id
            JOIN resources AS r ON r.id = s.resource_id""",
        ),
        View(
            "metric_points",
            "One point of a metric.",
            (*_head("p", "time_ns"), *_columns("p", "metric_points")),
            "FROM metric_points AS p JOIN resources AS r ON r.id = p.resource_id",
        ),
        View(
            "log_events",
            "One event that was recorded as a log record.",
            (*_head("l", "time_ns"), *_columns("l", "log_events")),
            "FROM log_events AS l JOIN resources AS r ON r.id = l.resource_id",
        ),
        View(
            "resources",
            "What the rows of a process have in common; `time` is its first span's or point's.",
            (
                Column("run", "text", "The run.", "r.run"),
                Column("service", "text", "The service.", "r.service"),
                Column("time", "time", "When, in UTC.", time("min(d.first)")),
                Column("resource_id", "integer", "Which one it is.", "r.id"),
                Column("attributes", "json", "As recorded.", "r.attributes"),
            ),
            """FROM resources AS r JOIN (
                SELECT resource_id, min(start_ns) AS first FROM spans GROUP BY resource_id
                UNION ALL SELECT resource_id, min(time_ns) FROM metric_points GROUP BY resource_id
                UNION ALL SELECT resource_id, min(time_ns) FROM log_events GROUP BY resource_id) AS d
            ON d.resource_id = r.id GROUP BY r.id""",
        ),
    )
}
