"""A running pipeline: flush it, shut it down, and do so at the end of the process within a bounded time."""

from __future__ import annotations

import atexit
import logging
import sys
import threading
from collections.abc import Mapping
from functools import partial
from typing import Final

from opentelemetry.sdk.metrics import MeterProvider

from spanguard import semconv
from spanguard.pipeline.destinations import Signal
from spanguard.pipeline.forked import at_end_of_worker, become_own, begin_at_nothing, new_session, take_note_of_birth
from spanguard.pipeline.providers import Provider
from spanguard.pipeline.servers import flush_before_end
from spanguard.pipeline.spooling_courier import end_within
from spanguard.pipeline.together import Together
from spanguard.store.losses import total
from spanguard.store.queues import left, look

_log: Final = logging.getLogger("spanguard")

# Python 3.12, and no other, starts no thread once the main thread has ended.
_NO_THREADS_AT_EXIT: Final = sys.version_info[:2] == (3, 12)


class Pipeline:
    """What `spanguard.configure` set up: its providers, and where each signal goes (`destinations`)."""

    def __init__(self, providers: Mapping[Signal, Provider], destinations: Mapping[Signal, str], exit_timeout: float) -> None:
        self._providers = providers
        self.destinations: dict[Signal, str] = dict(destinations)
        self._exit_timeout = exit_timeout
        self._ending = threading.Lock()  # taken once, by the first who shuts down
        self._end: Together | None = None
        self._lost = total()

    def flush(self, timeout: float = 10.0) -> bool:
        """Send what has been recorded so far; whether all of it was sent within ``timeout`` seconds (default 10).

        What an OTLP endpoint does not take is safe in the spool by then, which counts as sent. False also if something was
        lost since the last flush: the store could not be written, a queue was full, or the endpoint refused it.
        """
        if self._ending.locked():
            return False
        milliseconds = int(timeout * 1000)
        flushes = [partial(provider.force_flush, milliseconds) for provider in self._providers.values()]
        done = Together(flushes).done_within(timeout)
        return self._lost_nothing() and done

    def _lost_nothing(self) -> bool:
        look()
        before, self._lost = self._lost, total()
        return self._lost == before

    def shutdown(self, timeout: float | None = None) -> bool:
        """Send what is left and stop, within ``timeout`` seconds (default: the setting ``exit_timeout``, 2).

        Whether everything was sent in time, or is in the spool, as what an OTLP endpoint does not take: the next process
        sends it. What is neither is lost, and counted as for `flush`. A second call does nothing.
        """
        if not self._ending.acquire(blocking=False):
            return True
        seconds = self._exit_timeout if timeout is None else timeout
        end_within(seconds)
        self._get_ready()
        done = self._end is not None and self._end.done_within(seconds)
        if not done:
            what = f"{left()} items in queues, and what is being sent, are lost"
            _log.warning("telemetry could not all be sent within %g seconds of the end: %s", seconds, what)
        return self._lost_nothing() and done

    def shut_down_at_exit(self) -> None:
        """Shut down when the interpreter ends, or a worker process of `multiprocessing`."""
        atexit.register(self.shutdown)
        flush_before_end(lambda: self.flush(self._exit_timeout))
        self._expect_end()

    def begin_in_child(self) -> None:
        """Take the side of a child that was just forked: what was recorded so far is the parent's to send."""
        self._end, self._lost = None, 0
        take_note_of_birth()
        meters = self._providers.get("metrics")
        if isinstance(meters, MeterProvider):
            begin_at_nothing(meters)
        become_own(self._providers.values(), {semconv.SESSION: new_session()})
        if not self._ending.locked():
            self._expect_end()

    def _expect_end(self) -> None:
        at_end_of_worker(self, self.shutdown)
        if _NO_THREADS_AT_EXIT:
            self._get_ready()

    def _get_ready(self) -> None:
        self._end = self._end or Together(provider.shutdown for provider in self._providers.values())
