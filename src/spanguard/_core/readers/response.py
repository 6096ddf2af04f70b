"""Tell the shape of a whole response, and read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Final, NamedTuple, cast

from spanguard._core.readers import anthropic, counts, google, langchain, litellm, openai
from spanguard._core.readers.providers import known_as, of_library
from spanguard._core.readers.reading import (
    PLAIN,
    UNREAD,
    Get,
    OfClass,
    Reading,
    Way,
    finish_reasons,
    first,
    getter,
    text,
    way_of,
)


class _Kind(NamedTuple):
    """What is known of the objects of a class."""

    fields: Way | None
    """How to get at what they say; None of what is no response."""
    provider: str | None
    """Whose own library defines the class."""
    add: Callable[[object, Reading], Reading] | None
    """Adds what only this library says."""


def _kind(cls: type) -> _Kind:
    none = cls is NoneType or issubclass(cls, PLAIN)
    library = of_library(cls)
    other = library == litellm.NAME
    return _Kind(None if none else way_of[cls], None if other else library, litellm.add_hidden if other else None)


_kinds: Final[OfClass[_Kind]] = OfClass(_kind)


def read(response: object) -> Reading:
    """Read a whole response. Never raises for an unknown shape; may raise what the object's own attributes raise."""
    fields, provider, add = _kinds[type(response)]
    if fields is None:
        return UNREAD
    get = fields(response)
    choices = get("choices")
    if choices is not None:
        reading = openai.chat(get, choices, provider)
    else:
        reading = _shaped(get, response)
        if provider is not None and reading.provider is None:
            reading = reading._replace(provider=provider)
    return reading if add is None else add(response, reading)


def read_chat(response: object, get: Get, reasons: tuple[str, ...]) -> Reading:
    """Read a chat completion, or a chunk of one, of which somebody has looked why its answer ended."""
    _, provider, add = _kinds[type(response)]
    reading = openai.said(get, reasons, provider)
    return reading if add is None else add(response, reading)


def _shaped(get: Get, response: object) -> Reading:
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
