"""What the spool costs, and how fast it ends: against the SDK's own OTLP exporter, in one run, on this machine.

    python benchmarks/spool.py [--batches 40] [--json]

Cases, each a batch of 512 spans with 12 attributes: `plain` (the SDK's exporter to a local receiver that answers),
`spooling` (ours, to the same), `commit` (ours, with nobody listening: into the spool), `drain` (from the spool to the
receiver once it is there). `exit` is the longest that a program of one span takes to end, over some runs, with an endpoint
that refuses and with one that never answers; `bytes` what a span takes in the spool.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from spanguard.pipeline import spooling_courier
from spanguard.pipeline.spooling import spooling
from spanguard.settings import Settings
from spanguard.store.spool import Place, status

SPANS = 512
ATTRIBUTES = {f"resilience.attribute.{number}": f"value {number}" for number in range(11)}
PROGRAM = """
import atexit, time
atexit.register(lambda: print(time.monotonic() - began))
import spanguard
spanguard.configure()
with spanguard.traced_llm_call(provider="openai", model="gpt-5.2"):
    pass
began = time.monotonic()
"""


class Handler(BaseHTTPRequestHandler):
    """Takes everything."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take a request."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def receiver(port: int) -> Iterator[None]:
    """Listen."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield
    server.shutdown()
    server.server_close()


def batch() -> Sequence[ReadableSpan]:
    """Return finished spans."""
    kept, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    for _ in range(SPANS):
        attributes = {**ATTRIBUTES, "gen_ai.response.id": secrets.token_hex(16)}
        provider.get_tracer("benchmark").start_span("chat gpt-5.2", attributes=attributes).end()
    return kept.get_finished_spans()


def median(exporter: SpanExporter, spans: Sequence[ReadableSpan], batches: int) -> float:
    """Return the seconds that an export takes."""
    taken = []
    for _ in range(batches):
        began = time.perf_counter()
        exporter.export(spans)
        taken.append(time.perf_counter() - began)
    return sorted(taken)[batches // 2]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as found:
        return int(found.getsockname()[1])


def exports(batches: int) -> dict[str, float]:
    """Measure the exporters, in seconds a batch."""
    spooling_courier.FIRST_REST = spooling_courier.LONGEST_REST = 0.05  # type: ignore[misc]
    port, spans, found = free_port(), batch(), {}
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as directory:
        made = spooling("traces", OTLPSpanExporter, Settings(), Place("", Path(directory)))
        with receiver(port):
            plain, ours = OTLPSpanExporter(), made()
            assert isinstance(ours, SpanExporter)
            for name, exporter in (("plain", plain), ("spooling", ours)):
                median(exporter, spans, 3)
                found[name] = median(exporter, spans, batches)
                exporter.shutdown()
        ours = made()
        assert isinstance(ours, SpanExporter)
        found["commit"] = median(ours, spans, batches)
        file = Path(directory) / ".spanguard" / "spool.db"
        (waiting,) = status(file).waiting
        found["bytes"] = waiting.bytes / waiting.items
        with receiver(port):
            began = time.perf_counter()
            while status(file).waiting:
                time.sleep(0.005)
            found["drain"] = (time.perf_counter() - began) / waiting.batches
        ours.shutdown()
    return found


def slowest_exit(endpoint: str, runs: int = 5) -> float:
    """Return the longest that a program takes to end, in seconds."""
    taken = []
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as directory:
            command = [sys.executable, "-c", PROGRAM]
            ran = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=True)
            taken.append(float(ran.stdout))
    return max(taken)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--json", action="store_true", help="seconds and bytes as JSON")
    asked = parser.parse_args()
    found = exports(asked.batches)
    found["exit, refused"] = slowest_exit(f"http://127.0.0.1:{free_port()}")
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        found["exit, silent"] = slowest_exit(f"http://127.0.0.1:{silent.getsockname()[1]}")
    if asked.json:
        print(json.dumps(found))
        return
    for name in ("plain", "spooling", "commit", "drain"):
        print(f"{name:16}{found[name] * 1000:8.1f} ms a batch{found[name] / found['plain']:8.2f} x")
    for name in ("exit, refused", "exit, silent"):
        print(f"{name:16}{found[name]:8.2f} s of 2")
    print(f"{'bytes':16}{found['bytes']:8.0f} a span")


if __name__ == "__main__":
    main()
