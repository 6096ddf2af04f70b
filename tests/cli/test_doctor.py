"""`spanguard doctor`: what it finds, and how it ends."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from otlp_receiver import GrpcReceiver, HttpReceiver, UnsteadyReceiver
from spanguard.cli import doctor as module
from spanguard.cli import doctor_telemetry, main
from spanguard.cli.doctor import Finding
from spanguard.instrumentation.urllib3 import Urllib3Instrumentor
from spanguard.store.database import Database


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("OTEL_", "SPANGUARD_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def doctor(*arguments: str) -> Any:
    """Run the command."""
    return CliRunner().invoke(main, ["doctor", *arguments])


def findings() -> dict[str, dict[str, str]]:
    """Return what the command finds, by subject."""
    return {each["subject"]: each for each in json.loads(doctor("--json").stdout)["findings"]}


def test_it_tells_versions_and_destinations() -> None:
    """In this environment all is well."""
    done = doctor()
    assert done.exit_code == 0, done.output
    assert "opentelemetry-sdk" in done.output
    assert findings()["traces"]["detail"] == "to the local store"


def test_an_endpoint_is_asked_to_take_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes it is well; one that is gone is not, and is told once for all signals."""
    with HttpReceiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        where = receiver.endpoint.partition("//")[2]
        assert findings()[where]["detail"] == "takes telemetry"
    done = doctor()
    assert done.exit_code == 1
    assert done.output.count("does not take telemetry") == 1


def test_an_endpoint_that_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers, but it is another kind of server, or wants to know who asks."""
    with UnsteadyReceiver(lambda: (401, {})) as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        found = findings()[receiver.endpoint.partition("//")[2]]
    assert (found["status"], found["detail"]) == ("no", "does not take telemetry (HTTP 401)")


def test_an_endpoint_over_grpc_is_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own protocol."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with GrpcReceiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        assert findings()[receiver.endpoint.partition("//")[2]]["status"] == "ok"


def run(directory: Path, script: str, **environment: str) -> None:
    """Run a program with telemetry."""
    whole = f"import spanguard\npipeline = spanguard.configure(exit_timeout=20)\n{script}\npipeline.shutdown()"
    subprocess.run([sys.executable, "-c", whole], cwd=directory, check=True, timeout=60, env={**os.environ, **environment})


def test_what_waits_for_an_endpoint_is_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is in the spool, and the next process sends it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
    run(tmp_path, "with spanguard.traced_repair('answer'): pass", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    waiting = [each.detail for each in module.destinations() if each.subject == "spool"]
    assert "1 items of traces wait to be sent by the next process" in waiting


def test_the_store_is_tried(tmp_path: Path) -> None:
    """It says where it is, before and after something is recorded; one that is damaged is told, and what to expect of it."""
    store = tmp_path / ".spanguard" / "telemetry.db"
    assert findings()["local store"]["detail"].startswith(str(store))
    run(tmp_path, "with spanguard.traced_repair('answer'): pass")
    assert findings()["local store"]["detail"] == f"{store}, which can be written"
    for each in store.parent.glob("telemetry.db*"):
        each.unlink()
    store.write_bytes(b"no database" * 1000)
    found = findings()["local store"]
    assert (found["status"], found["detail"].startswith(f"{store} cannot be written")) == ("no", True)
    assert doctor().exit_code == 1


def test_what_was_lost_is_counted(tmp_path: Path) -> None:
    """Of the newest run, if the process that lost it could say so."""
    run(tmp_path, "with spanguard.traced_repair('answer'): pass")
    with Database.open(tmp_path / ".spanguard" / "telemetry.db") as db:
        (resource, *_) = db.rows("SELECT id FROM resources")[0]
        with db.transaction() as connection:
            connection.execute(
                "INSERT INTO drops (resource_id, signal, time_ns, items) VALUES (?, 'spans', 1, 7)", (resource,)
            )
    found = findings()["local store"]
    assert (found["status"], found["detail"][:8]) == ("no", "7 spans ")


def test_libraries_that_are_not_there_take_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the JSON each has its own entry."""
    listed = [Finding("libraries", name, "info", "the library is not installed") for name in ("one", "two")]
    monkeypatch.setattr(module, "CHECKS", [lambda: iter(listed)])
    assert "one, two" in doctor().stdout
    assert len(findings()) == 2


def test_a_library_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the versions that were tested, and the one that is there."""
    entry = module.EntryPoint("spanguard_x", "spanguard.instrumentation.urllib3:Urllib3Instrumentor", "x")
    monkeypatch.setattr(module, "entry_points", lambda group: [entry])
    monkeypatch.setattr(Urllib3Instrumentor, "requires", ("urllib3 < 1",))
    (found,) = module.instrumented()
    assert (found.status, "only urllib3 < 1 was tested" in found.detail) == ("no", True)


def test_a_configuration_file_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Otherwise it is the file that says where telemetry goes."""
    monkeypatch.setenv("OTEL_CONFIG_FILE", str(tmp_path / "otel.yaml"))
    assert findings()["OTEL_CONFIG_FILE"]["status"] == "no"
    (tmp_path / "otel.yaml").touch()
    monkeypatch.setattr(doctor_telemetry, "find_spec", lambda name: name)
    assert findings()["OTEL_CONFIG_FILE"]["status"] == "info"


def test_a_configuration_file_that_nothing_can_read_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The SDK leaves that to a package of its own."""
    monkeypatch.setattr(doctor_telemetry, "find_spec", lambda _: None)
    monkeypatch.setenv("OTEL_CONFIG_FILE", str(tmp_path / "otel.yaml"))
    (tmp_path / "otel.yaml").touch()
    found = findings()["OTEL_CONFIG_FILE"]
    assert (found["status"], "opentelemetry-configuration" in found["detail"]) == ("no", True)


def test_a_wrong_setting_cannot_be_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, and the variable's name."""
    monkeypatch.setenv("SPANGUARD_EVENTS", "x")
    done = doctor()
    assert done.exit_code == 2
    assert "SPANGUARD_EVENTS" in done.output


def test_switched_off_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing will be recorded."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert doctor().exit_code == 1


def test_a_library_that_is_switched_off_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable that does it."""
    entry = module.EntryPoint("spanguard_x", "spanguard.instrumentation.tenacity:TenacityInstrumentor", "x")
    monkeypatch.setattr(module, "entry_points", lambda group: [entry])
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "spanguard_x , other")
    (found,) = module.instrumented()
    assert "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS" in found.detail


def test_a_check_of_ones_own_can_be_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of checks is what is looked at."""
    monkeypatch.setattr(module, "CHECKS", [lambda: iter([Finding("guard", "canary", "unknown", "was not asked")])])
    done = doctor()
    assert done.exit_code == 2
    assert "canary" in done.output


def test_what_had_no_effect_in_the_last_run_is_told(tmp_path: Path) -> None:
    """From the local store, in words."""
    script = """
import spanguard
pipeline = spanguard.configure()
from spanguard.instrumentation import _misuse
_misuse.detected("breaker_never_blocks", policy="circuit_breaker", name="provider", library="circuitbreaker")
pipeline.shutdown()
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, timeout=60)
    found = list(module.misused())
    assert [(each.status, "with" in each.detail) for each in found] == [("no", True)]
    assert found[0].subject.startswith("circuitbreaker ")


def test_a_store_in_which_nothing_is_recorded_yet_is_no_fault(tmp_path: Path) -> None:
    """A program that was just started, or that was killed before it had told anything, leaves one."""
    store = tmp_path / ".spanguard" / "telemetry.db"
    store.parent.mkdir()
    store.touch()
    assert list(module.misused()) == []
    assert doctor().exit_code == 0
