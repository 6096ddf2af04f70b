"""Templates of routes that may be shown: of words usual in such templates, or registered with a web framework in use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from spanguard.vocabulary.patterns import is_pattern
from spanguard.vocabulary.registered import is_registered
from spanguard.vocabulary.spelled import words_of
from spanguard.vocabulary.tables import table

LONGEST: Final = 200
_MOST_SEGMENTS: Final = 16
_MOST_WORDS: Final = 4
_CLOSING: Final = {"{": "}", "<": ">", "(": ")", "[": "]"}
_BETWEEN: Final = "-._:@~=,;+!$"
_ENDINGS: Final = ("$", r"\Z", r"\z", "/?", "/*", "/**")
_ROOTS: Final = frozenset(
    {"admin", "api", "accounts", "auth", "blog", "docs", "login", "logout", "polls", "search"}
)  # of Django
_ANY: Final = frozenset({"*", "**", "?", ".", "..."})


def is_route(text: str) -> bool:
    """Whether it is a route of usual words and placeholders, or one that a framework of this process knows."""
    return _is_usual(text) or is_registered(text)


def _is_usual(text: str) -> bool:
    if text in ("/", "^$", "^/$", "^/?$", "*", "/*", "/**", r"^\Z", "^"):
        return True
    if not text or len(text) > LONGEST or not text.isascii():
        return False
    path = text.removeprefix("^")
    for ending in _ENDINGS:
        path = path.removesuffix(ending)
    path = path.removeprefix("^").removeprefix(r"\A").removeprefix("/").removesuffix("/")
    segments = list(_split(path, "/"))
    whole = text[0] in "/^" or len(segments) > 1 or segments[0][:1] in ("<", "(", "{")
    whole = whole or (text[-1] == "/" and path in _ROOTS)
    return whole and len(segments) <= _MOST_SEGMENTS and all(map(_is_segment, segments))


def _split(text: str, at: str) -> Iterator[str]:
    """Yield what stands between the separators, those within brackets left alone."""
    depth = start = 0
    for place, letter in enumerate(text):
        if letter in "{<([":
            depth += 1
        elif letter in "}>)]" and depth:
            depth -= 1
        elif letter == at and not depth:
            yield text[start:place]
            start = place + 1
    yield text[start:]


def _is_segment(segment: str) -> bool:
    """Whether it is words and placeholders, with signs between them."""
    segment = segment.removeprefix("^").removesuffix("$")
    if is_word(segment) or segment in _ANY:
        return True
    literal = ""
    at = held = 0
    while at < len(segment):
        letter = segment[at]
        if letter in _CLOSING:
            end = _closing(segment, at)
            if end < 0 or not _is_part(literal) or not _is_held(letter, segment[at + 1 : end]):
                return False
            literal, at, held = "", _after(segment, end + 1), held + 1
        elif letter in ":*$" and (end := _name_end(segment, at + 1)) > at + 1 and _is_colon(segment, at, end):
            if not _is_part(literal):
                return False
            literal, at, held = "", _after(segment, end), held + 1
        else:
            literal += letter
            at += 1
    return held > 0 and _is_part(literal)


def _closing(text: str, start: int) -> int:
    """Return where the bracket that opens at the start is closed, or -1."""
    depth = 0
    for at in range(start, len(text)):
        if text[at] == "\\":
            continue
        if text[at] == text[start]:
            depth += text[at - 1 : at] != "\\"
        elif text[at] == _CLOSING[text[start]]:
            depth -= text[at - 1 : at] != "\\"
            if not depth:
                return at
    return -1


def _after(segment: str, at: int) -> int:
    """Return where the text goes on behind a placeholder and its quantifier."""
    return at + 1 if segment[at : at + 1] in ("?", "*", "+") else at


def _name_end(segment: str, at: int) -> int:
    while at < len(segment) and (segment[at].isalnum() or segment[at] == "_"):
        at += 1
    return at


def _is_colon(segment: str, at: int, end: int) -> bool:
    """Whether a placeholder of Express or Rails begins here, and not a verb behind a placeholder: ``{model}:predict``."""
    return (
        segment[at - 1 : at] not in ("}", ">", ")", "]")
        and is_name(segment[at + 1 : end])
        and (at == 0 or segment[at] == ":")
    )


def _is_part(literal: str) -> bool:
    """Whether what stands between placeholders is signs, or words between signs."""
    literal = literal.replace("\\", "").strip(_BETWEEN + "?*")
    return not literal or is_word(literal) or literal == "v"


# ---------------------------------------------------------------------------------------------------------- words, names


def is_word(segment: str) -> bool:
    """Whether a segment is a usual word, a version, a file that programs serve, or a few usual words: ``order-items``."""
    if segment in table("routes")["words"] or _is_version(segment):
        return True
    if len(segment) > 2 * 32 or segment[:1] == "." or segment.count(".") + segment.count(":") > 3:
        return False
    pieces = segment.replace(":", ".").split(".")
    return all(map(_is_spelled, pieces)) and (len(pieces) == 1 or pieces[-1] not in table("routes")["refused"])


def _is_spelled(piece: str) -> bool:
    words = words_of(piece.removeprefix("_"))
    alone = len(words) == 1 and piece not in table("routes")["words"]  # neither Park nor PARK, which may be somebody
    usual = 0 < len(words) <= _MOST_WORDS and not alone and all(len(word) > 1 and _is_usual_word(word) for word in words)
    return usual or _is_version(piece)


def _is_usual_word(word: str) -> bool:
    words = table("routes")["words"]
    return word in words or f"{word}s" in words or f"{word}es" in words or (word[-1:] == "y" and f"{word[:-1]}ies" in words)


def is_name(name: str) -> bool:
    """Whether a placeholder may be called so: ``id``, ``order_id``, ``userId``, ``pk1``."""
    words = words_of(name.lstrip("_").replace(".", "_"))
    names = table("routes")["names"]
    return bool(words) and len(words) <= _MOST_WORDS and all(word in names or _is_usual_word(word) for word in words)


def _is_version(segment: str) -> bool:
    if len(segment) == 3 and segment[1] == ".":
        return segment[0].isdigit() and segment[2].isdigit()
    if not 2 <= len(segment) <= 10 or segment[0] not in "vV":
        return False
    number, _, stage = segment[1:].partition("alpha" if "alpha" in segment else "beta" if "beta" in segment else "\0")
    digits = number.replace(".", "")
    return 1 <= len(digits) <= 2 and f"{digits}{stage}".isdigit() and len(stage) <= 1 and number[-1] != "."


# ---------------------------------------------------------------------------------------------------------- placeholders


def _is_held(bracket: str, held: str) -> bool:
    """Whether a placeholder stands between the brackets."""
    if bracket == "(":
        optional = held[:1] in ("/", ".", ":", "{", "<") and all(map(_is_segment, _split(held.lstrip("/."), "/")))
        return optional or is_pattern(f"({held})" if held[:1] == "?" else held, is_name, is_word)
    if bracket == "[":  # as Next.js writes them
        return is_name(held.strip("[]").removeprefix("...")) or is_pattern(f"[{held}]", is_name, is_word)
    if bracket == "<":
        return _is_converted(held)
    held = held[1:-1] if held[:1] == "{" else held.lstrip("*+/?#&.").removesuffix("?")
    name, given, default = held.partition("=")
    if given and ":" not in name:
        return is_name(name) and all(part in _ANY or is_word(part) or is_name(part) for part in default.split("/"))
    held = held.removesuffix("*")
    return not held or all(map(is_name, held.split(","))) or _is_converted(held)


def _is_converted(held: str) -> bool:
    """Whether it is a name, and a type or a pattern before or behind it: ``int:pk``, ``id:int``, ``path:re:.+``."""
    first, *rest = _split(held, ":")
    if not rest:
        return is_name(first)
    *_, last = rest
    if _is_type(first) and is_name(last) and all(map(_is_type, rest[:-1])):
        return True
    behind = ":".join(rest)
    return is_name(first) and (
        all(map(_is_type, rest)) or is_pattern(behind.removeprefix("re:").removeprefix("regex:"), is_name, is_word)
    )


def _is_type(kind: str) -> bool:
    """Whether it is the name of a converter, with numbers or words for arguments: ``int``, ``any(en,de)``."""
    name, found, arguments = kind.rstrip("?").partition("(")
    if name not in table("routes")["types"]:
        return False
    if not found:
        return True
    given = arguments.removesuffix(")")
    if is_pattern(given.strip("'\""), is_name, is_word):
        return True
    return all(part.strip("\"' ").rpartition("=")[2].isdigit() or is_word(part.strip("\"' ")) for part in given.split(","))
