"""Which names may leave the process in clear, and what becomes of all others.

A name is clear when it is a literal of the code that passes it, or was passed to `declare`. Any other becomes a keyed
pseudonym, ``h:`` and 16 hex digits: equal names stay equal, and nothing can be read back. Both wings use this module: the
verbs before a name reaches a span, the guard (part of the keeping wing) for other libraries' spans.
"""

from __future__ import annotations

import os
from functools import cache
from types import CodeType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hashlib import blake2b

LONGEST: Final = 128
"""Characters of the longest name that can be clear; a longer one is always a pseudonym."""

_clear: set[str] = set()
_key = os.urandom(32)

# First words of the names of published models. A model that none of them begins is shown as a pseudonym until it is
# declared: a model's name can be the path of a file, or what a user typed.
_MODEL_FAMILIES: Final = (
    *("gpt-", "chatgpt-", "o1", "o3", "o4", "text-embedding-", "text-davinci", "davinci-", "babbage-", "ft:gpt-"),
    *("claude-", "gemini-", "gemma", "palm-", "mistral", "mixtral", "ministral", "codestral", "pixtral", "magistral"),
    *("llama", "meta-llama/", "command", "embed-", "rerank-", "deepseek", "qwen", "qwq", "grok-", "kimi-", "moonshot-"),
    *("sonar", "phi-", "nova-", "titan-", "amazon.", "anthropic.", "meta.", "cohere.", "granite", "jamba", "dbrx"),
    *(
        "yi-",
        "glm-",
        "minimax",
        "openai/",
        "anthropic/",
        "google/",
        "mistralai/",
        "nvidia/",
        "whisper",
        "tts-",
        "dall-e",
    ),
)
_MODEL_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:/@")
_LONGEST_MODEL: Final = 64
_HASHED: Final = 4096


def declare(*names: str) -> None:
    """Say that these names are safe to show: names of policies, rules, models, providers, roles, variants, runs.

    Needed only for names that are computed: one written as a literal where it is used is clear by itself. Declaring is for
    the program's own vocabulary; never declare what a user typed. Raises `TypeError` for anything that is not a string,
    `ValueError` for an empty one or one of more than 128 characters.
    """
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"declare() takes strings, not {type(name).__name__}")
        if not name or len(name) > LONGEST:
            raise ValueError(f"a declared name has 1 to {LONGEST} characters, not {len(name)}")
    _clear.update(names)


def is_declared(name: str) -> bool:
    """Whether the name is known to be safe: it was declared, or has been accepted as a literal."""
    return name in _clear


def shown(name: str, code: CodeType) -> str:
    """Return the name as it may leave the process, when ``code`` is the code that passed it.

    What was accepted once is remembered; what was refused is not, so memory stays bounded by the program's own literals.
    """
    if name in _clear:
        return name
    if len(name) <= LONGEST and any(type(constant) is str and constant == name for constant in code.co_consts):
        _clear.add(name)
        return name
    return pseudonym(name)


def model_name(name: str) -> str:
    """Return a model's name in clear if it is declared or begins like a published model, otherwise its pseudonym."""
    if name in _clear:
        return name
    plain = len(name) <= _LONGEST_MODEL and _MODEL_CHARACTERS.issuperset(name) and ".." not in name
    if plain and name.lower().startswith(_MODEL_FAMILIES):
        return name
    return pseudonym(name)


def pseudonym(value: str) -> str:
    """Return ``h:`` and 16 hex digits that stand for the value in this process and tell nothing about it."""
    if len(value) > _HASHED:  # a prompt passed for a name must not cost a second
        value = f"{value[:_HASHED]}{len(value)}"
    digest = _keyed().copy()
    digest.update(value.encode("utf-8", "surrogatepass"))
    return "h:" + digest.hexdigest()


@cache
def _keyed() -> blake2b:
    from hashlib import blake2b  # brings OpenSSL in, which `import spanguard` need not wait for

    return blake2b(digest_size=8, key=_key)
