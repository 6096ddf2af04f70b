"""Queues of the SDK's batch processors that know what they have let go.

When its queue is full, the SDK drops the oldest item for each new one. It only logs that, and under several threads not each.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Final, TypeVar

T = TypeVar("T")

_LOOK_EVERY: Final = 256
_log: Final = logging.getLogger("spanguard")
_queues: Final[list[weakref.ref[CountingQueue[object]]]] = []


class CountingQueue(deque[T]):
    """A queue that tells how many items fell out of it, each once, when it is looked at and while it is being emptied.

    What was put in, less what is there and what was taken out, fell out. Threads that put things in need no lock for that:
    an item counts as put in once it is there, and as taken out before it goes, and that is asked for in this order. So too
    few are seen for a moment, and never too many.
    """

    def __init__(self, size: int | None, tell: Callable[[int], object]) -> None:
        super().__init__((), size)
        self._tell = tell
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._put = count()  # whose `next` is one step: += would lose counts
        self._looks = self._taken = self._told = 0

    def appendleft(self, item: T) -> None:
        """Put an item in; if there is no room, the oldest falls out."""
        super().appendleft(item)
        next(self._put)

    def pop(self) -> T:  # type: ignore[override]
        """Take the oldest out; the SDK has a lock for it."""
        self._taken += 1
        item = super().pop()
        if not self or self._taken % _LOOK_EVERY == 0:
            self.look()
        return item

    def clear(self) -> None:
        """Begin anew, as the SDK has it in a forked child: what was in it is the parent's."""
        super().clear()
        self._begin()

    def look(self) -> None:
        """Tell of what fell out since the last time."""
        with self._lock:
            put = next(self._put) - self._looks  # looking counts, too
            self._looks += 1
            fell = put - len(self) - self._taken - self._told
            if fell > 0:
                self._told += fell
                self._tell(fell)


def watch(processor: object, tell: Callable[[int], object]) -> None:
    """Have a batch processor of the SDK tell of the items that fall out of its queue; called before it is used."""
    holder = getattr(processor, "_batch_processor", None)
    queue = getattr(holder, "_queue", None)
    if type(queue) is deque:
        counting: CountingQueue[object] = CountingQueue(queue.maxlen, tell)
        holder._queue = counting  # type: ignore[union-attr]
        _queues.append(weakref.ref(counting))
    else:
        _log.warning("this version of the SDK keeps its queue in another way: what it drops is not counted")


def look() -> None:
    """Have each queue tell of what fell out of it."""
    for each in _queues:
        if (queue := each()) is not None:
            queue.look()


def left() -> int:
    """Return how many items are still in queues."""
    return sum(len(queue) for each in _queues if (queue := each()) is not None)
