"""A running pipeline: flush it, shut it down, and do so at the end of the process within a bounded time."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from spanguard.pipeline.destinations import Signal
from spanguard.pipeline.providers import Provider

_log: Final = logging.getLogger("spanguard")


class Pipeline:
    """What `spanguard.configure` set up: its providers, and where each signal goes (`destinations`)."""

    def __init__(self, providers: Mapping[Signal, Provider], destinations: Mapping[Signal, str], exit_timeout: float) -> None:
        self._providers = providers
        self.destinations = dict(destinations)
        self._exit_timeout = exit_timeout
        self._down = False

    def flush(self, timeout: float = 10.0) -> bool:
        """Send what has been recorded so far; whether all of it was sent within ``timeout`` seconds (default 10)."""
        if self._down:
            return False
        sent: list[bool] = []

        def flush(provider: Provider) -> None:
            sent.append(provider.force_flush(int(timeout * 1000)))

        done = _together([partial(flush, provider) for provider in self._providers.values()], timeout)
        return done and all(sent)

    def shutdown(self, timeout: float | None = None) -> bool:
        """Send what is left and stop, within ``timeout`` seconds (default: the setting ``exit_timeout``, 2).

        Whether everything was sent in time; what was not is lost. A second call does nothing.
        """
        if self._down:
            return True
        self._down = True
        seconds = self._exit_timeout if timeout is None else timeout
        done = _together((provider.shutdown for provider in self._providers.values()), seconds)
        if not done:
            _log.warning("telemetry could not all be sent within %g seconds of the end; the rest is lost", seconds)
        return done

    def shut_down_at_exit(self) -> None:
        """Shut down when the interpreter ends."""
        atexit.register(self.shutdown)


def _together(works: Iterable[Callable[[], object]], timeout: float) -> bool:
    """Do all works at the same time, and wait no longer than the timeout for them; whether they were done by then.

    In daemon threads, because the SDK's own shutdown waits up to 30 seconds for a collector that does not answer.
    """
    threads = [threading.Thread(target=work, name="spanguard-shutdown", daemon=True) for work in works]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)
