"""Alerts: a threshold on an SLI, checked again and again, that fires once and resolves once."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Final, Literal

from spanguard.slo.evaluate import Backend
from spanguard.slo.indicators import INDICATORS, Filters
from spanguard.slo.promql import seconds, window_text
from spanguard.slo.report import amount

EVERY: Final = 30.0
"""Seconds between two checks."""
CONSECUTIVE: Final = 2
"""How many checks in a row must find a violation before an alert fires."""
_WINDOW: Final = 300
_HOUR: Final = 3600
_FORM: Final = re.compile(
    r"(?P<sli>[a-z0-9_]+)\s*(?P<op>>=|<=|>|<)\s*(?P<threshold>[0-9.eE+-]+)"
    r"(\s+over\s+(?P<window>[1-9][0-9]{0,4}[smhd]))?(\s+times\s+(?P<times>[1-9][0-9]{0,2}))?"
)
_SIGNS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
}


@dataclass(frozen=True)
class Definition:
    """When an alert fires: an SLI passes a threshold over a window (seconds), at so many checks in a row.

    ``>`` is strict: the threshold itself is no violation. ``inactive`` says why a definition is not checked; empty if it is.
    """

    name: str
    sli: str
    operator: Literal[">", ">=", "<", "<="] = ">"
    threshold: float = 0.0
    window: int = _WINDOW
    consecutive: int = CONSECUTIVE
    filters: Filters = field(default_factory=Filters)
    inactive: str = ""

    def __post_init__(self) -> None:
        if self.sli not in INDICATORS:
            raise ValueError(f"there is no SLI {self.sli}; there are {', '.join(INDICATORS)}")
        if self.operator not in _SIGNS:
            raise ValueError(f"expected one of {', '.join(_SIGNS)}")
        if self.window < 1 or self.consecutive < 1:
            raise ValueError("window and consecutive must be at least 1")

    def violated(self, value: float | None) -> bool:
        """Whether a value violates it; an unknown one does not."""
        return value is not None and _SIGNS[self.operator](value, self.threshold)


@dataclass(frozen=True)
class Alert:
    """An alert that fired or resolved. Both have the same id; ``time`` is UTC in ISO 8601, ``value`` None if unknown."""

    id: str
    state: Literal["firing", "resolved"]
    name: str
    time: str
    metric: str
    value: float | None
    operator: str
    threshold: float
    window: str
    message: str

    def to_dict(self) -> dict[str, object]:
        """Return the same as a dictionary, for JSON."""
        return asdict(self)


def defaults(token_budget: float = 0.0, capacity: float = 0.0) -> tuple[Definition, ...]:
    """Return the definitions that hold unless others are given.

    An error rate over 10 %, a 95th percentile of latency over 5 s; with a budget (tokens an hour) more than 20 % above it,
    with a capacity (calls a second) more than 50 % above it. Without these two, their alerts are inactive and say so.
    """
    no_budget = "" if token_budget > 0 else "no budget of tokens is set (SPANGUARD_TOKEN_BUDGET)"
    no_capacity = "" if capacity > 0 else "no capacity is set (SPANGUARD_CAPACITY)"
    return (
        Definition("error-rate", "error_rate", ">", 0.1),
        Definition("latency", "latency_p95", ">", 5.0),
        Definition("token-budget", "tokens", ">", 1.2 * token_budget, _HOUR, inactive=no_budget),
        Definition("capacity", "request_rate", ">", 1.5 * capacity, inactive=no_capacity),
    )


def parse(text: str) -> Definition:
    """Read a definition: ``latency_p95 > 5 over 10m times 3``; window (5m) and times (2) may be left out.

    Raises `ValueError` that says what is expected.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError("expected SLI OPERATOR NUMBER [over WINDOW] [times N], such as latency_p95 > 5 over 10m times 3")
    operator: Literal[">", ">=", "<", "<="] = found["op"]  # type: ignore[assignment]
    window = seconds(found["window"]) if found["window"] else _WINDOW
    times = int(found["times"] or CONSECUTIVE)
    try:
        threshold = float(found["threshold"])
    except ValueError:
        raise ValueError(f"expected a number, not {found['threshold']}") from None
    return Definition(found["sli"], found["sli"], operator, threshold, window, times)


@dataclass
class _State:
    violations: int = 0
    firing: str = ""


class Watch:
    """Checks definitions against a source whenever `check` is called; the caller keeps the time between two checks.

    ``now`` tells the time (UTC) and can be replaced by a test. An alert fires at the last of its consecutive violations, and
    resolves at the first check that finds none, unknown values included; each is told once.
    """

    def __init__(
        self,
        definitions: Sequence[Definition],
        source: Callable[[datetime], Backend],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self.definitions: tuple[Definition, ...] = tuple(definitions)
        self._source = source
        self._now = now
        self._states = [_State() for _ in self.definitions]
        self.fired: int = 0
        """How many alerts have fired so far."""

    @property
    def active(self) -> tuple[Definition, ...]:
        """The definitions that are checked."""
        return tuple(each for each in self.definitions if not each.inactive)

    @property
    def firing(self) -> tuple[Definition, ...]:
        """The definitions whose alert fires now."""
        return tuple(each for each, state in zip(self.definitions, self._states, strict=True) if state.firing)

    def check(self) -> list[Alert]:
        """Look once, and return the alerts that fired or resolved just now."""
        now = self._now()
        source = self._source(now)
        pairs = zip(self.definitions, self._states, strict=True)
        found = (self._look(each, state, source, now) for each, state in pairs if not each.inactive)
        return [alert for alert in found if alert is not None]

    def _look(self, each: Definition, state: _State, source: Backend, now: datetime) -> Alert | None:
        formula = INDICATORS[each.sli].formula
        value = source.figures([formula], each.filters, each.window)[0].number(formula)
        if each.violated(value):
            state.violations += 1
            if state.violations >= each.consecutive and not state.firing:
                state.firing = secrets.token_hex(8)
                self.fired += 1
                return _alert(state.firing, "firing", each, value, now)
            return None
        state.violations = 0
        if state.firing:
            known, state.firing = state.firing, ""
            return _alert(known, "resolved", each, value, now)
        return None


def _alert(id_: str, state: Literal["firing", "resolved"], each: Definition, value: float | None, now: datetime) -> Alert:
    unit, window = INDICATORS[each.sli].unit, window_text(each.window)
    shown = "not known any more" if value is None else amount(value, unit)
    limit = f"{each.operator} {amount(each.threshold, unit)} over {window}"
    message = f"{each.sli} is {shown} ({state}: {limit}, {each.consecutive} checks in a row)"
    when = now.astimezone(timezone.utc).isoformat(timespec="seconds")
    return Alert(id_, state, each.name, when, each.sli, value, each.operator, each.threshold, window, message)


def inactive(definitions: Iterable[Definition]) -> list[str]:
    """Return a line for each definition that is not checked, and why."""
    return [f"{each.name} is not checked: {each.inactive}" for each in definitions if each.inactive]
