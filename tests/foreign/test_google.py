"""The real google-genai SDK: output includes thoughts, and counts are told apart by modality."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import wire

from spanguard import settings, traced_llm_call
from spanguard.settings import Settings
from support import Span, Telemetry

genai = pytest.importorskip("google.genai", reason="google-genai is not installed")
pytestmark = [pytest.mark.foreign, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
ASKED: Any = {"model": "gemini-2.5-pro", "contents": "the secret"}


@pytest.fixture
def client(provider: Any) -> Any:
    """The SDK's client."""
    provider.body, provider.events = wire.GOOGLE, wire.GOOGLE_EVENTS
    return genai.Client(api_key="x", http_options={"base_url": provider.url})


def check(span: Span) -> None:
    """Compare with what the provider sent."""
    assert span["gen_ai.provider.name"] == "gcp.gen_ai"
    assert (span["gen_ai.usage.input_tokens"], span["gen_ai.usage.output_tokens"]) == (20, 6)
    assert (span["gen_ai.usage.cache_read.input_tokens"], span["gen_ai.usage.reasoning.output_tokens"]) == (7, 2)
    assert (span["gen_ai.response.model"], span["gen_ai.response.finish_reasons"]) == ("gemini-2.5-pro", ("STOP",))
    assert span["gen_ai.response.id"].startswith("h:")
    assert "secret" not in repr(span)


def test_generated_content(telemetry: Telemetry, client: Any) -> None:
    """Content that is returned whole."""
    traced_llm_call(client.models.generate_content)(**ASKED)
    check(telemetry.spans[0])


def test_a_stream(telemetry: Telemetry, client: Any) -> None:
    """Each chunk has running totals, of which the last are right."""
    assert len(list(traced_llm_call(client.models.generate_content_stream)(**ASKED))) == 13
    check(telemetry.spans[0])


def test_an_async_call_and_an_async_stream(telemetry: Telemetry, client: Any) -> None:
    """The same through the asynchronous interface."""

    async def main() -> None:
        await traced_llm_call(client.aio.models.generate_content)(**ASKED)
        stream = await traced_llm_call(client.aio.models.generate_content_stream)(**ASKED)
        assert len([chunk async for chunk in stream]) == 13
        await client.aio.aclose()

    asyncio.run(main())
    for span in telemetry.spans:
        check(span)
    assert len(telemetry.spans) == 2


def test_tokens_are_told_apart_by_modality(telemetry: Telemetry, client: Any) -> None:
    """In dev-2026-10; thoughts have no modality, and parts add up to the whole."""
    settings.use(Settings(semconv="dev-2026-10"))
    traced_llm_call(client.models.generate_content)(**ASKED)
    (span,) = telemetry.spans
    assert (span["gen_ai.usage.text.input_tokens"], span["gen_ai.usage.image.input_tokens"]) == (12, 8)
    assert (span["gen_ai.usage.text.output_tokens"], span["gen_ai.usage.text.cache_read.input_tokens"]) == (4, 7)
    points = telemetry.metrics()

    def parts(name: str) -> dict[str, int]:
        found = points[f"gen_ai.client.inference.usage.{name}"]
        return {attributes["gen_ai.token.modality"]: value for attributes, value in found}

    assert parts("input_tokens") == {"text": 12, "image": 8}
    assert parts("output_tokens") == {"text": 4, "unknown": 2}
