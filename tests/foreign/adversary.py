# ruff: noqa: T201
"""What pushes canaries through every channel of a program, and looks for them wherever one could read from outside.

    PYTHONPATH=tests python tests/foreign/adversary.py [seed]

prints how many kinds of texts reach the wire, without the guard and in each mode. Needs ``requirements-privacy.txt``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from canaries import canaries, forms
from wire import ANTHROPIC, OPENAI

from otlp_receiver import HttpReceiver, Received

PROGRAM = Path(__file__).with_name("adversary_program.py")
Canaries = dict[str, tuple[str, str]]


class Server(ThreadingHTTPServer):
    """Answers as a model's provider would, and keeps the headers that it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.headers: list[str] = []
        self.asked = 0


class Handler(BaseHTTPRequestHandler):
    """Echoes the prompt in a 400, as real moderation errors do, if it begins with ``echo``."""

    server: Server

    def do_GET(self) -> None:
        self._answer(200, {"ok": True})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked += 1
        prompt = asked["messages"][0]["content"]
        if prompt.startswith("echo"):
            error = {"message": f"invalid prompt: {prompt}", "type": "invalid_request_error", "code": "bad_prompt"}
            self._answer(400, {"type": "error", "error": error})
        elif self.path.endswith("/messages"):
            self._answer(200, {**ANTHROPIC, "model": asked["model"], "content": [{"type": "text", "text": prompt}]})
        else:
            answer = {**OPENAI, "id": f"chatcmpl-{prompt}", "model": asked["model"]}
            answer["choices"] = [{**OPENAI["choices"][0], "message": {"role": "assistant", "content": prompt}}]
            self._answer(200, answer)

    def _answer(self, status: int, body: object) -> None:
        self.server.headers += [f"{name}: {value}" for name, value in self.headers.items()]
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def serving() -> Iterator[Server]:
    """A provider on loopback."""
    made = Server()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


class Keeping(HttpReceiver):
    """Keeps the messages too."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Any] = []

    def __enter__(self) -> Keeping:
        super().__enter__()
        return self

    def take(self, message: Any) -> None:
        """Take one request of any signal."""
        self.messages.append(message)
        super().take(message)


def run_adversary(
    does: str, texts: Canaries, server: Server, home: Path, *, command: Sequence[str] = (sys.executable,), **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run the program in an environment without settings of anybody, with all that instrumentations can record."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SPANGUARD_"))}
    tests = PROGRAM.parents[1]
    environment = {
        **kept,
        "PYTHONPATH": os.pathsep.join((str(tests), str(tests / "privacy"))),
        "PYTHONWARNINGS": "ignore",
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http,database,gen_ai_latest_experimental",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_AND_EVENT",
        "OTEL_METRICS_EXEMPLAR_FILTER": "always_on",
        **settings,
    }
    return subprocess.run(
        [*command, str(PROGRAM), does, f"http://127.0.0.1:{server.server_port}"],
        input=json.dumps([text for text, _ in texts.values()]),
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
    )


def everywhere(receiver: Received, done: subprocess.CompletedProcess[str], server: Server, home: Path) -> dict[str, bytes]:
    """Return all that could be read outside of the process, by place."""
    files = {path.name: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    out, err = done.stdout.encode(errors="replace"), done.stderr.encode(errors="replace")
    return {**files, "wire": receiver.raw, "stdout": out, "stderr": err, "headers": "\n".join(server.headers).encode()}


def found(texts: Canaries, places: dict[str, bytes]) -> list[tuple[str, str]]:
    """Return kind and place of each canary that is in one."""
    return [
        (kind, place)
        for kind, (_, needle) in texts.items()
        for place, held in places.items()
        if any(form in held for form in forms(needle))
    ]


def values(message: Any) -> Iterator[tuple[str, Any]]:
    """Yield key and value of all attributes that are anywhere in a message."""
    for field, held in message.ListFields():
        if field.message_type:
            for each in held if field.is_repeated else [held]:
                if field.message_type.name == "KeyValue":
                    yield each.key, each.value
                yield from values(each)


def main(seed: int) -> None:
    """Print the figures."""
    texts = canaries(seed)
    for does in ("unguarded", "configured", "balanced"):
        with serving() as server, Keeping() as receiver, TemporaryDirectory() as home:
            done = run_adversary(does, texts, server, Path(home), OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)
            kinds = sorted({kind for kind, place in found(texts, everywhere(receiver, done, server, Path(home)))})
        print(f"{does}: {len(kinds)} of {len(texts)} kinds:", ", ".join(kinds))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
