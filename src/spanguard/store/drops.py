"""What is not in the store, as it could not be written or a queue was full: counted by its process, told with its next."""

from __future__ import annotations

from spanguard.store.database import Database
from spanguard.store.selection import Selection


def dropped(db: Database, selection: Selection, service: str | None = None) -> dict[str, int]:
    """Count the items of a selection that were dropped, by signal: ``spans``, ``metric points``, ``log records``.

    A process that was killed before it could write again took its count with it.
    """
    where, values = selection.of("d.time_ns", "r.run")
    if service is not None:
        where, values = f"{where} AND r.service = :service", {**values, "service": service}
    rows = db.rows(
        f"""SELECT d.signal, sum(d.items) AS items FROM drops AS d JOIN resources AS r ON r.id = d.resource_id
        WHERE {where} GROUP BY 1 ORDER BY 1""",  # noqa: S608 - of this package
        values,
    )
    return {row["signal"]: int(row["items"]) for row in rows}
