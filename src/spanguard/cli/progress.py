"""A bar for long work, on stderr and only where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def progress(label: str, length: int | Callable[[], int]) -> Iterator[Callable[[int], None]]:
    """Show how far work of a known length is; gives what is told of each step done.

    A length that takes time to find out is given as what finds it out, and asked for only if there is a bar.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=length if isinstance(length, int) else length(), label=label, file=sys.stderr) as bar:
        yield bar.update
