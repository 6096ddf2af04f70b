"""Google's generated content, of google-genai (``usage_metadata``) and as JSON (``usageMetadata``)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final

from spanguard._core.readers import counts
from spanguard._core.readers.reading import Get, Reading, finish_reasons, first, getter, text
from spanguard._core.usage import NOTHING, Modal, Usage, tokens
from spanguard.semconv import TokenKind

_DETAILS: Final[tuple[tuple[TokenKind, str, str], ...]] = (
    ("input", "prompt_tokens_details", "promptTokensDetails"),
    ("input", "tool_use_prompt_tokens_details", "toolUsePromptTokensDetails"),
    ("output", "candidates_tokens_details", "candidatesTokensDetails"),
    ("cache_read", "cache_tokens_details", "cacheTokensDetails"),
)
_MODALITIES: Final = ("text", "image", "audio")


def content(get: Get, metadata: object) -> Reading:
    """Read generated content, or a chunk of it; counts of a chunk are running totals."""
    candidates = get("candidates")
    usage = None if metadata is None else getter(metadata)
    return Reading(
        NOTHING if usage is None else _usage(usage),
        text(first(get, "model_version", "modelVersion")),
        text(first(get, "response_id", "responseId")),
        finish_reasons(map(_reason, candidates)) if isinstance(candidates, Iterable) else (),
        _provider(get, usage),
    )


def _reason(candidate: object) -> object:
    return first(getter(candidate), "finish_reason", "finishReason")


def _provider(get: Get, usage: Get | None) -> str:
    if usage is not None and first(usage, "traffic_type", "trafficType") is not None:
        return "gcp.vertex_ai"  # the Gemini API does not send it
    if first(get, "model_status", "modelStatus") is not None:
        return "gcp.gemini"  # Vertex AI does not send it
    return "gcp.gen_ai"


def _usage(get: Get) -> Usage:
    return Usage(
        # What tools answered is sent to the model too; the total counts it beside the prompt.
        _sum(
            first(get, "prompt_token_count", "promptTokenCount"),
            first(get, "tool_use_prompt_token_count", "toolUsePromptTokenCount"),
        ),
        _sum(
            first(get, "candidates_token_count", "candidatesTokenCount", "response_token_count", "responseTokenCount"),
            thoughts := first(get, "thoughts_token_count", "thoughtsTokenCount"),
        ),
        tokens(counts.WHERE, first(get, "cached_content_token_count", "cachedContentTokenCount")),
        None,
        tokens(counts.WHERE, thoughts),
        None,
        tuple(_modal(get)) or None,
    )


def _sum(*values: object) -> int | None:
    known = [count for value in values if (count := tokens(counts.WHERE, value)) is not None]
    return sum(known) if known else None


def _modal(get: Get) -> Iterable[Modal]:
    for kind, name, json_name in _DETAILS:
        details = first(get, name, json_name)
        for each in details if isinstance(details, Iterable) else ():
            part = getter(each)
            modality, count = part("modality"), tokens(counts.WHERE, first(part, "token_count", "tokenCount"))
            named = str(modality.name if isinstance(modality, Enum) else modality).lower()
            if count and named in _MODALITIES:
                yield kind, named, count
