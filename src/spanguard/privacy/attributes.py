"""Attributes as they may leave: of each key what its rule admits, of content its length alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from opentelemetry.attributes import BoundedAttributes

from spanguard.privacy.conventions import ATTRIBUTES, RESOURCE, rule_of
from spanguard.privacy.free import free_value
from spanguard.privacy.redactions import dropped_key, redacted
from spanguard.privacy.rules import DROPPED, LARGEST, MOST_ELEMENTS, Clean, Each, Flag, Number, Rule, Text, _Dropped
from spanguard.semconv import CONTENT_FIELDS, CONTENT_LENGTH
from spanguard.vocabulary.pseudonyms import Pseudonym

_LONGEST_CONTENT: Final = LARGEST

# What `_is_clean` looks up, by key: texts that were accepted, ranges of numbers, flags.
_KEPT: Final = {key: rule.kept for key, rule in ATTRIBUTES.items() if isinstance(rule, Text)}
_KEPT_EACH: Final = {
    key: rule.rule.kept for key, rule in ATTRIBUTES.items() if isinstance(rule, Each) and isinstance(rule.rule, Text)
}
_WHOLE: Final = {key: (rule.low, rule.high) for key, rule in ATTRIBUTES.items() if isinstance(rule, Number)}
_REAL: Final = {key: limits for key, limits in _WHOLE.items() if not cast("Number", ATTRIBUTES[key]).whole}
_FLAGS: Final = frozenset(key for key, rule in ATTRIBUTES.items() if isinstance(rule, Flag))


def clean_attributes(attributes: Mapping[str, object] | None, signal: str) -> dict[str, Clean]:
    """Return what may leave of the attributes of a span, an event, a link, a log record or a point of a metric."""
    # A live span's attributes can be added to meanwhile; the SDK's own mapping is slow to walk and to ask for its length.
    raw: dict[str, Any] = attributes._dict.copy() if type(attributes) is BoundedAttributes else dict(attributes or ())
    return raw if _is_clean(raw) else _sorted_out(raw, signal)


def _is_clean(attributes: dict[str, Any]) -> bool:  # noqa: C901, PLR0911, PLR0912 - the hot path, in one loop
    """Whether all attributes may leave as they are: the usual case, decided by look-ups alone.

    Only what rules have accepted before is accepted here; everything else is for the rules to decide.
    """
    texts, whole = _KEPT, _WHOLE
    try:
        for key, value in attributes.items():
            kind = type(value)
            if type(key) is not str:
                return False
            if kind is str:
                if value not in texts[key]:
                    return False
            elif kind is int:
                low, high = whole[key]
                if value < low or value > high:  # one comparison of small numbers each, which is quicker than both in a chain
                    return False
            elif kind is float:
                low, high = _REAL[key]
                if not low <= value <= high:  # also false for NaN
                    return False
            elif kind is tuple:
                kept = _KEPT_EACH[key]
                if len(value) > MOST_ELEMENTS:
                    return False
                for element in value:
                    if type(element) is not str or element not in kept:
                        return False
            elif not (key in _FLAGS if kind is bool else kind is Pseudonym and key in texts):
                return False
    except KeyError:  # a key without a rule of this kind
        return False
    return True


def _sorted_out(raw: dict[str, Any], signal: str) -> dict[str, Clean]:
    """Return what may leave where something may not: its length is taken, it is dropped or replaced, and counted."""
    kept: dict[str, Clean] = {}
    content = fields = 0
    for given, found in raw.items():
        key = given if type(given) is str else _plain(given)
        value = found if type(found) in _EXACT else _plain(found)
        rule = rule_of(key)
        cleaned = _unknown(key, value) if rule is None else rule.clean(value)
        if not isinstance(cleaned, _Dropped):
            kept[key] = cleaned
            if cleaned is value:
                continue
        elif rule is not None and rule.content:
            fields += 1
            content += _length(value)
        _count(signal, key, value, rule, cleaned)
    if fields:
        kept[CONTENT_LENGTH] = bucket(content)
        kept[CONTENT_FIELDS] = fields
    return kept


def clean_resource_attributes(attributes: Mapping[str, object]) -> dict[str, Clean]:
    """Return what may leave of the attributes of a resource."""
    kept: dict[str, Clean] = {}
    for key, value in attributes.items():
        rule = RESOURCE.get(key) if type(key) is str else None
        cleaned = DROPPED if rule is None else rule.clean(value)
        if not isinstance(cleaned, _Dropped):
            kept[key] = cleaned
        if cleaned is not value:
            _count("resource", key, value, rule, cleaned)
    return kept


def bucket(length: int) -> int:
    """Return the length rounded up to a power of two, which tells little about what was written."""
    return 1 << max(0, min(length, _LONGEST_CONTENT) - 1).bit_length() if length else 0


def _plain(value: Any) -> Any:
    """Return the text or number that a member of an enumeration is too (`HTTPStatus.OK`), asking none of its own methods."""
    kind = type(value)
    for base, taken in _TAKEN:
        if issubclass(kind, base):
            return taken(value)
    return value


_EXACT: Final = frozenset({str, int, float, bool, tuple, Pseudonym})
_TAKEN: Final[tuple[tuple[type, Callable[[Any], object]], ...]] = (
    (str, str.__str__),
    (int, int.__index__),
    (float, float.__float__),
)


def _unknown(key: object, value: object) -> Clean | _Dropped:
    return free_value(key, value) if type(key) is str else DROPPED


def _length(value: object) -> int:
    return len(value) if type(value) is str or type(value) is bytes else 0


def _count(signal: str, key: object, value: object, rule: Rule | None, cleaned: Clean | _Dropped) -> None:
    if type(cleaned) is Pseudonym:
        redacted(signal, "attribute", "pseudonym")
    elif not isinstance(cleaned, _Dropped):
        redacted(signal, "attribute", "not_in_vocabulary")
    elif rule is None:
        dropped_key(signal, "attribute", key if type(key) is str else "")
    elif rule.content:
        redacted(signal, "attribute", "content")
    else:
        kind = type(value)
        number = kind is int or kind is float
        reason = "out_of_range" if number else "not_in_vocabulary" if kind is str else "wrong_type"
        redacted(signal, "attribute", reason)
