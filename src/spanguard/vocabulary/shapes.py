"""Ids of listed models without their small numbers and dates: what their next versions have in common with them."""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import Final

from spanguard.vocabulary.tables import table

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz@"
_MOST_DIGITS: Final = 24
_PEOPLE: Final = frozenset({"ray#", "sam#", "user#", "val#", "xing#"})  # Sam4 is no sam2


@cache
def known_shapes() -> frozenset[str]:
    """Return the shapes of the ids that are listed whole."""
    return frozenset(shape_of(listed)[0] for listed in table("models")["exact"])


@cache
def _word_shapes() -> frozenset[str]:
    words = (word for name in ("mixed", "families") for word in table("models")[name] if word[0].isalpha())
    shapes = ((shape_of(word), sum(map(str.isalpha, word))) for word in words)
    return frozenset(shape for (shape, digits), letters in shapes if digits == 1 and letters > 1) - _PEOPLE


def is_next(word: str) -> bool:
    """Whether the word has another digit than one that is listed: ``gen5`` beside ``gen4``, ``vl3`` beside ``vl2``."""
    shape, digits = shape_of(word)
    return digits == 1 and shape in _word_shapes()


@cache
def _heads() -> frozenset[str]:
    return frozenset(map(_head, table("models")["exact"]))


def _head(text: str) -> str:
    return text[: len(text) - len(text.lstrip(_LETTERS))]


def may_be_listed(text: str) -> bool:
    """Whether the id, or what is behind one of its slashes, begins as an id of the list does; to ask this takes no time."""
    return any(_head(segment) in _heads() for segment in text.split("/")) and sum(map(str.isdigit, text)) <= _MOST_DIGITS


def shape_of(text: str) -> tuple[str, int]:
    """Return the id with a sign for each small number and one for a date, and how many digits the small numbers have."""
    runs = ["".join(run) for _, run in groupby(text, str.isdigit)]
    shape, digits, at = "", 0, 0
    while at < len(runs):
        run, days = runs[at], runs[at : at + 5]
        if len(days) == 5 and days[1] == days[3] == "-" and is_day(days[0], days[2], days[4]):
            shape, at = f"{shape}=", at + 4
        elif len(run) == 8 and is_day(run[:4], run[4:6], run[6:]):
            shape += "="
        elif run.isdigit() and len(run) <= 2:
            shape, digits = f"{shape}#", digits + len(run)
        else:
            shape += run
        at += 1
    return shape, digits


def is_year(text: str) -> bool:
    """Whether it is a year in which models are published."""
    return len(text) == 4 and "2020" <= text <= "2031" and text.isdigit()


def is_month(text: str) -> bool:
    """Whether it is a month, in two digits."""
    return len(text) == 2 and "01" <= text <= "12" and text.isdigit()


def is_day(year: str, month: str, day: str) -> bool:
    """Whether the three are a day of such a year."""
    return is_year(year) and is_month(month) and len(day) == 2 and day.isdigit() and "01" <= day <= "31"
