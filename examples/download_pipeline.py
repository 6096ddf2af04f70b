"""Downloads from mirrors that fail: HTTP retries, a limiter, breakers, a cache and fallbacks, all of them traced.

    python examples/download_pipeline.py && spanguard show

The components in the first half know nothing of spanguard or OpenTelemetry: they take plain callbacks. The second half plugs
the verbs into them. The mirrors are a server on this machine that answers by a script.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import spanguard
from spanguard import (
    current_operation,
    declare,
    traced_breaker,
    traced_cache,
    traced_failover,
    traced_rate_limit,
    traced_retry,
)

# ------------------------------------------------------------------------------------------ components, without telemetry


class StatusError(Exception):
    """The server answered, and its answer was no."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status_code = status


class OpenError(Exception):
    """The breaker is open: the call was not made."""


@dataclass(frozen=True)
class Try:
    """One HTTP request: what came of it, how long it took, and how long we wait before the next; times in seconds."""

    path: str
    seconds: float
    status: int | None = None
    error: Exception | None = None
    retry_after: float | None = None
    pause: float | None = None


class Bucket:
    """Lets one caller pass every ``interval`` seconds; tells ``on_wait`` how long each had to wait."""

    def __init__(self, interval: float, on_wait: Callable[[float], None]) -> None:
        self._interval, self._on_wait = interval, on_wait
        self._next = 0.0

    def acquire(self) -> None:
        """Wait for the next permit."""
        delay = max(0.0, self._next - time.monotonic())
        time.sleep(delay)
        self._next = time.monotonic() + self._interval
        self._on_wait(delay)


class Breaker:
    """Opens after two failures in a row, and stays open: this program ends before it would matter."""

    def __init__(self, on_transition: Callable[[str, str], None]) -> None:
        self._on_transition = on_transition
        self._failures = 0

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Let the block pass, or raise `OpenError`."""
        if self._failures >= 2:
            raise OpenError
        try:
            yield
        except Exception:
            self._failures += 1
            if self._failures == 2:
                self._on_transition("closed", "open")
            raise
        self._failures = 0


class Cache:
    """Keeps what was downloaded; tells ``on_lookup`` whether it was there."""

    def __init__(self, on_lookup: Callable[[str], None]) -> None:
        self._on_lookup = on_lookup
        self._kept: dict[str, bytes] = {}

    def get(self, name: str) -> bytes | None:
        """Return what is kept under a name."""
        self._on_lookup("hit" if name in self._kept else "miss")
        return self._kept.get(name)

    def put(self, name: str, content: bytes) -> None:
        """Keep it."""
        self._kept[name] = content


def get(port: int, path: str, pause: float | None) -> tuple[Try, bytes]:
    """GET a path once; ``pause`` is how long the caller will wait if there is no answer, None if it gives up."""
    start = time.monotonic()
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body, status, asked = response.read(), response.status, response.headers.get("retry-after")
    except (OSError, HTTPException) as error:
        return Try(path, time.monotonic() - start, error=error, pause=pause), b""
    finally:
        connection.close()
    seconds, after = time.monotonic() - start, float(asked) if asked else None
    if status < 400:
        return Try(path, seconds, status), body
    return Try(path, seconds, status, StatusError(status), after, after if pause and after else pause), b""


def fetch(port: int, path: str, on_attempt: Callable[[Try], None], pauses: tuple[float, ...] = (0.01,)) -> bytes:
    """GET a path, and again after each of the pauses until it is there; tells ``on_attempt`` of every try."""
    for pause in (*pauses, None):
        tried, body = get(port, path, pause)
        on_attempt(tried)
        if tried.error is None:
            return body
        if tried.pause is None:
            raise tried.error
        time.sleep(tried.pause)
    raise AssertionError("the last try has no pause")


def names_of_mirrors(port: int, on_failover: Callable[[str, str, Exception], None]) -> list[str]:
    """Return the names of the mirrors from the catalogue, or those that the program was shipped with."""
    tried, body = get(port, "/catalogue", None)
    if tried.error is None:
        return body.decode().split()
    on_failover("catalogue", "shipped", tried.error)
    return ["fast", "near", "origin"]


# ------------------------------------------------------------------------------------------------ the program, with traces


def tell(tried: Try) -> None:
    """Tell the retry that is running here of one try."""
    retry = current_operation()
    retry.on_attempt(tried.error, duration=tried.seconds)
    retry.current_attempt.http(
        method="GET", host="127.0.0.1", url=tried.path, status=tried.status, retry_after=tried.retry_after
    )
    if tried.pause is not None:
        retry.scheduled(tried.pause, source="retry_after" if tried.retry_after else "backoff")


class Mirror:
    """One mirror, behind its breaker and a limiter that all mirrors share."""

    def __init__(self, name: str, port: int, bucket: Bucket) -> None:
        self.name, self._port, self._bucket = name, port, bucket
        self._passing = traced_breaker(name, rejections=(OpenError,))
        self._breaker = Breaker(partial(self._passing.on_transition, failures=2))

    def get(self, artifact: str) -> bytes:
        """Download an artifact."""
        with self._passing, self._breaker.guard():
            self._bucket.acquire()
            with traced_retry("http_get"):
                return fetch(self._port, f"/{self.name}/{artifact}", on_attempt=tell)


class Downloader:
    """Finds artifacts, wherever they are."""

    def __init__(self, port: int) -> None:
        self._cache = Cache(traced_cache("artifacts", kind="memory").on_lookup)
        bucket = Bucket(0.03, traced_rate_limit("downloads", max_delay=1).on_wait)
        with traced_failover("find_mirrors") as failover:
            names = names_of_mirrors(port, failover.on_failover)
        self._mirrors = [Mirror(name, port, bucket) for name in names]

    def get(self, work: str, artifact: str) -> bytes | None:
        """Return an artifact that some work needs; None if it is nowhere."""
        content = self._cache.get(artifact)
        if content is None:
            content = self._download(work, artifact)
            if content is not None:
                self._cache.put(artifact, content)
        return content

    def _download(self, work: str, artifact: str) -> bytes | None:
        with traced_failover("download", work=work, artifact=artifact) as failover:
            for tier, mirror in enumerate(self._mirrors, start=1):
                candidate = failover.candidate(mirror.name, tier=tier, source=mirror.name, host="127.0.0.1")
                with suppress(StatusError, OpenError, OSError, HTTPException), candidate:
                    return mirror.get(artifact)
        return None


# --------------------------------------------------------------------------------------------- mirrors, and what they answer

SCRIPT = {
    "/catalogue": [503],
    "/fast/a.whl": [500, 500],
    "/near/a.whl": [429, 200],
    "/fast/b.whl": [500, 500],  # the second failure in a row: its breaker opens
    "/near/b.whl": [502, 502],
    "/origin/b.whl": [200],
    "/near/c.whl": [200],
    "/near/d.whl": [502, 502],
    "/origin/d.whl": [500, 500],
}


class Handler(BaseHTTPRequestHandler):
    """Answers each path by the script, and asks who comes too often to wait for a second."""

    def do_GET(self) -> None:
        """Answer."""
        status = SCRIPT[self.path].pop(0)
        self.send_response(status)
        if status == 429:
            self.send_header("retry-after", "1")
        self.end_headers()
        if status == 200:
            self.wfile.write(self.path.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is given
        """Keep quiet."""


def main() -> None:
    """Configure, start the mirrors, and download."""
    spanguard.configure(service_name="download_pipeline")
    declare("fast", "near", "origin")  # they come from a catalogue
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.02,)).start()
    try:
        downloader = Downloader(server.server_port)
        for artifact in ("a.whl", "b.whl", "c.whl", "a.whl", "d.whl"):
            content = downloader.get("release-42", artifact)
            print(artifact, "is nowhere" if content is None else f"is from {content.decode()}")
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()
