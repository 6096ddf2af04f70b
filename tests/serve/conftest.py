"""Real servers over real stores, and requests to them as anybody might send them."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from spanguard.privacy import modes
from spanguard.serve.options import Limits, Options

if find_spec("uvicorn") is None:  # the extra `serve` is not installed
    collect_ignore_glob = ["test_*.py"]
else:
    from spanguard.serve.server import Server

EVERY_COLUMN = Path(__file__).parent.parent / "store" / "every_column.py"
TOKEN = "a-token-of-twenty-three"
PLENTY = Limits(per_second=10_000, burst=100_000, failures=100_000)
"""So that tests of something else are not slowed down."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Site:
    """A server that runs, and a client that can say anything to it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.port = server.options.port
        self.address = server.address
        self.link = f"{server.address}/?token={TOKEN}"

    def ask(
        self, path: str, *, method: str = "GET", body: bytes | None = None, token: str | None = TOKEN, **headers: str
    ) -> Answer:
        """Send a request; ``content_type`` becomes the header ``content-type``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            named.setdefault("authorization", f"Bearer {token}")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """Return the JSON of a path."""
        answer = self.ask(path)
        assert answer.status == 200, answer
        return answer.json

    def until(self, true: Callable[[], object]) -> None:
        """Wait until something is so."""
        give_up = time.monotonic() + 30
        while not true():
            assert time.monotonic() < give_up, "it did not come"
            time.sleep(0.02)

    def caught_up(self) -> None:
        """Wait until the server has read the store and checked it."""
        self.until(lambda: self.get("/api/slo")["checked"])


@contextmanager
def running(store: Path, **options: Any) -> Iterator[Site]:
    """Run a server over a store."""
    given: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "limits": PLENTY, **options}
    server = Server(Options(store, TOKEN, **given))
    thread = threading.Thread(target=server.run)
    thread.start()
    site = Site(server)
    try:
        site.until(lambda: site.ask("/healthz").status == 200)
        yield site
    finally:
        server.stop()
        thread.join()


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that a program with every verb has written."""
    path = tmp_path_factory.mktemp("serve") / "telemetry.db"
    subprocess.run([sys.executable, str(EVERY_COLUMN), str(path)], check=True, timeout=120)
    return path


@pytest.fixture(scope="module")
def _site(recorded: Path) -> Iterator[Site]:
    with running(recorded) as site:
        site.caught_up()
        yield site


@pytest.fixture
def site(_site: Site) -> Site:
    """A server over that store."""
    return _site


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Start servers over a store that is not there yet, or over a given one; they are stopped in the end."""
    with ExitStack() as stack:
        yield lambda store=tmp_path / "telemetry.db", **options: stack.enter_context(running(store, **options))


@pytest.fixture(autouse=True)
def _strict() -> Iterator[None]:
    """The guard as it is unless somebody says otherwise."""
    before = modes.in_force.mode
    modes.use("strict")
    yield
    modes.use(before)
