"""The attributes of known conventions that hold what a user or a model wrote, and what is left without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

V = TypeVar("V")

CONTENT: Final = (
    *("exception.message", "exception.stacktrace", "error.message", "gen_ai.input.messages", "gen_ai.output.messages"),
    *("gen_ai.system_instructions", "gen_ai.tool.definitions", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result"),
    *("gen_ai.prompt", "gen_ai.completion", "gen_ai.evaluation.explanation", "gen_ai.request.stop_sequences"),
    *("gen_ai.retrieval.query", "gen_ai.retrieval.documents", "input.value", "output.value", "llm.input_messages"),
    *("llm.output_messages", "llm.prompts", "llm.completions", "traceloop.entity.input", "traceloop.entity.output"),
    *("db.query.text", "db.query.parameter", "db.statement", "url.query", "http.request.header", "http.response.header"),
    *("http.request.body.content", "http.response.body.content"),
)
"""First words of keys, in OpenTelemetry's conventions, in OpenLLMetry's and in OpenInference's."""

_EXACT: Final = frozenset(CONTENT)
_BELOW: Final = tuple(f"{key}." for key in CONTENT)


def without_content(attributes: Mapping[str, V] | None) -> dict[str, V]:
    """Return the attributes without those that hold content."""
    return {key: value for key, value in (attributes or {}).items() if key not in _EXACT and not key.startswith(_BELOW)}
