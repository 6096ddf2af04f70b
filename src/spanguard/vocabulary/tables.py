"""The big tables, read from the files beside this one when they are first asked for.

A line is the name of a set, a colon, and words of the set; ``#`` begins a comment.
"""

from __future__ import annotations

from functools import cache


@cache
def table(name: str) -> dict[str, frozenset[str]]:
    """Return the sets of one file by their names."""
    from pkgutil import get_data  # with the tables themselves, which many programs never ask for

    text = (get_data("spanguard.vocabulary", f"data/{name}.txt") or b"").decode()
    sets: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            key, _, words = line.partition(": ")
            sets.setdefault(key, []).extend(words.split())
    return {key: frozenset(words) for key, words in sets.items()}
