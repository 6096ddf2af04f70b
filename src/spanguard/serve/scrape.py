"""What Prometheus scrapes: every SLI, and the counters and histograms that SLIs are made of, under the names that PromQL has.

Counters are of all that was read since the server began; a server that begins anew reads the store anew.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final, NamedTuple

from spanguard.serve.served import Reading
from spanguard.store.rollup import Total

PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_UNITS: Final = {"s": "seconds", "ms": "milliseconds"}
_GAUGES: Final = ("gauge", "up_down_sum")
_HISTOGRAMS: Final = ("histogram", "exponential_histogram")


class _Family(NamedTuple):
    """All series of one metric: its name without the suffix of counters, its type, and its samples."""

    name: str
    type: str
    unit: str
    lines: list[str]


def text(totals: Iterable[Total], readings: Mapping[str, Iterable[Reading]], *, openmetrics: bool) -> str:
    """Return everything as text; ``readings`` are those of each window."""
    families: dict[str, _Family] = {}
    for total in totals:
        _add(families, total)
    lines: list[str] = []
    for family in [*families.values(), *_indicators(readings)]:
        counter = family.type == "counter"
        declared = family.name + ("_total" if counter and not openmetrics else "")
        lines.append(f"# TYPE {declared} {family.type}")
        if openmetrics and family.unit and family.name.endswith(f"_{family.unit}"):
            lines.append(f"# UNIT {declared} {family.unit}")
        lines += family.lines
    return "\n".join([*lines, *(["# EOF"] if openmetrics else [])]) + "\n"


def _add(families: dict[str, _Family], total: Total) -> None:
    unit = _UNITS.get(total.unit, "")
    name = _name(total.name) + (f"_{unit}" if unit else "")
    kind = "gauge" if total.kind in _GAUGES else "histogram" if total.kind in _HISTOGRAMS else "counter"
    family = families.setdefault(name, _Family(name, kind, unit, []))
    if family.type != kind:  # two programs do not agree what it is: a scrape must not have both
        return
    labels = {_name(key): _text(value) for key, value in total.series.attributes.items()}
    if total.service:
        labels["job"] = total.service
    family.lines.extend(_histogram(name, labels, total) if kind == "histogram" else [_sample(name, kind, labels, total)])


def _sample(name: str, kind: str, labels: Mapping[str, str], total: Total) -> str:
    return f"{name}{'_total' if kind == 'counter' else ''}{_labels(labels)} {_number(total.series.value)}"


def _histogram(name: str, labels: Mapping[str, str], total: Total) -> Iterator[str]:
    series = total.series
    by_upper = sorted({math.inf: 0, **series.buckets._by_upper()}.items())
    inner = _labels(labels)[1:-1]
    for (upper, _), below in zip(by_upper, accumulate(count for _, count in by_upper), strict=True):
        limit = f'le="{_number(upper)}"'
        yield f"{name}_bucket{{{inner + ',' if inner else ''}{limit}}} {below}"
    yield f"{name}_count{_labels(labels)} {sum(count for _, count in by_upper)}"
    yield f"{name}_sum{_labels(labels)} {_number(series.sum)}"


def _indicators(readings: Mapping[str, Iterable[Reading]]) -> Iterator[_Family]:
    values, samples = _Family("spanguard_sli", "gauge", "", []), _Family("spanguard_sli_sample", "gauge", "", [])
    for window, each in readings.items():
        for reading in each:
            labels = _labels({"sli": reading.sli, "window": window})
            samples.lines.append(f"spanguard_sli_sample{labels} {_number(reading.sample)}")
            if reading.value is not None:
                values.lines.append(f"spanguard_sli{labels} {_number(reading.value)}")
    yield from (values, samples)


def _name(text_: str) -> str:
    found = re.sub(r"[^a-zA-Z0-9_]", "_", text_)
    return f"_{found}" if found[:1].isdigit() else found


def _labels(labels: Mapping[str, str]) -> str:
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(labels.items()))
    return f"{{{inner}}}" if inner else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else repr(float(value))
