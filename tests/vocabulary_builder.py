# ruff: noqa: T201
"""Let the vocabulary of models learn from ids that a library lists: run it with files that hold one id a line.

    python tests/vocabulary_builder.py [--without NAMES] IDS...

What the ids need and the vocabulary lacks is added to ``data/models.txt``: segments before the last to ``prefixes``, words
to ``products``, words with digits to ``mixed``, and an id that its words alone do not make one to ``exact``. NAMES holds
words that are never added: given names, and words of everyday language.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import wrap

from spanguard.vocabulary import model_ids
from spanguard.vocabulary.models import is_published
from spanguard.vocabulary.tables import table

DATA = Path(model_ids.__file__).parent / "data" / "models.txt"
_WIDTH = 118
_LONGEST_WORD = 16


def lacking(ids: Iterable[str], without: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield what the vocabulary lacks to tell the ids: the set that it belongs to, and the word."""
    for model in ids:
        lowered = model.lower().removeprefix("~")
        if is_published(lowered):
            continue
        *before, last = lowered.split("/")
        yield from (("prefixes", segment) for segment in before if not model_ids._is_prefix(segment))
        for piece in last.translate(model_ids._APART).split("-"):
            known = piece.isdigit() or model_ids._Reader(vendor=True)._piece(piece)
            if piece and not known and piece.isalnum() and piece not in without and len(piece) <= _LONGEST_WORD:
                yield ("products" if piece.isalpha() else "mixed"), piece


def learn(added: Iterable[tuple[str, str]]) -> None:
    """Write the words into the file, and let this process read it again."""
    written(DATA, added)
    model_ids._words.cache_clear()


def written(path: Path, added: Iterable[tuple[str, str]]) -> None:
    """Add words to the sets of a table, each with the name of its set, and let this process read it again."""
    lines = path.read_text().splitlines()
    sets: dict[str, set[str]] = {}
    for line in lines:
        key, found, words = line.partition(": ")
        if found and line[0] != "#":
            sets.setdefault(key, set()).update(words.split())
    for key, word in added:
        sets[key].add(word)
    head = [line for line in lines if line.startswith("#")]
    body = (
        f"{key}: {line}"
        for key, words in sets.items()
        for line in wrap(" ".join(sorted(words)), _WIDTH, break_long_words=False, break_on_hyphens=False)
    )
    path.write_text("\n".join([*head, *body]) + "\n")
    table.cache_clear()


def main() -> None:
    """Learn from the files that the arguments name."""
    arguments = ArgumentParser(description=__doc__)
    arguments.add_argument("--without", type=Path)
    arguments.add_argument("ids", nargs="+", type=Path)
    given = arguments.parse_args()
    without = frozenset(given.without.read_text().lower().split()) if given.without else frozenset()
    ids = {model for path in given.ids for model in path.read_text().split()}
    learn(lacking(ids, without))
    left = [model.lower() for model in ids if not is_published(model)]
    learn(("exact", model) for model in left if not without & {*model.replace("/", "-").split("-")})
    print(f"{len(ids)} ids, {len(left)} of them were not told by their words", file=sys.stderr)


if __name__ == "__main__":
    main()
