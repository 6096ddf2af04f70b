"""What a traced call costs: spanguard against a span and metrics written by hand with the same content, in one run.

    python benchmarks/overhead.py [--rounds 30] [--json]
    python benchmarks/overhead.py --check

Interleaved rounds in one process for each mode, medians of the ratios within a round; seconds are for orientation only, as
machines are shared and noisy. Modes: `on` (the real SDK, every span sampled, a batch processor that discards), `unsampled`,
`off` (no SDK configured). The hand-written call records what the spanguard call records: ten attributes, one duration and
two token measurements. A chunk's cost is the difference between streams of 101 chunks and of 1, over the bare generator.

Measurements of ours wait for the collection of the metrics (`spanguard._core.held`), so there are two ratios: of what the
calling thread pays, and, "in all", with a collection after every 300 calls, which a reader's own thread does.

`--check` counts the instructions of Python's virtual machine that a call takes, the SDK's included, which is the same on a
busy machine and on an idle one; it fails where the ratio to the hand-written call is above a limit, a tenth above what was
measured last. It knows nothing of what runs in C, nor of caches: a count that grows is a regression, one that shrinks need
not be a gain.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

CALLS = 300
LIMITS = {
    ("on", "1.37"): (0.66, 1.2),
    ("on", "dev-2026-10"): (0.66, 0.9),
    ("unsampled", "1.37"): (0.5, 1.35),
    ("off", "1.37"): (0.25, 0.25),
}
"""Of instructions, ours by those of the hand-written call, for each mode and generation: of the call, and in all."""


def response() -> Any:
    """Return what a provider's SDK returns, in shape."""
    usage = SimpleNamespace(prompt_tokens=57, completion_tokens=93)
    choices = [SimpleNamespace(index=0, finish_reason="stop")]
    return SimpleNamespace(id="chatcmpl-9zX1aBcDeFgHiJkLmNoPq", model="gpt-4o-mini-2024-07-18", choices=choices, usage=usage)


ANSWER = response()
CHUNK = SimpleNamespace(id="c", model="gpt-4o-mini", choices=[SimpleNamespace(index=0, finish_reason=None)], usage=None)
ASKED = {"model": "gpt-4o-mini", "messages": (), "temperature": 0.7, "max_tokens": 256}


def bare(model: str, messages: object, temperature: float, max_tokens: int) -> Any:
    return ANSWER


async def abare(model: str, messages: object, temperature: float, max_tokens: int) -> Any:
    return ANSWER


def bare_stream(model: str, messages: object, temperature: float, max_tokens: int) -> Iterator[Any]:
    for _ in range(max_tokens - 1):
        yield CHUNK
    yield ANSWER


def by_hand() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the bare functions with a span and metrics around them, as one writes them by hand."""
    from opentelemetry import metrics, trace
    from opentelemetry.trace import SpanKind

    tracer, meter = trace.get_tracer("hand"), metrics.get_meter("hand")
    duration = meter.create_histogram("gen_ai.client.operation.duration", "s")
    tokens = meter.create_histogram("gen_ai.client.token.usage", "{token}")

    def start(model: str, temperature: float, max_tokens: int) -> Any:
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": model,
            "gen_ai.request.temperature": temperature,
            "gen_ai.request.max_tokens": max_tokens,
        }
        return tracer.start_as_current_span(f"chat {model}", kind=SpanKind.CLIENT, attributes=attributes)

    def finish(span: Any, began: float, model: str, answer: Any) -> None:
        usage = answer.usage
        span.set_attributes(
            {
                "gen_ai.response.model": answer.model,
                "gen_ai.response.id": answer.id,
                "gen_ai.response.finish_reasons": [choice.finish_reason for choice in answer.choices],
                "gen_ai.usage.input_tokens": usage.prompt_tokens,
                "gen_ai.usage.output_tokens": usage.completion_tokens,
            }
        )
        base = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": model,
            "gen_ai.response.model": answer.model,
        }
        duration.record(time.perf_counter() - began, base)
        tokens.record(usage.prompt_tokens, {**base, "gen_ai.token.type": "input"})
        tokens.record(usage.completion_tokens, {**base, "gen_ai.token.type": "output"})

    def call(model: str, messages: object, temperature: float, max_tokens: int) -> Any:
        began = time.perf_counter()
        with start(model, temperature, max_tokens) as span:
            answer = bare(model, messages, temperature, max_tokens)
            finish(span, began, model, answer)
            return answer

    async def acall(model: str, messages: object, temperature: float, max_tokens: int) -> Any:
        began = time.perf_counter()
        with start(model, temperature, max_tokens) as span:
            answer = await abare(model, messages, temperature, max_tokens)
            finish(span, began, model, answer)
            return answer

    return call, acall


def set_up(mode: str) -> Callable[[], object]:
    """Configure the SDK for a mode; return what empties its queues."""
    if mode == "off":
        return lambda: None
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

    class Discard(SpanExporter):
        def export(self, spans: object) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    tracers = TracerProvider(sampler=ALWAYS_OFF if mode == "unsampled" else ALWAYS_ON)
    processor = BatchSpanProcessor(Discard())
    tracers.add_span_processor(processor)
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))
    return processor.force_flush


def collect() -> None:
    """Collect the metrics, if there is an SDK to do it."""
    from opentelemetry import metrics

    getattr(metrics.get_meter_provider(), "force_flush", lambda: None)()


def timed(call: Callable[[], object], calls: int = CALLS) -> float:
    """Return the seconds that one call takes, of this thread's processor time."""
    clock = time.thread_time
    began = clock()
    for _ in range(calls):
        call()
    return (clock() - began) / calls


def measure(mode: str, generation: str, rounds: int) -> dict[str, float]:
    """Measure all cases of one mode in interleaved rounds."""
    flush = set_up(mode)
    import spanguard
    from spanguard import settings

    settings.use(settings.Settings(semconv=generation))
    verb = spanguard.traced_llm_call(provider="openai")
    ours, aours, stream = verb(bare), verb(abare), verb(bare_stream)
    hand, ahand = by_hand()

    async def many(function: Callable[..., Any]) -> float:
        clock = time.thread_time
        began = clock()
        for _ in range(CALLS):
            await function(**ASKED)
        return (clock() - began) / CALLS

    def drain(function: Callable[..., Any], chunks: int) -> Callable[[], object]:
        asked = {**ASKED, "max_tokens": chunks}
        return lambda: [None for _ in function(**asked)]

    cases: dict[str, Callable[[], float]] = {
        "bare": lambda: timed(lambda: bare(**ASKED)),
        "hand": lambda: timed(lambda: hand(**ASKED)),
        "ours": lambda: timed(lambda: ours(**ASKED)),
        "abare": lambda: asyncio.run(many(abare)),
        "ahand": lambda: asyncio.run(many(ahand)),
        "aours": lambda: asyncio.run(many(aours)),
        "stream 1": lambda: timed(drain(bare_stream, 1), CALLS // 5),
        "stream 101": lambda: timed(drain(bare_stream, 101), CALLS // 5),
        "ours 1": lambda: timed(drain(stream, 1), CALLS // 5),
        "ours 101": lambda: timed(drain(stream, 101), CALLS // 5),
    }
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        once, later = {}, {}
        for name, case in cases.items():
            gc.collect()
            once[name] = case()
            later[name] = timed(collect, 1) / CALLS
            flush()
        ratio, aratio = (
            (once["ours"] - once["bare"]) / (once["hand"] - once["bare"]),
            (once["aours"] - once["abare"]) / (once["ahand"] - once["abare"]),
        )
        chunk = (once["ours 101"] - once["stream 101"] - once["ours 1"] + once["stream 1"]) / 100
        whole = {name: once[name] - once["bare"] + later[name] for name in ("ours", "hand")}
        row = {
            "ratio": ratio,
            "async ratio": aratio,
            "in all": whole["ours"] / whole["hand"],
            "ours us": (once["ours"] - once["bare"]) * 1e6,
        }
        row |= {"hand us": (once["hand"] - once["bare"]) * 1e6, "chunk us": chunk * 1e6}
        for name, value in row.items():
            found.setdefault(name, []).append(value)
    return {name: statistics.median(values) for name, values in found.items()}


def instructions(call: Callable[[], object], calls: int = 20, then: Callable[[], object] | None = None) -> float:
    """Return how many instructions of Python's virtual machine a call takes in this thread, with its part of what follows."""
    count = 0

    def trace(frame: Any, event: str, _argument: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    for _ in range(50):
        call()
    collect()
    sys.settrace(trace)
    for _ in range(calls):
        call()
    if then is not None:
        then()
    sys.settrace(None)
    return count / calls


def count(mode: str, generation: str) -> dict[str, float]:
    """Count the instructions of a call by hand and of ours, in one mode."""
    set_up(mode)
    import spanguard
    from spanguard import settings

    settings.use(settings.Settings(semconv=generation))
    verb = spanguard.traced_llm_call(provider="openai")

    def run(function: Callable[..., Any]) -> Callable[[], object]:
        def once() -> None:
            with contextlib.suppress(StopIteration):
                function(**ASKED).send(None)

        return once

    hand, ahand = by_hand()
    ours, aours = verb(bare), verb(abare)
    found = {"hand": instructions(lambda: hand(**ASKED)), "ours": instructions(lambda: ours(**ASKED))}
    found |= {"ahand": instructions(run(ahand)), "aours": instructions(run(aours))}
    whole = [instructions(lambda call=call: call(**ASKED), CALLS, collect) for call in (ours, hand)]
    ratios = {"ratio": found["ours"] / found["hand"], "async ratio": found["aours"] / found["ahand"]}
    return {**found, **ratios, "in all": whole[0] / whole[1]}


def check() -> None:
    """Print the counts of all modes, and exit with 1 if a ratio is above its limit."""
    wrong = False
    print(f"{'instructions':<18}{'hand':>8}{'ours':>8}{'ratio':>8}{'async':>8}{'limit':>8}{'in all':>8}{'limit':>8}")
    for (mode, generation), (limit, in_all) in LIMITS.items():
        command = [sys.executable, __file__, "--count", "--mode", mode, "--semconv", generation]
        row = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        above = max(row["ratio"], row["async ratio"]) > limit or row["in all"] > in_all
        wrong |= above
        numbers = f"{row['hand']:>8.0f}{row['ours']:>8.0f}{row['ratio']:>8.2f}{row['async ratio']:>8.2f}{limit:>8.2f}"
        numbers += f"{row['in all']:>8.2f}{in_all:>8.2f}"
        print(f"{mode + ' ' + generation:<18}{numbers}{'  above the limit' if above else ''}")
    sys.exit(wrong)


def main() -> None:
    """Measure each mode in a process of its own and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="count instructions, and fail above the limits")
    parser.add_argument("--count", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--mode", help=argparse.SUPPRESS)
    parser.add_argument("--semconv", default="1.37", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.check:
        check()
    if options.count:
        print(json.dumps(count(options.mode, options.semconv)))
        return
    if options.mode:
        print(json.dumps(measure(options.mode, options.semconv, options.rounds)))
        return
    rows = {}
    for mode, generation in LIMITS:
        command = [sys.executable, __file__, "--mode", mode, "--semconv", generation, "--rounds", str(options.rounds)]
        rows[f"{mode} {generation}"] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"Python {platform.python_version()} on {platform.machine()}; medians of {options.rounds} interleaved rounds")
    print("added by each call, over the bare function")
    print(f"{'mode':<18}{'ours/hand':>10}{'async':>8}{'in all':>8}{'ours us':>10}{'hand us':>10}{'us/chunk':>10}")
    for name, row in rows.items():
        times = "".join(f"{row[key]:>10.2f}" for key in ("ours us", "hand us", "chunk us"))
        print(f"{name:<18}{row['ratio']:>10.2f}{row['async ratio']:>8.2f}{row['in all']:>8.2f}{times}")


if __name__ == "__main__":
    main()
