"""The proof that nothing leaks, for a test of pytest's: what left the program while it ran, and a look through all of it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import pytest

from spanguard.store.database import _databases
from spanguard.testing.exports import ENCODERS, Exports
from spanguard.testing.leaks import Canary, find_leaks
from spanguard.testing.telemetry import Telemetry

_LOGGERS: Final = ("opentelemetry", "spanguard")
_CAPTURES: Final = ("capfd", "capsys", "capfdbinary", "capsysbinary", "capteesys")


class NoLeak:
    """Fails the test if one of the canaries is in anything that left the program since the test began."""

    def __init__(
        self, telemetry: Telemetry, exports: Exports, logs: Logs, captured: Callable[[], Mapping[str, str | bytes]]
    ) -> None:
        self._telemetry, self._exports, self._logs, self._captured = telemetry, exports, logs, captured

    def __call__(self, canaries: Iterable[Canary], also: Mapping[str, str | bytes] | None = None) -> int:
        """Look for the canaries: texts, bytes or numbers that were put in and must not come out.

        Looked through are the requests that OTLP makes of all that exporters were given, the standard output and the standard
        error, what OpenTelemetry and spanguard logged, the local stores that are open, and what you give as ``also``, by
        the names that a failure shall show. `spanguard.testing.find_leaks` says in which forms canaries are looked for.

        Returns how many requests there were, so that a test can see that there was something to look through. The failure
        names signals and fields, and canaries by their number. Raises `ValueError` for a canary of less than 4 characters.
        """
        self._telemetry.flush()
        metrics = self._telemetry.metrics_data() if "metrics" in self._telemetry.ours else None
        if metrics is not None:
            self._exports.take(_ENCODE_METRICS, metrics)
        requests = list(self._exports.requests)
        unencoded = "\n".join(self._exports.unencoded)
        texts = {**self._captured(), "the logs": "\n".join(self._logs.lines), "telemetry that OTLP cannot encode": unencoded}
        leaks = find_leaks(canaries, requests, {**texts, **_stores(), **(also or {})})
        if leaks:
            pytest.fail("\n".join([f"{len(leaks)} leaks:", *(f"  {leak}" for leak in leaks)]), pytrace=False)
        return len(requests)


def watched(telemetry: Telemetry, request: pytest.FixtureRequest) -> Iterator[NoLeak]:
    """Watch what leaves the program while the test runs."""
    # A test can have one capture alone: the test's own, if it has one.
    name = next((each for each in _CAPTURES if each in request.fixturenames), _CAPTURES[0])
    capture = request.getfixturevalue(name)
    exports, logs = Exports(with_kept=telemetry.ours), Logs()
    exports.start()
    logs.start()
    yield NoLeak(telemetry, exports, logs, lambda: _captured(capture))
    logs.stop()
    exports.stop()


_ENCODE_METRICS: Final = [*ENCODERS.values()][2]


def _captured(capture: pytest.CaptureFixture[str] | pytest.CaptureFixture[bytes]) -> dict[str, str | bytes]:
    """Return what was printed so far, and print it again: it is the test's to read, or pytest's to show."""
    out, err = capture.readouterr()
    for text, stream in ((out, sys.stdout), (err, sys.stderr)):
        stream.write(text if isinstance(text, str) else text.decode("utf-8", "replace"))
        stream.flush()
    return {"the standard output": out, "the standard error": err}


def _stores() -> dict[str, bytes]:
    """Return the files of the stores that this process has open, their logs included."""
    paths = {each.path for each in list(_databases)}
    files = [path.with_name(path.name + tail) for path in paths for tail in ("", "-wal")]
    return {f"the local store ({file.name})": file.read_bytes() for file in files if file.is_file()}


class Logs(logging.Handler):
    """Keeps what OpenTelemetry and spanguard log: in a program without logging it goes to the standard error."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record as it is printed, with its traceback."""
        self.lines.append(self.format(record))

    def start(self) -> None:
        """Begin."""
        for name in _LOGGERS:
            logging.getLogger(name).addHandler(self)

    def stop(self) -> None:
        """End."""
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(self)
