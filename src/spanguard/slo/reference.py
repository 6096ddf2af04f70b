"""The part of `docs/slo.md` that is made from the definitions: every SLI in words, over the store, and in PromQL."""

from __future__ import annotations

from typing import Final

from spanguard.slo.indicators import INDICATORS, PIPELINE, Count, Filters, Indicator, Piece, Quantile, Ratio, Sum, Where
from spanguard.slo.promql import promql

BEGIN: Final = "<!-- SLIs: written by docs/generate.py; do not edit. -->"
END: Final = "<!-- End of the SLIs. -->"


def slis() -> str:
    """Return the section of every SLI as Markdown."""
    names = ", ".join(f"`{name}`" for name in PIPELINE)
    return "\n\n".join([f"Pipelines are judged by {names}.", *map(_section, INDICATORS.values())])


def page(text: str) -> str:
    """Return a page with what stands between its two marks written anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{slis()}\n\n{END}{after}"


def _section(each: Indicator) -> str:
    way = "more is better" if each.better == "high" else "less is better"
    return "\n\n".join(
        [
            f"### {each.name}",
            f"{each.brief} Unit: {each.unit}; {way}; sample: {each.sampled}; filters: {', '.join(each.filters)}.",
            f"Store: {_store(each.formula)}",
            f"```promql\n{promql(each.formula, Filters(), '1h')}\n```",
        ]
    )


def _store(formula: Ratio | Quantile | Count) -> str:
    if isinstance(formula, Ratio):
        return f"{_sum(formula.part)}; divided by {_sum(formula.whole)}."
    if isinstance(formula, Quantile):
        return f"quantile {formula.q:g} of the buckets of {_sum(formula.of)}."
    return f"{_sum(formula.of)}{', divided by the seconds of the window' if formula.per_second else ''}."


def _sum(total: Sum) -> str:
    return " + ".join(_piece(each) for each in total.pieces)


def _piece(each: Piece) -> str:
    where = " and ".join(_where(condition) for condition in each.where)
    part = "number of points" if each.part == "points" else each.part
    return f"{part} of `{each.metric.name}`" + (f" where {where}" if where else "")


def _where(each: Where) -> str:
    if each.values == ("",):
        return f"`{each.key}` is {'set' if each.without else 'not set'}"
    values = " or ".join(f"`{value}`" for value in each.values)
    return (
        f"`{each.key}` is {'neither ' if each.without and len(each.values) > 1 else 'not ' if each.without else ''}{values}"
    )
