"""Words that programs are made of: what names of routes, modules and errors may be put together from.

A word of the table may be bent (``policies``, ``routed``, ``routing``), and two may be written as one (``knowledgebases``), a
short one if it is usual in that (``userinfo``, ``apikeys``). Words that are names of people too are told apart: alone, and
side by side, they may be somebody; things of everyday life, side by side, may be a password. What tells of someone's health,
faith or love is in no set. Every freedom was taken only as far as names, places, troubles, passwords, paths of files and
made-up words do not pass (tests/tempting.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from spanguard.vocabulary.tables import table

_SHORTEST: Final = 3
_SHORTEST_JOINED: Final = 4
_LONGEST: Final = 32
_ENDINGS: Final = (("s", ("",)), ("es", ("",)), ("ies", ("y",)), ("ed", ("", "e")), ("ied", ("y",)), ("ing", ("", "e")))
_SUFFIXES: Final = ("er", "or", "able", "ible", "ize", "ise", "ly", "less", "ness", "ment", "ion", "ation", "ization", "ity")
_PREFIXES: Final = ("un", "re", "de", "non", "pre", "dis", "sub", "multi", "auto", "mis", "over")
_BRITISH: Final = (("isation", "ization"), ("ise", "ize"), ("ising", "izing"), ("our", "or"))
_VOWELS: Final = frozenset("aeiouy")
_NOT: Final = ("un", "non", "mis")


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
    stem = word.rstrip("0123456789")
    if not 1 <= len(word) - len(stem) <= 2:
        return False
    version = stem[-1:] == "v" and (len(stem) == 1 or (len(stem) > _SHORTEST and is_plain(stem[:-1])))
    return version or stem in table("words")["counted"]  # path1, step12


def is_abbreviation(word: str) -> bool:
    """Whether it may be one and is nobody's name: up to three letters, or four that have no vowel, which no name has."""
    sets = table("words")
    if word in sets["somebody"] or word in sets["never"] or word in sets["people"]:
        return False
    return len(word) <= _SHORTEST or (len(word) == _SHORTEST_JOINED and _VOWELS.isdisjoint(word))


def is_phrase(words: list[str]) -> bool:
    """Whether two of the words are things of everyday life, as in phrases that are passwords: ``coffee-piano-window``."""
    everyday = table("words")["everyday"]
    return sum(word in everyday or word.removesuffix("s") in everyday for word in words) > 1


def is_negative(word: str) -> bool:
    """Whether the word says that something is not so: ``unmodifiable``, ``nonexistent``, ``misplaced``."""
    return any(
        word.startswith(prefix) and len(word) - len(prefix) > _SHORTEST and is_plain(word[len(prefix) :]) for prefix in _NOT
    )


def _is_bent(word: str) -> bool:
    words = table("words")["words"]
    return any(base in words for spelling in {word, _american(word)} for base in _bases(spelling))


def _american(word: str) -> str:
    """Return ``favorite`` for ``favourite``, ``authorized`` for ``authorised``."""
    for british, american in _BRITISH:
        word = word.replace(british, american)
    return word


def _bases(word: str) -> Iterator[str]:
    """Yield what the word may be a form of, itself first."""
    yield from _inflected(word)
    if word[-1:] == "s" and len(word) > _SHORTEST:
        yield from _bases(word[:-1])
    for suffix in _SUFFIXES:
        base = word.removesuffix(suffix)
        if base != word and len(base) >= _SHORTEST_JOINED and (suffix != "or" or base[-1] in "st"):  # validator, compressor
            yield from (base, base + "e")
    for prefix in _PREFIXES:
        if word.startswith(prefix) and len(word) - len(prefix) > _SHORTEST:
            yield word[len(prefix) :]


def _inflected(word: str) -> Iterator[str]:
    """Yield the word, and what it may be the plural or a form of the verb of."""
    yield word
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST:
            yield from (word[: -len(ending)] + each for each in instead)


def is_run(word: str) -> bool:
    """Whether it is up to three words written as one, as names of modules are: ``rpcerrorlist``."""
    sets = table("words")
    if is_plain(word):
        return True
    if len(word) > _LONGEST or not word.isalpha():
        return False
    heads = [word[:at] for at in range(_SHORTEST, len(word))]
    if not sets["never"].isdisjoint(heads):
        return False
    known = (head for head in heads if head in sets["words" if len(head) >= _SHORTEST_JOINED else "first"])
    return any(head not in sets["everyday"] and _is_joined(word[len(head) :]) for head in known)


def _is_joined(word: str) -> bool:
    """Whether it is two words written as one: both of four letters and more, or the short one usual in such a word."""
    sets = table("words")
    words, first = sets["words"], sets["first"]
    if not word.isalpha():
        return False
    for at in range(2, len(word) - 1):
        one, two = word[:at], word[at:]
        usual = one in first
        bent = len(one) >= 2 * _SHORTEST and not words.isdisjoint(_inflected(one))  # selectedbooks
        if not usual and not bent and (len(one) < _SHORTEST_JOINED or one not in words or one in sets["everyday"]):
            continue
        if any(_may_join(base, usual=usual, alone=len(one) >= _SHORTEST_JOINED) for base in _inflected(two)):
            return len(word) >= _SHORTEST + _SHORTEST_JOINED
    return False


def _may_join(base: str, *, usual: bool, alone: bool) -> bool:
    """Whether the word may stand behind one that is usual in front, or that is long enough to stand alone."""
    sets = table("words")
    if base in sets["second"]:
        return usual or len(base) >= _SHORTEST_JOINED
    return base in sets["words"] and len(base) >= (_SHORTEST_JOINED if alone else _SHORTEST_JOINED + 1)
