"""What changed: a selection beside the one before or another run, and windows with unusually many errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spanguard.store.database import Database
from spanguard.store.points import called_by
from spanguard.store.selection import SECOND_NS, WINDOWS, Selection, window_of
from spanguard.store.statistics import Statistics, statistics

SPIKE_ERRORS: Final = 5
"""Errors that a window must have to be called a spike."""
SPIKE_FACTOR: Final = 2.0
"""How many times the error rate of all windows together a spike's is, at least."""
_FINER: Final = {"minute": "minute", "hour": "minute", "day": "hour", "week": "hour", "month": "day"}


@dataclass(frozen=True)
class Change:
    """One figure now and before; ``change`` is the difference as a share of the figure before, None if that is 0."""

    figure: str
    now: float | None
    before: float | None
    change: float | None


@dataclass(frozen=True)
class Spike:
    """A window (its begin in ns) with many errors."""

    start_ns: int
    window: str
    requests: int
    errors: int
    error_rate: float


def compare(now: Statistics, before: Statistics) -> tuple[Change, ...]:
    """Set two selections side by side, figure by figure."""
    old = _figures(before)
    return tuple(Change(name, value, old[name], _change(value, old[name])) for name, value in _figures(now).items())


def trend(db: Database, selection: Selection, now: Statistics) -> tuple[Change, ...]:
    """Compare with the time of the same length before; nothing where there is none, or nothing happened in it."""
    before = selection.before()
    then = None if before is None else statistics(db, before)
    return compare(now, then) if then and (then.requests.count or then.operations.count) else ()


def spikes(db: Database, selection: Selection) -> tuple[Spike, ...]:
    """Find the windows with at least `SPIKE_ERRORS` errors and `SPIKE_FACTOR` times the usual rate of errors."""
    window = finer(selection)
    found = called_by(db, selection, window_of("p.time_ns", window))
    requests, errors = (sum(each) for each in zip(*found.values(), strict=True)) if found else (0, 0)
    usual = errors / requests if requests else 0.0
    return tuple(
        Spike(int(str(begin)), window, requests, errors, errors / requests)
        for begin, (requests, errors) in sorted(found.items(), key=lambda each: int(str(each[0])))
        if errors >= SPIKE_ERRORS and errors / requests >= SPIKE_FACTOR * usual
    )


def finer(selection: Selection) -> str:
    """Return the window that a selection is looked at in: minutes of an hour, hours of a day or a week, days of a month."""
    if selection.start_ns is None or selection.end_ns is None:
        return "minute"
    seconds = (selection.end_ns - selection.start_ns) / SECOND_NS
    return _FINER[next((name for name, size in WINDOWS.items() if seconds <= size), "month")]


def _figures(told: Statistics) -> dict[str, float | None]:
    requests, work, model = told.requests, told.operations, told.latency.model
    return {
        "requests": requests.count,
        "requests_per_second": requests.per_second,
        "error_rate": requests.error_rate,
        "latency_average": model.average,
        "latency_p95": model.p95,
        "operation_latency_p95": told.latency.operations.p95,
        "input_tokens": requests.input_tokens,
        "output_tokens": requests.output_tokens,
        "tokens_per_request": requests.tokens_per_request,
        "cost": requests.cost,
        "first_attempt_success": work.first_attempt_success,
        "average_retries": work.average_retries,
        "wasted_share": work.wasted_share,
        "cache_hit_rate": told.cache.hit_rate,
        "validation_failure_rate": told.validation.failure_rate,
    }


def _change(now: float | None, before: float | None) -> float | None:
    return None if now is None or not before else (now - before) / before
