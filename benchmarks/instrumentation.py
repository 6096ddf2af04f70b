"""What an instrumented call of each library costs, as a ratio to the same call without us, measured in one run.

    python benchmarks/instrumentation.py [--rounds 10] [--calls 2000]

Three ways, in turn within each round: not instrumented; instrumented, with nobody listening (no SDK); instrumented, with the
real SDK (batching processors, exporters that throw away). The calls are made below a span, as those of a service are. The
best round of each counts. Libraries that are not installed are left out. The calls do nothing themselves: a ratio is the
worst case.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from opentelemetry import trace


def tenacity() -> Callable[[], object]:
    """A decorated function that succeeds at once."""
    import tenacity as library

    return library.retry(stop=library.stop_after_attempt(3))(lambda: None)


def tenacity_recovers() -> Callable[[], object]:
    """A decorated function that fails once."""
    import tenacity as library

    state = [0]

    @library.retry(stop=library.stop_after_attempt(3), sleep=lambda _: None)
    def ask() -> None:
        state[0] ^= 1
        if state[0]:
            raise TimeoutError

    return ask


def pybreaker() -> Callable[[], object]:
    """A call that a closed breaker lets pass."""
    import pybreaker as library

    return library.CircuitBreaker()(lambda: None)


def circuitbreaker() -> Callable[[], object]:
    """A call that a closed breaker lets pass."""
    import circuitbreaker as library

    return library.circuit(lambda: None)


def aiolimiter() -> Callable[[], object]:
    """A permit that is there; a thousand in one event loop."""
    import aiolimiter as library

    loop = asyncio.new_event_loop()
    limiter = library.AsyncLimiter(1e9, 1)
    return lambda: loop.run_until_complete(limiter.acquire())


def pyrate_limiter() -> Callable[[], object]:
    """A permit that is there."""
    import pyrate_limiter as library

    limiter = library.Limiter(library.Rate(10_000_000, library.Duration.SECOND))
    return lambda: limiter.try_acquire("x")


CASES = {
    "tenacity": (tenacity, "tenacity:TenacityInstrumentor"),
    "tenacity, one retry": (tenacity_recovers, "tenacity:TenacityInstrumentor"),
    "pybreaker": (pybreaker, "pybreaker:PyBreakerInstrumentor"),
    "circuitbreaker": (circuitbreaker, "circuitbreaker:CircuitBreakerInstrumentor"),
    "aiolimiter": (aiolimiter, "aiolimiter:AioLimiterInstrumentor"),
    "pyrate-limiter": (pyrate_limiter, "pyrate_limiter:PyrateLimiterInstrumentor"),
}


def sdk() -> None:
    """Set the real SDK up, with exporters that throw away."""
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Nowhere(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere(), max_queue_size=100_000))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))


def measure(case: str, way: str, calls: int) -> float:
    """Return the microseconds of a call, in this process."""
    make, instrumentor = CASES[case]
    if way == "sdk":
        sdk()
    if way != "plain":
        module, _, name = instrumentor.partition(":")
        getattr(import_module(f"spanguard.instrumentation.{module}"), name)().instrument()
    call = make()
    with trace.get_tracer("benchmark").start_as_current_span("service"):
        for _ in range(calls // 10):
            call()
        began = time.thread_time()
        for _ in range(calls):
            call()
        return (time.thread_time() - began) / calls * 1e6


def main() -> None:
    """Measure all, each in a process of its own, and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--one", nargs=2, metavar=("CASE", "WAY"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(measure(*chosen.one, chosen.calls)))
        return
    print(f"{'one call of':<22} {'plain':>9} {'no SDK':>9} {'SDK':>9}   {'added, no SDK':>14} {'added, SDK':>11}")
    for case in CASES:
        best: dict[str, float] = {}
        for _ in range(chosen.rounds):
            for way in ("plain", "idle", "sdk"):
                command = [sys.executable, __file__, "--calls", str(chosen.calls), "--one", case, way]
                done = subprocess.run(command, check=False, capture_output=True, text=True)
                if done.returncode:
                    break
                best[way] = min(best.get(way, 1e9), json.loads(done.stdout))
        if len(best) < 3:
            print(f"{case:<22} is not installed")
            continue
        plain, idle, full = best["plain"], best["idle"], best["sdk"]
        columns = f"{plain:>6.1f} us {idle:>6.1f} us {full:>6.1f} us"
        print(f"{case:<22} {columns}   {idle / plain:>13.2f}x {full / plain:>10.2f}x")


if __name__ == "__main__":
    main()
