"""What an instrumented call of each library costs, as a ratio to the same call without us, measured in one run.

    python benchmarks/instrumentation.py [CASE ...] [--rounds 10] [--calls 2000]

Three ways, in turn within each round: not instrumented; instrumented, with nobody listening (no SDK); instrumented, with the
real SDK (batching processors, exporters that throw away). The calls are made below a span, as those of a service are. The
best round of each counts. Libraries that are not installed are left out. The calls do nothing themselves, and what would
reach a provider is answered in the process: a ratio is the worst case.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
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


def stamina() -> Callable[[], object]:
    """A decorated function that succeeds at once."""
    import stamina as library

    return library.retry(on=TimeoutError)(lambda: None)


def urllib3() -> Callable[[], object]:
    """A request to this machine that urllib3 may send again."""
    import urllib3 as library

    server = HTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pool = library.PoolManager(retries=library.Retry(2))
    return lambda: pool.request("GET", f"http://127.0.0.1:{server.server_port}/")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def _answering(body: object, module: str = "httpx2") -> Any:
    """Return a client for an SDK that never leaves the process."""
    http: Any = import_module(module)
    text = json.dumps(body)
    return http.Client(transport=http.MockTransport(lambda _: http.Response(200, text=text)))


def httpx_retries() -> Callable[[], object]:
    """A request that the transport may send again."""
    import httpx
    import httpx_retries as library

    answering = httpx.MockTransport(lambda _: httpx.Response(204))
    client = httpx.Client(transport=library.RetryTransport(transport=answering))
    return lambda: client.get("http://localhost/")


def _openai(content: str = "hello") -> Any:
    import openai as library

    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    body = {"id": "x", "object": "chat.completion", "created": 0, "model": MODEL, "choices": [choice], "usage": usage}
    module = "httpx2" if library.VERSION >= "3" else "httpx"
    return library.OpenAI(api_key="x", http_client=_answering(body, module))


def openai() -> Callable[[], object]:
    """A chat completion."""
    client = _openai()
    return lambda: client.chat.completions.create(model=MODEL, messages=MESSAGES)


def anthropic() -> Callable[[], object]:
    """A message."""
    import anthropic as library

    body = {
        "id": "x",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-5",
        "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "hello"}],
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }
    client = library.Anthropic(api_key="x", http_client=_answering(body))
    return lambda: client.messages.create(model="claude-opus-4-5", max_tokens=9, messages=MESSAGES)


def google_genai() -> Callable[[], object]:
    """Content that is generated, with retries configured; what is instrumented is tenacity."""
    from google import genai

    body = {"candidates": [{"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP"}]}
    transport = _answering(body)._transport
    client = genai.Client(
        api_key="x", http_options={"client_args": {"transport": transport}, "retry_options": {"attempts": 2}}
    )
    return lambda: client.models.generate_content(model="gemini-2.5-pro", contents="hello")


def instructor() -> Callable[[], object]:
    """A model that is right at once, on the openai SDK, which is not instrumented here."""
    import instructor as library
    import pydantic

    class Answer(pydantic.BaseModel):
        age: int

    client = library.from_openai(_openai('{"age": 36}'), mode=library.Mode.JSON)
    return lambda: client.chat.completions.create(model=MODEL, messages=MESSAGES, response_model=Answer, max_retries=1)


def litellm() -> Callable[[], object]:
    """A call of a router with retries and a fallback, answered by litellm's own fake model."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm as library

    groups = [{"model_name": each, "litellm_params": {"model": each, "mock_response": "hello"}} for each in (MODEL, "gpt-4o")]
    router = library.Router(model_list=groups, num_retries=1, fallbacks=[{MODEL: ["gpt-4o"]}])
    loop = asyncio.new_event_loop()
    return lambda: loop.run_until_complete(router.acompletion(model=MODEL, messages=MESSAGES))


def pydantic_ai() -> Callable[[], object]:
    """A run of an agent whose output validates at once, answered by pydantic-ai's own model for tests."""
    import pydantic
    from pydantic_ai import Agent
    from pydantic_ai.models.test import TestModel

    class Answer(pydantic.BaseModel):
        age: int

    agent = Agent(TestModel(), output_type=Answer)
    loop = asyncio.new_event_loop()
    return lambda: loop.run_until_complete(agent.run("hello"))


def langchain_retry() -> Callable[[], object]:
    """A runnable ``with_retry``."""
    from langchain_core.runnables import RunnableLambda

    runnable = RunnableLambda(lambda value: value).with_retry()
    return lambda: runnable.invoke(1)


def langchain_fallbacks() -> Callable[[], object]:
    """A runnable ``with_fallbacks``, whose first candidate answers."""
    from langchain_core.runnables import RunnableLambda

    runnable = RunnableLambda(lambda value: value).with_fallbacks([RunnableLambda(lambda value: value)])
    return lambda: runnable.invoke(1)


def guardrails() -> Callable[[], object]:
    """A guard whose one validator passes, around a model that is a function."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    from guardrails import Guard, settings
    from guardrails.classes.rc import RC
    from guardrails.validator_base import PassResult, Validator, register_validator

    RC.load = lambda *_: RC(enable_metrics=False)  # else it phones home
    settings._rc = RC(enable_metrics=False)
    settings.disable_tracing = True

    @register_validator(name="test/any", data_type="string")
    class Anything(Validator):
        def validate(self, value: Any, metadata: Any) -> Any:
            return PassResult()

    guard = Guard().use(Anything())
    return lambda: guard(lambda *_, **__: "hello", messages=MESSAGES, num_reasks=1)


MODEL = "gpt-5.2"
MESSAGES: Any = [{"role": "user", "content": "hello"}]
LANGCHAIN = "langchain:LangChainInstrumentor"
CASES = {
    "tenacity": (tenacity, "tenacity:TenacityInstrumentor"),
    "tenacity, one retry": (tenacity_recovers, "tenacity:TenacityInstrumentor"),
    "pybreaker": (pybreaker, "pybreaker:PyBreakerInstrumentor"),
    "circuitbreaker": (circuitbreaker, "circuitbreaker:CircuitBreakerInstrumentor"),
    "aiolimiter": (aiolimiter, "aiolimiter:AioLimiterInstrumentor"),
    "pyrate-limiter": (pyrate_limiter, "pyrate_limiter:PyrateLimiterInstrumentor"),
    "stamina": (stamina, "tenacity:TenacityInstrumentor"),
    "urllib3": (urllib3, "urllib3:Urllib3Instrumentor"),
    "httpx-retries": (httpx_retries, "httpx_retries:HttpxRetriesInstrumentor"),
    "openai": (openai, "openai:OpenAIInstrumentor"),
    "anthropic": (anthropic, "anthropic:AnthropicInstrumentor"),
    "google-genai": (google_genai, "tenacity:TenacityInstrumentor"),
    "instructor": (instructor, "instructor:InstructorInstrumentor"),
    "litellm Router": (litellm, "litellm:LiteLLMInstrumentor"),
    "pydantic-ai": (pydantic_ai, "pydantic_ai:PydanticAIInstrumentor"),
    "langchain, retry": (langchain_retry, LANGCHAIN),
    "langchain, fallbacks": (langchain_fallbacks, LANGCHAIN),
    "guardrails-ai": (guardrails, "guardrails:GuardrailsInstrumentor"),
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
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--one", nargs=2, metavar=("CASE", "WAY"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(measure(*chosen.one, chosen.calls)))
        return
    print(f"{'one call of':<22} {'plain':>9} {'no SDK':>9} {'SDK':>9}   {'added, no SDK':>14} {'added, SDK':>11}")
    for case in chosen.cases or CASES:
        best: dict[str, float] = {}
        reason = ""
        for _ in range(chosen.rounds):
            for way in ("plain", "idle", "sdk"):
                command = [sys.executable, __file__, "--calls", str(chosen.calls), "--one", case, way]
                done = subprocess.run(command, check=False, capture_output=True, text=True)
                if done.returncode:
                    reason = done.stderr.strip().rpartition("\n")[2]
                    break
                best[way] = min(best.get(way, 1e9), json.loads(done.stdout))
        if len(best) < 3:
            print(f"{case:<22} left out: {reason}")
            continue
        plain, idle, full = best["plain"], best["idle"], best["sdk"]
        columns = f"{plain:>6.1f} us {idle:>6.1f} us {full:>6.1f} us"
        print(f"{case:<22} {columns}   {idle / plain:>13.2f}x {full / plain:>10.2f}x")


if __name__ == "__main__":
    main()
