"""What may stand under a key: one rule each, out of a handful of kinds.

A rule takes whatever was recorded and returns what may leave the process in its place, or `DROPPED`. It trusts exact types
alone: a subclass of `str` or `int` can do as it likes when it is compared. It never walks what is nested, and never raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import is_
from typing import Final

from spanguard.vocabulary.declared import is_declared
from spanguard.vocabulary.pseudonyms import Pseudonym, pseudonym

Scalar = str | bool | int | float
Clean = Scalar | tuple[Scalar, ...]

LONGEST: Final = 256
"""Characters of the longest text that can be in clear; a longer one is not even looked at."""
LARGEST: Final = 9_999_999
"""The largest count: dates, phone numbers and numbers of cards have eight digits or more."""
LARGEST_SIZE: Final = 1 << 44
"""The largest number of bytes."""
MOST_ELEMENTS: Final = 32
"""Elements of the longest list that is kept."""
_MOST_KEPT: Final = 2000


class _Dropped:
    def __repr__(self) -> str:
        return "DROPPED"


DROPPED: Final = _Dropped()
"""In place of a value of which nothing may leave."""


class Rule:
    """Nothing may stand under the key. The base of all rules."""

    content = False
    """Whether what stands under the key is what a user or a model wrote; then its length is counted."""

    def clean(self, value: object) -> Clean | _Dropped:  # noqa: ARG002
        """Return what may leave in place of the value, or `DROPPED`."""
        return DROPPED


class Content(Rule):
    """The key holds what a user or a model wrote."""

    content = True


class Flag(Rule):
    """True or false."""

    def clean(self, value: object) -> Clean | _Dropped:
        """Return the value if it is a boolean."""
        return value if type(value) is bool else DROPPED


class Number(Rule):
    """A number within a range; not NaN, not infinite."""

    def __init__(self, low: float, high: float, *, whole: bool) -> None:
        self.low: Final = low
        self.high: Final = high
        self.whole: Final = whole

    def clean(self, value: object) -> Clean | _Dropped:
        """Return the value if it is a number of the right type within the range."""
        if type(value) is int or (type(value) is float and not self.whole):
            return value if self.low <= value <= self.high else DROPPED
        return DROPPED


class Size(Rule):
    """A number of bytes: itself up to 1 MiB, above that rounded up to a power of two, at most 16 TiB."""

    def clean(self, value: object) -> Clean | _Dropped:
        """Return the size as it may be shown."""
        if type(value) is not int or not 0 <= value <= LARGEST_SIZE:
            return DROPPED
        return value if value <= 1 << 20 else 1 << (value - 1).bit_length()


class Bucket(Rule):
    """A length that was rounded up to a power of two before; nothing else is one."""

    def clean(self, value: object) -> Clean | _Dropped:
        """Return the length if it is 0 or a power of two, at most 16 Mi."""
        return value if type(value) is int and 0 <= value <= 1 << 24 and not value & (value - 1) else DROPPED


class Text(Rule):
    """A text of a finite set: ``known`` says whether it is in it, ``otherwise`` what is shown in place of one that is not.

    Accepted texts are remembered, refused ones never: memory holds no more than what may leave the process anyway.
    """

    def __init__(
        self, known: Callable[[str], bool], otherwise: Callable[[str], str] | None = None, *, numbers: bool = False
    ) -> None:
        self._known = known
        self._otherwise = otherwise
        self._numbers = numbers  # whether a number is as good as its digits: a status code under `error.type`
        self.kept: Final[dict[str, str]] = {}
        """Texts that were accepted, by themselves."""

    def takes_names(self) -> bool:
        """Whether the program's own names stand there: clear if they are declared, and nothing else is."""
        return self._known is _never

    def clean(self, value: object) -> Clean | _Dropped:
        """Return the text, or what stands for it, or `DROPPED`."""
        if type(value) is str:
            return self.kept.get(value) or self._looked_up(value)
        if type(value) is Pseudonym:
            return value
        if self._numbers and type(value) is int and 0 <= value <= LARGEST:
            return self._looked_up(str(value))
        return DROPPED

    def _looked_up(self, value: str) -> str | _Dropped:
        if len(value) <= LONGEST and (self._known(value) or is_declared(value)):
            if len(self.kept) < _MOST_KEPT:
                self.kept[value] = value
            return value
        return DROPPED if self._otherwise is None or not value else self._otherwise(value)


class Each(Rule):
    """A list in which each element follows one rule; elements that may not leave are left out."""

    def __init__(self, rule: Rule) -> None:
        self.rule: Final = rule

    def clean(self, value: object) -> Clean | _Dropped:
        """Return the elements that may leave, at most 32, or `DROPPED` if there are none."""
        if type(value) is not tuple and type(value) is not list:
            return self.rule.clean(value)
        cleaned = [self.rule.clean(element) for element in value[:MOST_ELEMENTS]]
        if type(value) is tuple and len(cleaned) == len(value) and all(map(is_, cleaned, value)):
            return value
        return tuple(element for element in cleaned if not isinstance(element, (_Dropped, tuple))) or DROPPED


# ------------------------------------------------------------------------------------------------------- short to write


def one_of(*values: str, otherwise: str | None = None) -> Text:
    """Make the rule of a closed list; ``otherwise`` is shown for what is not in it, such as ``_OTHER``."""
    return Text(frozenset(values).__contains__, None if otherwise is None else lambda _: otherwise)


def count(high: float = LARGEST) -> Number:
    """Make the rule of a whole number that is not negative."""
    return Number(0, high, whole=True)


def amount(high: float = LARGEST, low: float = 0.0) -> Number:
    """Make the rule of a number, such as seconds."""
    return Number(low, high, whole=False)


def identity(of: str) -> Text:
    """Make the rule of an attribute that is always a pseudonym, even where somebody declared its value."""
    return _Identity(of)


def known(test: Callable[[str], bool], of: str | None = None, *, numbers: bool = False) -> Text:
    """Make the rule of a vocabulary; what is not in it becomes a pseudonym of ``of``, or is dropped without ``of``."""
    return Text(test, None if of is None else lambda value: pseudonym(value, of), numbers=numbers)


def name(of: str) -> Text:
    """Make the rule of the program's own names: clear when they are declared, else a pseudonym of ``of``."""
    return known(_never, of)


def either(values: Iterable[str], test: Callable[[str], bool]) -> Callable[[str], bool]:
    """Return a test for texts that are in a list or pass another test."""
    listed = frozenset(values)
    return lambda value: value in listed or test(value)


def _never(_: str) -> bool:
    return False


class _Identity(Text):
    """Never clear."""

    def __init__(self, of: str) -> None:
        super().__init__(_never)
        self._of = of

    def takes_names(self) -> bool:
        """No name is clear either."""
        return False

    def clean(self, value: object) -> Clean | _Dropped:
        """Return the pseudonym of the text or whole number."""
        if type(value) is Pseudonym:
            return value
        if type(value) is int:
            value = str(value) if -(2**63) <= value < 2**64 else ""
        return pseudonym(value, self._of) if type(value) is str and value else DROPPED
