"""An SLI's formula as PromQL, for metrics that came by OTLP: names and labels as Prometheus and the collector write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from spanguard import semconv
from spanguard.semconv import Metric
from spanguard.slo.indicators import Above, Count, Filters, Formula, Piece, Quantile, Ratio, Sum, Where

_UNITS: Final = {"s": "_seconds", "ms": "_milliseconds"}
_SUFFIXES: Final = {"count": "_count", "sum": "_sum"}
_OBSERVED: Final = {"value": "sum_over_time", "points": "count_over_time"}
_EMPTY: Final = " or vector(0)"


def label(attribute: str) -> str:
    """Return the label that an attribute becomes."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", attribute)


def metric_name(metric: Metric) -> str:
    """Return the name that a metric becomes, without the suffixes of a histogram."""
    total = "_total" if metric.kind in ("counter", "observable_counter") else ""
    return label(metric.name) + _UNITS.get(metric.unit, "") + total


@dataclass(frozen=True)
class _Range:
    """Which series are read, over which window, and how."""

    filters: Filters
    window: str
    over: str

    def of(self, metric: Metric, where: tuple[Where, ...], suffix: str) -> str:
        return f"{selector(metric, where, self.filters, suffix)}[{self.window}]"


def promql(formula: Formula, filters: Filters, window: str, *, sliced: bool = False) -> str:
    """Return the query for a formula over a window such as ``1h``; it has no result where there is nothing to tell of.

    With a run, the end of each series is read instead of its increase: a run's counters begin at 0, and a process that
    exports once has a single point, which has no increase. ``sliced`` is for a window that is a part of the run only.
    """
    within = _Range(filters, window, "increase" if filters.run is None or sliced else "last_over_time")
    if isinstance(formula, Sum):
        return _sum(formula, within)
    if isinstance(formula, Ratio):
        return f"{_sum(formula.part, within)} / ({_sum(formula.whole, within)} > 0)"
    if isinstance(formula, Quantile):
        return f"histogram_quantile({formula.q:g}, {_buckets(formula.of, within)})"
    if isinstance(formula, Above):
        return f"1 - histogram_fraction(-Inf, {formula.limit:g}, {_buckets(formula.of, within)})"
    return _count(formula, within)


def selector(metric: Metric, where: tuple[Where, ...], filters: Filters, suffix: str = "") -> str:
    """Return the selector of a metric's series."""
    matchers = [_matcher(each) for each in (*where, *filters.wheres())]
    if filters.run is not None:
        matchers.append(_matcher(Where(semconv.RUN_ID, (filters.run,))))
    if filters.service is not None:  # the job has the namespace before the name, if there is one
        matchers.append(f'job=~"(.+/)?{_quoted(re.escape(filters.service))}"')
    return f"{metric_name(metric)}{suffix}{{{','.join(matchers)}}}" if matchers else f"{metric_name(metric)}{suffix}"


def seconds(window: str) -> int:
    """Return the length of a window such as ``5m``, ``1h30m`` or ``28d`` in seconds."""
    sizes = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
    return sum(int(number) * sizes[unit] for number, unit in re.findall(r"(\d+)([smhdwy])", window))


def window_text(length: int) -> str:
    """Return so many seconds as a window: ``5m``, ``1h``, ``28d``."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if length % size == 0:
            return f"{length // size}{unit}"
    return f"{length}s"


def _count(formula: Count, within: _Range) -> str:
    divisor = f" / {seconds(within.window)}" if formula.per_second else ""
    if formula.of == formula.among:
        return f"({_sum(formula.of, within)} > 0){divisor}"
    return f"({_sum(formula.of, within)}){divisor} and on() {_sum(formula.among, within)} > 0"


def _sum(total: Sum, within: _Range) -> str:
    parts = [f"({_piece(piece, within)}{_EMPTY})" for piece in total.pieces]
    return parts[0] if len(parts) == 1 else f"({' + '.join(parts)})"


def _piece(piece: Piece, within: _Range) -> str:
    over = within.over
    if piece.metric.kind == "observable_up_down_counter":
        over = _OBSERVED[piece.part]
    return f"sum({over}({within.of(piece.metric, piece.where, _SUFFIXES.get(piece.part, ''))}))"


def _buckets(total: Sum, within: _Range) -> str:
    series = [f"{within.over}({within.of(each.metric, each.where, '_bucket')})" for each in total.pieces]
    if len(series) > 1:  # without their names, series of two metrics may have the same labels, of which `or` keeps one
        series = [f'label_replace({each}, "piece", "{place}", "", "")' for place, each in enumerate(series)]
    return f"sum by (le) ({' or '.join(series)})"


def _matcher(where: Where) -> str:
    """Match an attribute; to Prometheus the empty text is a label that is not there, as it is to `Where`."""
    if len(where.values) == 1:
        return f'{label(where.key)}{"!=" if where.without else "="}"{_quoted(where.values[0])}"'
    anyone = "|".join(_quoted(re.escape(value)) for value in where.values)
    return f'{label(where.key)}{"!~" if where.without else "=~"}"{anyone}"'


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
