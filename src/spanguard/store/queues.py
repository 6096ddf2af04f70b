"""Queues of the SDK's batch processors that know what they have let go.

When its queue is full, the SDK drops the oldest item for each new one. It only logs that, and under several threads not each.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from types import FrameType
from typing import Final, TypeVar

from opentelemetry import _logs, metrics, trace
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from spanguard import semconv
from spanguard.store.losses import losses, lost

T = TypeVar("T")

_LOOK_EVERY: Final = 256
_MOST_FRAMES: Final = 10
_queues: Final[list[weakref.ref[CountingQueue[object]]]] = []
_told: weakref.ref[metrics.MeterProvider] | None = None


class CountingQueue(deque[T]):
    """A queue that tells how many items fell out of it, each once, when it is looked at and while it is being emptied.

    What was put in, less what is there and what was taken out, fell out. Threads that put things in need no lock for that:
    an item counts as put in once it is there, and as taken out before it goes, and that is asked for in this order. So too
    few are seen for a moment, and never too many. It takes over what is in the queue ``before``, if there is one, and what
    a thread that just had that one in its hand puts there yet.
    """

    def __init__(self, size: int | None, tell: Callable[[int], object], before: deque[T] | None = None) -> None:
        super().__init__((), size)
        self._tell = tell
        self._before: deque[T] = deque() if before is None else before
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
        self._before.clear()
        self._begin()

    def look(self) -> None:
        """Tell of what fell out since the last time."""
        with self._lock:
            while self._before:
                self.appendleft(self._before.pop())
            put = next(self._put) - self._looks  # looking counts, too
            self._looks += 1
            fell = put - len(self) - self._taken - self._told
            if fell > 0:
                self._told += fell
                self._tell(fell)


def watch(processor: object, tell: Callable[[int], object]) -> bool:
    """Have a batch processor of the SDK tell of the items that fall out of its queue; whether its kind is known.

    One that is at work already is changed in the thread that empties its queue, while that does not hold any.
    """
    holder = getattr(processor, "_batch_processor", processor)
    queue = getattr(holder, "_queue", None)
    if type(queue) is not deque:
        return False
    counting: CountingQueue[object] = CountingQueue(queue.maxlen, tell, queue)
    holder._queue = counting  # type: ignore[attr-defined]
    counting.look()
    _queues.append(weakref.ref(counting))
    return True


class Queued:
    """An exporter that is told what falls out of the queue before it, also where others made the batch processor."""

    _sought = False

    def overflowed(self, items: int, resource: Resource | None) -> None:
        """Take note of items that never came here, as the queue before this was full."""
        raise NotImplementedError

    def _seek_queue(self, signal: str, batch: Sequence[ReadableSpan] | Sequence[ReadableLogRecord]) -> None:
        """Watch the queue of the batch processor that calls, with its first batch and if nobody does yet."""
        if batch and not self._sought:
            self._sought = True
            with contextlib.suppress(Exception):  # whatever is found there, the batch goes on
                holder = _caller(sys._getframe(1))
                if holder is not None and watch(holder, partial(overflowed, signal, self, batch[0].resource)):
                    tell_of_losses()


def _caller(frame: FrameType) -> object:
    """Return the batch processor that a frame was called by: an exporter is not told of it. None if there is none."""
    for _ in range(_MOST_FRAMES):
        holder: object = frame.f_locals.get("self")
        if hasattr(holder, "_exporter") and hasattr(holder, "_queue"):
            return holder
        if frame.f_back is None:
            break
        frame = frame.f_back
    return None


def watch_providers() -> None:
    """Watch the batch processors that others have made for exporters of ours, before anything is recorded."""
    for signal, provider, multi, processors in (
        ("traces", trace.get_tracer_provider(), "_active_span_processor", "_span_processors"),
        ("logs", _logs.get_logger_provider(), "_multi_log_record_processor", "_log_record_processors"),
    ):
        resource = getattr(provider, "resource", getattr(provider, "_resource", None))
        for processor in getattr(getattr(provider, multi, None), processors, ()):
            exporter = getattr(getattr(processor, "_batch_processor", None), "_exporter", None)
            while exporter is not None and not hasattr(exporter, "overflowed"):
                exporter = getattr(exporter, "_next", None)  # what is behind the guard
            if exporter is not None and watch(processor, partial(overflowed, signal, exporter, resource)):
                tell_of_losses()


def overflowed(signal: str, exporter: object, resource: Resource | None, items: int) -> None:
    """Count what fell out of the queue before an exporter: here, and where the exporter can."""
    lost(signal, "queue_full", items)
    tell = getattr(exporter, "overflowed", None)
    if tell is not None:
        tell(items, resource)


def look() -> None:
    """Have each queue tell of what fell out of it."""
    for each in _queues:
        if (queue := each()) is not None:
            queue.look()


def left() -> int:
    """Return how many items are still in queues."""
    return sum(len(queue) for each in _queues if (queue := each()) is not None)


def tell_of_losses() -> None:
    """Let what is lost on the way be collected as a metric of ours, once by each provider of the process."""
    global _told
    provider = metrics.get_meter_provider()
    if _told is not None and _told() is provider:
        return
    with contextlib.suppress(TypeError):  # somebody's own, with slots
        _told = weakref.ref(provider)
    meter = metrics.get_meter(semconv.SCOPE, semconv.VERSION, schema_url=semconv.SCHEMA_URL)
    metric = semconv.DROPPED
    meter.create_observable_counter(metric.name, [_observed], metric.unit, metric.brief)


def _observed(_options: CallbackOptions) -> list[Observation]:
    look()
    return [Observation(items, attributes) for items, attributes in losses()]
