"""Who served the model, in the conventions' words: by the library an object comes from, or by what the library calls them."""

from __future__ import annotations

import functools
from typing import Final

from spanguard.semconv import PROVIDERS

_LIBRARIES: Final = {"openai": "openai", "anthropic": "anthropic", "google.genai": "gcp.gen_ai", "litellm": "litellm"}
# The names of litellm and of LangChain's integrations, where they differ from the conventions'.
_ALIASES: Final = {
    "text-completion-openai": "openai",
    "anthropic_text": "anthropic",
    "azure": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "azure_text": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "amazon_bedrock": "aws.bedrock",
    "vertex_ai": "gcp.vertex_ai",
    "vertex_ai_beta": "gcp.vertex_ai",
    "google_vertexai": "gcp.vertex_ai",
    "google_anthropic_vertex": "gcp.vertex_ai",
    "gemini": "gcp.gemini",
    "google_genai": "gcp.gen_ai",
    "cohere_chat": "cohere",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "codestral": "mistral_ai",
    "text-completion-codestral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "watsonx": "ibm.watsonx.ai",
    "watsonx_text": "ibm.watsonx.ai",
    "xai": "x_ai",
}


def of_library(cls: type) -> str | None:
    """Return the provider whose own library defines the type; ``litellm`` for litellm, which serves many."""
    return _of_module(cls.__module__)


@functools.lru_cache(maxsize=1000)
def _of_module(name: str) -> str | None:
    root, _, rest = name.partition(".")
    return _LIBRARIES.get("google.genai" if root == "google" and rest.startswith("genai.") else root)


def known_as(name: object) -> str | None:
    """Return the conventions' name of a provider, or None for one that they have no name for."""
    if not isinstance(name, str):
        return None
    return _ALIASES.get(name) or (name if name in PROVIDERS else None)
