"""Names of published models, told from what could be the path of a file or what a user typed."""

from __future__ import annotations

from typing import Final

from spanguard.semconv import GEN_AI_MODEL
from spanguard.vocabulary.declared import is_declared
from spanguard.vocabulary.pseudonyms import pseudonym

# First words of the names of published models. A model that none of them begins is shown as a pseudonym until it is
# declared: a model's name can be the path of a file, or what a user typed.
_MODEL_FAMILIES: Final = (
    *("gpt-", "chatgpt-", "o1", "o3", "o4", "text-embedding-", "text-davinci", "davinci-", "babbage-", "ft:gpt-"),
    *("claude-", "gemini-", "gemma", "palm-", "mistral", "mixtral", "ministral", "codestral", "pixtral", "magistral"),
    *("llama", "meta-llama/", "command", "embed-", "rerank-", "deepseek", "qwen", "qwq", "grok-", "kimi-", "moonshot-"),
    *("sonar", "phi-", "nova-", "titan-", "amazon.", "anthropic.", "meta.", "cohere.", "granite", "jamba", "dbrx"),
    *("yi-", "glm-", "minimax", "openai/", "anthropic/", "google/", "mistralai/", "nvidia/", "whisper", "tts-", "dall-e"),
)
_MODEL_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:/@")
_LONGEST_MODEL: Final = 64


def model_name(name: str) -> str:
    """Return a model's name in clear if it is declared or a published model's, otherwise its pseudonym."""
    return name if is_declared(name) or is_published(name) else pseudonym(name, GEN_AI_MODEL)


def is_published(name: str) -> bool:
    """Whether the name is that of a published model."""
    plain = len(name) <= _LONGEST_MODEL and _MODEL_CHARACTERS.issuperset(name) and ".." not in name
    return plain and name.lower().startswith(_MODEL_FAMILIES)
