"""A local server that speaks OpenAI's API over HTTP, answers by a script, faults included, and keeps a ledger.

It listens on the loopback interface only. Each request names its job (``metadata={"job": ...}``) and is given the next
step of that job's script, so what a job meets does not depend on which other jobs run at the same time.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Final, Literal, NamedTuple, TypeAlias, cast

from spanguard.cli.demo.ledger import Entry, Ledger
from spanguard.cli.demo.wire import APIS, Api, Json, Reply, error, prompt_tokens, tokens

Fault: TypeAlias = Literal[
    "rate_limited", "server_error", "hang", "invalid_json", "schema_violation", "content_filter", "slow_stream"
]
_STATUS: Final = {"rate_limited": 429, "server_error": 500}
_SPOILED: Final = ("invalid_json", "schema_violation", "content_filter")
_LONGEST_HANG: Final = 10.0
_LOOK: Final = 0.02


class Step(NamedTuple):
    """What one request is given: a good answer, what goes wrong with it, and how long it takes.

    ``delay`` is the seconds before the answer starts, ``pause`` those between the chunks of a slow stream,
    ``retry_after`` those that a 429 asks the client to wait.
    """

    answer: str
    fault: Fault | None = None
    delay: float = 0.05
    pause: float = 0.05
    retry_after: float = 0.3


Script: TypeAlias = "Mapping[str, Sequence[Step]]"


class DemoServer:
    """The server, running from construction to `close`.

    ``base_url`` is what the client is given, ``numbered`` how many requests came so far. The ledger is complete once
    the server is closed.
    """

    def __init__(self, script: Script) -> None:
        self.ledger: Ledger = Ledger()
        self.stopping: Event = Event()
        self._script = {job: iter(steps) for job, steps in script.items()}
        self._lock = Lock()
        self.numbered: int = 0
        self._http = _Server(("127.0.0.1", 0), partial(_Handler, self))
        self.base_url: str = f"http://127.0.0.1:{self._http.server_address[1]}/v1"
        self._thread = Thread(target=self._http.serve_forever, args=(0.02,), name="demo-server", daemon=True)
        self._thread.start()

    def next_step(self, job: str) -> tuple[int, Step | None]:
        """Return a new number for the request, and the next step of the job, None if there is none left."""
        with self._lock:
            self.numbered += 1
            return self.numbered, next(self._script.get(job, iter(())), None)

    def close(self) -> None:
        """Stop listening, send hanging clients away, and wait for the requests that are being answered."""
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close() waits for them
    block_on_close = True
    request_queue_size = 128  # the default of 5 makes a sixth client wait for a second

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about clients that left."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5  # of a client that sends or reads nothing

    def __init__(self, demo: DemoServer, request: socket.socket, client_address: object, server: _Server) -> None:
        self.demo = demo
        super().__init__(request, client_address, server)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet."""

    def do_POST(self) -> None:
        """Answer one request and write it down."""
        self.close_connection = True  # an idle connection would hold close() up
        body, api = self._body(), APIS.get(self.path)
        job = _job(body)
        number, step = self.demo.next_step(job)
        if api is None or step is None:
            status = 404 if api is None else 400
            self._send_json(status, error(status, "not_in_script"))
            entry = Entry(job, status)
        else:
            entry = self._play(api, body, job, number, step)
        self.demo.ledger.add(entry)

    def _play(self, api: Api, body: Json, job: str, number: int, step: Step) -> Entry:
        wait = _LONGEST_HANG if step.fault == "hang" else step.delay
        if not self._stays(wait):
            return Entry(job, None, step.fault)
        if status := _STATUS.get(step.fault or ""):
            headers = _retry_after(step.retry_after) if status == 429 else {}
            self._send_json(status, error(status, step.fault or ""), headers)
            return Entry(job, status, step.fault)
        reply = _reply(api, body, number, step)
        if not self._answer(api, body, reply, step.pause if step.fault == "slow_stream" else 0):
            return Entry(job, None, step.fault)
        spoiled = step.fault in _SPOILED
        return Entry(job, 200, step.fault, spoiled, reply.input_tokens, reply.output_tokens, reply.cost)

    def _answer(self, api: Api, body: Json, reply: Reply, pause: float) -> bool:
        """Send the answer as it was asked for; return whether the client took all of it."""
        try:
            if body.get("stream") is True:
                self._send_stream(api.chunks(reply), api.end, pause)
            else:
                self._send_json(200, api.body(reply))
        except OSError:
            return False
        return True

    # ------------------------------------------------------------------------------------------------------------ HTTP

    def _body(self) -> Json:
        try:
            body: object = json.loads(self.rfile.read(int(self.headers.get("content-length", "0"))))
        except ValueError:
            return {}
        return cast("Json", body) if isinstance(body, dict) else {}

    def _send_json(self, status: int, body: Json, headers: Mapping[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self._send_head(status, {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})})
        self.wfile.write(data)

    def _send_stream(self, chunks: Iterable[Json], end: str, pause: float) -> None:
        self._send_head(200, {"content-type": "text/event-stream"})
        for chunk in chunks:
            kind = chunk.get("type")
            event = f"event: {kind}\n" if kind else ""
            self.wfile.write(f"{event}data: {json.dumps(chunk)}\n\n".encode())
            self.demo.stopping.wait(pause)
        self.wfile.write(end.encode())

    def _send_head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _stays(self, seconds: float) -> bool:
        """Wait, and return whether the client is still there; a closing server sends it away."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.demo.stopping.is_set():
            if self._left(min(left, _LOOK)):
                return False
        return not self._left(0) and not self.demo.stopping.is_set()

    def _left(self, seconds: float) -> bool:
        """Whether the client closes the connection within that time."""
        self.connection.settimeout(seconds)
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except (TimeoutError, BlockingIOError):
            return False
        except OSError:
            return True
        finally:
            self.connection.settimeout(self.timeout)


def _member(body: Json, name: str, key: str) -> object:
    inner = body.get(name)
    return cast("Json", inner).get(key) if isinstance(inner, dict) else None


def _job(body: Json) -> str:
    job = _member(body, "metadata", "job")
    return job if isinstance(job, str) else ""


def _retry_after(seconds: float) -> dict[str, str]:
    return {"retry-after": str(max(1, round(seconds))), "retry-after-ms": str(round(seconds * 1000))}


def _reply(api: Api, body: Json, number: int, step: Step) -> Reply:
    text, sent = spoil(step.answer, step.fault), prompt_tokens(body.get(api.prompt))
    usage = _member(body, "stream_options", "include_usage") is True
    return Reply(number, str(body.get("model")), text, step.fault == "content_filter", sent, tokens(text), usage)


def spoil(answer: str, fault: Fault | None) -> str:
    """Return the answer as the fault leaves it: cut short, without its last field, or empty.

    A schema can only be violated by an answer that is a JSON object.
    """
    if fault == "invalid_json":
        return answer[: len(answer) // 2]
    if fault == "schema_violation":
        fields: Json = json.loads(answer)
        fields.popitem()
        return json.dumps(fields)
    return "" if fault == "content_filter" else answer
