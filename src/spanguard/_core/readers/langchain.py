"""LangChain's messages, whole and in chunks, of whichever provider."""

from __future__ import annotations

from typing import Final

from spanguard._core.readers import counts
from spanguard._core.readers.providers import known_as
from spanguard._core.readers.reading import Get, Reading, finish_reasons, first, getter, text
from spanguard._core.usage import NOTHING, Modal, Usage, tokens
from spanguard.semconv import TokenKind

_RUN_IDS: Final = ("run-", "lc_", "lc-")
_MODALITIES: Final = ("text", "image", "audio")
# OpenAI's service tiers stand before the name of what they served.
_TIERS: Final = ("", "priority_", "flex_")


def message(get: Get, metadata: object) -> Reading:
    """Read a message. LangChain's input includes cached tokens whatever the provider, and its output reasoning."""
    told = getter(metadata)
    usage = get("usage_metadata")
    own_id = text(told("id")) or text(get("id"))
    return Reading(
        _usage(usage) if usage is not None else counts.usage(first(told, "token_usage", "usage")),
        text(first(told, "model_name", "model", "model_id")),
        None if own_id is None or own_id.startswith(_RUN_IDS) else own_id,  # LangChain's own ids are not the provider's
        finish_reasons([first(told, "finish_reason", "stop_reason", "stopReason", "done_reason")]),
        known_as(told("model_provider")),
    )


def _usage(source: object) -> Usage:
    get = getter(source)
    sent, received = get("input_token_details"), get("output_token_details")
    within, out = getter(sent), getter(received)
    return (
        Usage(
            tokens(counts.WHERE, get("input_tokens")),
            tokens(counts.WHERE, get("output_tokens")),
            _of_any_tier(within, "cache_read"),
            _written(within),
            _of_any_tier(out, "reasoning"),
            None,
            (*_modal("input", within), *_modal("output", out)) or None,
        )
        if usage_like(get)
        else NOTHING
    )


def usage_like(get: Get) -> bool:
    """Whether it counts tokens at all."""
    return get("input_tokens") is not None or get("output_tokens") is not None


def _of_any_tier(get: Get, name: str) -> int | None:
    return tokens(counts.WHERE, first(get, *(tier + name for tier in _TIERS)))


def _written(get: Get) -> int | None:
    # langchain-anthropic states 0 where it tells how long each part is kept.
    parts = [count for name in ("5m", "1h") if (count := tokens(counts.WHERE, get(f"ephemeral_{name}_input_tokens")))]
    return _of_any_tier(get, "cache_creation") or sum(parts) or _of_any_tier(get, "cache_creation")


def _modal(kind: TokenKind, get: Get) -> list[Modal]:
    found = [(modality, tokens(counts.WHERE, get(modality))) for modality in _MODALITIES]
    return [(kind, modality, count) for modality, count in found if count]
