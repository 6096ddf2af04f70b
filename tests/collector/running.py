"""Running the collector, Jaeger and Prometheus on ports of their own, and programs that send to them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from binaries import SHIPPED
from test_configure import run

PROTOCOLS = ["grpc", "http/protobuf"]
PATIENCE = 60.0
T = TypeVar("T")


def arguments(names: Iterable[str], *overrides: str) -> list[str]:
    """Return the arguments that name these files and then these settings."""
    names = list(names)
    gates = ["--feature-gates=ottl.set.allowNil"] if "redaction.yaml" in names else []
    files = (str(SHIPPED / name) for name in names)
    return [*(f"--config={each}" for each in (*files, *(f"yaml:{line}" for line in overrides))), *gates]


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@dataclass
class Collector:
    """A collector that runs: its process, and the endpoint for each protocol."""

    process: subprocess.Popen[bytes]
    endpoints: dict[str, str]
    log: Path


@contextmanager
def collecting(
    otelcol: str,
    names: Iterable[str],
    directory: Path,
    *settings: str,
    ports: list[int] | None = None,
    kill: bool = False,
    secure: bool = False,
    **environment: str,
) -> Iterator[Collector]:
    """Run the collector with the shipped files, on ports of its own or on these.

    At the end it is asked to stop, and has then handed on what it could; with ``kill`` it is not asked.
    """
    grpc, http, health = ports or free_ports(3)
    overrides = (
        f"receivers::otlp::protocols::grpc::endpoint: 127.0.0.1:{grpc}",
        f"receivers::otlp::protocols::http::endpoint: 127.0.0.1:{http}",
        f"extensions::health_check::endpoint: 127.0.0.1:{health}",
        "service::telemetry::metrics::level: none",
        *settings,
    )
    command = [otelcol, *arguments(names, *overrides)]
    variables = {"PATH": os.environ["PATH"], "QUEUE_DIRECTORY": str(directory / "queue"), **environment}
    scheme = "https" if secure else "http"
    endpoints = {"grpc": f"{scheme}://127.0.0.1:{grpc}", "http/protobuf": f"{scheme}://127.0.0.1:{http}"}
    with started(command, directory / "otelcol.log", f"http://127.0.0.1:{health}", variables) as process:
        yield Collector(process, endpoints, directory / "otelcol.log")
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        code = process.wait(PATIENCE)
        assert kill or code == 0, (directory / "otelcol.log").read_text(encoding="utf-8")


@contextmanager
def started(
    command: list[str], log: Path, health: str, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; begins when it says that it is well."""
    with log.open("a", encoding="utf-8") as told:
        process = subprocess.Popen(command, env=environment, cwd=log.parent, stdout=told, stderr=told)
        try:
            wait_until_healthy(process, health, log)
            yield process
        finally:
            process.kill()
            process.wait()


def wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Return when a server answers."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with closing(urllib.request.urlopen(url, timeout=5)):
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail(log.read_text(encoding="utf-8"))


@contextmanager
def jaeger_running(jaeger: str, directory: Path) -> Iterator[tuple[str, str]]:
    """Run Jaeger with its memory as storage; gives where it takes OTLP, and where it answers queries."""
    otlp, query, query_grpc, health = free_ports(4)
    config = {
        "extensions": {
            "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": 10000}}}},
            "jaeger_query": {
                "storage": {"traces": "memory"},
                "http": {"endpoint": f"127.0.0.1:{query}"},
                "grpc": {"endpoint": f"127.0.0.1:{query_grpc}"},
            },
            "healthcheckv2": {"use_v2": True, "http": {"endpoint": f"127.0.0.1:{health}"}},
        },
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{otlp}"}}}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query", "healthcheckv2"],
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
            "telemetry": {"metrics": {"level": "none"}},
        },
    }
    (directory / "jaeger.json").write_text(json.dumps(config), encoding="utf-8")
    command = [jaeger, f"--config={directory / 'jaeger.json'}"]
    with started(command, directory / "jaeger.log", f"http://127.0.0.1:{query}/api/services"):
        yield f"http://127.0.0.1:{otlp}", f"http://127.0.0.1:{query}"


@contextmanager
def prometheus_running(prometheus: str, directory: Path, config: Path) -> Iterator[str]:
    """Run Prometheus with its OTLP receiver and a configuration of ours; gives its address."""
    (port,) = free_ports(1)
    command = [
        prometheus,
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-otlp-receiver",
        "--enable-feature=created-timestamp-zero-ingestion",
    ]
    with started(command, directory / "prometheus.log", f"http://127.0.0.1:{port}/-/ready"):
        yield f"http://127.0.0.1:{port}"


def get(url: str) -> Any:
    """Return the JSON that an address answers."""
    with closing(urllib.request.urlopen(url, timeout=30)) as response:
        return json.load(response)


def until(look: Callable[[], T | None]) -> T:
    """Return the first thing that is found; something that another process does."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return found


def send(directory: Path, protocol: str, endpoint: str, code: str = "program()", **environment: str) -> None:
    """Run a program with a repair loop that sends its telemetry there."""
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, **environment}
    result = run(directory, f"spanguard.configure(); {code}", **{"OTEL_SERVICE_NAME": "invoices", **variables})
    assert (result.returncode, result.stderr) == (0, "")
