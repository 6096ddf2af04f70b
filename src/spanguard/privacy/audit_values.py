"""What the auditor thinks of single values: attributes by the rules of their keys, names, ids, times and counts.

The rules are those of the conventions; nothing here is used by what cleans, so that a fault of the one is seen by the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, NamedTuple

from spanguard import semconv
from spanguard.privacy.conventions import (
    ATTRIBUTES,
    RESOURCE,
    MetricRule,
    is_bound,
    is_event,
    is_schema_url,
    is_scope,
    rule_of,
)
from spanguard.privacy.conventions.known import ERROR, MODEL
from spanguard.privacy.conventions.stack import Stack, is_stack
from spanguard.privacy.modes import PLAIN, is_plain
from spanguard.privacy.names import TAILS, WORDS
from spanguard.privacy.rules import LARGEST, Rule, Text
from spanguard.vocabulary.declared import is_declared, is_declared_key
from spanguard.vocabulary.models import is_published
from spanguard.vocabulary.pseudonyms import Pseudonym, looks_like_one
from spanguard.vocabulary.versions import is_version

Reason = Literal[
    "not_in_vocabulary",
    "unknown_key",
    "content",
    "out_of_range",
    "wrong_type",
    "nested",
    "must_be_empty",
    "not_an_id",
    "unknown_field",
    "undeclared_name",
    "unknown_name",
]
Check = Callable[[object], Reason | None]

UNKNOWN: Final = "unknown"
"""In place of a key that no convention knows: it can be what somebody typed."""
UNDECLARED: Final = "undeclared_name"
"""The one reason that is a doubt and no violation: a name of the program's own that this process cannot know."""

_OLDEST: Final = 946_684_800 * 10**9
_NEWEST: Final = 2_524_608_000 * 10**9
LARGEST_TOTAL: Final = 10**12
_DIGITS: Final = frozenset("0123456789abcdef")
_LONGEST_ID: Final = 64
_LETTERS: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz"), frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_PRINTABLE: Final = _LETTERS[0] | _LETTERS[1] | frozenset(b"0123456789 _-.")
_SEVERITIES: Final = frozenset(
    f"{level}{number}" for level in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL") for number in ("", 2, 3, 4)
) | {"WARNING", "CRITICAL", "NOTSET", "NOTICE", "ALERT", "EMERGENCY", "SUCCESS"}
_OWN_NAMES: Final = frozenset(each.name for each in semconv.ATTRIBUTES.values() if each.privacy in ("name", "id")) | {
    "service.name",
    "service.version",
}
_OWN_IDS: Final = frozenset({semconv.RUN_ID, *(each.name for each in semconv.ATTRIBUTES.values() if each.privacy == "id")})


class Nested:
    """In place of a value inside a value, which is refused as it is and not looked at."""


NESTED: Final = Nested()


class Finding(NamedTuple):
    """What is wrong with an attribute: with its key or with its value."""

    at: Literal["key", "value"]
    key: str
    reason: Reason


# ---------------------------------------------------------------------------------------------------------- attributes


def attribute(key: object, value: object, *, resource: bool = False) -> Finding | None:
    """Say what is wrong with an attribute, in words that tell nothing of it; None if nothing is."""
    if type(key) is not str:
        return Finding("key", UNKNOWN, "wrong_type")
    rule = RESOURCE.get(key) if resource else (ATTRIBUTES.get(key) or rule_of(key))
    if rule is None:
        reason = _free(key, value)
        return reason and Finding("key" if reason == "unknown_key" else "value", UNKNOWN, reason)
    shown = key if key in ATTRIBUTES or key in RESOURCE else UNKNOWN
    reason = _under(rule, key, value)
    return reason and Finding("value", shown, reason)


def _under(rule: Rule, key: str, value: object) -> Reason | None:
    if value is None or (type(value) is str and not value):  # says nothing
        return None
    if rule.content:
        return "content"
    if value is NESTED or type(value) is bytes:
        return "nested" if value is NESTED else "wrong_type"
    given = _marked(value)
    cleaned = rule.clean(given)
    same = type(cleaned) is type(given) and cleaned == given and str(cleaned) == str(given)  # True is 1, and 1.0 is 1
    if same or (type(rule) is Stack and type(value) is str and is_stack(value)):
        return None
    return _refused_text(rule, key, value) if type(value) is str else _refused(value)


def _refused_text(rule: Rule, key: str, value: str) -> Reason | None:
    if key in _OWN_NAMES:
        return None if _is_drawn(key, value) else _own_name(key, value)
    takes_names = rule in (MODEL, ERROR) or (isinstance(rule, Text) and rule.takes_names())
    return unknown_name(value) if takes_names else "not_in_vocabulary"


def _free(key: str, value: object) -> Reason | None:
    """Judge what stands under a key of the program's own: nothing may, unless the key was declared."""
    if not is_declared_key(key):
        return "unknown_key"
    if value is None or type(value) is bool:
        return None
    if type(value) is int or type(value) is float:
        return None if -LARGEST <= value <= LARGEST else "out_of_range"
    if type(value) is str:
        return None if not value or is_declared(value) or looks_like_one(value) else unknown_name(value)
    return "wrong_type"


def _is_drawn(key: str, value: str) -> bool:
    """Whether it is an id as spanguard draws them for runs and sessions: 16 hex digits."""
    return key in _OWN_IDS and len(value) == 16 and _DIGITS.issuperset(value)


def _own_name(key: str, value: str) -> Reason:
    """Judge a name under one of our keys that nobody declared in this process.

    In the process that wrote it, it was a literal of the code or was declared, or it would be a pseudonym now. That cannot be
    told from here; what can be told is whether it has the form of a name that stands in code.
    """
    looks_given = key in _OWN_IDS and len(value) <= _LONGEST_ID and PLAIN.issuperset(value)  # "build-20261121.4"
    plain = is_plain(value) or looks_given or MODEL.clean(value) == value
    return "undeclared_name" if plain else "not_in_vocabulary"


def _marked(value: object) -> object:
    """Return the value as the rules know it: what looks like a pseudonym as one, for there is no other way to tell here."""
    if type(value) is str:
        return Pseudonym(value) if looks_like_one(value) or _is_fine_tuned(value) else value
    if type(value) is list or type(value) is tuple:
        return tuple(_marked(element) for element in value)
    return value


def _is_fine_tuned(value: str) -> bool:
    """Whether it is what stands for a fine-tuned model: the published one that it was made from, and a pseudonym."""
    base, _, rest = value.removeprefix("ft:").partition(":h:")
    return value.startswith("ft:") and looks_like_one(f"h:{rest}") and is_published(base)


def _refused(value: object) -> Reason:
    if type(value) is int or type(value) is float:
        return "out_of_range"
    if type(value) is tuple or type(value) is list:
        return "nested" if NESTED in value else _refused(value[0]) if value else "wrong_type"
    return "wrong_type"


# --------------------------------------------------------------------------------------------------------------- names


def unknown_name(value: str) -> Reason:
    """Say what a name is that no vocabulary has: one that the program may have declared, or nothing that a name could be.

    Unlike our own, names of others are never clear by being literals; if the program declares them, so can the auditor.
    """
    return "unknown_name" if is_plain(value) else "not_in_vocabulary"


def _name(known: Callable[[str], bool]) -> Check:
    """Make the check of a name: known, declared, or a pseudonym."""

    def check(value: object) -> Reason | None:
        if type(value) is not str:
            return "wrong_type"
        fine = not value or looks_like_one(value) or known(value) or is_declared(value)
        return None if fine else unknown_name(value)

    return check


def span_name(name: object, attributes: Mapping[str, object]) -> Reason | None:
    """Judge the name of a span: words of the conventions, and what stands in the span's own attributes, if it may."""
    if type(name) is not str:
        return "wrong_type"
    told = {
        value
        for key, value in attributes.items()
        if type(value) is str and ((wrong := attribute(key, value)) is None or wrong.reason == UNDECLARED)
    }

    def known(part: str) -> bool:
        return part in WORDS or part in told or looks_like_one(part) or is_declared(part)

    for tail in TAILS:
        name = name.removesuffix(tail)
    first, _, rest = name.partition(" ")
    if not name or known(name) or (known(first) and known(rest)):
        return None
    return unknown_name(rest if rest and known(first) else name)


scope_name: Final = _name(is_scope)
event_name: Final = _name(is_event)
version: Final = _name(is_version)
schema_url: Final = _name(is_schema_url)
severity: Final = _name(lambda text: text.isascii() and text.upper() in _SEVERITIES)


def one_of(*values: str) -> Check:
    """Make the check of a closed list, without pseudonyms."""
    return lambda value: None if value in values else "not_in_vocabulary"


def empty(value: object) -> Reason | None:
    """Nothing may stand there."""
    return "must_be_empty" if value else None


# ------------------------------------------------------------------------------------------------------ ids and numbers


def id_of(length: int) -> Check:
    """Make the check of a random id of so many bytes; one that reads as text is none, whatever its length."""

    def check(value: object) -> Reason | None:
        if type(value) is not bytes:
            return "wrong_type"
        return "not_an_id" if value and (len(value) != length or _is_text(value)) else None

    return check


def digest(value: object) -> Reason | None:
    """Random bytes or a digest, of 8 or 16 bytes."""
    return id_of(8)(value) and id_of(16)(value)


def hex_id(length: int) -> Check:
    """Make the check of a random id of so many bytes that is written in hex."""

    def check(value: object) -> Reason | None:
        if type(value) is not str or len(value) not in (0, 2 * length) or not _DIGITS.issuperset(value):
            return "not_an_id"
        return id_of(length)(bytes.fromhex(value))

    return check


def within(low: float, high: float) -> Check:
    """Make the check of a number in a range; NaN is in none."""

    def check(value: object) -> Reason | None:
        if type(value) is not int and type(value) is not float:
            return "wrong_type"
        return None if low <= value <= high else "out_of_range"

    return check


count: Final = within(0, LARGEST)
total: Final = within(0, LARGEST_TOTAL)
share: Final = within(0, 1)


def time(value: object) -> Reason | None:
    """Nanoseconds since 1970 that lie in the years 2000 to 2049, or 0 for none."""
    return None if type(value) is int and (value == 0 or _OLDEST <= value < _NEWEST) else "out_of_range"


def summed(largest: float, measurements: float) -> Check:
    """Make the check of what so many measurements add up to, each at most ``largest``; and never above a million million."""
    most = max(largest, min(largest * max(measurements, 1), LARGEST_TOTAL))
    return within(-most, most)


def added_up(value: object, largest: float, start: object, end: object) -> Reason | None:
    """Judge what a gauge measured, or what a counter has come to from its start to its end, in nanoseconds."""
    most = max(largest, LARGEST_TOTAL)
    wrong = within(-most, most)(value)
    if wrong is not None or not isinstance(value, (int, float)):
        return wrong
    rule = MetricRule("", "", largest)
    elapsed = end - start if isinstance(start, int) and isinstance(end, int) and start else 0
    return None if value in (rule.total(value, elapsed), rule.shown(value)) else "out_of_range"


def any_wrong(check: Check, elements: Iterable[object]) -> Reason | None:
    """Return what is wrong with the first element that is not as it should be."""
    for element in elements:
        wrong = check(element)
        if wrong is not None:
            return wrong
    return None


def bounds(values: Iterable[float]) -> Reason | None:
    """Judge the bounds of a histogram's buckets: those of the conventions, or numbers that rise, the large ones round."""
    given = tuple(values)
    if given in _BOUNDS:
        return None
    return any_wrong(_bound, given) or (None if list(given) == sorted(set(given)) else "out_of_range")


def _bound(value: object) -> Reason | None:
    wrong = within(-LARGEST_TOTAL, LARGEST_TOTAL)(value)
    if wrong is None and isinstance(value, (int, float)) and not is_bound(value):
        return "out_of_range"
    return wrong


def extreme(value: object, largest: float) -> Reason | None:
    """Judge the smallest or largest measurement; it is infinite where none is recorded."""
    if type(value) is float and math.isinf(value):
        return None
    return within(-largest, largest)(value)


def _is_text(value: bytes) -> bool:
    """Whether random bytes would hardly ever look like this: one in a thousand million of 16, one in forty million of 8."""
    if len(value) > 8:
        return _PRINTABLE.issuperset(value)
    return any(letters.issuperset(value) for letters in _LETTERS)


def _known_bounds() -> frozenset[tuple[float, ...]]:
    metrics = list(semconv.METRICS)
    for generation in semconv.GENERATIONS.values():
        metrics += [generation.duration, generation.first_chunk, generation.per_chunk]
        metrics += [token.metric for token in generation.tokens]
    sdk = (0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0)
    return frozenset({(), sdk, *(metric.boundaries for metric in metrics)})


_BOUNDS: Final = _known_bounds()
