"""Real frameworks, clients, databases and SDKs with other people's instrumentations: nothing a user wrote leaves."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from otlp_receiver import HttpReceiver

pytest.importorskip("opentelemetry.instrumentation.genai.openai", reason="the instrumentations are not installed")
pytest.importorskip("opentelemetry.instrumentation.sqlalchemy", reason="the instrumentations are not installed")
pytestmark = [pytest.mark.foreign, pytest.mark.slow]

PROGRAM = Path(__file__).with_name("guarded_program.py")


class Server(ThreadingHTTPServer):
    """Answers as a model's provider would, and keeps the headers that it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.headers: list[str] = []


class Handler(BaseHTTPRequestHandler):
    """Echoes the prompt in a 400, as real moderation errors do, if it begins with ``echo``."""

    server: Server

    def do_GET(self) -> None:
        self._answer(200, {"ok": True})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        prompt = asked["messages"][0]["content"]
        if prompt.startswith("echo"):
            error = {"message": f"invalid prompt: {prompt}", "type": "invalid_request_error", "code": "bad_prompt"}
            self._answer(400, {"error": error})
            return
        message = {"role": "assistant", "content": prompt}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        answer = {"id": f"chatcmpl-{prompt}", "object": "chat.completion", "created": 1, "model": asked["model"]}
        self._answer(200, {**answer, "choices": [choice], "usage": usage})

    def _answer(self, status: int, body: object) -> None:
        # Not `authorization` and `user-agent`, which the program sets itself.
        self.server.headers += [f"{name}: {value}" for name, value in self.headers.items() if name.lower() in PROPAGATED]
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None: ...


PROPAGATED = ("baggage", "tracestate", "traceparent")


@pytest.fixture
def server() -> Iterator[Server]:
    """A provider on loopback."""
    made = Server()
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


SECRETS = ["Alice Jones has diabetes", "sk-proj-9aZ8bY7cX6dW5eV4", "/home/alice/taxes.pdf", "bob@example.com"]


def forms(secret: str) -> list[bytes]:
    """Return the ways in which a text can stand in bytes."""
    raw = secret.encode()
    return [
        raw,
        quote(secret).encode(),
        quote(secret, safe="").encode(),
        base64.b64encode(raw),
        json.dumps(secret)[1:-1].encode(),
    ]


@pytest.mark.parametrize("secret", SECRETS)
def test_nothing_that_a_user_wrote_leaves_a_real_program(secret: str, server: Server, tmp_path: Path) -> None:
    """Not on the wire, not on stdout or stderr, not in headers to others, not in a file."""
    with HttpReceiver() as receiver:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SPANGUARD_"))}
        done = subprocess.run(
            [sys.executable, str(PROGRAM), secret, f"http://127.0.0.1:{server.server_port}"],
            cwd=tmp_path,
            env={
                **kept,
                "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
                "OTEL_SEMCONV_STABILITY_OPT_IN": "http,database,gen_ai_latest_experimental",
                "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_AND_EVENT",
                "XDG_STATE_HOME": str(tmp_path / "state"),
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        sent, spans = receiver.raw, receiver.spans
    assert not [form for form in forms(secret) if form in sent]
    assert secret not in done.stdout + done.stderr
    assert not [line for line in server.headers if any(form.decode() in line for form in forms(secret))]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and any(f in path.read_bytes() for f in forms(secret))]
    names = {span["name"] for span in spans}
    assert {"GET /users/{user_id}", "GET /orders/<int:order_id>", "GET", "SELECT", "chat gpt-4o-mini"} <= names
    (served,) = [
        s for s in spans if s["name"] == "GET /users/{user_id}" and s["attributes"].get("http.response.status_code") == 500
    ]
    assert served["attributes"]["http.route"] == "/users/{user_id}"
    failed = [span for span in spans if span["attributes"].get("error.type") == "openai.BadRequestError"]
    assert failed
