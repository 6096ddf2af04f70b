"""Names of published models, told from what could be the path of a file or what a user typed."""

from __future__ import annotations

from typing import Final

from spanguard.semconv import GEN_AI_MODEL
from spanguard.vocabulary.declared import is_declared
from spanguard.vocabulary.pseudonyms import Pseudonym, pseudonym

_LONGEST: Final = 128
_LONGEST_PATH: Final = 512
_MOST_PREFIXES: Final = 2
_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-._:/@~[]")
_NAMING: Final = _CHARACTERS - frozenset(":@~[]")
_MOST_ACCEPTED: Final = 2000
_accepted: Final[set[str]] = set()
_FINE_TUNED: Final = (":ft-", ".ft-")


def model_name(name: str) -> str:
    """Return a model's name as it may be shown: clear if it is declared or a published model's, otherwise a pseudonym.

    Of a fine-tuned model the base is clear: ``ft:gpt-4o-mini-2024-07-18:h:0123456789abcdef``. Of an ARN of Bedrock, a
    resource name of Vertex AI, and an id behind a gateway that nobody knows, nothing but the published model is shown.
    """
    if name in _accepted or is_declared(name):
        return name
    if is_published(name):
        if len(_accepted) < _MOST_ACCEPTED:
            _accepted.add(name)
        return name
    if len(name) <= _LONGEST_PATH:
        if base := _base(name):
            return Pseudonym(f"ft:{base}:{pseudonym(name, GEN_AI_MODEL)}")
        if model := _within(name) or _behind(name):
            return model
    return pseudonym(name, GEN_AI_MODEL)


def is_published(name: str) -> bool:
    """Whether the name is that of a published model."""
    if not 2 <= len(name) <= _LONGEST:
        return False
    lowered = name.lower()
    if not name.isascii() or not _CHARACTERS.issuperset(lowered):
        return False
    from spanguard.vocabulary.model_ids import is_model_id  # large, and most programs use few models

    return is_model_id(lowered)


def _base(name: str) -> str:
    """Return the published model that a fine-tuned one was made from, or nothing."""
    if name.startswith("ft:"):
        base = name[3:].partition(":")[0]
        return base if is_published(base) else ""
    for mark in _FINE_TUNED:
        base, found, _ = name.partition(mark)
        if found and is_published(base):
            return base
    return ""


def _within(name: str) -> str:
    """Return the published model that stands at the end of an ARN or of a resource name, or nothing."""
    model = ""
    if name.startswith("arn:aws"):
        kind, _, model = name.partition(":bedrock:")[2].rpartition("/")
        model = model if kind.endswith((":foundation-model", ":inference-profile")) else ""
    elif name.startswith(("projects/", "publishers/")):
        publisher, found, model = name.partition("publishers/")[2].partition("/models/")
        model = model if found and publisher.isalnum() else ""
    return model if model and "/" not in model and is_published(model) else ""


def _behind(name: str) -> str:
    """Return the published model that stands behind the prefix of a gateway or of an owner, or nothing; a path is neither."""
    prefix, _, model = name.rpartition("/")
    gateway = prefix[:1].isalnum() and prefix.count("/") < _MOST_PREFIXES and _NAMING.issuperset(prefix.lower())
    return model if gateway and is_published(model) else ""
