"""Read a stream: next to nothing for each chunk, and what the chunks say together at its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from spanguard._core.border import ask
from spanguard._core.readers import anthropic
from spanguard._core.readers.reading import PLAIN, UNREAD, Get, Reading, finish_reasons, getter
from spanguard._core.readers.response import read
from spanguard._core.usage import NOTHING

_LAST: Final = 8
"""How many chunks at the end are read whole: usage and most finish reasons come last."""
FULL: Final = 64
"""So many chunks are held at most before the older ones are let go."""
_BEGIN: Final = 16
"""So many chunks at the begin show whether there are several choices, which come in turns."""
_ENDED: Final = ("response.completed", "response.incomplete", "response.failed")


class StreamReader:
    """Reads the chunks of a stream: the first one, the last few, and what the others say of more choices than one."""

    __slots__ = ("_gone", "_together", "held")

    def __init__(self) -> None:
        self.held: Final[list[object]] = []
        """The chunks that are to be read: whoever has one appends it, and calls `let_go` when there are `FULL`."""
        self._gone = 0
        self._together = _Together()

    @property
    def count(self) -> int:
        """How many chunks there were."""
        return self._gone + len(self.held)

    @property
    def kept(self) -> list[object]:
        """The last chunks."""
        return self.held[-_LAST:]

    def read(self) -> Reading:
        """Read what the chunks say together; what came later counts more. To be called once, at the end."""
        self._look(self.held[:-_LAST])
        for chunk in self.kept:
            self._together.take(chunk)
        return self._together.reading()

    def let_go(self) -> None:
        """Look at all but the last chunks, and hold them no more."""
        old = self.held[:-_LAST]
        del self.held[:-_LAST]
        ask("response", lambda: self._look(old))
        self._gone += len(old)

    def _look(self, chunks: Sequence[object]) -> None:
        # Whether there are several choices, or counts to be added up, shows among the first chunks.
        together, begin = self._together, self._gone == 0
        if chunks and begin:
            together.take(chunks[0])
        for number, chunk in enumerate(chunks[begin:]):
            if not (together.in_every_chunk or (begin and number < _BEGIN)):
                break
            together.glance(chunk)


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
