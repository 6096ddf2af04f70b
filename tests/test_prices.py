"""Who said what a call cost. The list of prices itself is tested where it is installed (tests/foreign)."""

from __future__ import annotations

import logging
import sys

import pytest

from spanguard import settings, traced_llm_call
from spanguard._core import border, prices
from spanguard.settings import Settings
from support import Telemetry, completion


def test_the_source_of_tokens_and_of_the_cost_are_told_apart(telemetry: Telemetry) -> None:
    """A cost that the program states makes the provider's tokens no statement of the program's."""
    with traced_llm_call(model="gpt-5.2") as call:
        call.record_response(completion(10, 5, cost=0.25))
    with traced_llm_call(model="gpt-5.2") as call:
        call.record_response(completion(10, 5, cost=0.25))
        call.record_usage(cost=0.5)
    with traced_llm_call(model="gpt-5.2") as call:
        call.record_usage(input_tokens=1)
    names = ("resilience.usage.source", "resilience.usage.cost.source", "resilience.usage.cost")
    assert [tuple(span.attributes.get(name) for name in names) for span in telemetry.spans] == [
        (None, "provider", 0.25),
        (None, "caller", 0.5),
        ("caller", None, None),
    ]


def test_prices_that_are_not_installed_are_missed_once(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`SPANGUARD_PRICES` without the extra: no cost, one warning that says what to install."""
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    monkeypatch.setattr(prices, "_absent", False)
    monkeypatch.setattr(prices, "_library", None)
    border.forget()
    settings.use(Settings(prices=True))
    with caplog.at_level(logging.WARNING, "spanguard"):
        for _ in range(2):
            traced_llm_call(model="gpt-5.2")(completion)()
    assert all("resilience.usage.cost" not in span.attributes for span in telemetry.spans)
    (record,) = caplog.records
    assert "spanguard[prices]" in record.getMessage()
