"""The thread that sends a signal's batches: those that are handed over, and those that wait in the spool.

Whoever hands a batch over waits for the answer, but not for long: with ``patience`` at an end, or while the endpoint is known
to be down, the batch is committed to the spool instead. So with an endpoint that answers nothing touches the disk, and
whatever an endpoint does, no batch stays in memory alone for longer than that.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value

from spanguard.pipeline.spooling_answer import Answer, Post
from spanguard.store.database import StoreError
from spanguard.store.losses import lost
from spanguard.store.spool import Fate, Part, Spool

FIRST_REST: Final = 1.0
"""Seconds without a try after the first failure; they double with each further one."""
LONGEST_REST: Final = 60.0
LONGEST_RETRY_AFTER: Final = 3600.0
POLL: Final = 15.0
"""Seconds after which an idle process looks into the spool, if there is one, for what others have left."""
MEMORY_BYTES: Final = 8 * 2**20
"""What is kept in memory, of each signal, where no spool can be written."""

_log: Final = logging.getLogger("spanguard")
_said: set[str] = set()


class _End:
    """When the process ends: until then batches are waited for, and a while longer the spool is emptied."""

    at: float | None = None
    seconds = 0.0

    def left(self, share: float) -> float | None:
        """Return the seconds until this share of the time is over; None if the process is not ending."""
        return None if self.at is None else max(0.0, self.at + share * self.seconds - time.monotonic())


_end = _End()


def end_within(seconds: float) -> None:
    """Tell all couriers of this process that it ends, and has so many seconds for it."""
    _end.seconds, _end.at = seconds, time.monotonic()


class Parcel:
    """A batch on its way, serialised."""

    def __init__(self, body: bytes, items: int, parts: Callable[[], list[Part]] | None = None) -> None:
        self.parts: Callable[[], list[Part]] = parts or (lambda: [Part(body, items)])  # what is committed
        self.body = body  # what is sent
        self.items = items
        self.answered: threading.Event = threading.Event()
        self.answer: Answer | None = None
        self.rows: list[int] | None = None
        """Where in the spool it is, once somebody has tried to commit it; empty if it could not be."""


class Courier:
    """Sends batches of one signal to one endpoint, as soon as it takes them. Never raises."""

    def __init__(
        self,
        post: Post,
        spool: Spool,
        *,
        patience: float = 1.0,
        merge: Callable[[list[bytes]], tuple[bytes, int]] | None = None,
    ) -> None:
        self.dropped: int = 0
        """How many items this process has dropped."""
        self._post = post
        self._spool = spool
        self._patience = patience
        self._merge = merge
        self._changed = threading.Condition()
        self._handed: deque[Parcel] = deque()
        self._memory: deque[Parcel] = deque()
        self._rest_until = 0.0
        self._failures = 0
        self._stuck = False
        self._overflowed, self._overflow_told = 0, float("-inf")
        self._closing = self._closed = False
        self._ended = threading.Event()
        self._in_hand: Parcel | None = None
        self._thread: threading.Thread | None = None
        if self._look(spool.exists, default=False):
            self._begin()

    # ------------------------------------------------------------------------------------------------- whoever hands over

    def take(self, parcel: Parcel) -> bool:
        """Send a batch, or keep it until it can be sent; whether one of the two was possible."""
        if not self._hand_over(parcel):
            return self._keep(parcel)
        if not parcel.answered.wait(self._time_to_wait()) and not self._commit_while_it_is_tried(parcel):
            return True
        return self._settle(parcel)

    def _hand_over(self, parcel: Parcel) -> bool:
        """Whether the batch is tried at once, by the thread or, where there can be none any more, here."""
        with self._changed:
            if self._closed or self._stuck or self._resting() or self._time_to_wait() <= 0:
                return False
            threaded = self._begin()
            if threaded:
                self._handed.append(parcel)
                self._changed.notify_all()
        if not threaded:
            parcel.answer = self._try(parcel.body, min(self._post.timeout, self._time_to_wait()))
            parcel.answered.set()
        return True

    def _commit_while_it_is_tried(self, parcel: Parcel) -> bool:
        """Commit a batch that is waited for no longer; whether its answer has come all the same and is not settled yet."""
        with self._changed:
            if parcel in self._handed:  # its turn did not come
                self._handed.remove(parcel)
                parcel.answer = Answer("later")
                return True
            self._stuck = parcel.answer is None
        rows = self._commit(parcel, lease=self._lease())
        with self._changed:
            parcel.rows = rows
            return parcel.answer is not None

    def _time_to_wait(self) -> float:
        left = _end.left(0.5)
        return self._patience if left is None else min(self._patience, left)

    # --------------------------------------------------------------------------------------------------- what comes of it

    def _settle(self, parcel: Parcel) -> bool:
        """Do what the answer says: done by whoever comes second, the one that tried or the one that committed."""
        answer = parcel.answer or Answer("later")
        verdict, rejected = answer.verdict, min(answer.rejected, parcel.items)
        rows = parcel.rows or []
        if verdict == "later":
            return self._release(rows) if rows else self._keep(parcel)
        if verdict == "refused":
            self._drop(parcel.items, "refused", count=not rows)
        elif rejected:
            self._drop(rejected, "rejected", count=not rows)
        if rows:
            fate: Fate = "sent" if verdict == "taken" else "refused"
            self._look(lambda: self._spool.finish(rows, fate, rejected), default=None)
        return verdict == "taken"

    def _keep(self, parcel: Parcel) -> bool:
        if self._commit(parcel):
            with self._changed:
                self._changed.notify_all()
                self._begin()
            return True
        self._memory.append(parcel)
        while len(self._memory) > 1 and sum(len(each.body) for each in list(self._memory)) > MEMORY_BYTES:
            self._drop(self._memory.popleft().items, "lost", count=False)
        return True

    def _commit(self, parcel: Parcel, *, lease: float = 0.0) -> list[int]:
        try:
            return self._spool.add(parcel.parts(), lease=lease, merge=self._merge)
        except StoreError as error:
            _say(f"the spool {error.reason}: what the OTLP endpoint does not take is kept in memory alone")
            return []

    def _release(self, rows: list[int]) -> bool:
        self._look(lambda: self._spool.release(rows), default=None)
        return True

    def overflowed(self, items: int) -> None:
        """Take note of items that never came here, as the queue before this was full."""
        self.dropped += items
        with self._changed:
            self._overflowed += items
        if time.monotonic() > self._overflow_told + 1:
            self._tell_of_overflow()

    def _tell_of_overflow(self) -> None:
        with self._changed:
            items, self._overflowed, self._overflow_told = self._overflowed, 0, time.monotonic()
        if items:
            self._look(lambda: self._spool.count("queue_full", items), default=None)

    def _drop(self, items: int, fate: Fate, *, count: bool) -> None:
        self.dropped += items
        lost(self._spool.signal, "unsent" if fate == "lost" else fate, items)
        if count:
            self._look(lambda: self._spool.count(fate, items), default=None)

    def _look(self, work: Callable[[], object], *, default: object) -> object:
        """Do something with the spool that can as well be left undone."""
        try:
            return work()
        except StoreError as error:
            _say(f"the spool {error.reason}")
            return default

    # ----------------------------------------------------------------------------------------------------------- the thread

    def _begin(self) -> bool:
        """Have a thread, unless it is too late for one."""
        if self._thread is None and not self._closed:
            thread = threading.Thread(target=self._run, name="spanguard-spool", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return False
            self._thread = thread
        return self._thread is not None

    def _run(self) -> None:
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))  # noqa: FBT003 - the API's
        due = 0.0
        try:
            while (parcel := self._next(due)) is not None:
                try:
                    due = self._deliver(parcel) if isinstance(parcel, Parcel) else self._deliver_waiting()
                except StoreError as error:
                    _say(f"the spool {error.reason}")
                    due = time.monotonic() + POLL
                except Exception as error:  # the thread has to go on
                    _say(f"telemetry that waits could not be sent ({type(error).__name__})")
                    due = time.monotonic() + POLL
        finally:
            self._ended.set()
            if self._closed:  # while something was tried that has opened the file again
                self._spool.close()

    def _next(self, due: float) -> Parcel | bool | None:
        """Return the batch that was handed over, True when it is time for one that waits, None at the end."""
        with self._changed:
            while not self._handed:
                now = time.monotonic()
                due = max(due, self._rest_until)
                if self._closed or (self._closing and due > now):
                    return None
                if due <= now:
                    return True
                if self._changed.wait(due - now):
                    due = 0.0  # something was committed
            return self._handed.popleft()

    def _deliver(self, parcel: Parcel) -> float:
        answer = self._try_in_thread(parcel)
        with self._changed:
            parcel.answer = answer
            mine = parcel.rows is not None
        parcel.answered.set()
        if mine:
            self._settle(parcel)
        return 0.0

    def _deliver_waiting(self) -> float:
        """Send one batch that waits, in memory or in the spool; return when there may be another."""
        if self._memory:
            parcel = self._memory.popleft()
            parcel.answer = self._try_in_thread(parcel)
            self._settle(parcel)
            return 0.0
        claimed = self._spool.claim(self._lease()) if self._spool.exists() else None
        if claimed is None:
            left = self._spool.due()
            return time.monotonic() + min(POLL, POLL if left is None else left + 0.05)
        parcel = Parcel(claimed.body, claimed.items)
        parcel.rows = [claimed.row]
        parcel.answer = self._try_in_thread(parcel)
        self._settle(parcel)
        return 0.0

    def _try_in_thread(self, parcel: Parcel) -> Answer:
        self._in_hand = parcel
        answer = self._try(parcel.body, self._post.timeout)
        self._in_hand = None
        return answer

    def _try(self, body: bytes, timeout: float) -> Answer:
        try:
            answer = self._post(body, timeout)
        except Exception as error:  # a connection that was closed under it, or a fault of the exporter
            answer = Answer("later", said=type(error).__name__)
        with self._changed:
            self._note(answer)
        _tell(answer)
        return answer

    def _note(self, answer: Answer) -> None:
        """Rest after a failure. One refusal is the batch's fault; several in a row are the endpoint's, or its settings'."""
        self._stuck = False
        self._failures = 0 if answer.verdict == "taken" else self._failures + 1
        tries = self._failures - (answer.verdict == "refused")
        if tries <= 0:
            return
        rest = min(LONGEST_REST, FIRST_REST * 2 ** min(tries - 1, 10)) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        self._rest_until = time.monotonic() + max(rest, min(answer.wait or 0.0, LONGEST_RETRY_AFTER))
        for parcel in self._handed:  # their turn will not come
            parcel.answer = Answer("later")
            parcel.answered.set()
        self._handed.clear()

    def _resting(self) -> bool:
        return time.monotonic() < self._rest_until

    def _lease(self) -> float:
        return 2 * self._post.timeout + 1

    # -------------------------------------------------------------------------------------------------------------- the end

    def close(self) -> None:
        """Send what waits, for a short time and if the endpoint answers; then stop. What is left is sent by the next."""
        left = _end.left(0.75)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None and not self._stuck:
            self._ended.wait(self._patience if left is None else left)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._leave()
        with contextlib.suppress(Exception):
            self._post.close()
        self._spool.close()

    def _leave(self) -> None:
        """Commit what could not be committed before, and give back what is being tried."""
        self._tell_of_overflow()
        if (tried := self._in_hand) and tried.rows:
            self._release(tried.rows)
        unkept = 0
        while self._memory:
            parcel = self._memory.popleft()
            if not self._commit(parcel):
                unkept += parcel.items
        if unkept:
            self._drop(unkept, "lost", count=False)
            _log.warning("%s items of telemetry were neither sent nor kept: they are lost", unkept)


def _tell(answer: Answer) -> None:
    if answer.verdict == "later":
        _say(f"the OTLP endpoint is down ({answer.said}): what is recorded is kept, and sent when it is back")
    elif answer.rejected:
        _say("the OTLP endpoint rejects a part of what it takes: that is counted in the spool")
    elif answer.verdict == "refused":
        _say(f"the OTLP endpoint refuses what it is sent ({answer.said}): that is dropped, and counted in the spool")


def _say(message: str) -> None:
    """Say it once in this process."""
    if message not in _said:
        _said.add(message)
        _log.warning("%s", message)
