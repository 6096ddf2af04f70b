"""What people ask of the store, as flat tables: nine SQL views over the generic rows.

Each column is said once, with its type, its meaning and its SQL; the views, `docs/store.md` and the exports are made from it.
A view is stable: columns may be added at its end, none is taken away or changes its meaning. Whoever changes one adds a
migration that makes the views anew.
"""

from __future__ import annotations

from typing import Final

from spanguard import semconv
from spanguard.store.columns import attribute
from spanguard.store.views.gates import BREAKER_CALLS, BREAKER_TRANSITIONS, HTTP_ATTEMPTS, RATE_LIMITS
from spanguard.store.views.view import Column, Type, View, time
from spanguard.store.views.work import FAILOVERS, GENERATIONS, LLM_CALLS, VALIDATIONS

__all__ = ["VIEWS", "Column", "Type", "View"]

_SAME: Final = ", ".join(
    f"CASE WHEN min({name}) = max({name}) THEN min({name}) END AS {name}" for name in ("role", "user", "space", "tenant")
)
SESSIONS: Final = View(
    "sessions",
    "One configure(): the life of one process's telemetry. Role, user, space and tenant stand where all its spans agree.",
    (
        Column("run", "text", "The run.", "r.run"),
        Column("time", "time", "When it began, in UTC: ISO 8601 with microseconds.", time("min(d.first)")),
        Column("role", "text", "The part the work plays.", "max(d.role)"),
        Column("user", "text", "The user the work is done for, a pseudonym.", "max(d.user)"),
        Column("space", "text", "The space the work belongs to, a pseudonym.", "max(d.space)"),
        Column("tenant", "text", "The tenant the work belongs to, a pseudonym.", "max(d.tenant)"),
        Column("session", "text", "The anonymous id.", attribute(semconv.SESSION, "r")),
        Column("start", "time", "When the first of its telemetry began, as `time`.", time("min(d.first)")),
        Column("end", "time", "When the last of its telemetry ended, as `time`.", time("max(d.last)")),
        Column("service", "text", "The service.", "r.service"),
        Column("version", "text", "Version of spanguard.", attribute("telemetry.distro.version", "r")),
        Column("schema_version", "text", "Version of the vocabulary.", attribute(semconv.SCHEMA, "r")),
        Column("os", "text", "The operating system.", attribute("os.type", "r")),
        Column("architecture", "text", "The machine's architecture.", attribute("host.arch", "r")),
    ),
    f"""FROM resources AS r JOIN (
        SELECT resource_id, min(start_ns) AS first, max(end_ns) AS last, {_SAME} FROM spans GROUP BY resource_id
        UNION ALL SELECT resource_id, min(start_ns), max(time_ns), NULL, NULL, NULL, NULL FROM metric_points
        GROUP BY resource_id
        UNION ALL SELECT resource_id, min(time_ns), max(time_ns), NULL, NULL, NULL, NULL FROM log_events
        GROUP BY resource_id) AS d ON d.resource_id = r.id
        WHERE {attribute(semconv.SESSION, "r")} IS NOT NULL GROUP BY r.id""",  # noqa: S608 - names of the vocabulary
)

VIEWS: Final = {
    view.name: view
    for view in (
        *(LLM_CALLS, GENERATIONS, VALIDATIONS, FAILOVERS, BREAKER_TRANSITIONS, BREAKER_CALLS, HTTP_ATTEMPTS),
        *(RATE_LIMITS, SESSIONS),
    )
}
