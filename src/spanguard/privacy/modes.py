"""How strict the guard is, for the whole process."""

from __future__ import annotations

from typing import Final, Literal

from spanguard.vocabulary.declared import LONGEST

Mode = Literal["strict", "balanced", "off"]

mode: Mode = "strict"
"""The mode in force."""

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_MOST_DIGITS: Final = 4


def use(wanted: Mode) -> None:
    """Take this mode from now on."""
    global mode
    mode = wanted


def is_plain(name: str) -> bool:
    """Whether a name has the look of one that stands in code, which is enough in balanced mode: ``load_invoice``."""
    return (
        0 < len(name) <= LONGEST // 2
        and _PLAIN.issuperset(name)
        and name[0].isalpha()
        and sum(map(str.isdigit, name)) <= _MOST_DIGITS
    )
