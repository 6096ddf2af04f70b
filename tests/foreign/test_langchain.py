"""The real LangChain: its messages tell usage alike for every provider, and the counts of its chunks add up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import wire

from spanguard import traced_llm_call
from support import Telemetry

pytest.importorskip("langchain_core", reason="langchain-core is not installed")
pytestmark = [pytest.mark.foreign, pytest.mark.filterwarnings("ignore")]


def openai(provider: Any) -> Any:
    """Return LangChain's model of OpenAI."""
    module = pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")
    provider.body, provider.events = wire.OPENAI, wire.OPENAI_EVENTS
    return module.ChatOpenAI(model="gpt-5.2", base_url=provider.url, api_key="x", max_retries=0, stream_usage=True)


def anthropic(provider: Any) -> Any:
    """Return LangChain's model of Anthropic."""
    module = pytest.importorskip("langchain_anthropic", reason="langchain-anthropic is not installed")
    delta = {"input_tokens": 10, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 3}
    events = [
        (name, {**event, "usage": {**delta, **event["usage"]}}) if name == "message_delta" else (name, event)
        for name, event in wire.ANTHROPIC_EVENTS
    ]
    provider.body, provider.events = wire.ANTHROPIC, events
    return module.ChatAnthropic(model="claude-opus-4-5", base_url=provider.url, api_key="x", max_retries=0)


def google(provider: Any) -> Any:
    """Return LangChain's model of Google."""
    module = pytest.importorskip("langchain_google_genai", reason="langchain-google-genai is not installed")
    provider.body, provider.events = wire.GOOGLE, wire.GOOGLE_EVENTS
    return module.ChatGoogleGenerativeAI(model="gemini-2.5-pro", base_url=provider.url, api_key="x", max_retries=0)


Told = tuple[str, str, str]
OPENAI: Told = ("openai", "gpt-5.2", "stop")
MODELS: list[tuple[Callable[[Any], Any], Told]] = [
    (openai, OPENAI),
    (anthropic, ("anthropic", "claude-opus-4-5", "end_turn")),
    (google, ("gcp.gen_ai", "gemini-2.5-pro", "STOP")),
]
each_model = pytest.mark.parametrize(("make", "told"), MODELS, ids=[told[0] for _, told in MODELS])


def check(telemetry: Telemetry, told: Told) -> None:
    """Compare with what the provider sent. The SDK below may make a span of its own."""
    name, model, finish = told
    (span,) = [span for span in telemetry.spans if span.scope == "spanguard.genai"]
    assert (span["gen_ai.provider.name"], span["gen_ai.response.model"]) == (name, model)
    assert (span["gen_ai.usage.input_tokens"], span["gen_ai.usage.output_tokens"]) == (20, 6)
    assert (span["gen_ai.usage.cache_read.input_tokens"], span["gen_ai.usage.reasoning.output_tokens"]) == (7, 2)
    assert span["gen_ai.response.finish_reasons"] == (finish,)
    assert "secret" not in repr(span)


@each_model
def test_a_message(telemetry: Telemetry, provider: Any, make: Callable[[Any], Any], told: Told) -> None:
    """What `invoke` returns."""
    traced_llm_call(make(provider).invoke)("the secret")
    check(telemetry, told)


@each_model
def test_a_stream(telemetry: Telemetry, provider: Any, make: Callable[[Any], Any], told: Told) -> None:
    """What `stream` yields."""
    stream: Iterator[Any] = traced_llm_call(make(provider).stream)("the secret")
    assert len(list(stream)) > 10
    check(telemetry, told)


def test_a_structured_answer_with_its_message(telemetry: Telemetry, provider: Any) -> None:
    """`with_structured_output(include_raw=True)` returns a mapping with the message in it."""
    model = openai(provider)
    message = {"role": "assistant", "content": '{"city": "the secret"}'}
    provider.body = {**wire.OPENAI, "choices": [{**wire.OPENAI["choices"][0], "message": message}]}
    schema = {"title": "place", "type": "object", "properties": {"city": {"type": "string"}}}
    traced_llm_call(model.with_structured_output(schema, method="json_mode", include_raw=True).invoke)("in JSON")
    check(telemetry, OPENAI)
