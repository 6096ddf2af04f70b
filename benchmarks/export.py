"""What a span costs from its end to the wire, and what becomes of a flood: ``python benchmarks/export.py [--spans N]``.

Two programs, each a process of its own with `configure()` and an OTLP receiver (HTTP, on loopback) in another process.
`paced` records 50 spans of 12 attributes at a time and waits for them to be sent: what the caller's thread pays, and what
the other threads of the process use for each span (guard, encoding, sending). `flood` has eight threads make spans as fast
as they can, for an endpoint that answers, for one that does not, and for the local store: each span has to be delivered, in
the spool or the store, or counted as dropped, and memory has to stay within its bound. Nothing here fails; the last column
says whether sums are equal.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

RECEIVER = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

found = {"spans": 0, "bytes": 0}

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/traces":
            request = ExportTraceServiceRequest.FromString(body)
            found["spans"] += sum(len(scope.spans) for each in request.resource_spans for scope in each.scope_spans)
            found["bytes"] += len(body)
        self.answer(b"")

    def do_GET(self):
        self.answer(f"{found['spans']} {found['bytes']}".encode())

    def answer(self, body):
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
"""
PROGRAM = """
import json, resource, sys, threading, time
import spanguard
from opentelemetry import trace
from spanguard.semconv import DROP_REASON, DROP_SIGNAL
from spanguard.store.losses import losses

kind, number = sys.argv[1], int(sys.argv[2])
pipeline = spanguard.configure(service_name="benchmark")
tracer = trace.get_tracer("benchmark")
attributes = {
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5.2",
    "gen_ai.response.model": "gpt-5.2", "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20,
    "gen_ai.request.temperature": 0.5, "gen_ai.request.max_tokens": 100, "resilience.attempt.number": 1,
    "resilience.policy.type": "retry", "resilience.usage.cost": 0.01, "resilience.cache.result": "miss",
}

def spans(number):
    for _ in range(number):
        tracer.start_span("chat gpt-5.2", attributes=attributes).end()

def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

spans(100)
pipeline.flush()
told = {"memory before": memory()}
began, threads_before = time.perf_counter(), time.process_time()
if kind == "flood":
    threads = [threading.Thread(target=spans, args=(number // 8,)) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    told["seconds"] = time.perf_counter() - began
    made = number // 8 * 8 + 100
else:
    calling, used = 0.0, time.process_time()
    for _ in range(number // 50):
        before = time.thread_time()
        spans(50)
        calling += time.thread_time() - before
        pipeline.flush()
    made = number // 50 * 50 + 100
    told["caller"] = calling / made
    told["export"] = (time.process_time() - used - calling) / made
pipeline.shutdown(30)
told["made"], told["memory"] = made, memory()
told["dropped"] = {
    about[DROP_REASON]: items for items, about in losses() if about[DROP_SIGNAL] == "traces"
}
print(json.dumps(told))
"""


@contextmanager
def receiver() -> Iterator[str]:
    """Run the receiver; gives its address."""
    with subprocess.Popen([sys.executable, "-c", RECEIVER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.kill()


def taken(endpoint: str) -> tuple[int, int]:
    """Return the spans and bytes that the receiver has."""
    from urllib.request import urlopen

    with urlopen(endpoint, timeout=30) as answer:
        spans, size = answer.read().split()
    return int(spans), int(size)


def ran(kind: str, number: int, endpoint: str) -> tuple[dict, int]:
    """Run a program; return what it says, and how many of its spans wait in the spool, or without endpoint are stored."""
    from spanguard.store import Database
    from spanguard.store.spool import status

    with tempfile.TemporaryDirectory() as directory:
        store = Path(directory) / "telemetry.db"
        environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_METRICS_EXPORTER": "none"}
        environment |= {"SPANGUARD_STORE": str(store)}
        command = [sys.executable, "-c", PROGRAM, kind, str(number)]
        told = json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)
        file = Path(directory) / "spool.db"
        kept = sum(each.items for each in status(file).waiting) if file.exists() else 0
        if not endpoint:
            with Database.open(store, read_only=True) as database:
                kept = int(database.rows("SELECT count(*) FROM spans")[0][0])
    return told, kept


def flood(number: int, endpoint: str, *, answers: bool) -> None:
    """Print what became of a flood."""
    before = taken(endpoint)[0] if answers else 0
    told, kept = ran("flood", number, endpoint)
    delivered = taken(endpoint)[0] - before if answers else 0
    dropped = sum(told["dropped"].values())
    equal = "equal" if delivered + kept + dropped == told["made"] else "NOT EQUAL"
    where, what = ("store", "no endpoint") if not endpoint else ("spool", f"endpoint {'answers' if answers else 'is down'}")
    reasons = ", ".join(f"{reason} {items:,}" for reason, items in told["dropped"].items()) or "-"
    print(f"flood, {what}: {told['made'] / told['seconds']:,.0f} spans a second")
    print(f"  made {told['made']:,} = delivered {delivered:,} + in the {where} {kept:,} + dropped {dropped:,}: {equal}")
    print(f"  dropped: {reasons}")
    print(f"  peak memory {told['memory']:.0f} MB, before the flood {told['memory before']:.0f} MB")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=100_000, help="of each flood")
    asked = parser.parse_args()
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} processors")
    with receiver() as endpoint:
        told, _ = ran("paced", 10_000, endpoint)
        spans, size = taken(endpoint)
        print(f"paced: {told['made']:,} made, {spans:,} delivered, {size / spans:.0f} bytes a span")
        print(
            f"  caller's thread {told['caller'] * 1e6:.1f} µs a span; guard, encoding, sending {told['export'] * 1e6:.1f} µs"
        )
        flood(asked.spans, endpoint, answers=True)
    with closing(socket.create_server(("127.0.0.1", 0))) as found:
        port = found.getsockname()[1]
    flood(asked.spans, f"http://127.0.0.1:{port}", answers=False)
    flood(asked.spans, "", answers=False)


if __name__ == "__main__":
    main()
