"""The keys that were dropped lately, kept beside the key of pseudonyms for ``spanguard doctor``: never sent, never a value.

A key can be a text of somebody's too. Kept are those that look like keys (``shop.order_id``), came at least three times, and
stand in code that this process has loaded.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Final, NamedTuple

from spanguard.privacy.keys import write_whole
from spanguard.privacy.redactions import dropped_keys
from spanguard.settings import state_directory

FILE: Final = "dropped-keys.json"
_MOST: Final = 100
_SEEN: Final = 3
_LIFE: Final = 30 * 86_400


class DroppedKey(NamedTuple):
    """A key, how often it was dropped, and when last, in seconds since 1970."""

    key: str
    times: int
    last: int


def remember(directory: Path | None = None) -> None:
    """Add what this process has dropped to the file; without one that can be written, forget it."""
    fresh = dropped_keys(_MOST, seen=_SEEN)
    if fresh:
        standing = _standing({key for key, _ in fresh})
        fresh = [(key, times) for key, times in fresh if key in standing]
    directory = directory or state_directory()
    if not fresh or directory is None:
        return
    now = int(time.time())
    known = {each.key: each for each in lately(directory) if now - each.last < _LIFE}
    for key, times in fresh:
        known[key] = DroppedKey(key, times + (known[key].times if key in known else 0), now)
    newest = sorted(known.values(), key=lambda each: (-each.last, -each.times))[:_MOST]
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(directory / FILE, json.dumps(newest))
    except OSError:
        return


def _standing(keys: set[str]) -> set[str]:
    """Return those of the keys that are constants of a function, or are written in the program's own file."""
    standing = {key for key in keys if any(quoted in _program() for quoted in (f'"{key}"', f"'{key}'"))}
    for function in gc.get_objects():
        if type(function) is FunctionType:
            standing.update(keys.intersection(_constants(function.__code__.co_consts)))
    return standing


def _constants(held: tuple[object, ...]) -> Iterator[str]:
    for each in held:
        if type(each) is str:
            yield each
        elif type(each) is tuple:
            yield from _constants(each)
        elif type(each) is CodeType:
            yield from _constants(each.co_consts)


@cache
def _program() -> str:
    try:
        return Path(sys.modules["__main__"].__file__ or "").read_text("utf-8")
    except (AttributeError, KeyError, OSError, ValueError):
        return ""


def lately(directory: Path | None = None) -> list[DroppedKey]:
    """Return the keys that were dropped in the last 30 days, the newest first."""
    directory = directory or state_directory()
    try:
        found = json.loads((directory / FILE).read_text("utf-8")) if directory else []
        return [DroppedKey(str(key), int(times), int(last)) for key, times, last in found]
    except (OSError, ValueError, TypeError):
        return []
