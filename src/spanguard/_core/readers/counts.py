"""Read token counts by the names that providers give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from spanguard._core.readers.reading import Get, first, getter
from spanguard._core.usage import NOTHING, Modal, Usage, amount, tokens
from spanguard.semconv import TokenKind

WHERE: Final = "usage in a response"
Sent = tuple[int | None, int | None, tuple[Modal, ...]]
Received = tuple[int | None, tuple[Modal, ...]]
_UNSENT: Final[Sent] = (None, None, ())
_UNRECEIVED: Final[Received] = (None, ())
_MODALITIES: Final = (("text", "text_tokens"), ("image", "image_tokens"), ("audio", "audio_tokens"))


def usage(source: object) -> Usage:
    """Read the usage of OpenAI, Anthropic and those that speak like them, and a flat mapping."""
    if source is None:
        return NOTHING
    get = getter(source)
    sent, received = get("prompt_tokens"), get("completion_tokens")
    if sent is None and received is None:
        return _by_other_names(get)
    read = written = reasoning = modal = None
    if (details := get("prompt_tokens_details")) is not None:
        read, written, modal = _sent(details)
    if (details := get("completion_tokens_details")) is not None:
        reasoning, more = _received(details)
        modal = more if modal is None else modal + more
    if (found := get("cache_read_input_tokens")) is not None and read is None:
        read = tokens(WHERE, found)
    if (found := get("cache_creation_input_tokens")) is not None and written is None:
        written = tokens(WHERE, found)
    paid = get("cost")
    return Usage(
        tokens(WHERE, sent),
        tokens(WHERE, received),
        read,
        written,
        reasoning,
        None if paid is None else cost(paid),
        modal or None,
    )


def _by_other_names(get: Get) -> Usage:
    read, written, modal = _sent(first(get, "input_tokens_details", "input_token_details"))
    reasoning, more = _received(first(get, "output_tokens_details", "output_token_details"))
    whole = tokens(WHERE, get("input_tokens"))
    apart = separate(get)
    if apart is not None:
        read, written = apart
        whole = None if whole is None else whole + (read or 0) + (written or 0)
    else:
        read, written = first_count(read, get, "cache_read_tokens"), first_count(written, get, "cache_write_tokens")
        reasoning = first_count(reasoning, get, "reasoning_tokens")
    received, paid = tokens(WHERE, get("output_tokens")), get("cost")
    return Usage(whole, received, read, written, reasoning, None if paid is None else cost(paid), modal + more or None)


def separate(get: Get) -> tuple[int | None, int | None] | None:
    """Return cached tokens, read and written, of a usage that does not include them in its input, as Anthropic's."""
    read, written = get("cache_read_input_tokens"), get("cache_creation_input_tokens")
    return None if read is None and written is None else (tokens(WHERE, read), tokens(WHERE, written))


def first_count(known: int | None, get: Get, name: str) -> int | None:
    """Return the count that is known, or else that of the field."""
    if known is None and (found := get(name)) is not None:
        return tokens(WHERE, found)
    return known


def cost(value: object) -> float | None:
    """Return a cost in USD: a number, or the total of Perplexity's list of costs."""
    return amount(WHERE, value.get("total_cost") if isinstance(value, Mapping) else value)


def _sent(details: object) -> Sent:
    if details is None:
        return _UNSENT
    get = getter(details)
    cached = get("cached_tokens")
    modal = _modal("input", get)
    if cached and (parts := get("cached_tokens_details")) is not None:
        modal += _modal("cache_read", getter(parts))
    return tokens(WHERE, cached), tokens(WHERE, get("cache_write_tokens")), modal


def _received(details: object) -> Received:
    if details is None:
        return _UNRECEIVED
    get = getter(details)
    return tokens(WHERE, first(get, "reasoning_tokens", "thinking_tokens")), _modal("output", get)


def _modal(kind: TokenKind, get: Get) -> tuple[Modal, ...]:
    # 0 says nothing: OpenAI states 0 audio tokens of every answer.
    found: list[Modal] = []
    for modality, name in _MODALITIES:
        stated = get(name)
        if stated and (count := tokens(WHERE, stated)):
            found.append((kind, modality, count))
    return tuple(found)
