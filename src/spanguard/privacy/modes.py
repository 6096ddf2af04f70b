"""How strict the guard is, for the whole process."""

from __future__ import annotations

from typing import Final, Literal

from spanguard.vocabulary.declared import LONGEST

Mode = Literal["strict", "balanced", "off"]


class _InForce:
    """The mode in force, in one place for all who ask."""

    __slots__ = ("mode",)

    def __init__(self) -> None:
        self.mode: Mode = "strict"


in_force: Final = _InForce()

PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_MOST_DIGITS: Final = 4


def use(wanted: Mode) -> None:
    """Take this mode from now on."""
    in_force.mode = wanted


def is_plain(name: str) -> bool:
    """Whether a name has the look of one that stands in code, which is enough in balanced mode: ``load_invoice``."""
    return (
        0 < len(name) <= LONGEST // 2
        and PLAIN.issuperset(name)
        and name[0].isalpha()
        and sum(map(str.isdigit, name)) <= _MOST_DIGITS
    )
