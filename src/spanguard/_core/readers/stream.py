"""Read a stream: next to nothing for each chunk, and what the chunks say together at its end."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from typing import Final

from spanguard._core.readers import anthropic
from spanguard._core.readers.reading import PLAIN, UNREAD, Get, Reading, finish_reasons, getter
from spanguard._core.readers.response import read
from spanguard._core.usage import NOTHING

LAST: Final = 8
"""How many chunks at the end are read whole: usage and most finish reasons come last. No others are held."""
_BEGIN: Final = 16
"""So many chunks at the begin show whether there are several choices, which come in turns."""
_ENDED: Final = ("response.completed", "response.incomplete", "response.failed")


class StreamReader:
    """Reads the chunks of a stream: the first one, the last few, and what the others say of more choices than one."""

    __slots__ = ("_tally", "_together", "kept", "wants")

    def __init__(self, tally: Callable[[], int]) -> None:
        self._tally = tally
        self.kept: Final[deque[object]] = deque(maxlen=LAST)
        """The last chunks: whoever has one counts it, calls `look` if there are more than it `wants`, and appends it."""
        self.wants = 0
        self._together = _Together()

    @property
    def count(self) -> int:
        """How many chunks there were."""
        return self._tally()

    def look(self) -> None:
        """Look at the chunk that is about to be let go, if it can say anything."""
        number, together = self.count - LAST, self._together
        if number <= 0:
            self.wants = LAST
        elif number == 1:
            together.take(self.kept[0])
        elif number <= _BEGIN + 1 or together.in_every_chunk:
            together.glance(self.kept[0])
        else:
            self.wants = sys.maxsize

    def read(self) -> Reading:
        """Read what the chunks say together; what came later counts more. To be called once, at the end."""
        for chunk in self.kept:
            self._together.take(chunk)
        return self._together.reading()


class _Together:
    """What the chunks that were looked at say together."""

    __slots__ = ("_added", "_reading", "_reasons", "in_every_chunk")

    def __init__(self) -> None:
        self._reading = UNREAD
        self._added = NOTHING
        self._reasons: dict[int, object] = {}
        self.in_every_chunk = False

    def take(self, chunk: object) -> None:
        """Read all that a chunk says."""
        if isinstance(chunk, PLAIN):
            return
        get = getter(chunk)
        if self._choices(get):
            if self._reading is UNREAD or get("usage") is not None or get("candidates") is not None:
                self._reading = read(chunk)._replace(finish_reasons=()).over(self._reading)
            return
        kind = get("type")
        if kind == "chunk":  # an event of openai's `chat.completions.stream` around the chunk as it came
            self.take(get("chunk"))
            return
        if kind == "message_delta":
            reading = anthropic.delta(get, self._reading.usage)
        elif kind in ("message_start", "message_stop"):
            reading = read(get("message"))
        elif (inner := get("response")) is not None:  # events of the Responses API carry the response so far
            reading = read(inner) if kind in _ENDED else read(inner)._replace(finish_reasons=())
        else:
            reading = self._add(read(chunk)) if kind == "AIMessageChunk" else read(chunk)
        self._reading = reading.over(self._reading)

    def glance(self, chunk: object) -> None:
        """Read what can stand in any chunk: the end of one choice of several, and counts that are to be added up."""
        if isinstance(chunk, PLAIN):
            return
        get = getter(chunk)
        if not self._choices(get) and get("type") in ("AIMessageChunk", "chunk"):
            self.take(chunk)

    def reading(self) -> Reading:
        """Return the sum of it."""
        reasons = finish_reasons(self._reasons[index] for index in sorted(self._reasons))
        whole = Reading(self._added, finish_reasons=reasons)
        return whole.over(self._reading)

    def _add(self, reading: Reading) -> Reading:
        self.in_every_chunk = True
        self._added = self._added.plus(reading.usage)
        return reading._replace(usage=NOTHING)

    def _choices(self, get: Get) -> bool:
        """Note which choices of a chunk ended, and why; return whether it is a chunk with choices at all."""
        choices = get("choices") or get("candidates")
        if not isinstance(choices, (list, tuple)):
            return False
        reasons = self._reasons
        for position, choice in enumerate(choices):
            within = getter(choice)
            index = within("index")
            index = index if type(index) is int else position
            reason = within("finish_reason") or within("finishReason")
            if reason is not None or index not in reasons:
                reasons[index] = reason
                self.in_every_chunk |= index > 0
        return True
