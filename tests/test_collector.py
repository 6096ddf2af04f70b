"""The collector with the shipped configuration: the real binary, real programs, and what comes out of it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otlp_receiver import HttpReceiver, Received
from spanguard.store.spool import status
from test_configure import TREE, run
from test_processes import start

pytestmark = pytest.mark.collector

SHIPPED = Path(__file__).parent.parent / "collector-config"
COMBINATIONS = [["base.yaml"], ["base.yaml", "file.yaml"]]
PROTOCOLS = ["grpc", "http/protobuf"]
REQUESTS = {
    "resourceSpans": ExportTraceServiceRequest,
    "resourceMetrics": ExportMetricsServiceRequest,
    "resourceLogs": ExportLogsServiceRequest,
}


@pytest.fixture(scope="module")
def otelcol() -> str:
    """The collector, as `collector-config/build.py` made it.

    Making it takes minutes, so a plain `pytest` uses it only if it is there already. With
    SPANGUARD_TEST_REQUIRE_COLLECTOR=1 it is made, and a test that cannot run fails.
    """
    required = os.environ.get("SPANGUARD_TEST_REQUIRE_COLLECTOR") == "1"
    command = [sys.executable, str(SHIPPED / "build.py"), *([] if required else ["--cached"])]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode and required:
        pytest.fail(f"no collector: {made.stderr}")
    if made.returncode:
        pytest.skip("no collector is built yet: python collector-config/build.py (needs Go, takes minutes)")
    return made.stdout.strip()


def arguments(names: list[str], *overrides: str) -> list[str]:
    """Return the arguments that name these files and then these settings."""
    return [f"--config={each}" for each in (*(SHIPPED / name for name in names), *(f"yaml:{line}" for line in overrides))]


def validate(otelcol: str, names: list[str], *overrides: str) -> subprocess.CompletedProcess[str]:
    """Ask the collector whether a configuration is valid."""
    command = [otelcol, "validate", *arguments(names, *overrides)]
    environment = {"PATH": os.environ["PATH"], "TELEMETRY_FILE": "telemetry.jsonl"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("names", COMBINATIONS, ids=" ".join)
def test_the_shipped_configuration_is_valid(otelcol: str, names: list[str]) -> None:
    """Each combination that the README names, to the binary that knows."""
    result = validate(otelcol, names)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("mistake", ["exporters::otlp_http/backend::endpont: x", "processors::memory_limitr: {}"])
def test_a_mistake_is_found(otelcol: str, mistake: str) -> None:
    """What the test above would say of a key or a component that does not exist."""
    assert validate(otelcol, ["base.yaml"], mistake).returncode == 1


def test_the_manifest_has_what_the_files_use(otelcol: str) -> None:
    """No component more; that there is none less is what validation finds."""
    listed = subprocess.run([otelcol, "components"], capture_output=True, text=True, timeout=60, check=True).stdout
    used = "".join(path.read_text(encoding="utf-8") for path in SHIPPED.glob("*.yaml") if path.name != "builder.yaml")
    names = re.findall(r"^ +- name: (\w+)", listed, re.MULTILINE)
    assert len(names) >= 5
    assert [name for name in names if not re.search(rf"^  {name}(/\w+)?:", used, re.MULTILINE)] == []


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def running(
    otelcol: str,
    names: list[str],
    directory: Path,
    ports: list[int] | None = None,
    settings: Iterable[str] = (),
    *,
    kill: bool = False,
    **environment: str,
) -> Iterator[dict[str, str]]:
    """Run the collector with the shipped files, on ports of its own or on these; gives the endpoint for each protocol.

    At the end it is asked to stop, and has then handed on all that it had; with ``kill`` it is not asked.
    """
    grpc, http, health = ports or free_ports(3)
    overrides = (
        f"receivers::otlp::protocols::grpc::endpoint: 127.0.0.1:{grpc}",
        f"receivers::otlp::protocols::http::endpoint: 127.0.0.1:{http}",
        f"extensions::health_check::endpoint: 127.0.0.1:{health}",
        "service::telemetry::metrics::level: none",
        *settings,
    )
    with (directory / "otelcol.log").open("w", encoding="utf-8") as log:
        command = [otelcol, *arguments(names, *overrides)]
        process = subprocess.Popen(command, env={"PATH": os.environ["PATH"], **environment}, cwd=directory, stderr=log)
        try:
            wait_until_healthy(process, health, directory)
            yield {"grpc": f"http://127.0.0.1:{grpc}", "http/protobuf": f"http://127.0.0.1:{http}"}
            process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            code = process.wait(30)
            assert kill or code == 0, (directory / "otelcol.log").read_text(encoding="utf-8")
        finally:
            process.kill()
            process.wait()


def wait_until_healthy(process: subprocess.Popen[bytes], port: int, directory: Path) -> None:
    """Return when the collector says that it is well."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with closing(urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=5)):
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail((directory / "otelcol.log").read_text(encoding="utf-8"))


def written(path: Path) -> Received:
    """Read what the file exporter wrote."""
    received = Received()
    text = path.read_text(encoding="utf-8")
    for line in text.splitlines():
        (kind,) = [kind for key, kind in REQUESTS.items() if line.startswith(f'{{"{key}"')]
        # In OTLP JSON an id is written in hexadecimal, which is read as base64 here: other bytes, but the same for the same.
        received.take(json_format.Parse(line, kind()))
    received.raw = text.encode()
    return received


def check(received: Received) -> None:
    """See that what the program did is what arrived: the tree, the outcomes, the tokens, and no prompt."""
    assert received.tree() == TREE
    spans = sorted(received.spans, key=lambda span: span["start"])
    outcomes = [span["attributes"].get("resilience.attempt.outcome") for span in spans if span["name"] == "attempt"]
    assert outcomes == ["invalid", "success"]
    assert [span["status"] for span in spans] == ["UNSET", "ERROR", "UNSET", "UNSET", "UNSET"]
    assert spans[0]["attributes"]["resilience.operation.outcome"] == "recovered"
    assert spans[0]["attributes"]["resilience.usage.wasted.input_tokens"] == 10
    assert sum(value for name, _, value in received.points if name == "resilience.token.usage") == 30
    assert received.resource["service.name"] == "invoices"
    assert b"secret prompt" not in received.raw


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_a_program_sends_stands_in_the_file(otelcol: str, tmp_path: Path, protocol: str) -> None:
    """With `file.yaml`, over gRPC and over HTTP."""
    kept = tmp_path / "telemetry.jsonl"
    with running(otelcol, ["base.yaml", "file.yaml"], tmp_path, TELEMETRY_FILE=str(kept)) as endpoints:
        send(tmp_path, protocol, endpoints[protocol])
    check(written(kept))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_a_program_sends_reaches_the_backend(otelcol: str, tmp_path: Path, protocol: str) -> None:
    """With `base.yaml` alone, whose queue is empty when the collector has stopped."""
    with HttpReceiver() as backend:
        with running(otelcol, ["base.yaml"], tmp_path, BACKEND_ENDPOINT=backend.endpoint) as endpoints:
            send(tmp_path, protocol, endpoints[protocol])
        check(backend)


def send(directory: Path, protocol: str, endpoint: str) -> None:
    """Run a program with a repair loop that sends its telemetry there."""
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    result = run(directory, "spanguard.configure(); program()", **environment, OTEL_SERVICE_NAME="invoices")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("kill", [False, True])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_collector_that_stops_and_comes_back_gets_every_span(
    otelcol: str, tmp_path: Path, protocol: str, kill: bool
) -> None:
    """Under load, twice; each span arrives at the backend at least once.

    What a collector has in its queue is lost when it is killed; so there it has none, and says yes when the backend has.
    """
    ports, program = free_ports(3), tmp_path / "program"
    program.mkdir()
    unqueued = ["exporters::otlp_http/backend::sending_queue::enabled: false"] if kill else []
    endpoint = f"http://127.0.0.1:{ports[0 if protocol == 'grpc' else 1]}"
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_BSP_MAX_QUEUE_SIZE": "100000",
    }
    with HttpReceiver() as backend, ExitStack() as stack:
        process = stack.enter_context(start(program, LOAD, **settings))
        stack.callback(process.kill)
        for _ in range(2):
            before, waited = len(backend.spans), waiting(program)
            with running(otelcol, ["base.yaml"], tmp_path, ports, unqueued, kill=kill, BACKEND_ENDPOINT=backend.endpoint):
                wait_for(lambda before=before: len(backend.spans) > before + 100)
            wait_for(lambda waited=waited: waiting(program) > waited + 100)
        with running(otelcol, ["base.yaml"], tmp_path, ports, BACKEND_ENDPOINT=backend.endpoint):
            (program / "enough").touch()
            out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert waiting(program) == 0
    assert len({span["id"] for span in backend.spans}) == int(out)


LOAD = """
from pathlib import Path
from spanguard.store.spool import status
pipeline = spanguard.configure(exit_timeout=20)
made = 0
while not os.path.exists("enough"):
    ask()
    made += 1
    time.sleep(0.001)
pipeline.flush()
give_up = time.monotonic() + 60
while status(Path(".spanguard/spool.db")).waiting and time.monotonic() < give_up:
    time.sleep(0.05)
print(made)
"""


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def waiting(directory: Path) -> int:
    """Count what waits in the spool of a program."""
    path = directory / ".spanguard" / "spool.db"
    return sum(each.items for each in status(path).waiting) if path.exists() else 0
