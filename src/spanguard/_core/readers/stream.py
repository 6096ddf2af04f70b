"""Read a stream: next to nothing for each chunk, and what the chunks say together at its end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from spanguard._core import clock
from spanguard._core.border import ask
from spanguard._core.readers import anthropic, openai
from spanguard._core.readers.reading import PLAIN, UNREAD, Get, Reading, Way, finish_reasons, getter, one_reason, way_of
from spanguard._core.readers.response import read, read_chat
from spanguard._core.usage import NOTHING

LAST: Final = 8
"""How many chunks at the end are read whole: usage and most finish reasons come last. No others are held.

As many at the begin show whether there are several choices, which come in turns.
"""
_LAST_SENT: Final = 4
"""How many of the chunks as an API sends them: why the answer ended, what a filter of Azure found in it, and the usage.

Each that is held costs: its memory would else be taken for the next, and is still in the processor's cache.
"""
_FIRST: Final = 3
"""How many chunks are timed at the begin; then one whenever they are three times as many, so also the first after `LAST`."""
_STRIDE: Final = 96
"""Of how many chunks at least one is timed: between two chunks, other code has run, and the clock is far away."""
_ONE: Final = {0}
_ENDED: Final = ("response.completed", "response.incomplete", "response.failed")

Tally = Callable[[], int]
"""Tells how many chunks there were."""
Listening = tuple[Callable[[object], None], Callable[[int], int]]


class StreamReader:
    """Reads the chunks of a stream: the first one, the last few, and what the others say of more choices than one.

    Where it is known before that there is ``one_answer``, of chunks as the API sends them, nothing is to be seen in between.
    """

    first: int | None = None
    """When the first chunk came."""
    timed: tuple[int, int] = 0, 0
    """Which chunk was timed last, counted from 1, and when it came."""
    count: int = 0
    """How many chunks there were, once it has been read."""
    _tally: Tally = staticmethod(lambda: 0)
    _is_done: bool
    _begin: object = None
    _together: _Together | None = None

    def __init__(self, *, one_answer: bool = False) -> None:
        self.kept: Final[deque[object]] = deque(maxlen=_LAST_SENT if one_answer else LAST)
        """The last chunks."""
        self._is_done = one_answer

    def listen(self, tally: Tally) -> Listening:
        """Return what whoever has a chunk needs: what keeps it, which is called for each, and what looks.

        A chunk that comes is counted; if there are now more than was wanted, which is none at first, ``look`` is called with
        their number, and returns how many are wanted next; then the chunk is kept.
        """
        self._tally = tally
        return self.kept.append, self.look

    def taker(self) -> Callable[[object], None]:
        """Return what takes a chunk, for who can afford a call for each."""
        number = wants = 0
        keep, look = self.listen(lambda: number)

        def take(chunk: object) -> None:
            nonlocal number, wants
            number += 1
            if number > wants:
                wants = look(number)
            keep(chunk)

        return take

    def look(self, number: int) -> int:
        """Time a chunk, and look at what is held before it is kept; return how many there may be until the next look."""
        now = clock.ticks()
        self.timed = number, now
        if number == 1:
            self.first = now
        elif number == 2:
            self._begin = self.kept[0]
        elif number > LAST and not self._is_done:
            ask("response", lambda: self._look(number))
            if not self._is_done:
                return number
        return number if number < _FIRST else number + min(2 * number, _STRIDE) - 1

    def _look(self, number: int) -> None:
        together = self._together
        if number == LAST + 1 and _telling(self.kept):
            together = self._together = _Together()
            together.take(self._begin)
            together.peek(self.kept)
        elif together is not None:
            together.glance(self.kept[0])
        self._is_done = together is None or not together.in_every_chunk

    def read(self) -> Reading:
        """Read what the chunks say together; what came later counts more. To be called once, at the end."""
        self.count = self._tally()
        chunks, together = list(self.kept), self._together
        if together is None or together.is_unread():
            are_all = self.count <= len(chunks)
            begin = chunks[0] if are_all and chunks else self._begin
            reading = _from_the_end(begin, chunks, whole=are_all and not self._is_done)
            if reading is not None:
                return reading
            together = _Together()
            together.take(begin)
            del chunks[:are_all]
        for chunk in together.telling(chunks):
            together.take(chunk)
        return together.reading()


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
        if issubclass(type(chunk), PLAIN):
            return
        get = getter(chunk)
        if self._choices(get):
            if self._reading is UNREAD or get("usage") is not None or get("candidates") is not None:
                usage, model, own_id, _, provider = read(chunk)
                self._reading = Reading(usage, model, own_id, (), provider).over(self._reading)
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

    def is_unread(self) -> bool:
        """Whether no chunk was read yet."""
        return self._reading is UNREAD and not self._reasons

    def telling(self, chunks: Iterable[object]) -> Iterable[object]:
        """Return those chunks that can say something more."""
        return chunks if self._reading is UNREAD or 0 not in self._reasons else _telling(chunks)

    def peek(self, chunks: Iterable[object]) -> None:
        """Read what any of these chunks says of other choices than one; counts to be added up are left for `glance`."""
        for chunk in self.telling(chunks):
            if issubclass(type(chunk), PLAIN):
                continue
            get = getter(chunk)
            if not self._choices(get):
                kind = get("type")
                self.in_every_chunk |= kind == "AIMessageChunk"
                if kind == "chunk":
                    self.take(chunk)

    def glance(self, chunk: object) -> None:
        """Read what can stand in any chunk: the end of one choice of several, and counts that are to be added up."""
        if issubclass(type(chunk), PLAIN):
            return
        get = getter(chunk)
        if not self._choices(get) and get("type") in ("AIMessageChunk", "chunk"):
            self.take(chunk)

    def reading(self) -> Reading:
        """Return the sum of it."""
        told = self._reasons
        reasons = one_reason(told[0]) if told.keys() == _ONE else finish_reasons([told[index] for index in sorted(told)])
        return Reading(self._added, finish_reasons=reasons).over(self._reading)

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


def _telling(chunks: Iterable[object]) -> list[object]:
    """Return those chunks that can say something: most are a piece of the one answer, and that is quickly told."""
    found: list[object] = []
    kind = part = None  # of most chunks the same
    of_chunk: Way = getter
    of_choice: Way = getter
    for chunk in chunks:
        if type(chunk) is not kind:
            kind = type(chunk)
            of_chunk = way_of[kind]
        get = of_chunk(chunk)
        choices = get("choices")
        if type(choices) is list and len(choices) == 1 and get("usage") is None:
            choice = choices[0]
            if type(choice) is not part:
                part = type(choice)
                of_choice = way_of[part]
            within = of_choice(choice)
            if within("finish_reason") is None and within("index") == 0:
                continue
        found.append(chunk)
    return found


def _from_the_end(begin: object, chunks: list[object], *, whole: bool) -> Reading | None:
    """Read a stream of one answer from its end, as far as that says what was used, of what model, and why it ended.

    The ``whole`` of a short stream is looked at if nobody has asked before whether it is of one answer.
    """
    reason = last = get_last = None
    for chunk in reversed(chunks):
        get = getter(chunk)
        choices = get("choices")
        if type(choices) is not list or len(choices) > 1:
            return None
        for choice in choices:
            within = getter(choice)
            if within("index") != 0:
                return None
            reason = reason or within("finish_reason")
        if get_last is None and get("usage") is not None:
            last, get_last = chunk, get
        if reason is not None and get_last is not None and not whole:
            break
    if reason is None or get_last is None:
        return None
    reading = read_chat(last, get_last, one_reason(reason))
    (sent, received, *_), model, own_id, _, provider = reading
    if sent is None or received is None or not model or not own_id:
        return None
    return reading if provider else reading._replace(provider=openai.azure(getter(begin)))
