"""OpenAI's chat completions, completions and responses, and the many servers that speak like it."""

from __future__ import annotations

from spanguard._core.readers import counts
from spanguard._core.readers.reading import Get, Reading, finish_reasons, getter, one_reason, text


def chat(get: Get, choices: object, provider: str | None) -> Reading:
    """Read a chat completion, or a chunk of one, of that provider unless it says itself who it is of."""
    if type(choices) is list and len(choices) == 1:
        return said(get, one_reason(getter(choices[0])("finish_reason")), provider)
    several = choices if isinstance(choices, (list, tuple)) else ()
    return said(get, finish_reasons([getter(choice)("finish_reason") for choice in several]), provider)


def said(get: Get, reasons: tuple[str, ...], provider: str | None) -> Reading:
    """Read what a chat completion, or a chunk of one, says besides its choices."""
    return Reading(counts.usage(get("usage")), text(get("model")), text(get("id")), reasons, azure(get) or provider)


def azure(get: Get) -> str | None:
    """Return the provider's name if it is Azure, which alone sends what its content filter thought of the prompt."""
    return None if get("prompt_filter_results") is None else "azure.ai.openai"


def response(get: Get) -> Reading:
    """Read a response of the Responses API."""
    why = get("incomplete_details")
    reason = (None if why is None else getter(why)("reason")) or get("status")
    return Reading(counts.usage(get("usage")), text(get("model")), text(get("id")), finish_reasons([reason]))
