"""The modules by which spanguard takes part in a yardstick of peers: each case traces each kind of call, once."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import openai
import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from scripted import ScriptedProvider
from spanguard.instrumentation.openai import OpenAIInstrumentor
from support import completion
from test_providers import no_providers

FOLDER = Path(__file__).parent.parent / "benchmarks" / "contestants"
ASKED = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "the secret"}], "temperature": 0.7}


class Ctx:
    """What a yardstick hands to a contestant: functions to trace, and providers."""

    def __init__(self, case: str) -> None:
        self.case = case
        self.exporter = InMemorySpanExporter()
        self.measured = False

    def chat(self, **_asked: Any) -> object:
        return completion()

    async def achat(self, **_asked: Any) -> object:
        return completion()

    def chat_stream(self, n: int, **_asked: Any) -> Iterator[object]:
        yield from [completion()] * n

    async def achat_stream(self, n: int, **_asked: Any) -> AsyncIterator[object]:
        for _ in range(n):
            yield completion()

    def tracer_provider(self, *, set_global: bool) -> None:
        assert set_global
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        trace.set_tracer_provider(provider)

    def meter_provider(self, *, set_global: bool) -> None:
        assert set_global
        self.measured = True
        metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False))


def contestant(name: str) -> ModuleType:
    """Load a contestant, as a yardstick does."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("case", ["full", "dev", "span", "with"])
def test_the_decorator_traces_every_kind_of_call(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """Whole and streamed, sync and async; without a meter provider only in the case that says so."""
    monkeypatch.setitem(sys.modules, "common", SimpleNamespace(KW=ASKED))
    module, ctx = contestant("spanguard_dec"), Ctx(case)
    assert case in module.CASES
    with no_providers():
        module.setup(ctx)
        module.sync_call()
        asyncio.run(module.async_call())
        module.stream_call(3)
        asyncio.run(module.astream_call(3))
    assert [span.name for span in ctx.exporter.get_finished_spans()] == ["chat gpt-4o-mini"] * 4
    assert ctx.measured == (case != "span")


@pytest.mark.parametrize(("case", "status"), [("off", None), ("retries", 200)])
def test_the_client_is_instrumented(case: str, status: int | None) -> None:
    """With retries allowed the request is told too."""
    module, ctx = contestant("spanguard_openai"), Ctx(case)
    assert case in module.CASES
    provider = ScriptedProvider({"object": "chat.completion", "id": "1", "created": 1, **completion()})
    with no_providers():
        module.setup(ctx)
        try:
            module.client(openai, provider.url).chat.completions.create(**ASKED)
        finally:
            OpenAIInstrumentor().uninstrument()
            provider.close()
    (span,) = ctx.exporter.get_finished_spans()
    assert span.name == "chat gpt-4o-mini"
    assert (span.attributes or {}).get("http.response.status_code") == status
