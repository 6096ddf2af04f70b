"""Names of the program's own: which are clear, and what becomes of all others.

A name is clear when it is a literal of the code that passes it, or was passed to `declare`. Any other becomes a keyed
pseudonym: equal names stay equal, and nothing can be read back. Both wings use this module: the verbs before a name
reaches a span, the guard (part of the keeping wing) for other libraries' spans.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import CodeType
from typing import Final

from spanguard.vocabulary.pseudonyms import pseudonym

LONGEST: Final = 128
"""Characters of the longest name that can be clear; a longer one is always a pseudonym."""

NAMES: Final = "name"
"""All the program's own names are one domain of pseudonyms: a candidate that fails is the ``from`` of the next hop."""

edition: int = 0
"""Grows with each declaration: what was decided before one may be decided otherwise after it."""

_clear: set[str] = set()
_keys: set[str] = set()


def declare(*names: str, keys: Iterable[str] = ()) -> None:
    """Say that these names are safe to show: of policies, rules, models, roles, variants, services, spans, hosts, routes ...

    Needed only for names that are computed: one written as a literal where a verb is used is clear by itself. Names of spans,
    events, metrics and exception classes that other libraries or your own code make without spanguard are declared too.
    Declaring is for the program's own vocabulary; never declare what a user typed. ``keys`` are attributes of your own:
    under a declared key numbers, booleans and declared names are kept, any other text becomes a pseudonym.

    Raises `TypeError` for anything that is not a string, `ValueError` for an empty one or one of more than 128 characters.
    """
    keys = (keys,) if isinstance(keys, str) else tuple(keys)
    for name in (*names, *keys):
        if not isinstance(name, str):
            raise TypeError(f"declare() takes strings, not {type(name).__name__}")
        if not name or len(name) > LONGEST:
            raise ValueError(f"a declared name has 1 to {LONGEST} characters, not {len(name)}")
    global edition
    before = len(_clear), len(_keys)
    _clear.update(map(str.__str__, names))
    _keys.update(map(str.__str__, keys))
    if (len(_clear), len(_keys)) != before:
        edition += 1  # what is declared again must not cost the guard what it remembers


def is_declared(name: str) -> bool:
    """Whether the name is known to be safe: it was declared, or has been accepted as a literal."""
    return name in _clear


def is_declared_key(key: str) -> bool:
    """Whether the key of an attribute was declared."""
    return key in _keys


def shown(name: str, code: CodeType) -> str:
    """Return the name as it may leave the process, when ``code`` is the code that passed it.

    What was accepted once is remembered; what was refused is not, so memory stays bounded by the program's own literals.
    """
    if name in _clear:
        return name
    if len(name) <= LONGEST and any(type(constant) is str and constant == name for constant in code.co_consts):
        _clear.add(name)
        return name
    return pseudonym(name, NAMES)
