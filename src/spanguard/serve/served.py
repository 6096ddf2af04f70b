"""What a server knows of its store: figures that a thread of its own keeps up to date, alerts, and the latest verdicts."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final, TypeVar

from spanguard import semconv
from spanguard.serve.options import Options, default_slos
from spanguard.slo.alerts import Alert, Definition, Watch
from spanguard.slo.evaluate import Scope, Verdict, check
from spanguard.slo.indicators import HTTP, INDICATORS, OLD_HTTP, Filters
from spanguard.slo.reading import CannotTell, Figures, StoreSource
from spanguard.store.database import Database, EmptyStoreError, StoreError
from spanguard.store.overview import Overview, overview
from spanguard.store.points import DURATIONS
from spanguard.store.readers import Readers
from spanguard.store.rollup import Rollup, Window
from spanguard.store.selection import SECOND_NS

T = TypeVar("T")

_LOOK: Final = 0.25
"""Seconds between two looks for new rows."""
_BREATH: Final = 0.001
"""Seconds between two parts of a large store, so that those who ask meanwhile have their turn."""
_TIDY: Final = 10.0
_REMEMBERED: Final = 200
"""Alerts that are remembered."""
METRICS: Final = sorted(
    {
        *DURATIONS,
        *(generation.first_chunk.name for generation in semconv.GENERATIONS.values()),
        *(each.metric.name for generation in semconv.GENERATIONS.values() for each in generation.tokens),
        *(metric.name for metric in (*semconv.METRICS, *semconv.KEEPER_METRICS, HTTP, OLD_HTTP)),
    }
)
"""The metrics that figures are made of."""

WINDOWS: Final = {
    "5m": (300, 60),
    "15m": (900, 60),
    "1h": (3600, 60),
    "6h": (6 * 3600, 300),
    "24h": (86_400, 3600),
    "7d": (7 * 86_400, 6 * 3600),
    "30d": (30 * 86_400, 86_400),
}
"""Windows by name: how many seconds back each goes, and the seconds of a step in its charts."""


@dataclass(frozen=True)
class Reading:
    """The value of an SLI; None where there is nothing to tell of. ``sample`` counts what it is made of."""

    sli: str
    value: float | None
    unit: str
    better: str
    sample: float
    sampled: str
    brief: str


@dataclass(frozen=True)
class AlertState:
    """A definition of an alert, its SLI's value at the last check, and whether it fires.

    ``inactive`` says why it is not checked; empty if it is.
    """

    name: str
    sli: str
    operator: str
    threshold: float
    window_seconds: int
    consecutive: int
    value: float | None
    unit: str
    firing: bool
    inactive: str


class Served:
    """The store behind a server. `start` begins to read it, `close` ends that."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.readers: Readers = Readers(options.store, seconds=options.limits.seconds)
        self._database = Database(options.store, read_only=True)
        self.rollup: Rollup = Rollup(self._database, METRICS)
        self._watching = Watch(options.definitions, self._source)
        self.alerts: deque[Alert] = deque(maxlen=_REMEMBERED)
        """The newest alerts that fired or resolved, the newest first."""
        self.states: tuple[AlertState, ...] = ()
        self.verdicts: tuple[Verdict, ...] = ()
        self.checked_ns: int | None = None
        """When alerts and objectives were last checked, in ns since 1970."""
        self.trouble: str = ""
        """Why the store cannot be read, if it cannot."""
        self.caught_up: bool = False
        self.default_objectives: bool = not options.slos
        self._slos = options.slos or tuple(default_slos())
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="spanguard-serve", daemon=True)

    def start(self) -> None:
        """Begin to read the store, and to check alerts."""
        self._thread.start()

    def close(self) -> None:
        """End; what is being read is read to its end."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(5.0)
        self.readers.close()
        self._database.close()

    def ask(self, question: Callable[[Database], T], empty: T) -> T:
        """Put a question to the store; of one that nothing was written to yet the answer is the empty one."""
        if not self.options.store.exists():
            return empty
        try:
            with self.readers.one() as db:
                return question(db)
        except EmptyStoreError:
            return empty

    def mark(self) -> str:
        """Return a text that changes whenever there is something new to show."""
        checked = (self.checked_ns or 0) // SECOND_NS
        return ".".join(map(str, (*self.rollup.marks(), checked, len(self.alerts), int(self.caught_up))))

    def window(self, name: str, *, steps: bool = False) -> Window:
        """Return the figures of the last so many minutes, hours or days, if asked for in the steps of its charts, too."""
        seconds, step = WINDOWS[name]
        now = time.time_ns()
        return self.rollup.window(now - seconds * SECOND_NS, now, step if steps else 0)

    def overview(self, name: str) -> Overview:
        """Return the same, added up."""
        return overview(self.window(name))

    def fitting(self) -> str:
        """Return the window to look at first: one that has the newest row, an hour or, for what is new, 15 minutes."""
        now = time.time_ns()
        newest, oldest = ((now - each) / SECOND_NS for each in (self.rollup.newest_ns, self.rollup.oldest_ns))
        if not self.rollup.newest_ns:
            return "1h"
        if oldest < WINDOWS["15m"][0]:
            return "15m"
        wide = [name for name, (seconds, _) in WINDOWS.items() if seconds >= WINDOWS["1h"][0]]
        return next((name for name in wide if newest < WINDOWS[name][0]), wide[-1])

    def share_read(self) -> float:
        """Return how much of the store was read so far, from 0 to 1."""
        if self.caught_up:
            return 1.0
        try:
            return self.rollup.share_read()
        except StoreError:
            return 1.0

    def readings(self, window: Window) -> tuple[Reading, ...]:
        """Return the value of each SLI in a window."""
        figures = Figures(window.tallies, Filters(), (window.end_ns - window.start_ns) / SECOND_NS)
        return tuple(
            Reading(
                name,
                _number(figures, name),
                each.unit,
                each.better,
                figures.number(each.sample) or 0.0,
                each.sampled,
                each.brief,
            )
            for name, each in INDICATORS.items()
        )

    def _source(self, now: datetime) -> StoreSource:
        return StoreSource(self._database, int(now.timestamp() * SECOND_NS))

    def _keep(self) -> None:
        checked = tidied = 0.0
        while not self._end.is_set():
            try:
                more = self.rollup.read_on()
                self.caught_up = self.caught_up or not more
                self.trouble = ""
                if not more and time.monotonic() >= checked + self.options.every:
                    checked = time.monotonic()
                    self.check()
                if not more and time.monotonic() >= tidied + _TIDY:
                    tidied = time.monotonic()
                    self.rollup.tidy()
            except EmptyStoreError:
                more, self.trouble = False, ""
            except StoreError as error:
                more, self.trouble = False, error.reason if self.options.store.exists() else ""
            self._end.wait(_BREATH if more else _LOOK)

    def check(self) -> None:
        """Check alerts and objectives now."""
        for alert in self._watching.check():
            self.alerts.appendleft(alert)
            if self.options.webhook is not None:
                self.options.webhook.send(alert.to_dict())
        now = datetime.now(timezone.utc)
        source = self._source(now)
        firing = set(self._watching.firing)
        self.states = tuple(_state(each, source, firing=each in firing) for each in self.options.definitions)
        self.verdicts = tuple(check(self._slos, source, Scope(), now))
        self.checked_ns = time.time_ns()


def _state(each: Definition, source: StoreSource, *, firing: bool) -> AlertState:
    indicator = INDICATORS[each.sli]
    value = source.figures([indicator.formula], each.filters, each.window)[0].number(indicator.formula)
    limits = (each.operator, each.threshold, each.window, each.consecutive)
    return AlertState(each.name, each.sli, *limits, value, indicator.unit, firing, each.inactive)


def _number(figures: Figures, name: str) -> float | None:
    try:
        return figures.number(INDICATORS[name].formula)
    except CannotTell:
        return None
