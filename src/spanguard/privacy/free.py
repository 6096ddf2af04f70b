"""Attributes that no convention knows: kept under declared keys only, and in balanced mode if they look harmless."""

from __future__ import annotations

from typing import Final

from spanguard.privacy.modes import in_force, looks_secret, may_pass
from spanguard.privacy.rules import DROPPED, LARGEST, Clean, _Dropped
from spanguard.vocabulary.declared import is_declared, is_declared_key
from spanguard.vocabulary.pseudonyms import Pseudonym, pseudonym

_LONGEST: Final = 64
_MOST_WORDS: Final = 3
_LONGEST_WORD: Final = 24
_MOST_DIGITS: Final = 5
_TELLING: Final = frozenset("@/\\~$={}<>[]()\"'`|&;#%?*:+")
"""Characters of addresses, paths, commands, assignments, markup and encodings."""


_WRITTEN: Final = frozenset(
    """
    prompt prompts completion completions message messages msg content contents text texts body query queries question
    questions answer answers input inputs output outputs response reply chat conversation transcript utterance document
    documents doc docs chunk chunks passage context history instruction instructions description summary comment note notes
    statement sql params arguments args kwargs payload data result results error reason exception detail details password
    passwd passphrase secret secrets token apikey credential credentials auth authorization bearer cookie cookies header
    headers email mail phone mobile address street city ip user username login author customer client patient person people
    employee member owner contact first last full surname nickname birthday dob ssn iban card account file filename path
    folder directory url uri link
    """.split()
)
"""Words of keys under which stands what somebody has written, or who somebody is."""


def free_value(key: str, value: object) -> Clean | _Dropped:
    """Return what may leave of a value under a key that no convention knows."""
    declared = is_declared_key(key)
    balanced = in_force.mode == "balanced" and (declared or may_pass(key))
    if not (declared or balanced):
        return DROPPED
    if type(value) is bool or type(value) is Pseudonym:
        return value
    if type(value) is int or type(value) is float:
        return value if -LARGEST <= value <= LARGEST else DROPPED
    if type(value) is not str or not value:
        return DROPPED
    if is_declared(value) or (balanced and looks_harmless(value) and (declared or not _is_about_people(key))):
        return value
    return pseudonym(value, key) if declared else DROPPED


def _is_about_people(key: str) -> bool:
    return not _WRITTEN.isdisjoint(key.lower().replace(".", "_").replace("-", "_").split("_"))


def looks_harmless(value: str) -> bool:
    """Whether a text is short and has no mark of an address, a path, a secret, a number of somebody's, or of prose.

    Best effort, for balanced mode alone: what a text looks like is no guarantee.
    """
    if len(value) > _LONGEST or not value.isprintable() or not _TELLING.isdisjoint(value):
        return False
    words = value.split()
    return (
        len(words) <= _MOST_WORDS
        and all(len(word) <= _LONGEST_WORD and not looks_secret(word) for word in words)
        and sum(map(str.isdigit, value)) <= _MOST_DIGITS
    )
