"""Tell the shape of a whole response, and read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from spanguard._core.readers import anthropic, counts, google, langchain, litellm, openai
from spanguard._core.readers.providers import known_as, of_library
from spanguard._core.readers.reading import PLAIN, UNREAD, Get, Reading, finish_reasons, first, getter, text


def read(response: object) -> Reading:
    """Read a whole response. Never raises for an unknown shape; may raise what the object's own attributes raise."""
    if response is None or issubclass(type(response), PLAIN):
        return UNREAD
    reading = _shaped(getter(response), response)
    library = of_library(type(response))
    if library is None:
        return reading
    if library == litellm.NAME:
        return litellm.add_hidden(response, reading)
    usage, model, own_id, reasons, provider = reading
    return reading if provider else Reading(usage, model, own_id, reasons, library)


def _shaped(get: Get, response: object) -> Reading:
    choices = get("choices")
    if choices is not None:
        return openai.chat(get, choices)
    if get("object") == "response":
        return openai.response(get)
    if get("type") == "message" and get("usage") is not None:
        return anthropic.message(get)
    metadata = get("response_metadata")
    if metadata is not None:
        return langchain.message(get, metadata)
    metadata = first(get, "usage_metadata", "usageMetadata")
    if metadata is not None or get("candidates") is not None:
        return google.content(get, metadata)
    return _wrapped(get) or _flat(get, response)


def _wrapped(get: Get) -> Reading | None:
    """Read what an SDK's `with_raw_response` wraps, or LangChain's ``with_structured_output(include_raw=True)``."""
    raw = get("raw")
    if raw is not None and getter(raw)("response_metadata") is not None:
        return read(raw)
    http = get("http_response")
    if http is None:
        return None
    try:
        # Not by the wrapper's own `parse`: that is the program's to call, and may raise.
        import json  # for this rare case alone: it is not loaded with `import spanguard`

        return read(json.loads(cast("bytes", getter(http)("content"))))
    except Exception:
        return UNREAD  # a body that was not read, or is no JSON


def _flat(get: Get, response: object) -> Reading:
    usage = get("usage")
    if usage is None and isinstance(response, Mapping):
        usage = response
    reasons = get("finish_reasons")
    return Reading(
        counts.usage(usage),
        text(get("model")),
        text(get("id")),
        finish_reasons(reasons if isinstance(reasons, (list, tuple)) else [get("finish_reason")]),
        known_as(get("provider")),
    )
