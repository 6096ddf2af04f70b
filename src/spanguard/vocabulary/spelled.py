"""Names as code spells them, cut into words: ``RateLimitError``, ``rate_limit_error``, ``rateLimitError``, ``HTTP2Error``."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

_LONGEST: Final = 80
_MOST_DIGITS: Final = 3


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case, digits left out; none for a text that is no name or has many digits.

    A word ends at ``_`` and ``-``, before a capital letter, and before the last of several capitals: ``APIError`` is two.
    """
    if len(name) > _LONGEST or not name.isascii() or not name[:1].isalpha():
        return []
    words: list[str] = []
    digits = 0
    for piece in name.replace("-", "_").split("_"):
        if not piece.isalnum() or (piece.isdigit() and len(piece) > 1):
            return []
        digits += sum(map(str.isdigit, piece))
        words += _humps(piece)
    return words if digits <= _MOST_DIGITS else []


def numbered_of(name: str) -> list[str]:
    """Return the words of a name that have digits, with them: ``http2`` and ``v2`` of ``HTTP2ErrorV2``."""
    cut = (hump for piece in name.replace("-", "_").split("_") for hump in _cut(piece))
    return [hump.lower() for hump in cut if any(map(str.isdigit, hump))]


def _humps(piece: str) -> list[str]:
    humps = (hump.strip("0123456789").lower() for hump in _cut(piece))
    return [hump for hump in humps if hump]


def _cut(piece: str) -> list[str]:
    starts = [
        at
        for at, letter in enumerate(piece)
        if at and letter.isupper() and (not piece[at - 1].isupper() or piece[at + 1 : at + 2].islower())
    ]
    return [piece[a:b] for a, b in pairwise([0, *starts, len(piece)])]
