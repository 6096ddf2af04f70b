"""The keys that were dropped lately, kept beside the key of pseudonyms for ``spanguard doctor``: never sent, never a value.

A key can be a text of somebody's too. Kept are those that look like keys (``shop.order_id``) and came at least three times.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
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


def lately(directory: Path | None = None) -> list[DroppedKey]:
    """Return the keys that were dropped in the last 30 days, the newest first."""
    directory = directory or state_directory()
    try:
        found = json.loads((directory / FILE).read_text("utf-8")) if directory else []
        return [DroppedKey(str(key), int(times), int(last)) for key, times, last in found]
    except (OSError, ValueError, TypeError):
        return []
