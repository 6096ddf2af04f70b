"""`spanguard privacy audit`."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

CANARY = "the quick brown canary 4111"
CLEAN = {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "chat", "traceId": "5b8efff798038103d269b633813fc60c"}]}]}]}
DIRTY = {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": CANARY, "status": {"message": CANARY}}]}]}]}
NAMED = {
    "resourceSpans": [
        {
            "scopeSpans": [
                {"spans": [{"attributes": [{"key": "resilience.policy.name", "value": {"stringValue": "extract_invoice"}}]}]}
            ]
        }
    ]
}


@pytest.fixture
def file(here: Path):
    """Write a file of OTLP-JSON."""

    def write(*lines: Any) -> Path:
        path = here / "telemetry.jsonl"
        path.write_text("".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in lines))
        return path

    return write


def test_clean_telemetry_is_0(run, file) -> None:
    """Nothing is wrong, and it says what it read."""
    done = run("privacy", "audit", file(CLEAN, CLEAN))
    assert done.exit_code == 0
    assert "Read 2 requests" in done.output


def test_a_violation_is_1_and_is_told_by_its_place(run, file) -> None:
    """The field, how often and why; not what was there."""
    done = run("privacy", "audit", file(CLEAN, DIRTY, DIRTY))
    assert done.exit_code == 1
    assert "4 violations" in done.output
    assert "2 x  resource_spans.scope_spans.spans.status.message: something where nothing may stand" in done.output
    assert CANARY not in done.output + done.stderr


def test_json_has_everything(run, file) -> None:
    """--json prints one object."""
    told = json.loads(run("privacy", "audit", file(DIRTY), "--json").output)
    assert told["read"] == {"requests": 1}
    assert told["violations"][0] == {
        "signal": "span",
        "field": "resource_spans.scope_spans.spans.name",
        "key": "",
        "reason": "not_in_vocabulary",
        "count": 1,
    }
    assert told["undeclared_names"] == []
    assert told["problem"] is None


@pytest.mark.parametrize("text", ["", "\n", "canary\n", "{canary}\n", '{"canary": 1}\n', '{"resourceSpans"'])
def test_what_is_no_otlp_is_2(run, here, text: str) -> None:
    """It says what is wrong with which line, and quotes nothing."""
    path = here / "file"
    path.write_text(text)
    done = run("privacy", "audit", path)
    assert done.exit_code == 2
    assert "line 1" in done.stderr or "empty" in done.stderr
    assert "canary" not in done.output + done.stderr


def test_a_violation_before_a_broken_line_is_1(run, file) -> None:
    """What was found was found; the broken line is told too."""
    done = run("privacy", "audit", file(DIRTY, "{"), "--json")
    assert done.exit_code == 1
    assert "line 2" in json.loads(done.stdout)["problem"]


def test_a_file_that_is_not_there_is_2(run, here) -> None:
    """One sentence, no traceback."""
    done = run("privacy", "audit", here / "nothing")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)


def test_without_a_file_it_reads_the_store(run, record) -> None:
    """The same that `spanguard show` reads."""
    recorder = record()
    recorder.span(CANARY)
    recorder.stop()
    done = run("privacy", "audit")
    assert done.exit_code == 1
    assert "spans.name" in done.output
    assert CANARY not in done.output


def test_without_a_store_it_is_2(run, here) -> None:
    """There is nothing to read."""
    assert run("privacy", "audit").exit_code == 2


def test_a_database_of_another_program_is_2(run, here) -> None:
    """It is no store."""
    with sqlite3.connect(here / "other.db") as connection:
        connection.execute("CREATE TABLE canary (a)")
    connection.close()
    assert run("privacy", "audit", here / "other.db").exit_code == 2


def test_names_of_the_program_are_listed_and_can_be_declared(run, file, here) -> None:
    """A doubt by default, a violation with --strict-names, nothing once the name is declared."""
    path = file(NAMED)
    done = run("privacy", "audit", path)
    assert done.exit_code == 0
    assert "Names that were not declared here" in done.output
    assert run("privacy", "audit", path, "--strict-names").exit_code == 1


@pytest.mark.parametrize("how", ["option", "table"])
def test_declared_names_are_known(process, file, here, how: str) -> None:
    """By --declared, or in the table of pyproject.toml; in a process of its own, for a declaration is for good."""
    path = file(NAMED)
    if how == "table":
        (here / "pyproject.toml").write_text('[tool.spanguard.privacy]\nnames = ["extract_invoice"]\n')
    more = ["--declared", "extract_invoice"] if how == "option" else []
    done = process("-m", "spanguard", "privacy", "audit", path, "--strict-names", *more, cwd=here)
    assert done.returncode == 0, done.stderr


def test_a_broken_table_of_names_is_2(run, file, here) -> None:
    """What the program declares cannot be told then."""
    (here / "pyproject.toml").write_text("[tool.spanguard.privacy]\nnames = 7\n")
    assert run("privacy", "audit", file(CLEAN)).exit_code == 2


def test_the_demo_is_clean(process, demo, place) -> None:
    """All that the demo stores, made by a real program, keeps the promise."""
    assert demo.returncode == 0
    done = process("-m", "spanguard", "privacy", "audit", "--json", cwd=place)
    told = json.loads(done.stdout)
    assert told["violations"] == []
    assert done.returncode == 0
    assert told["read"]["spans"] > 50


# ----------------------------------------------------------------------------------------------------------------- live


class Live:
    """A running `spanguard privacy audit --live 0`."""

    def __init__(self, here: Path, *options: str) -> None:
        command = [sys.executable, "-m", "spanguard", "privacy", "audit", "--live", "0", *options]
        # Its stdout goes to a file: it must not wait for a reader.
        self.out = (here / "out").open("w+")
        self.process = subprocess.Popen(
            command, cwd=here, stdout=self.out, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
        assert self.process.stderr is not None
        self.endpoint = self.process.stderr.readline().split()[3]

    def post(self, path: str, body: bytes, content_type: str = "application/x-protobuf", **headers: str) -> tuple[int, bytes]:
        """Send a request, and return its status and its answer's body."""
        headers = {"content-type": content_type, **{key.replace("_", "-"): value for key, value in headers.items()}}
        request = urllib.request.Request(self.endpoint + path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def end(self) -> tuple[int, str]:
        """Interrupt it, and return its exit code and what it printed."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        self.out.seek(0)
        return self.process.returncode, self.out.read()


@pytest.fixture
def live(here: Path) -> Iterator[Any]:
    """Start it."""
    started: list[Live] = []

    def start(*options: str) -> Live:
        started.append(Live(here, *options))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()
        each.out.close()
        each.process.stderr.close()


def request(name: str) -> bytes:
    """Return a request with one span as protobuf."""
    message = ExportTraceServiceRequest()
    message.resource_spans.add().scope_spans.add().spans.add(name=name)
    return message.SerializeToString()


def test_live_receives_protobuf_json_and_gzip(live) -> None:
    """It answers as OTLP prescribes, and prints what is wrong."""
    audit = live()
    assert audit.post("/v1/traces", request("chat")) == (200, b"")
    assert audit.post("/v1/traces", json.dumps(CLEAN).encode(), "application/json; charset=utf-8") == (200, b"{}")
    assert audit.post("/v1/traces", gzip.compress(request(CANARY)), content_encoding="gzip") == (200, b"")
    code, out = audit.end()
    assert code == 1
    assert "Read 3 requests" in out
    assert "spans.name: a text that is in no vocabulary" in out
    assert CANARY not in out


def test_live_refuses_what_is_no_otlp(live) -> None:
    """Each fault has its status; no answer quotes the request."""
    audit = live()
    assert audit.post("/v1/traces", b"\xffcanary")[0] == 400
    assert audit.post("/v1/traces", b"{canary", "application/json")[0] == 400
    assert audit.post("/v1/traces", b"canary", content_encoding="gzip")[0] == 400
    assert audit.post("/v1/traces", b"canary", content_encoding="br")[0] == 415
    assert audit.post("/v1/traces", b"canary", "text/plain")[0] == 415
    assert audit.post("/v1/canary", b"")[0] == 404
    bomb = gzip.compress(bytes(65 * 2**20))
    status, body = audit.post("/v1/traces", bomb, content_encoding="gzip")
    assert (status, b"canary" in body) == (413, False)
    code, _ = audit.end()
    assert code == 2, "nothing was received"


def test_live_ends_after_its_time(live) -> None:
    """--for ends it; nothing received is no answer."""
    audit = live("--for", "0.2")
    assert audit.process.wait(30) == 2


def test_live_on_a_port_that_is_taken_is_2(run, here) -> None:
    """It says so."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("privacy", "audit", "--live", taken.getsockname()[1])
    assert done.exit_code == 2
    assert "cannot be listened on" in done.stderr


def test_options_that_do_not_go_together_are_refused(run, file) -> None:
    """A file or a port; a time for a port."""
    assert run("privacy", "audit", file(CLEAN), "--live", 4318).exit_code == 2
    assert run("privacy", "audit", file(CLEAN), "--for", 3).exit_code == 2
