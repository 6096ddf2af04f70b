"""What providers send, as they document it: whole answers and the events of a stream."""

from __future__ import annotations

from typing import Any

ANTHROPIC_USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 3,
    "cache_read_input_tokens": 7,
    "output_tokens": 6,
    "output_tokens_details": {"thinking_tokens": 2},
}
ANTHROPIC: dict[str, Any] = {
    "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-4-5",
    "content": [{"type": "text", "text": "the secret"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": ANTHROPIC_USAGE,
}
_BEGIN = {**ANTHROPIC, "content": [], "stop_reason": None, "usage": {**ANTHROPIC_USAGE, "output_tokens": 1}}
_TEXT = {"type": "text_delta", "text": "the secret"}
ANTHROPIC_EVENTS: list[tuple[str | None, Any]] = [
    (event["type"], event)
    for event in (
        {"type": "message_start", "message": _BEGIN},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *[{"type": "content_block_delta", "index": 0, "delta": _TEXT}] * 20,
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 6, "output_tokens_details": {"thinking_tokens": 2}},
        },
        {"type": "message_stop"},
    )
]

_TEXT_PART = {"content": {"role": "model", "parts": [{"text": "the secret"}]}, "index": 0}
GOOGLE: dict[str, Any] = {
    "candidates": [{**_TEXT_PART, "finishReason": "STOP"}],
    "usageMetadata": {
        "promptTokenCount": 20,
        "cachedContentTokenCount": 7,
        "candidatesTokenCount": 4,
        "thoughtsTokenCount": 2,
        "totalTokenCount": 26,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 12}, {"modality": "IMAGE", "tokenCount": 8}],
        "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 4}],
        "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 7}],
    },
    "modelVersion": "gemini-2.5-pro",
    "responseId": "mAitaLmkHPPlz7IPvtfUqQ4",
}
_FIRST = {**GOOGLE["usageMetadata"], "candidatesTokenCount": 1, "thoughtsTokenCount": 2, "totalTokenCount": 23}
GOOGLE_EVENTS: list[tuple[str | None, Any]] = [
    *[(None, {**GOOGLE, "candidates": [_TEXT_PART], "usageMetadata": _FIRST})] * 12,
    (None, GOOGLE),
]

OPENAI_USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 6,
    "total_tokens": 26,
    "prompt_tokens_details": {"cached_tokens": 7, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 0},
}
OPENAI: dict[str, Any] = {
    "id": "chatcmpl-123",
    "object": "chat.completion",
    "created": 1_800_000_000,
    "model": "gpt-5.2",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "the secret"}, "logprobs": None, "finish_reason": "stop"}
    ],
    "usage": OPENAI_USAGE,
}


def openai_chunk(index: int | None = None, finish: str | None = None, usage: Any = None) -> dict[str, Any]:
    """Return one chunk of a chat completion; without an index the last one, which has the usage alone."""
    delta = {} if finish else {"role": "assistant", "content": "the secret"}
    choices = [] if index is None else [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}]
    return {**OPENAI, "object": "chat.completion.chunk", "choices": choices, "usage": usage}


OPENAI_EVENTS: list[tuple[str | None, Any]] = [
    *[(None, openai_chunk(0))] * 20,
    (None, openai_chunk(0, "stop")),
    (None, openai_chunk(usage=OPENAI_USAGE)),
    (None, "[DONE]"),
]
