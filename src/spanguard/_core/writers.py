"""The instruments that measurements go to: made once for each meter provider, written to by a plain function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from spanguard.semconv import Metric

Value = str | bool | int | float | Sequence[str]
Attributes = dict[str, Value]
Observer = Callable[[], Iterable[tuple[float, Mapping[str, Value]]]]
Writer = Callable[[float, Mapping[str, Value], Context | None], None]

_observers: Final[dict[str, Observer]] = {}


def observe(metric: Metric, observer: Observer) -> None:
    """Name what tells the values of an observable metric when they are collected; it must be quick and never raise."""
    _observers[metric.name] = observer


def writer(meter: Meter, metric: Metric) -> Writer:
    """Make the instrument of a metric; return what writes to it."""

    def collected(_options: CallbackOptions) -> list[Observation]:
        observer = _observers.get(metric.name)
        return [Observation(value, attributes) for value, attributes in observer()] if observer else []

    if metric.kind == "counter":
        return meter.create_counter(metric.name, metric.unit, metric.brief).add
    if metric.kind == "up_down_counter":
        return meter.create_up_down_counter(metric.name, metric.unit, metric.brief).add
    if metric.kind == "histogram":
        return meter.create_histogram(
            metric.name, metric.unit, metric.brief, explicit_bucket_boundaries_advisory=metric.boundaries
        ).record
    observable = {
        "observable_counter": meter.create_observable_counter,
        "observable_up_down_counter": meter.create_observable_up_down_counter,
    }
    observable[metric.kind](metric.name, [collected], metric.unit, metric.brief)
    return ignore


def ignore(_value: float, _attributes: Mapping[str, Value], _within: Context | None) -> None:
    """Write nothing: an observable instrument is read."""
