"""The real genai-prices: it is asked only where nobody states a cost, and fetches nothing."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from typing import Any

import pytest

from spanguard import current_call, settings, traced_llm_call
from spanguard._core import border, prices
from spanguard.settings import Settings
from support import Telemetry, completion

genai_prices = pytest.importorskip("genai_prices", reason="genai-prices is not installed")
pytestmark = pytest.mark.foreign


@pytest.fixture(autouse=True)
def switched_on(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """`SPANGUARD_PRICES=true`, and no way out of this machine."""

    def refuse(*args: object) -> None:
        raise AssertionError("the network was used")

    settings.use(Settings(prices=True))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(prices, "_unknown", set())


def ask(model: str = "gpt-4o", provider: str = "openai", **stated: Any) -> None:
    """Call a model."""

    @traced_llm_call(provider=provider, model=model)
    def call() -> Any:
        return completion(1000, 100, model=model, **stated)

    call()


def test_a_cost_that_nobody_states_is_looked_up(telemetry: Telemetry) -> None:
    """The same as the package says itself."""
    ask()
    expected = genai_prices.calc_price(
        genai_prices.Usage(input_tokens=1000, output_tokens=100), "gpt-4o", provider_id="openai"
    )
    (span,) = telemetry.spans
    assert span["resilience.usage.cost"] == pytest.approx(float(expected.total_price))
    assert (span["resilience.usage.cost.source"], span.attributes.get("resilience.usage.source")) == ("prices", None)


@pytest.mark.parametrize(
    ("provider", "model"),
    [("gcp.gen_ai", "gemini-2.5-pro"), ("aws.bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0"), ("x_ai", "grok-3")],
)
def test_the_conventions_names_of_providers_are_translated(telemetry: Telemetry, provider: str, model: str) -> None:
    """The package calls them otherwise."""
    ask(model, provider)
    assert telemetry.spans[0]["resilience.usage.cost"] > 0


def test_a_stated_cost_beats_the_list(telemetry: Telemetry) -> None:
    """The response's, and the program's above all."""
    ask(cost=0.25)
    with traced_llm_call(provider="openai", model="gpt-4o") as call:
        call.record_response(completion(cost=0.25))
        current_call().record_usage(cost=0.5)
    costs = [(span["resilience.usage.cost"], span["resilience.usage.cost.source"]) for span in telemetry.spans]
    assert costs == [(0.25, "provider"), (0.5, "caller")]


def test_cached_tokens_are_cheaper(telemetry: Telemetry) -> None:
    """The kinds of token reach the package; input includes cached tokens there too."""
    for cached in (0, 800):
        with traced_llm_call(provider="openai", model="gpt-4o") as call:
            call.record_usage(input_tokens=1000, output_tokens=10, cache_read_tokens=cached)
    plain, cheaper = (span["resilience.usage.cost"] for span in telemetry.spans)
    assert 0 < cheaper < plain


def test_an_unknown_model_has_no_cost_and_one_warning(telemetry: Telemetry, caplog: pytest.LogCaptureFixture) -> None:
    """Never 0, and never the name of the model in the log."""
    border.forget()
    with caplog.at_level(logging.WARNING, "spanguard"):
        for _ in range(3):
            ask("gpt-secret")
    assert all("resilience.usage.cost" not in span.attributes for span in telemetry.spans)
    (record,) = caplog.records
    assert "no price" in record.getMessage()
    assert "secret" not in record.getMessage()


def test_it_is_loaded_only_when_it_is_switched_on(telemetry: Telemetry) -> None:
    """Nobody pays for its import who does not want prices."""
    settings.use(Settings())
    ask()
    assert "resilience.usage.cost" not in telemetry.spans[0].attributes
    code = "import spanguard, sys; assert 'genai_prices' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
