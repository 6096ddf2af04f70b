"""Figures and times as people read them on a page."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone
from typing import Final

from markupsafe import Markup, escape

UNKNOWN: Final = "–"  # noqa: RUF001 - a dash, as in a table
_TONES: Final = {
    **dict.fromkeys(("success", "pass", "met", "closed", "hit", "acquired", "useful", "resolved"), "good"),
    **dict.fromkeys(("recovered", "degraded", "cancelled", "half_open", "stale", "delayed", "unknown"), "fair"),
    **dict.fromkeys(("miss", "bypass", "ignored", ""), "plain"),
}


def duration(seconds: float | None) -> str:
    """Return a duration: ``41 ms``, ``1.24 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds is None:
        return UNKNOWN
    if 0 < seconds < 0.0009995:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.00995 or not seconds else f"{seconds * 1000:.1f} ms"
    if seconds < 99.5:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.3g} s"
    whole = round(seconds)
    for size, part, words in ((86_400, 3600, ("d", "h")), (3600, 60, ("h", "min")), (60, 1, ("min", "s"))):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {words[0]}" + (f" {rest} {words[1]}" if rest else "")
    return f"{whole} s"


def number(value: float | None) -> str:
    """Return a number: ``1,234``, ``12.3k``, ``4.5M``; what is small keeps two digits."""
    if value is None:
        return UNKNOWN
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            scaled = value / (1e3 if letter == "k" else size)
            return f"{scaled:.0f}{letter}" if abs(scaled) >= 100 else f"{scaled:.1f}{letter}"
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.2g}" if abs(value) < 1 else f"{value:.2f}"


def exact(value: float | None) -> str:
    """Return a count with all its digits."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def share(value: float | None) -> str:
    """Return a share in per cent."""
    if value is None:
        return UNKNOWN
    if 0 < value < 0.0005 or 0.9995 <= value < 1:
        return "< 0.1 %" if value < 0.5 else "> 99.9 %"
    return signed(f"{100 * value:.0f} %" if value in (0, 1) or abs(value) >= 10 else f"{100 * value:.1f} %")


def change(value: float | None) -> str:
    """Return by what part of itself a figure changed; from eleven times as much on, how many times."""
    if not value:
        return UNKNOWN if value is None else "the same"
    return f"{number(round(value + 1))} times" if value >= 10 else signed(f"{100 * value:+.1f} %")


def signed(text: str) -> str:
    """Return a number with the sign that is as wide as its digits."""
    return text.replace("-", "\N{MINUS SIGN}")


def money(value: float | None) -> str:
    """Return a cost in USD."""
    if value is None:
        return UNKNOWN
    if 0 < value < 0.1:
        return f"${value:.6f}".rstrip("0") if value >= 0.000001 else "< $0.000001"
    return f"${value:.3f}" if 0 < value < 1 else f"${value:,.2f}"


def amount(value: float | None, unit: str) -> str:
    """Return a value with its unit."""
    known = {"s": duration, "share": share, "usd": money, "count": number}
    if unit in known:
        return known[unit](value)
    return UNKNOWN if value is None else f"{number(value)} {unit}".rstrip()


def at(ns: int | None, *, seconds: bool = True) -> str:
    """Return a point in time by the clock on the wall."""
    return UNKNOWN if ns is None else time.strftime("%b %d %H:%M" + (":%S" if seconds else ""), time.localtime(ns / 1e9))


def tick(second: int, step: int) -> str:
    """Return the begin of a step, as short as steps of that length allow."""
    form = "%b %d" if step >= 86_400 else "%b %d %H:%M" if step >= 3 * 3600 else "%H:%M"
    return time.strftime(form, time.localtime(second))


def utc(ns: int) -> str:
    """Return a point in time as machines read it."""
    return datetime.fromtimestamp(ns / 1e9, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ago(ns: int, now_ns: int) -> str:
    """Return how long ago something was."""
    seconds = max(now_ns - ns, 0) / 1e9
    return "just now" if seconds < 2 else f"{duration(round(seconds))} ago" if seconds >= 100 else f"{seconds:.0f} s ago"


def tone(word: object) -> str:
    """Return how a word is to look: ``good``, ``fair``, ``bad`` or ``plain``."""
    return _TONES.get(str(word), "bad")


def breakable(name: object) -> Markup:
    """Return a name that a line may end in behind its dots and underscores."""
    return Markup(re.sub(r"([._/])(?=\w)", r"\1<wbr>", str(escape(name))))  # noqa: S704 - escaped before


def plain(word: object) -> str:
    """Return a word of the vocabulary as people write it."""
    return str(word).replace("_", " ")
