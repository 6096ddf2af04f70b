"""Policies that are in force and without effect, as a run has told them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from spanguard import semconv
from spanguard.store.database import Database


@dataclass(frozen=True)
class MisuseRow:
    """One policy that had no effect in a run: in which way, and whose it is."""

    kind: str
    policy_type: str
    policy_name: str
    library: str


def misuses(db: Database, run: str) -> list[MisuseRow]:
    """Return the policies without effect that a run has told of, each once."""
    rows = db.rows(
        """SELECT DISTINCT l.attributes FROM log_events AS l JOIN resources AS r ON r.id = l.resource_id
        WHERE l.name = :name AND r.run = :run ORDER BY l.id""",
        {"name": semconv.MISUSE_DETECTED.name, "run": run},
    )
    keys = (semconv.MISUSE, semconv.POLICY_TYPE, semconv.POLICY_NAME, semconv.LIBRARY)
    told = [json.loads(row["attributes"]) for row in rows]
    return [MisuseRow(*(str(each.get(key, "")) for key in keys)) for each in told]
