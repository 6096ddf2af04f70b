"""The real litellm: the provider it asked and the cost it computed are taken from its response."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import wire

from spanguard import traced_llm_call
from support import Span, Telemetry

pytestmark = [pytest.mark.foreign, pytest.mark.filterwarnings("ignore")]
MESSAGES = [{"role": "user", "content": "the secret"}]


@pytest.fixture(scope="module")
def litellm() -> Any:
    """The library, told to use the prices that it brings along instead of fetching them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        return pytest.importorskip("litellm", reason="litellm is not installed")


def check(span: Span, name: str, finish: str = "stop") -> None:
    """Compare with what the provider sent."""
    assert span["gen_ai.provider.name"] == name
    assert (span["gen_ai.usage.input_tokens"], span["gen_ai.usage.output_tokens"]) == (20, 6)
    assert span["gen_ai.usage.cache_read.input_tokens"] == 7
    assert span["gen_ai.response.finish_reasons"] == (finish,)
    assert "secret" not in repr(span)


def test_a_completion_of_openai(telemetry: Telemetry, litellm: Any, provider: Any) -> None:
    """Its cost is what litellm says."""
    provider.body = wire.OPENAI
    answer = traced_llm_call(litellm.completion)(
        model="openai/gpt-5.2", messages=MESSAGES, api_base=provider.url, api_key="x"
    )
    (span,) = telemetry.spans
    check(span, "openai")
    assert span["resilience.usage.cost"] == pytest.approx(answer._hidden_params["response_cost"])
    assert span["resilience.usage.cost"] > 0
    assert span["resilience.usage.cost.source"] == "provider"


def test_a_completion_of_anthropic(telemetry: Telemetry, litellm: Any, provider: Any) -> None:
    """Litellm has added the cached tokens to the input: they are not added twice."""
    provider.body = wire.ANTHROPIC
    traced_llm_call(litellm.completion)(
        model="anthropic/claude-opus-4-5", messages=MESSAGES, api_base=provider.url, api_key="x"
    )
    (span,) = telemetry.spans
    check(span, "anthropic")
    assert span["gen_ai.usage.cache_creation.input_tokens"] == 3


def test_a_stream(telemetry: Telemetry, litellm: Any, provider: Any) -> None:
    """Handed on by a generator."""
    provider.events = wire.OPENAI_EVENTS

    @traced_llm_call(model="gpt-5.2")
    def ask() -> Iterator[Any]:
        more = {"stream": True, "stream_options": {"include_usage": True}}
        yield from litellm.completion(model="openai/gpt-5.2", messages=MESSAGES, api_base=provider.url, api_key="x", **more)

    assert len(list(ask())) > 10
    check(telemetry.spans[0], "openai")
