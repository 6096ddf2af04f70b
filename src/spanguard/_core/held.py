"""Measurements that wait for the next collection of metrics, so that a call does not pay for what an SDK does with each.

A value is put beside its attributes, and written to its instrument when a reader collects: from the callback of an
observable instrument, which the SDK calls before it reads the others. The metrics are the same: every collection has all
that was measured before it. At once is written the first value of a set of attributes, as the SDK takes its time for the
begin of the series; what finds `MOST` values waiting, or `MOST_SERIES` sets; and everything where the provider is not the
OpenTelemetry SDK's, as another need not call back. What a collection has no time to write is in the next one.
"""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from array import array
from collections.abc import Callable, Mapping, MutableSequence
from typing import Any, Final

from opentelemetry.context import Context, create_key
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, set_span_in_context

from spanguard._core.border import quiet, swallow
from spanguard._core.switch import SPAN_KEY
from spanguard._core.writers import Attributes, Writer, ignore
from spanguard.semconv import Metric

MOST: Final = 500_000
"""How many values of histograms wait at most: four megabytes, 160,000 calls between two collections, seconds of writing."""
MOST_SERIES: Final = 4_000
_FOLD: Final = 1000
"""How many values of one counter wait at most before their sum takes their place."""
_BATCH: Final = 100
"""How much that measures is put off at most, to be done together: a fifth of a millisecond, once in as many calls."""
_GRANT: Final = 100
"""For how many values a series of a histogram takes room at a time."""
# This context has no span; it is not empty, for then the SDK would take the current one.
APART: Final = Context({create_key("spanguard-apart"): True})
_FINE: Final = 1024
_BREATH: Final = 64
_SHARE: Final = 0.8
"""Of the time that a reader gives its callbacks; it throws a collection away that takes longer."""
# A collection must not end before the values that another one has taken are written. Both locks let their own thread pass: a
# handler of a signal may have metrics collected in the middle of what it interrupts.
_settling = threading.RLock()


def of_span(span: object) -> Context:
    """Return a context with that span and nothing else, for what is measured later: others keep what a program put there."""
    return APART if span is None else Context({SPAN_KEY: span})


class Series:
    """One instrument with one set of attributes, and the values that wait for it."""

    __slots__ = ("attributes", "begun", "listed", "room", "spans", "sums", "values", "whole", "write")

    def __init__(self, write: Writer, metric: Metric, attributes: Attributes, *, listed: bool) -> None:
        self.write: Final = write
        self.attributes: Final = dict(attributes)
        self.sums: Final = metric.kind != "histogram"
        self.whole: Final = metric.kind == "histogram" and metric.unit.startswith("{")
        """Whether its values, which wait as floats, are counts."""
        self.listed: Final = listed
        """Whether it is settled when metrics are collected."""
        self.begun: bool = False
        self.room: int = 0
        """How many values may wait before somebody looks what is to become of the next."""
        self.values: MutableSequence[float] = [] if self.sums else array("d")
        self.spans: dict[int, tuple[float, SpanContext]] = {}
        """The first value that belongs to a span, for each power of two: the SDK keeps one exemplar a bucket."""

    def fold(self) -> None:
        """Put the sum of a counter's values in their place, but for one that has an exemplar."""
        if _settling.acquire(blocking=False):
            try:
                taken = self._taken()
                kept = [value for value, _ in self.spans.values() if value in taken]
                for value in kept:
                    taken.remove(value)
                self.values.extend([*kept, sum(taken)])
            finally:
                _settling.release()

    def settle(self, until: float) -> int:
        """Write what waits, a counter's values as their sum; return how many values there was no time for."""
        taken = self._taken()
        spans, self.spans = self.spans, {}
        write, attributes = self.write, self.attributes
        for value, span in spans.values():
            if value in taken:
                taken.remove(value)
                write(int(value) if self.whole else value, attributes, set_span_in_context(NonRecordingSpan(span), APART))
        if self.sums and taken:
            taken = [sum(taken)]
        for begin in range(0, len(taken), _BREATH):
            if time.monotonic() > until:
                self.values[:0] = taken[begin:]
                return len(taken) - begin
            for value in taken[begin : begin + _BREATH]:
                write(int(value) if self.whole else value, attributes, APART)
            time.sleep(0)  # lets other threads run: they would wait for the interpreter for five milliseconds at a time
        return 0

    def _taken(self) -> MutableSequence[float]:
        # Those only that are there now: a value may be added at any time, without a lock.
        number = len(self.values)
        taken = self.values[:number]
        del self.values[:number]
        return taken


class Held:
    """All that waits for the instruments of some meters; ``writers`` writes to each, by its name."""

    def __init__(self, writers: Mapping[str, Writer], *meters: Meter) -> None:
        self._writers: Final = writers
        self._most = MOST if meters and all(map(_calls_back, meters)) else 0
        self._free = self._most
        self._series: dict[tuple[object, ...], Series] = {}
        self._put_off: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self._catching_up = threading.RLock()
        for meter in meters if self._most else ():
            meter.create_observable_gauge("spanguard.held", [_collected])
        _all[:] = [each for each in _all if each() is not None] + [weakref.ref(self)]

    def later(self, work: Callable[..., object], *args: object) -> None:
        """Do work that only measures, and begins no series, before the next collection.

        It is done together with other work: right after a call of a model the processor has forgotten our code, and takes
        several times as long.
        """
        if not self._most:
            work(*args)
            return
        put_off = self._put_off
        put_off.append((work, args))
        if len(put_off) >= _BATCH:
            self.catch_up(wait=False)

    def catch_up(self, *, wait: bool = True) -> None:
        """Do what was put off, unless another thread is about it and it shall not ``wait`` for it."""
        if not self._catching_up.acquire(blocking=wait):
            return
        try:
            number = len(self._put_off)
            taken = self._put_off[:number]
            del self._put_off[:number]
            for work, args in taken:
                try:
                    work(*args)
                except Exception as error:
                    swallow(work, error)
        finally:
            self._catching_up.release()

    def measure(self, metric: Metric, value: float, attributes: Attributes, within: Context | None) -> None:
        """Take one measurement, with the span of the context as its exemplar."""
        self.put(self.series(metric, attributes), value, within)

    def series(self, metric: Metric, attributes: Attributes) -> Series:
        """Return the one series of these attributes; beyond the most, one that holds nothing."""
        key = (metric.name, *attributes.items())
        found = self._series.get(key)
        if found is None:
            write, listed = self._writers.get(metric.name, ignore), len(self._series) < MOST_SERIES
            found = Series(write, metric, attributes, listed=listed)
            if listed:
                return self._series.setdefault(key, found)
        return found

    def put(self, series: Series, value: float, within: Context | None) -> None:
        """Hold a value, or write it at once."""
        values = series.values
        if within is None or (len(values) >= series.room and not self._makes_room(series)):
            series.begun = series.listed and self._most > 0
            series.write(value, series.attributes, within)
            return
        values.append(value)
        if within is APART:
            return
        place = 0 if series.sums else int(value * _FINE).bit_length()
        if place not in series.spans:
            span: Span | None = within.get(SPAN_KEY)  # type: ignore[assignment]
            if span is not None:
                series.spans[place] = value, span.get_span_context()

    def _makes_room(self, series: Series) -> bool:
        """Make room for more values of a series that has begun, if there is any."""
        if not series.begun:
            return False
        if series.sums:
            if series.room:
                series.fold()
            series.room = _FOLD
            return True
        granted = max(0, min(_GRANT, self._free))
        self._free -= granted  # threads may lose some, and grant some twice; it need not be exact
        series.room += granted
        return granted > 0

    def settle(self, until: float = math.inf) -> None:
        """Write what waits, as far as there is time."""
        self.catch_up()
        waiting = 0
        for series in list(self._series.values()):
            left = series.settle(until)
            if not series.sums:
                series.room = left
                waiting += left
        self._free = self._most - waiting

    def close(self) -> None:
        """Hold nothing any more."""
        self._most = 0
        for series in list(self._series.values()):
            series.begun = False
            series.room = 0
        with _settling:
            self.settle()

    def forget(self) -> None:
        """Drop what waits: it is another process's."""
        self._catching_up = threading.RLock()
        self._put_off.clear()
        for series in self._series.values():
            del series.values[:]
            series.spans.clear()
            series.room = 0
        self._free = self._most


_all: Final[list[weakref.ref[Held]]] = []


def _living() -> list[Held]:
    return [held for each in list(_all) if (held := each()) is not None]


def _calls_back(meter: Meter) -> bool:
    return any(base.__module__.startswith("opentelemetry.sdk.metrics") for base in type(meter).__mro__)


def _collected(options: CallbackOptions) -> list[Observation]:
    _settle_all(time.monotonic() + options.timeout_millis * _SHARE / 1000)
    return []


@quiet
def _settle_all(until: float) -> None:
    with _settling:
        for held in _living():
            held.settle(until)


def _after_fork_in_child() -> None:
    global _settling
    _settling = threading.RLock()
    for held in _living():
        held.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
