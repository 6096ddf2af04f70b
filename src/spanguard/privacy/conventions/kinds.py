"""Rules that many keys share, and short ways to write them into a table."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from spanguard.privacy.rules import Content, Flag, Number, Rule, Text, amount, count, identity, known, name

Table = dict[str, Rule]

NOTHING: Final = Rule()
CONTENT: Final = Content()
FLAG: Final = Flag()
COUNT: Final = count(999_999)
TOKENS: Final = count()
"""A number of tokens or characters: more than a million are usual."""
COST: Final = amount(9_999)
"""Money that an operation cost."""
SECONDS: Final = amount(86_400)
MILLISECONDS: Final = amount(999_999)
SHARE: Final = amount(1)
PORT: Final = Number(1, 65_535, whole=True)
STATUS: Final = Number(100, 599, whole=True)


def dropped(keys: str) -> Table:
    """Say that nothing may stand under these keys."""
    return dict.fromkeys(keys.split(), NOTHING)


def contents(keys: str) -> Table:
    """Say that these keys hold what a user or a model wrote."""
    return dict.fromkeys(keys.split(), CONTENT)


def flags(keys: str) -> Table:
    """Say that these keys are true or false."""
    return dict.fromkeys(keys.split(), FLAG)


def counts(keys: str) -> Table:
    """Say that these keys are whole numbers that are not negative."""
    return dict.fromkeys(keys.split(), COUNT)


def tokens(keys: str) -> Table:
    """Say that these keys are numbers of tokens or characters."""
    return dict.fromkeys(keys.split(), TOKENS)


def identities(keys: str) -> Table:
    """Say that these keys are always shown as pseudonyms, each of its own."""
    return {key: identity(key) for key in keys.split()}


def names(keys: str) -> Table:
    """Say that these keys hold names that somebody chose: clear when they are declared, else pseudonyms."""
    return {key: name(key) for key in keys.split()}


def enums(keys: str) -> Table:
    """Say that these keys have a closed list of values in the conventions."""
    return {key: listed(key) for key in keys.split()}


def listed(key: str, *more: str) -> Text:
    """Make the rule of a key whose values the conventions list, and of further values that are in use."""
    return known(_Listed(key, more))


def chosen(key: str, *more: str) -> Text:
    """Make the same rule where others than the listed values are usual too; these become pseudonyms."""
    return known(_Listed(key, more), key)


class _Listed:
    """The values of a key, taken from OpenTelemetry's package when the first text comes."""

    def __init__(self, key: str, more: tuple[str, ...]) -> None:
        self._key = key
        self._values = frozenset(more)
        self._complete = False

    def __call__(self, value: str) -> bool:
        if not self._complete:
            self._values |= enumerated(self._key)
            self._complete = True
        return value in self._values


def enumerated(key: str) -> frozenset[str]:
    """Return the values that OpenTelemetry's package lists for a key; none if the package does not know it."""
    wanted = "".join(word.capitalize() for word in key.replace(".", "_").split("_")) + "Values"
    found: set[str] = set()
    for place in ("", "_incubating."):
        for module in (key.partition(".")[0], "other"):
            try:
                listing = import_module(f"opentelemetry.semconv.{place}attributes.{module}_attributes")
            except ImportError:
                continue
            found |= {str(member.value) for member in getattr(listing, wanted, ())}
    return frozenset(found)
