"""What litellm adds to a response: who was asked, and what it cost."""

from __future__ import annotations

from typing import Final

from spanguard._core.readers import counts
from spanguard._core.readers.providers import known_as
from spanguard._core.readers.reading import Reading, getter, text

NAME: Final = "litellm"


def add_hidden(response: object, reading: Reading) -> Reading:
    """Return the reading with what stands in ``_hidden_params``."""
    hidden = getattr(response, "_hidden_params", None)
    if hidden is None:
        return reading
    get = getter(hidden)
    cost = counts.cost(get("response_cost"))
    usage = reading.usage if cost is None else reading.usage._replace(cost=cost)
    provider = known_as(get("custom_llm_provider"))
    if provider is None and (model := text(get("litellm_model_name"))) is not None:
        provider = known_as(model.partition("/")[0])
    return reading._replace(usage=usage, provider=provider)
