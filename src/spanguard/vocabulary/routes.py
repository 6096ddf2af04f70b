"""Templates of routes that may be shown: of words usual in such templates, or registered with a web framework in use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import Final

from spanguard.vocabulary.patterns import is_pattern
from spanguard.vocabulary.registered import is_registered
from spanguard.vocabulary.spelled import numbered_of, words_of
from spanguard.vocabulary.tables import table
from spanguard.vocabulary.words import is_abbreviation, is_known, is_numbered, is_phrase, is_plain, is_run

LONGEST: Final = 200
_MOST_SEGMENTS: Final = 16
_MOST_WORDS: Final = 7
_SHORT: Final = 2  # letters of an abbreviation beside a word: lb_id
_SHORTEST_RUN: Final = 10
_MOST_DOTS: Final = 6  # google.ai.generativelanguage.v1beta.GenerativeService
_CLOSING: Final = {"{": "}", "<": ">", "(": ")", "[": "]"}
_BETWEEN: Final = "-._:@~=,;+!$"
_STAGES: Final = frozenset({"alpha", "beta", "a", "b", "p", "rc"})
_ENDINGS: Final = ("$", r"\Z", r"\z", "/?", "/*", "/**")
# Where files lie and no web program's routes begin; and where some do, that lead on to a placeholder, or end soon.
_DIRECTORIES: Final = frozenset(
    "bin boot etc home mnt opt proc root run sbin srv sys tmp usr var . .. ~ "
    "Volumes Users Desktop Documents Downloads Library Pictures Music Movies Videos".split()
)
_KEPT: Final = frozenset("id_rsa id_dsa id_ecdsa authorized_keys known_hosts passwd shadow".split())
_FOLDERS: Final = frozenset(
    "app backup backups code data desktop disk documents downloads drive git models mount pictures repo repos shared source "
    "sources src storage volumes work workspace workspaces".split()
)
_DEEP: Final = 3
# What joins the words of sentences: no route that has no placeholder ends with it, or has it for a segment.
_JOINING: Final = frozenset("and or to of with from by be am is i in at as not nor".split())
# What sentences are made of: of 7,400 templates in forty packages not one has any of these between its signs.
_PROSE: Final = frozenset(
    "an the please she he they you your will was were are this that our we his her their its been does have has had but "
    "if then when what why how who tell said soon let could would should must".split()
)
_ANYBODYS: Final = frozenset("id ids name names key no num number pk uuid slug ref code my new old".split())
_DAY: Final = re.compile(r"20[1-3]\d(-?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])", re.ASCII)
_VERSIONED: Final = frozenset({"api", "rest", "agile"})
_SIGNS: Final = re.compile(r"[^a-z]+")
_ANY: Final = frozenset({"*", "**", "?", ".", "...", "-"})


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
    segments = list(_without_versions(list(_split(path, "/"))))
    stem, _, ending = segments[-1].rpartition(".")
    if stem and ending in table("routes")["refused"] and any(map(_holds, segments[:-1])):
        segments[-1] = stem  # {order_id}/invoice.pdf is made by the program, as its placeholder shows
    whole = text[0] in "/^" or len(segments) > 1 or segments[0][:1] in ("<", "(", "{")
    whole = whole or ("." in path and path in table("routes")["words"])  # robots.txt
    whole = (whole or text[-1] == "/") and not _is_path(segments)  # "admin/" as Django writes it
    template = any(map(_holds, segments))
    if (
        not whole
        or (not template and (is_phrase(_SIGNS.split(path.lower())) or any(map(_is_cut_off, segments))))
        or not _PROSE.isdisjoint(_SIGNS.split(text.lower()))
        or len(segments) > _MOST_SEGMENTS
        or not all(map(_is_of_template if template else _is_segment, segments))
    ):
        return False
    return all(_may_follow(before, segment) for before, segment in pairwise(segments))


def _is_cut_off(segment: str) -> bool:
    """Whether it ends as a sentence would go on: ``send-money-to``."""
    return _SIGNS.split(segment.lower())[-1] in _JOINING


def _without_versions(segments: list[str]) -> Iterator[str]:
    """Leave out versions that are one digit, or a day in front: ``/rest/api/2/issue``, ``/2015-03-31/functions``."""
    for before, segment in pairwise(["api", *segments]):
        digit = len(segment) == 1 and segment.isdigit() and before in _VERSIONED
        yield "v1" if len(segments) > 1 and (digit or (segment is segments[0] and _DAY.fullmatch(segment))) else segment


def _holds(segment: str) -> bool:
    """Whether there is a placeholder in it."""
    return segment[:1] == ":" or not set(_CLOSING).isdisjoint(segment)


def _is_path(segments: list[str]) -> bool:
    """Whether it is rather the path of a file than a route."""
    first = segments[0].lower()
    if (first == "run" and (len(segments) == 1 or any(map(_holds, segments)))) or (first == "users" and _ends_soon(segments)):
        return False
    deep = len(segments) >= _DEEP and all(segment.replace("-", "_").isidentifier() for segment in segments)
    kept = not _DIRECTORIES.isdisjoint((first, segments[0])) or segments[-1] in _KEPT
    return kept or (first in _FOLDERS and deep and segments[-1] not in table("routes")["actions"])


def _ends_soon(segments: list[str]) -> bool:
    """Whether no more than a placeholder comes: SCIM has ``/Users/{id}``."""
    return len(segments) == 1 or (len(segments) == 2 and _holds(segments[1]))


def _may_follow(before: str, segment: str) -> bool:
    """Whether the segment names none of those whom the segment before it collects: ``/users/me``, not ``/users/mail``."""
    sets = table("routes")
    if not segment.isalpha() or before.lower() not in sets["persons"]:
        return True
    return len(words_of(segment)) > 1 or segment.lower() in sets["actions"]


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
    if segment in _ANY or is_word(segment.removeprefix("@").replace("\\.", ".")):
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


def _is_of_template(segment: str) -> bool:
    """Whether it may stand beside a placeholder, where an abbreviation with a word is nobody's: ``bdsInstances``."""
    if _is_segment(segment):
        return True
    words = words_of(segment)
    others = [word for word in words if not _is_usual_word(word)]
    beside = any(len(word) > _SHORT + 1 and is_plain(word) for word in words)
    return len(others) == 1 and is_abbreviation(others[0]) and beside and all(map(is_numbered, numbered_of(segment)))


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
    if len(segment) > 3 * 32 or segment[:1] == "." or segment.count(".") + segment.count(":") > _MOST_DOTS:
        return False
    pieces = segment.replace(":", ".").split(".")
    return all(map(_is_spelled, pieces)) and (len(pieces) == 1 or pieces[-1] not in table("routes")["refused"])


def _is_spelled(piece: str) -> bool:
    """Whether it is a word that is nobody's name, or a few words of which one is none; a version stands for a word."""
    if _is_version(piece) or is_numbered(piece.lower()):
        return True
    piece = piece.removeprefix("_")
    words = words_of(piece)
    if len(words) == 1:  # neither park nor Park, which may be somebody
        return piece.isalpha() and (is_plain(words[0]) or (len(words[0]) >= _SHORTEST_RUN and is_run(words[0])))
    known = 0 < len(words) <= _MOST_WORDS and all(map(_is_usual_word, words)) and any(map(is_plain, words))
    return known and all(map(is_numbered, numbered_of(piece)))


def _is_usual_word(word: str) -> bool:
    known = is_known(word) or word in table("routes")["words"] or len(word) == 1
    return known or (len(word) >= _SHORTEST_RUN and is_run(word))


def is_name(name: str) -> bool:
    """Whether a placeholder may be called so: ``id``, ``order_id``, ``userId``, ``pk1``."""
    words = words_of(name.strip("_").replace(".", "_"))
    names = table("routes")["names"]
    if len(words) == 1 and (_is_short(words[0]) or (words[0].endswith("id") and is_plain(words[0][:-2]))):
        return True
    known = [word for word in words if word in names or _is_usual_word(word)]
    sure = {word for word in known if word in names or word in table("routes")["words"] or is_plain(word)}
    if not sure or (sure <= _ANYBODYS and sure != set(known)):  # {grace_id}
        return False
    short = sum(len(word) <= _SHORT or is_abbreviation(word) for word in words if word not in known)
    return len(known) + short == len(words) <= _MOST_WORDS and all(map(_is_counted, numbered_of(name)))


def _is_short(word: str) -> bool:
    """Whether it is one or two letters, or such before ``id``: ``sid``, ``trid``."""
    return len(word.removesuffix("id")) <= _SHORT and word not in table("words")["people"] | table("words")["never"]


def _is_counted(word: str) -> bool:
    """Whether a word of a placeholder's name may have its digits: ``pk1``, ``uuid4``."""
    names = table("routes")["names"]
    return is_numbered(word) or word in names or (word[-1].isdigit() and (len(word) <= 2 * _SHORT or word[:-1] in names))


def _is_version(segment: str) -> bool:
    """Whether it is ``v1``, ``v2.1``, ``1.0``, ``v1beta1``, ``v1p1beta1``, ``v1alpha``, ``v1b3``, ``v1beta1a``."""
    if len(segment) == 3 and segment[1] == ".":
        return segment[0].isdigit() and segment[2].isdigit()
    if not 2 <= len(segment) <= 10 or segment[0] not in "vV" or not segment.isascii():
        return False
    runs = ["".join(run) for _, run in groupby(segment[1:], lambda letter: letter.isdigit() or letter == ".")]
    digits = "".join(runs[::2]).replace(".", "")
    stages = runs[1:-1:2] if len(runs) % 2 else runs[1::2]
    known = all(stage in _STAGES for stage in stages) and runs[0][-1] != "."
    longest = 2 + ("." in segment) if len(runs) == 1 else 4  # v12, v1.43
    return known and digits.isdigit() and len(digits) <= longest and runs[0][0].isdigit()


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
    numbered = len(held) == 1 and held.isdigit()  # {0}
    return not held or numbered or all(map(is_name, held.split(","))) or _is_converted(held)


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
    return all(map(_is_argument, given.split(",")))


def _is_argument(given: str) -> bool:
    value = given.strip("\"' ").rpartition("=")[2]
    return value.isdigit() or value in ("", "True", "False") or is_word(given.strip("\"' "))
