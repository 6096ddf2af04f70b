"""What a view is made of: columns, each said once, and the SQL that several views share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from spanguard.store.columns import attribute

Type = Literal["text", "integer", "real", "boolean", "json", "time"]


class Column(NamedTuple):
    """One column of a view: its name, its type, one sentence, and the SQL that it comes from."""

    name: str
    type: Type
    brief: str
    sql: str


class View(NamedTuple):
    """One view: its name, what a row is, its columns, and the SQL behind SELECT."""

    name: str
    brief: str
    columns: tuple[Column, ...]
    source: str
    totals: Mapping[str, str] = {}
    """The columns of rows that come from metric points, where there are such rows."""
    points: str = ""

    @property
    def statement(self) -> str:
        """The SELECT that the view stands for."""
        columns = ", ".join(f'{column.sql} AS "{column.name}"' for column in self.columns)
        rows = f"SELECT {columns} {self.source}"
        if not self.points:
            return rows
        totals = ", ".join(self.totals.get(column.name, "NULL") for column in self.columns)
        return f"{rows} UNION ALL SELECT {totals} {self.points}"


def time(of: str) -> str:
    """Return the SQL for nanoseconds since 1970 as ISO 8601."""
    seconds = f"strftime('%Y-%m-%dT%H:%M:%S', {of} / 1000000000, 'unixepoch')"
    return f"{seconds} || printf('.%06dZ', {of} / 1000 % 1000000)"


def common(when: str, of: str = "s") -> tuple[Column, ...]:
    """Return the columns that stand in each view; ``when`` is the time's own column, ``of`` the alias of its table."""
    who = (
        ("role", "The part the work plays."),
        ("user", "The user the work is done for, a pseudonym."),
        ("space", "The space the work belongs to, a pseudonym."),
        ("tenant", "The tenant the work belongs to, a pseudonym."),
    )
    return (
        Column("run", "text", "The run: the one that `association` named, else the process's.", f"coalesce({of}.run, r.run)"),
        Column("time", "time", "When, in UTC: ISO 8601 with microseconds.", time(f"{of}.{when}")),
        *(Column(name, "text", brief, f"{of}.{name}") for name, brief in who),
        Column("trace_id", "text", "The trace, 32 hex digits.", f"nullif(lower(hex({of}.trace_id)), '')"),
        Column("span_id", "text", "The span, 16 hex digits.", f"nullif(lower(hex({of}.span_id)), '')"),
    )


SPANS: Final = "FROM spans AS s JOIN resources AS r ON r.id = s.resource_id"
SECONDS: Final = "(s.end_ns - s.start_ns) / 1e9"


def events(*names: str) -> str:
    """Return the events of these names with the span that they are of, told on it or as log records; each once."""
    listed = ", ".join(f"'{name}'" for name in names)
    who = "s.run, s.role, s.user, s.space, s.tenant"
    return f"""FROM (
        SELECT e.time_ns, e.trace_id, e.span_id, e.attributes, s.resource_id, {who}
        FROM span_events AS e JOIN spans AS s ON s.trace_id = e.trace_id AND s.span_id = e.span_id
        WHERE e.name IN ({listed})
        UNION ALL SELECT l.time_ns, l.trace_id, l.span_id, l.attributes, l.resource_id, {who}
        FROM log_events AS l LEFT JOIN spans AS s ON s.trace_id = l.trace_id AND s.span_id = l.span_id
        WHERE l.name IN ({listed}) AND NOT EXISTS (
            SELECT 1 FROM span_events AS e
            WHERE e.trace_id = l.trace_id AND e.span_id = l.span_id AND e.name = l.name)
        ) AS e JOIN resources AS r ON r.id = e.resource_id"""  # noqa: S608 - names of the vocabulary


def told(key: str) -> str:
    """Return the SQL for an attribute of an event."""
    return attribute(key, "e")


def total(*keys: str) -> str:
    """Return the sum of those that are known, NULL if none is."""
    known = [attribute(key) for key in keys]
    return f"CASE WHEN coalesce({', '.join(known)}) IS NOT NULL THEN {' + '.join(f'coalesce({k}, 0)' for k in known)} END"
