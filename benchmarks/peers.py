"""What a traced call costs with spanguard and with each of its peers, as ratios to the same call instrumented by hand.

    python benchmarks/peers.py [--rounds 20] [--only "spanguard;util-genai"] [--mode on|unsampled|off] [--home DIR]

Each contestant runs in a process and a virtual environment of its own, made under ``--home`` at the first run (network).
All processes live at once; in each round every one is measured once, in shuffled order, while the others wait. A measurement
is what the calls cost over the bare function in the same process, of the thread's own processor time; the ratio is taken to
the hand-written contestant in the same round, and the table shows medians. One that cannot be installed or run is left out,
and named. What each records is in the table: a call that records less may well cost less.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

HERE = Path(__file__).resolve()
SDK = ("opentelemetry-sdk",)
MESSAGES = [{"role": "user", "content": "Which tables does the nightly export touch, and what happens if one is locked?"}]
ASKED = {"model": "gpt-4o-mini", "messages": MESSAGES, "temperature": 0.7, "max_tokens": 256}
ANSWER = SimpleNamespace(
    id="chatcmpl-9zX1aBcDeFgHiJkLmNoPq",
    model="gpt-4o-mini-2024-07-18",
    choices=[SimpleNamespace(index=0, finish_reason="stop", message=SimpleNamespace(role="assistant", content="Three."))],
    usage=SimpleNamespace(prompt_tokens=57, completion_tokens=93, total_tokens=150),
)
Call = Callable[[], object]


def bare(model: str, messages: object, temperature: float = 1.0, max_tokens: int = 0) -> Any:
    return ANSWER


# --------------------------------------------------------------------------------------------------------- the contestants


class Sdk:
    """The real SDK for one mode: a batching processor and a reader that throw away."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.flush: Callable[[], object] = lambda: None

    def exporter(self) -> Any:
        from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

        class Discard(SpanExporter):
            def export(self, spans: object) -> SpanExportResult:
                return SpanExportResult.SUCCESS

        return Discard()

    def processor(self) -> Any:
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        processor = BatchSpanProcessor(self.exporter())
        self.flush = processor.force_flush
        return processor

    def sampler(self) -> Any:
        from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

        return ALWAYS_OFF if self.mode == "unsampled" else ALWAYS_ON

    def set_up(self, *, measured: bool = True) -> None:
        """Set the global providers, unless nobody is to listen."""
        if self.mode == "off":
            return
        from opentelemetry import metrics, trace
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider

        provider = TracerProvider(sampler=self.sampler())
        provider.add_span_processor(self.processor())
        trace.set_tracer_provider(provider)
        if measured:
            metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))


def request_attributes() -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": ASKED["model"],
        "gen_ai.request.temperature": ASKED["temperature"],
        "gen_ai.request.max_tokens": ASKED["max_tokens"],
    }


def response_attributes(answer: Any) -> dict[str, Any]:
    return {
        "gen_ai.response.model": answer.model,
        "gen_ai.response.id": answer.id,
        "gen_ai.response.finish_reasons": [choice.finish_reason for choice in answer.choices],
        "gen_ai.usage.input_tokens": answer.usage.prompt_tokens,
        "gen_ai.usage.output_tokens": answer.usage.completion_tokens,
    }


def hand(sdk: Sdk, *, measured: bool = True) -> Call:
    from opentelemetry import metrics, trace

    sdk.set_up()
    tracer, meter = trace.get_tracer("hand"), metrics.get_meter("hand")
    duration = meter.create_histogram("gen_ai.client.operation.duration", "s")
    tokens = meter.create_histogram("gen_ai.client.token.usage", "{token}")

    def call() -> object:
        began = time.perf_counter()
        name, kind = f"chat {ASKED['model']}", trace.SpanKind.CLIENT
        with tracer.start_as_current_span(name, kind=kind, attributes=request_attributes()) as span:
            answer = bare(**ASKED)
            span.set_attributes(response_attributes(answer))
            if measured:
                base = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}
                base |= {"gen_ai.request.model": ASKED["model"], "gen_ai.response.model": answer.model}
                duration.record(time.perf_counter() - began, base)
                tokens.record(answer.usage.prompt_tokens, {**base, "gen_ai.token.type": "input"})
                tokens.record(answer.usage.completion_tokens, {**base, "gen_ai.token.type": "output"})
            return answer

    return call


def hand_span(sdk: Sdk) -> Call:
    return hand(sdk, measured=False)


def spanguard_call(sdk: Sdk, generation: str = "1.37", *, measured: bool = True) -> Call:
    import spanguard
    from spanguard import settings

    sdk.set_up(measured=measured)
    settings.use(settings.Settings(semconv=generation))
    traced = spanguard.traced_llm_call(provider="openai")(bare)
    return lambda: traced(**ASKED)


def spanguard_dev(sdk: Sdk) -> Call:
    return spanguard_call(sdk, "dev-2026-10")


def spanguard_span(sdk: Sdk) -> Call:
    return spanguard_call(sdk, measured=False)


def spanguard_with(sdk: Sdk) -> Call:
    import spanguard

    sdk.set_up()
    verb = spanguard.traced_llm_call(provider="openai", model="gpt-4o-mini")

    def call() -> object:
        with verb as traced:
            answer = bare(**ASKED)
            traced.record_response(answer)
            return answer

    return call


def util_genai(sdk: Sdk) -> Call:
    from opentelemetry.util.genai.handler import TelemetryHandler

    sdk.set_up()
    handler = TelemetryHandler()

    def call() -> object:
        with handler.inference("openai", request_model=ASKED["model"]) as inference:
            inference.temperature, inference.max_tokens = ASKED["temperature"], ASKED["max_tokens"]
            answer = bare(**ASKED)
            inference.response_model_name, inference.response_id = answer.model, answer.id
            inference.finish_reasons = [choice.finish_reason for choice in answer.choices]
            inference.input_tokens = answer.usage.prompt_tokens
            inference.output_tokens = answer.usage.completion_tokens
            return answer

    return call


def openinference(sdk: Sdk) -> Call:
    from openinference.instrumentation import OITracer, TokenCount, TraceConfig, get_llm_attributes
    from opentelemetry import trace

    sdk.set_up()

    def asked(model: str, messages: object, temperature: float, max_tokens: int) -> Any:
        numbers = {"temperature": temperature, "max_tokens": max_tokens}
        return get_llm_attributes(provider="openai", system="openai", request_model_name=model, invocation_parameters=numbers)

    def answered(answer: Any) -> Any:
        usage = answer.usage
        count = TokenCount(prompt=usage.prompt_tokens, completion=usage.completion_tokens, total=usage.total_tokens)
        return get_llm_attributes(response_model_name=answer.model, token_count=count)

    tracer = OITracer(trace.get_tracer("peers"), TraceConfig())
    traced = tracer.llm(name="chat", process_input=asked, process_output=answered)(bare)
    return lambda: traced(**ASKED)


def logfire(sdk: Sdk) -> Call:
    import logfire as library
    from logfire.sampling import SamplingOptions

    if sdk.mode != "off":
        sampling = SamplingOptions(head=sdk.sampler())
        quiet = {"send_to_logfire": False, "console": False, "inspect_arguments": False}
        library.configure(additional_span_processors=[sdk.processor()], sampling=sampling, **quiet)

    def call() -> object:
        with library.span("chat {model}", _span_name="chat", model=ASKED["model"], **request_attributes()) as span:
            answer = bare(**ASKED)
            span.set_attributes(response_attributes(answer))
            return answer

    return call


def langfuse(sdk: Sdk) -> Call:
    from langfuse import Langfuse, observe

    keys = {"public_key": "pk-lf-peers", "secret_key": "sk-lf-peers", "base_url": "http://127.0.0.1:9"}
    if sdk.mode == "off":
        client = Langfuse(tracing_enabled=False, **keys)
    else:
        client = Langfuse(span_exporter=sdk.exporter(), sample_rate=float(sdk.mode == "on"), **keys)
        sdk.flush = client._resources.tracer_provider.force_flush

    @observe(name="chat", as_type="generation", capture_input=False, capture_output=False)
    def call() -> object:
        answer = bare(**ASKED)
        numbers = {"temperature": ASKED["temperature"], "max_tokens": ASKED["max_tokens"]}
        usage = {"input": answer.usage.prompt_tokens, "output": answer.usage.completion_tokens}
        client.update_current_generation(model=ASKED["model"], model_parameters=numbers, usage_details=usage)
        return answer

    return call


def traceloop(sdk: Sdk) -> Call:
    os.environ |= {"TRACELOOP_TRACE_CONTENT": "false", "TRACELOOP_METRICS_ENABLED": "false"}
    from traceloop.sdk import Traceloop
    from traceloop.sdk.tracing.manual import LLMUsage, track_llm_call

    if sdk.mode == "off":
        raise NotImplementedError("track_llm_call raises when it is disabled")
    Traceloop.init(
        app_name="peers", processor=sdk.processor(), sampler=sdk.sampler(), instruments=set(), telemetry_enabled=False
    )

    def call() -> object:
        with track_llm_call("openai", "chat") as span:
            span.report_request(ASKED["model"], [])
            answer = bare(**ASKED)
            usage = answer.usage
            span.report_response(answer.model, [])
            counts = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
            span.report_usage(LLMUsage(total_tokens=usage.total_tokens, **counts))
            return answer

    return call


def mlflow(sdk: Sdk) -> Call:
    # The way over OTLP, which needs no tracking server; the endpoint is never asked, as the exporter is ours.
    os.environ |= {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces"}
    os.environ |= {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    if sdk.mode == "unsampled":
        os.environ["MLFLOW_TRACE_SAMPLING_RATIO"] = "0.0"
    import mlflow as library
    from mlflow.tracing import provider

    provider.get_otlp_exporter = sdk.exporter
    if sdk.mode == "off":
        library.tracing.disable()

    def call() -> object:
        with library.start_span("chat", span_type="LLM", attributes=request_attributes()) as span:
            answer = bare(**ASKED)
            span.set_attributes(response_attributes(answer))
            return answer

    if sdk.mode != "off":
        call()
        sdk.flush = provider.provider.get().force_flush
    return call


def openlit(sdk: Sdk) -> Call:
    import openlit as library

    sdk.set_up()

    def call() -> object:
        with library.start_trace("chat gpt-4o-mini") as trace:
            trace.set_metadata(request_attributes())
            answer = bare(**ASKED)
            trace.set_metadata(response_attributes(answer))
            return answer

    return call


class Contestant(NamedTuple):
    """Who: what is installed, what makes the call, and what the call records."""

    packages: tuple[str, ...]
    make: Callable[[Sdk], Call]
    records: str


OURS = (str(HERE.parent.parent), *SDK)
CONTESTANTS = {
    "hand": Contestant(SDK, hand, "10 attributes, 3 measurements"),
    "hand, span alone": Contestant(SDK, hand_span, "10 attributes"),
    "spanguard": Contestant(OURS, spanguard_call, "10 attributes, 3 measurements"),
    "spanguard, with": Contestant(OURS, spanguard_with, "9 attributes, 3 measurements"),
    "spanguard, dev-2026-10": Contestant(OURS, spanguard_dev, "10 attributes, 3 measurements"),
    "spanguard, span alone": Contestant(OURS, spanguard_span, "10 attributes; no meter provider"),
    "util-genai": Contestant(("opentelemetry-util-genai", *SDK), util_genai, "10 attributes, 3 measurements"),
    "openinference": Contestant(("openinference-instrumentation", *SDK), openinference, "10 attributes of its own"),
    "logfire": Contestant(("logfire",), logfire, "18 attributes"),
    "langfuse": Contestant(("langfuse",), langfuse, "5 attributes of its own, some of them JSON"),
    "traceloop": Contestant(("traceloop-sdk", "httpx"), traceloop, "7 attributes"),
    "mlflow": Contestant(("mlflow-tracing",), mlflow, "10 attributes and some of its own"),
    "openlit": Contestant(("openlit",), openlit, "10 attributes"),
}

# -------------------------------------------------------------------------------------------------------------- one process


def microseconds(call: Call, calls: int) -> float:
    clock = time.thread_time
    began = clock()
    for _ in range(calls):
        call()
    return (clock() - began) / calls * 1e6


def work(name: str, mode: str) -> None:
    """Measure once for each line that comes in."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a peer prints
    sdk = Sdk(mode)
    call = CONTESTANTS[name].make(sdk)
    microseconds(call, 50)
    print("ready", file=answers)
    for line in sys.stdin:
        calls = int(line)
        sdk.flush()
        gc.collect()
        nothing = microseconds(lambda: bare(**ASKED), calls)
        print(microseconds(call, calls) - nothing, file=answers)
    os._exit(0)  # whatever a peer would still like to send


# ---------------------------------------------------------------------------------------------------------------- the field


def installer(home: Path) -> str:
    """Return uv, installed for this if it is not at hand: pip tries versions of some peers' dependencies for hours."""
    if found := shutil.which("uv"):
        return found
    tool = home / "uv" / "bin" / "uv"
    if not tool.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home / "uv")], check=True)
        subprocess.run([str(tool.with_name("python")), "-m", "pip", "install", "--quiet", "uv"], check=True)
    return str(tool)


def environment(home: Path, packages: tuple[str, ...]) -> Path:
    """Return the Python of an environment with these packages, made unless it is there."""
    label = "spanguard" if packages is OURS else "-".join(each for each in packages if each not in SDK) or "hand"
    directory = home / label
    python = directory / "bin" / "python"
    if not (directory / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(directory)], check=True)
        install = [installer(home), "pip", "install", "--quiet", "--python", str(python)]
        wanted = [item for each in packages for item in (("-e", each) if Path(each).is_dir() else (each,))]
        subprocess.run([*install, *wanted], check=True, timeout=600)
        (directory / "complete").touch()
    return python


def start(name: str, mode: str, home: Path) -> subprocess.Popen[str] | None:
    """Start a contestant, or say why it is not in the field."""
    try:
        python = environment(home, CONTESTANTS[name].packages)
    except subprocess.SubprocessError as error:
        print(f"{name}: not installed ({type(error).__name__})", file=sys.stderr)
        return None
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SPANGUARD_", "PYTHON"))}
    errors = (home / "errors.txt").open("a")
    process = subprocess.Popen(
        [str(python), str(HERE), "--worker", name, "--mode", mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        bufsize=1,
        env={**clean, "DO_NOT_TRACK": "true", "PYTHONHASHSEED": "0"},
    )
    if process.stdout.readline() != "ready\n":
        print(f"{name}: does not run (see {errors.name})", file=sys.stderr)
        process.kill()
        return None
    return process


def ask(process: subprocess.Popen[str], calls: int) -> float:
    process.stdin.write(f"{calls}\n")
    return float(process.stdout.readline())


def measure(names: list[str], options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Return what a call costs with each contestant: the median of rounds, and of the ratios to `hand` within a round."""
    options.home.mkdir(parents=True, exist_ok=True)
    started = {name: start(name, options.mode, options.home) for name in dict.fromkeys(["hand", *names])}
    running = {name: process for name, process in started.items() if process is not None}
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in running}
    for _ in range(options.rounds):
        order = random.sample(sorted(running), len(running))
        once = {name: ask(running[name], options.calls) for name in order}
        for name, cost in once.items():
            rows[name].append((cost, cost / once["hand"]))
    for process in running.values():
        process.stdin.close()
        process.wait()
    return {
        name: {"us": statistics.median(cost for cost, _ in row), "ratio": statistics.median(ratio for _, ratio in row)}
        for name, row in rows.items()
    }


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--only", help="names of contestants, separated by semicolons")
    parser.add_argument("--mode", choices=("on", "unsampled", "off"), default="on")
    parser.add_argument("--home", type=Path, default=Path.home() / ".cache" / "spanguard-peers")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.mode)
        return
    names = options.only.split(";") if options.only else list(CONTESTANTS)
    rows = measure(names, options)
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print(
        f"Python {platform.python_version()} on {platform.machine()}; mode {options.mode}; medians of {options.rounds} rounds"
    )
    print(f"{'contestant':<24}{'x hand':>8}{'us a call':>11}  records")
    for name, row in sorted(rows.items(), key=lambda item: item[1]["ratio"]):
        print(f"{name:<24}{row['ratio']:>8.2f}{row['us']:>11.1f}  {CONTESTANTS[name].records}")


if __name__ == "__main__":
    main()
