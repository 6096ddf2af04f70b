"""Charts as SVG, drawn here: what a browser shows needs no script, and each chart carries its table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from markupsafe import Markup

from spanguard.serve import words

Values = Sequence["float | None"]
Shape = Literal["bars", "lines"]
_CELL: Final = 10
_HEIGHT: Final = 100
_NODE: Final = 26


@dataclass(frozen=True)
class Line:
    """One series: its name, the class that gives it its colour, and a value for each step."""

    name: str
    colour: str
    values: Values
    total: str = ""
    """What stands beside its name in the legend."""


@dataclass(frozen=True)
class Chart:
    """A chart ready to be shown."""

    title: str
    brief: str
    svg: Markup
    top: str
    ticks: tuple[str, ...]
    legend: tuple[Line, ...]
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: bool


def over_time(
    title: str,
    brief: str,
    begins: Sequence[int],
    step: int,
    lines: Sequence[Line],
    *,
    unit: str,
    shape: Shape,
) -> Chart:
    """Return a chart of values over time, stacked bars or lines; its rows are the steps that have a value."""
    known = [value for line in lines for value in line.values if value is not None]
    if shape == "bars":
        known = [sum(line.values[place] or 0 for line in lines) for place in range(len(begins))]
    top = _nice(max(known, default=0))
    draw = _bars if shape == "bars" else _lines
    body = Markup().join([_grid(len(begins)), *draw(begins, step, lines, top, unit)])
    svg = _svg(max(len(begins), 1) * _CELL, _HEIGHT, body, f"{title}: {brief}")
    ticks = tuple(words.tick(begins[place], step) for place in _spread(len(begins)))
    rows = [
        (words.tick(begin, step), *(words.amount(line.values[place], unit) for line in lines))
        for place, begin in enumerate(begins)
        if any(line.values[place] for line in lines)
    ]
    head = ("Time", *(line.name for line in lines))
    return Chart(title, brief, svg, words.amount(top, unit), ticks, tuple(lines), head, tuple(rows), not any(known))


def strips(
    title: str, brief: str, begins: Sequence[int], step: int, rows: Mapping[str, Sequence[str]]
) -> Mapping[str, Markup]:
    """Return a strip for each name: a block for each step, in the colour of its state; an empty text is no block."""
    found: dict[str, Markup] = {}
    for name, states in rows.items():
        blocks = [
            Markup('<rect class="{}" x="{}" y="0" width="{}" height="20"><title>{}: {}</title></rect>').format(
                f"fill-{words.tone(state)}", place * _CELL, _CELL, words.tick(begins[place], step), words.plain(state)
            )
            for place, state in enumerate(states)
            if state
        ]
        found[name] = _svg(max(len(begins), 1) * _CELL, 20, Markup().join(blocks), f"{title} {name}: {brief}", "strip")
    return found


def stack(parts: Sequence[tuple[str, float, str]], about: str) -> Markup:
    """Return one bar of several parts: name, value, class of the colour."""
    whole, begin, blocks = sum(value for _, value, _ in parts), 0.0, []
    for name, value, colour in parts:
        if value and whole:
            width = 1000 * value / whole
            blocks.append(
                Markup(
                    '<rect class="fill-{}" x="{:.2f}" y="0" width="{:.2f}" height="10"><title>{}: {}</title></rect>'
                ).format(colour, begin, max(width - 2, 1), name, words.share(value / whole))
            )
            begin += width
    return _svg(1000, 10, Markup().join(blocks), about, "stack")


def bar(value: float, most: float, colour: str = "accent") -> Markup:
    """Return a bar within a table; the number stands beside it, so it is not read out."""
    width = 100 * value / most if most else 0
    drawn = Markup('<rect class="fill-{}" x="0" y="0" width="{:.2f}" height="8" rx="1"/>').format(
        colour, min(max(width, 0), 100)
    )
    return Markup('<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">{}</svg>').format(drawn)


def flow(hops: Sequence[tuple[str, str, int]], about: str) -> Markup:
    """Return what went from where to where: a band for each pair, as wide as it went often."""
    left, right = list(dict.fromkeys(old for old, _, _ in hops)), list(dict.fromkeys(new for _, new, _ in hops))
    height = _NODE * max(len(left), len(right), 1) + 6
    most = max((count for _, _, count in hops), default=1)

    def middle(names: list[str], name: str) -> float:
        return (height - _NODE * len(names)) / 2 + _NODE * (names.index(name) + 0.5)

    bands = [
        Markup(
            '<path class="band" d="M116 {0} C180 {0} 180 {1} 244 {1}" stroke-width="{2:.1f}"><title>{3}</title></path>'
        ).format(middle(left, old), middle(right, new), 2 + 14 * count / most, f"{old} to {new}: {count}")
        for old, new, count in hops
    ]
    texts = [_label(110, middle(left, name), name, "end") for name in left]
    texts += [_label(250, middle(right, name), name, "start") for name in right]
    return Markup('<svg class="flow" viewBox="0 0 360 {}" role="img" aria-label="{}">{}</svg>').format(
        height, about, Markup().join([*bands, *texts])
    )


def _label(x: float, y: float, text: str, anchor: str) -> Markup:
    shown = text if len(text) <= 16 else text[:15] + "…"
    return Markup('<text x="{}" y="{}" text-anchor="{}" dominant-baseline="middle">{}</text>').format(x, y, anchor, shown)


def _svg(width: float, height: float, body: Markup, about: str, kind: str = "plot") -> Markup:
    return Markup(
        '<svg class="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format(kind, width, height, about, body)


def _grid(count: int) -> Markup:
    width = max(count, 1) * _CELL
    return Markup().join(
        Markup('<path class="grid" d="M0 {0} H{1}"/>').format(y, width) for y in (0.5, _HEIGHT / 2, _HEIGHT - 0.5)
    )


def _bars(begins: Sequence[int], step: int, lines: Sequence[Line], top: float, unit: str) -> Iterable[Markup]:
    for place, begin in enumerate(begins):
        base = float(_HEIGHT)
        parts: list[Markup] = []
        for line in lines:
            value = line.values[place] or 0
            high = _HEIGHT * value / top if top else 0
            if high:
                base -= high
                parts.append(
                    Markup('<rect class="fill-{}" x="{:.1f}" y="{:.2f}" width="{:.1f}" height="{:.2f}"/>').format(
                        line.colour, place * _CELL + 1, base, _CELL - 2, high
                    )
                )
        if parts:
            yield Markup("<g>{}{}</g>").format(_title(begin, step, lines, place, unit), Markup().join(parts))


def _lines(begins: Sequence[int], step: int, lines: Sequence[Line], top: float, unit: str) -> Iterable[Markup]:
    for line in lines:
        for kind, path in zip(("line", "dots"), _paths(line.values, top), strict=True):
            if path:
                yield Markup('<path class="{} stroke-{}" d="{}"/>').format(kind, line.colour, path)
    for place, begin in enumerate(begins):  # what a pointer rests on
        if any(line.values[place] is not None for line in lines):
            yield Markup('<rect class="hover" x="{}" y="0" width="{}" height="{}">{}</rect>').format(
                place * _CELL, _CELL, _HEIGHT, _title(begin, step, lines, place, unit)
            )


def _title(begin: int, step: int, lines: Sequence[Line], place: int, unit: str) -> Markup:
    told = [f"{line.name} {words.amount(line.values[place], unit)}" for line in lines]
    return Markup("<title>{}</title>").format("\n".join([words.tick(begin, step), *told]))


def _paths(values: Values, top: float) -> tuple[str, str]:
    """Return a line through values, broken where one is missing, and a dot for each that has no neighbour."""
    line: list[str] = []
    dots: list[str] = []
    known = [None, *values, None]
    for place, (before, value, after) in enumerate(zip(known, values, known[2:], strict=False)):
        if value is None:
            continue
        point = f"{place * _CELL + _CELL / 2:g} {_HEIGHT - (_HEIGHT * value / top if top else 0):.2f}"
        if before is None and after is None:
            dots.append(f"M{point}h.01")
        else:
            line.append(f"{'M' if before is None else 'L'}{point}")
    return "".join(line), "".join(dots)


def _nice(value: float) -> float:
    """Return the next number that people count to: 1, 2, 5 and their tens."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    size: float = 10.0 ** math.floor(math.log10(value))
    return next(each * size for each in (1.0, 2.0, 5.0, 10.0) if value <= each * size * 1.0001)


def _spread(count: int) -> list[int]:
    """Return the places of a few ticks."""
    if count <= 1:
        return list(range(count))
    return sorted({0, (count - 1) // 2, count - 1})
