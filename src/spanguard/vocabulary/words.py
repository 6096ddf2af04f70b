"""Words that programs are made of: what names of routes, modules and errors may be put together from.

A word of the table may be bent (``policies``, ``routed``, ``routing``), and two may be written as one (``knowledgebases``), a
short one if it is usual in that (``userinfo``, ``apikeys``). Words that are names of people too are told apart: alone, and
side by side, they may be somebody. What tells of someone's health, faith or love is in no set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from spanguard.vocabulary.tables import table

_SHORTEST: Final = 3
_SHORTEST_JOINED: Final = 4
_LONGEST: Final = 32
_ENDINGS: Final = (("s", ("",)), ("es", ("",)), ("ies", ("y",)), ("ed", ("", "e")), ("ied", ("y",)), ("ing", ("", "e")))
_SUFFIXES: Final = ("er", "or", "able")
_PREFIXES: Final = ("un", "re", "de", "non", "pre", "dis")


def is_known(word: str) -> bool:
    """Whether the word, in lower case, is one of programs; names of people are none, unless everybody uses them."""
    return is_name_too(word) or is_plain(word)


def is_name_too(word: str) -> bool:
    """Whether it is a word of programs that people are called by too, such as ``page``, ``mark``, ``park``."""
    return word in table("words")["people"]


def is_plain(word: str) -> bool:
    """Whether it is a word of programs and of nobody: itself, bent, or two written as one."""
    sets = table("words")
    if len(word) > _LONGEST or not word.isascii() or word in sets["people"] or word in sets["never"]:
        return False
    return _is_bent(word) or _is_joined(word)


def is_numbered(word: str) -> bool:
    """Whether a word with digits is usual: ``http2``, ``v2``, ``findingsv2``; not ``welcome1``, which may be a password."""
    if word in table("words")["numbered"]:
        return True
    before, mark, number = word.rpartition("v")
    return bool(mark) and number.isdigit() and len(number) <= 2 and (not before or is_plain(before))


def _is_bent(word: str) -> bool:
    words = table("words")["words"]
    return any(base in words for base in _bases(word))


def _bases(word: str) -> Iterator[str]:
    """Yield what the word may be a form of, itself first."""
    yield word
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST:
            base = word[: -len(ending)]
            for each in instead:
                yield from (base + each,) if ending != "s" else _bases(base)
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_JOINED:
            yield from (word[: -len(suffix)], word[: -len(suffix)] + "e")
    for prefix in _PREFIXES:
        if word.startswith(prefix) and len(word) - len(prefix) > _SHORTEST:
            yield word[len(prefix) :]


def is_run(word: str) -> bool:
    """Whether it is up to three words written as one, as names of modules are: ``rpcerrorlist``."""
    words = table("words")["words"]
    if is_plain(word):
        return True
    heads = range(_SHORTEST, len(word) - 2 * _SHORTEST + 1)
    return len(word) <= _LONGEST and word.isalpha() and any(word[:at] in words and _is_joined(word[at:]) for at in heads)


def _is_joined(word: str) -> bool:
    """Whether it is two words written as one: both of four letters and more, or the short one usual in such a word."""
    sets = table("words")
    words, first, second = sets["words"], sets["first"], sets["second"]
    if not word.isalpha():
        return False
    for at in range(_SHORTEST, len(word) - _SHORTEST + 1):
        one, two = word[:at], word[at:]
        if one not in first and (len(one) < _SHORTEST_JOINED or one not in words):
            continue
        bases = [base for base in _bases(two) if len(base) >= _SHORTEST]
        if any(base in second or (len(base) >= _SHORTEST_JOINED and base in words) for base in bases):
            return len(word) >= _SHORTEST + _SHORTEST_JOINED
    return False
