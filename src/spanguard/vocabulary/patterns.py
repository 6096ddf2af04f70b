"""Regular expressions as they stand in routes: classes of characters, how often, and words to choose from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_LONGEST: Final = 80
_ESCAPED: Final = frozenset("dwsDWSbBAZ.-/+?*()[]{}^$|_@:,~%")
_PLAIN: Final = frozenset(".^$|+*?)-_/,:@~%")
_MARKS: Final = ("?:", "?!", "?=", "?i)", "?<!", "?<=")
_IN_CLASS: Final = frozenset("-_.^/@+%:,~!$&'()*;=| #")
_MOST_LETTERS: Final = 3
_LANGUAGES: Final = frozenset("en de fr es it pt nl pl ru ja ko zh ar tr sv en-us pt-br".split())

Test = Callable[[str], bool]


def is_pattern(text: str, is_name: Test, is_word: Test) -> bool:
    """Whether it is a pattern that says nothing but kinds of characters, numbers of them, known names and known words."""
    at = 0
    while at < len(text) <= _LONGEST:
        used = _token(text, at, is_name, is_word)
        if not used:
            return False
        at += used
    return 0 < at == len(text)


def _token(text: str, at: int, is_name: Test, is_word: Test) -> int:
    """Return how many characters of the pattern the token that begins here takes, 0 if it may not stand there."""
    letter = text[at]
    if letter == "\\":
        return 2 * (text[at + 1 : at + 2] in _ESCAPED and at + 1 < len(text))
    if letter == "[":
        end = text.find("]", at + 1 + text.startswith(("]", "^]"), at + 1))
        return end + 1 - at if end > 0 and _is_class(text[at + 1 : end]) else 0
    if letter == "{":
        end = text.find("}", at)
        least, _, most = text[at + 1 : end].partition(",")
        return end + 1 - at if end > 0 and _is_small(least) and (_is_small(most) or not most) else 0
    if letter == "(":
        return _group(text, at, is_name)
    if letter in _PLAIN:
        return 1
    end = at
    while end < len(text) and (text[end].isalnum() or text[end] in "-_"):
        end += 1
    while end > at + 1 and text[end - 1] in "-_":
        end -= 1
    return end - at if is_word(text[at:end]) or text[at:end] in _LANGUAGES else 0


def _group(text: str, at: int, is_name: Test) -> int:
    if text.startswith(("?P<", "?<"), at + 1) and not text.startswith(("?<!", "?<="), at + 1):
        start, end = text.find("<", at) + 1, text.find(">", at)
        return end + 1 - at if end > 0 and is_name(text[start:end]) else 0
    return next((1 + len(mark) for mark in _MARKS if text.startswith(mark, at + 1)), 1)


def _is_class(held: str) -> bool:
    """Whether it is ranges and signs: ``a-z0-9_``, ``^/.``; hardly any letters alone."""
    at = alone = 0
    while at < len(held):
        if held[at] == "\\":
            if held[at + 1 : at + 2] not in _ESCAPED:
                return False
            at += 2
        elif held[at].isalnum():
            ranges = held[at + 1 : at + 2] == "-" and held[at + 2 : at + 3].isalnum()
            alone += not ranges
            at += 3 if ranges else 1
        elif held[at] in _IN_CLASS:
            at += 1
        else:
            return False
    return alone <= _MOST_LETTERS and bool(held)


def _is_small(number: str) -> bool:
    return 1 <= len(number) <= 3 and number.isdigit()
