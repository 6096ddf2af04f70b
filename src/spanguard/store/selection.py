"""Which rows a question is about: those of a run, those of a time, or both."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from spanguard.store.database import Database

SECOND_NS: Final = 10**9
WINDOWS: Final = {"minute": 60, "hour": 3600, "day": 86_400, "week": 7 * 86_400, "month": 30 * 86_400}
"""Windows by name, and how many seconds back each goes; in a list of windows each begins where the calendar's (UTC) does."""
_DAY_NS: Final = 86_400 * SECOND_NS
_MONDAY: Final = 4 * 86_400
"""1970 began on a Thursday: the first Monday is the fifth of January."""


@dataclass(frozen=True)
class Selection:
    """Rows of a run, or of all; from a time on and until before another, in ns since 1970, where these are given.

    A metric point belongs to the time when it was exported, a span to the time when it began.
    """

    run: str | None = None
    start_ns: int | None = None
    end_ns: int | None = None

    def of(self, time: str, run: str) -> tuple[str, dict[str, str | int]]:
        """Return the SQL condition over the columns of the time and the run, and its values."""
        conditions: tuple[tuple[str, str, str | int | None], ...] = (
            (f"{run} = :run", "run", self.run),
            (f"{time} >= :start", "start", self.start_ns),
            (f"{time} < :end", "end", self.end_ns),
        )
        known = [(condition, name, value) for condition, name, value in conditions if value is not None]
        return " AND ".join(condition for condition, *_ in known) or "1", {name: value for _, name, value in known}

    def of_spans(self) -> tuple[str, dict[str, str | int]]:
        """Return the same over spans ``s`` and their resources ``r``: a run of theirs may be one of ``association(run=)``."""
        condition, values = self.of("s.start_ns", ":run")
        return condition.replace(":run = :run", ":run IN (r.run, s.run)"), values

    def before(self) -> Selection | None:
        """Return the time of the same length before this one; None where it has no beginning or no end."""
        if self.start_ns is None or self.end_ns is None:
            return None
        return Selection(self.run, 2 * self.start_ns - self.end_ns, self.start_ns)


def newest_ns(db: Database) -> int | None:
    """Return when the newest span, point or event of the store was recorded, None if there is none.

    What is more than a day in the future was recorded by a clock that was wrong, and counts only if there is nothing else.
    """
    return _newest(db, time.time_ns() + _DAY_NS) or _newest(db, 2**63 - 1)


def _newest(db: Database, until: int) -> int | None:
    times = (("spans", "start_ns"), ("metric_points", "time_ns"), ("log_events", "time_ns"))
    found = (
        db.rows(f"SELECT max({column}) FROM {table} WHERE {column} <= ?", [until])[0][0]  # noqa: S608 - of this module
        for table, column in times
    )
    return max((int(each) for each in found if each is not None), default=None)


def last(db: Database, window: str) -> Selection:
    """Return the last window: the one that ends with the newest row."""
    end = (newest_ns(db) or 0) + 1
    return Selection(None, end - WINDOWS[window] * SECOND_NS, end)


def window_of(time: str, window: str) -> str:
    """Return the SQL for the begin of the window (ns) that a time is in."""
    if window == "month":
        return f"CAST(strftime('%s', {time} / {SECOND_NS}, 'unixepoch', 'start of month') AS INTEGER) * {SECOND_NS}"
    size = WINDOWS[window] * SECOND_NS
    shift = _MONDAY * SECOND_NS if window == "week" else 0
    return f"({time} - ({time} - {shift}) % {size})"
