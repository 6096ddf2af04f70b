"""`spanguard serve` as a user meets it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from serve.conftest import EVERY_COLUMN
from spanguard.cli import main

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="an interrupt is a signal")


@contextmanager
def serving(directory: Path, *arguments: str, **environment: str):
    """Run the command; gives the process and what it printed first, as JSON."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SPANGUARD_"))}
    command = [sys.executable, "-m", "spanguard", "serve", "--port", "0", "--json", *arguments]
    process = subprocess.Popen(
        command, cwd=directory, env={**kept, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()
        yield process, json.loads(line) if line else {}
    finally:
        process.kill()
        process.communicate()


def get(url: str, token: str = "", context: ssl.SSLContext | None = None) -> int:
    """Return the status of an address."""
    parts = urlsplit(url)
    kind = http.client.HTTPConnection if context is None else http.client.HTTPSConnection
    connection = kind(parts.hostname, parts.port, timeout=60, **({} if context is None else {"context": context}))
    headers = {"authorization": f"Bearer {token}"} if token else {}
    connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""), headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


@POSIX
def test_it_serves_until_it_is_interrupted(tmp_path) -> None:
    """The link that it prints opens; Ctrl+C ends it with exit code 0 and nothing on stderr."""
    with serving(tmp_path) as (process, told):
        assert get(told["link"]) == 303
        assert get(told["address"] + "/") == 401
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")


def test_the_token_can_be_given(tmp_path) -> None:
    """For Prometheus, say, which wants the same one tomorrow; then it is not printed."""
    token = "chosen-by-somebody"
    with serving(tmp_path, SPANGUARD_SERVE_TOKEN=token) as (_, told):
        assert token not in json.dumps(told)
        assert get(told["address"] + "/api/summary", token) == 200


def test_the_token_is_new_each_time(tmp_path) -> None:
    """And long."""
    with serving(tmp_path) as (_, one), serving(tmp_path) as (_, other):
        assert one["link"].partition("token=")[2] != other["link"].partition("token=")[2]
        assert len(one["link"].partition("token=")[2]) >= 32


def refused(*arguments: str, **environment: str) -> str:
    """Return what the command says when it does not serve."""
    result = CliRunner().invoke(main, ["serve", "--port", "0", *arguments], env=environment)
    assert result.exit_code == 2
    return result.output


def test_it_does_not_listen_beyond_this_machine(tmp_path, monkeypatch) -> None:
    """Unless there is TLS, or somebody says that it may."""
    monkeypatch.chdir(tmp_path)
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        assert "--allow-plain-http" in refused("--host", host)


def test_a_short_token_is_refused(tmp_path, monkeypatch) -> None:
    """And not shown."""
    monkeypatch.chdir(tmp_path)
    said = refused(SPANGUARD_SERVE_TOKEN="short")
    assert "at least 16" in said
    assert "short" not in said


def test_what_cannot_be_is_refused(tmp_path, monkeypatch) -> None:
    """Half of TLS, an alert that is none, a file that is no objective, a store that is switched off."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slo.json").write_text("{}")
    assert "go together" in refused("--tls-cert", "slo.json")
    assert "--alert" in refused("--alert", "nonsense")
    assert "slo.json" in refused("--slo", "slo.json")
    assert "off" in refused(SPANGUARD_STORE="off")


def test_it_speaks_tls(tmp_path) -> None:
    """With a certificate and its key."""
    openssl = shutil.which("openssl") or pytest.skip("there is no openssl to make a certificate")
    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    command = [openssl, *made.split(), "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with serving(tmp_path, "--tls-cert", "cert.pem", "--tls-key", "key.pem") as (_, told):
        assert told["address"].startswith("https://")
        assert get(told["link"], context=context) == 303


def test_what_a_program_writes_is_there_while_it_runs(tmp_path) -> None:
    """The server is started first, in a directory without a store; then the program."""
    with serving(tmp_path) as (_, told):
        token = told["link"].partition("token=")[2]
        subprocess.run([sys.executable, str(EVERY_COLUMN), told["store"]], check=True, timeout=120)
        parts = urlsplit(told["address"])
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        connection.request("GET", "/api/traces", headers={"authorization": f"Bearer {token}"})
        assert json.loads(connection.getresponse().read())["traces"]
        connection.close()


def test_alerts_are_checked_and_told(serve, recorded) -> None:
    """Twice in a row is an alert; it is on the page, in the API and in the navigation."""
    site = serve(recorded, every=0.05)
    site.until(lambda: site.get("/api/metrics/alerts")["firing"])
    (alert,) = site.get("/api/metrics/alerts")["history"]
    assert (alert["name"], alert["state"]) == ("error-rate", "firing")
    assert "error_rate is" in site.ask("/alerts").text
    assert 'class="count"' in site.ask("/").text
