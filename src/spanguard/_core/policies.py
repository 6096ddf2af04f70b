"""Policies: what is told of each, and the series of what is measured under it, made once and found again."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from opentelemetry.context import Context

from spanguard._core.held import APART, Held, Series
from spanguard._core.recorder import Recorder
from spanguard._core.scope import policy_attributes
from spanguard._core.writers import Attributes
from spanguard.semconv import (
    ATTEMPT_DURATION,
    LIBRARY,
    OPERATION_ATTEMPTS,
    OPERATION_DURATION,
    POLICY_NAME,
    POLICY_TYPE,
    Metric,
)

_OWN: Final = (POLICY_TYPE, POLICY_NAME, LIBRARY)
_MOST_SETS: Final = 1000
_SUCCESS: Final = ("success",)
_MEASURED: Final = (ATTEMPT_DURATION, OPERATION_ATTEMPTS, OPERATION_DURATION)

Told = tuple[str | None, ...]
"""The values of a metric's attributes, in its order, after those of the policy; what is unknown is left out."""


class Policy:
    """One policy, of the program or of a library."""

    def __init__(self, kind: str, name: str, library: str | None) -> None:
        self.name: Final = name
        self.library: Final = library
        self.attributes: Final[Attributes] = policy_attributes(kind, name, library)
        self.title: Final = f"{kind} {name}"
        # Together, as another thread may come with the instruments of before.
        self._series: tuple[Held | None, dict[tuple[str, Told], Series]] = None, {}
        self._once: tuple[Held | None, tuple[Series, ...]] = None, ()

    def measure(self, recorder: Recorder, metric: Metric, value: float, told: Told, within: Context) -> None:
        """Record one measurement under the policy, with the span of the context as its exemplar."""
        held, (of, known) = recorder.held, self._series
        series = known.get((metric.name, told)) if of is held else None
        held.put(series or self._made(held, metric, told), value, within)

    def has_measured_once(self, held: Held) -> bool:
        """Whether an operation with one attempt has been recorded already, so that its series have begun."""
        return self._once[0] is held

    def measure_once(self, held: Held, tried: float, took: float, within: Context) -> None:
        """Record an operation that took so many seconds, of which its only attempt, which succeeded, took ``tried``."""
        of, series = self._once
        if of is not held:
            series = tuple(self._made(held, each, _SUCCESS) for each in _MEASURED)
            self._once = held, series
        put, (of_attempt, attempts, duration) = held.put, series
        put(of_attempt, tried, within)
        put(attempts, 1, APART)
        put(duration, took, APART)

    def _made(self, held: Held, metric: Metric, told: Told) -> Series:
        of, known = self._series
        if of is not held or len(known) >= _MOST_SETS:
            _, known = self._series = held, {}
        names = [name for name in metric.attributes if name not in _OWN]
        attributes: Attributes = {name: value for name, value in zip(names, told, strict=False) if value}
        made = known[metric.name, told] = held.series(metric, {**self.attributes, **attributes})
        return made


@lru_cache(maxsize=1000, typed=True)  # a pseudonym is not the text that looks like it
def known_policy(kind: str, name: str, library: str | None = None) -> Policy:
    """Return the policy of this kind and name, always the same."""
    return Policy(kind, name, library)
