"""Templates of routes that may be shown: of words usual in such templates, or registered with a web framework in use."""

from __future__ import annotations

from typing import Final

from spanguard.vocabulary.registered import is_registered
from spanguard.vocabulary.tables import table

LONGEST: Final = 200
_MOST_SEGMENTS: Final = 12
_BRACKETS: Final = (("{", "}"), ("<", ">"), ("(?P<", ")"))
_PATTERNS: Final = frozenset(
    {r"\d+", r"[0-9]+", r"\w+", r"[^/]+", r"[^/.]+", r"[-\w]+", r"[\w-]+", r"[0-9a-f-]+", ".+", ".*"}
)


def is_route(text: str) -> bool:
    """Whether it is a route of usual words and placeholders, or one that a framework of this process knows."""
    return _is_usual(text) or is_registered(text)


def _is_usual(text: str) -> bool:
    if text == "/":
        return True
    if len(text) > LONGEST or not ("/" in text or "<" in text):
        return False
    path = text.removeprefix("^").removesuffix("$").removesuffix(r"\Z").removeprefix("/").removesuffix("/")
    segments = path.split("/")
    whole = text[0] in "/^" or len(segments) > 1 or segments[0][:1] in ("<", "(")  # a word and a slash is not enough
    return whole and len(segments) <= _MOST_SEGMENTS and all(map(_is_segment, segments))


def _is_segment(segment: str) -> bool:
    sets = table("routes")
    if segment in sets["words"] or _is_version(segment):
        return True
    if ":" in segment and segment[0] not in "{<(:":  # {model}:generateContent, and models:batch
        before, _, after = segment.rpartition(":")
        return after in sets["words"] and before in sets["words"]
    if segment.startswith("{") and "}:" in segment:
        before, _, after = segment.partition("}:")
        return after in sets["words"] and _is_segment(before + "}")
    if segment.startswith(":"):
        return _is_name(segment[1:])
    return any(segment.startswith(a) and segment.endswith(b) and _is_held(segment[len(a) : -len(b)], a) for a, b in _BRACKETS)


def _is_held(held: str, bracket: str) -> bool:
    """Whether a placeholder of a known name stands between the brackets: ``id``, ``path:path``, ``int:pk``."""
    if bracket == "(?P<":
        name, _, pattern = held.partition(">")
        return _is_name(name) and pattern in _PATTERNS
    first, found, second = held.partition(":")
    if not found:
        return _is_name(first)
    name, kind = (first, second) if bracket == "{" else (second, first)
    return _is_name(name) and (kind in table("routes")["types"] or (bracket == "{" and kind in _PATTERNS))


def _is_name(name: str) -> bool:
    sets = table("routes")
    if name in sets["names"]:
        return True
    *before, last = name.split("_")
    return (
        last in sets["names"]
        and 1 <= len(before) <= 2
        and all(each in sets["words"] or f"{each}s" in sets["words"] or each in sets["names"] for each in before)
    )


def _is_version(segment: str) -> bool:
    return 2 <= len(segment) <= 3 and segment[0] == "v" and segment[1:].isascii() and segment[1:].isdigit()
