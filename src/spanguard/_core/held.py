"""Measurements that wait for the next collection of metrics, so that a call does not pay for what an SDK does with each.

A value is put beside its attributes, and written to its instrument when a reader collects: from the callback of an
observable instrument, which the SDK calls before it reads the others. The metrics are the same: every collection has all
that was measured before it. At once is written the first value of a set of attributes, as the SDK takes its time for the
begin of the series; what finds `MOST` values waiting, or `MOST_SERIES` sets; and everything where the provider is not the
OpenTelemetry SDK's, as another need not call back.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Mapping
from typing import Final, cast

from opentelemetry.context import Context, create_key
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, set_span_in_context

from spanguard._core.border import quiet
from spanguard._core.switch import SPAN_KEY
from spanguard._core.writers import Attributes, Writer, ignore
from spanguard.semconv import Metric

MOST: Final = 100_000
"""How many values wait at most: three megabytes, thirty thousand calls between two collections."""
MOST_SERIES: Final = 4_000
# This context has no span; it is not empty, for then the SDK would take the current one.
APART: Final = Context({create_key("spanguard-apart"): True})
_FINE: Final = 1024
_BREATH: Final = 64
_settling = threading.Lock()  # a collection must not end before the values that another one has taken are written


class Series:
    """One instrument with one set of attributes, and the values that wait for it."""

    __slots__ = ("attributes", "begun", "listed", "spans", "sums", "values", "write")

    def __init__(self, write: Writer, attributes: Attributes, *, sums: bool, listed: bool) -> None:
        self.write: Final = write
        self.attributes: Final = dict(attributes)
        self.sums: Final = sums
        self.listed: Final = listed
        """Whether it is settled when metrics are collected."""
        self.begun: bool = False
        self.values: list[float] = []
        self.spans: dict[int, tuple[float, SpanContext]] = {}
        """The first value that belongs to a span, for each power of two: the SDK keeps one exemplar a bucket."""

    def settle(self) -> None:
        """Write what waits: a counter's values as their sum, but for those that have an exemplar."""
        number = len(self.values)
        taken = self.values[:number]
        del self.values[:number]
        spans, self.spans = self.spans, {}
        write, attributes = self.write, self.attributes
        for value, span in spans.values():
            if value in taken:
                taken.remove(value)
                write(value, attributes, set_span_in_context(NonRecordingSpan(span), APART))
        if self.sums and taken:
            taken = [sum(taken)]
        for begin in range(0, len(taken), _BREATH):
            for value in taken[begin : begin + _BREATH]:
                write(value, attributes, APART)
            time.sleep(0)  # lets other threads run: they would wait for the interpreter for five milliseconds at a time


class Held:
    """All that waits for the instruments of some meters; ``writers`` writes to each, by its name."""

    def __init__(self, writers: Mapping[str, Writer], *meters: Meter) -> None:
        self._writers: Final = writers
        self._most = MOST if meters and all(map(_calls_back, meters)) else 0
        self._count = 0
        self._series: dict[tuple[object, ...], Series] = {}
        for meter in meters if self._most else ():
            meter.create_observable_gauge("spanguard.held", [_collected])
        _all[:] = [each for each in _all if each() is not None] + [weakref.ref(self)]

    def measure(self, metric: Metric, value: float, attributes: Attributes, within: Context | None) -> None:
        """Take one measurement, with the span of the context as its exemplar."""
        self.put(self.series(metric, attributes), value, within)

    def series(self, metric: Metric, attributes: Attributes) -> Series:
        """Return the one series of these attributes; beyond the most, one that holds nothing."""
        key = (metric.name, *attributes.items())
        found = self._series.get(key)
        if found is None:
            write, listed = self._writers.get(metric.name, ignore), len(self._series) < MOST_SERIES
            found = Series(write, attributes, sums=metric.kind != "histogram", listed=listed)
            if listed:
                return self._series.setdefault(key, found)
        return found

    def put(self, series: Series, value: float, within: Context | None) -> None:
        """Hold a value, or write it at once."""
        if within is None or not series.begun or self._count >= self._most:
            series.begun = series.listed
            series.write(value, series.attributes, within)
            return
        self._count += 1  # threads may lose some; it need not be exact
        series.values.append(value)
        if within is APART:
            return
        place = 0 if series.sums else int(value * _FINE).bit_length()
        if place not in series.spans:
            span = within.get(SPAN_KEY)
            if span is not None:
                series.spans[place] = value, cast("Span", span).get_span_context()

    def settle(self) -> None:
        """Write all that waits."""
        self._count = 0
        for series in list(self._series.values()):
            series.settle()

    def close(self) -> None:
        """Hold nothing any more."""
        self._most = 0
        with _settling:
            self.settle()

    def forget(self) -> None:
        """Drop what waits: it is another process's."""
        for series in self._series.values():
            series.values.clear()
            series.spans.clear()
        self._count = 0


_all: Final[list[weakref.ref[Held]]] = []


def _living() -> list[Held]:
    return [held for each in list(_all) if (held := each()) is not None]


def _calls_back(meter: Meter) -> bool:
    return any(base.__module__.startswith("opentelemetry.sdk.metrics") for base in type(meter).__mro__)


def _collected(_options: CallbackOptions) -> list[Observation]:
    _settle_all()
    return []


@quiet
def _settle_all() -> None:
    with _settling:
        for held in _living():
            held.settle()


def _after_fork_in_child() -> None:
    global _settling
    _settling = threading.Lock()
    for held in _living():
        held.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
