"""Works that are done at the same time, for no longer than there is time."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

_log: Final = logging.getLogger("spanguard")


class Together:
    """Works that are done at the same time, each in a daemon thread that waits for the word to begin.

    The SDK's own shutdown waits up to 30 seconds for a collector that does not answer; these threads can be left behind.
    """

    def __init__(self, works: Iterable[Callable[[], object]]) -> None:
        self._begin = threading.Event()
        self._failed = False
        self._works = list(works)
        self._threads: list[threading.Thread] = []
        with contextlib.suppress(RuntimeError):  # too late for threads: they are done one after the other
            for work in self._works:
                thread = threading.Thread(target=self._wait_and_try, args=(work,), name="spanguard-shutdown", daemon=True)
                thread.start()
                self._threads.append(thread)

    def done_within(self, timeout: float) -> bool:
        """Begin, and wait no longer than the timeout; whether all succeeded by then."""
        self._begin.set()
        deadline = time.monotonic() + timeout
        for work in self._works[len(self._threads) :]:
            self._try(work)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not self._failed and not any(thread.is_alive() for thread in self._threads)

    def _wait_and_try(self, work: Callable[[], object]) -> None:
        self._begin.wait()
        self._try(work)

    def _try(self, work: Callable[[], object]) -> None:
        try:
            self._failed |= work() is False
        except Exception as error:
            self._failed = True
            _log.warning("telemetry could not all be sent (%s)", type(error).__name__)
