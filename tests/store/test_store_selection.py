"""Which time a question is about that names none."""

from __future__ import annotations

import time

import pytest

from spanguard.store import Database
from spanguard.store.columns import COLUMNS
from spanguard.store.selection import SECOND_NS, last
from stores import refilled

DAY_NS = 86_400 * SECOND_NS


def spans(*starts_ns: int) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of spans that began then."""
    known = {"resource_id": 1, "trace_id": b"t" * 16, "scope": "s", "name": "n", "kind": "CLIENT", "status": "UNSET"}
    rows = [
        {**known, "span_id": number.to_bytes(8, "big"), "start_ns": start, "end_ns": start, "attributes": "{}"}
        for number, start in enumerate(starts_ns, 1)
    ]
    return {
        "resources": [(1, "r", "shop", "{}")],
        "spans": [tuple(row.get(column) for column in COLUMNS["spans"]) for row in rows],
    }


@pytest.mark.parametrize("ahead", [2 * DAY_NS, 3650 * DAY_NS])
def test_a_clock_that_was_ahead_does_not_hide_what_came_since(store: Database, ahead: int) -> None:
    """The last hour is that of the newest row which can have happened."""
    now = time.time_ns()
    selection = last(refilled(store, spans(now - DAY_NS, now, now + ahead)), "hour")
    assert (selection.end_ns, selection.start_ns) == (now + 1, now + 1 - 3600 * SECOND_NS)


def test_where_all_is_of_the_future_so_is_the_last_hour(store: Database) -> None:
    """Better that than nothing."""
    ahead = time.time_ns() + 3650 * DAY_NS
    assert last(refilled(store, spans(ahead)), "hour").end_ns == ahead + 1
