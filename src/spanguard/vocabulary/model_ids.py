"""What the ids of published models are made of: families, vendors, variants, sizes, versions, dates.

An id is cut into pieces at ``- . _ : @ /``, and every piece must be in one of the finite sets of ``data/models.txt``, be put
together from two of their words (``embeddinggemma``, ``streamlake``), or be a number of few digits where a version, a size or
a date can stand. All together the numbers of an id have at most six digits, one plausible date apart, so that no telephone,
card or account can stand in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import groupby
from typing import Final

from spanguard.vocabulary.clouds import is_cloud_region
from spanguard.vocabulary.shapes import is_day, is_month, is_next, is_year, known_shapes, may_be_listed, shape_of
from spanguard.vocabulary.tables import table

LONGEST: Final = 128

# Segments that tell nothing of who made the model.
_GENERIC: Final = frozenset(
    "models model accounts system preview high low medium xhigh hd max min standard text speech streaming ranking invoke "
    "transcribe preset transcription v0 v3 us eu au jp global apac routers stealth".split()
)
_APART: Final = str.maketrans("._:@~", "-----")
_BETWEEN: Final = frozenset("-._:@")
_MOST_BEHIND: Final = 4
_MOST_SEGMENTS: Final = 8
_MOST_DIGITS: Final = 6
_MOST_DIGITS_BEFORE: Final = 4
_FEW_DIGITS: Final = 3  # before a day of four digits
_FIXED_DIGITS: Final = 3  # that a number of a finite set counts for
_MOST_RARE: Final = 3
_MOST_CODENAMES: Final = 2
_MOST_BYTES: Final = 4
_SHORTEST_JOINED: Final = 4
_HEX: Final = frozenset("0123456789abcdef")
_FIXED: Final = frozenset(
    "01 02 03 001 002 003 004 005 006 007 008 009 100 128 200 224 256 336 384 448 480 512 640 720 768 896 960 1000 1024 1080 "
    "1440 1536 1792 1920 2000 2048 2160 2560 3840 4000 4096 8000 8192 16000 16384 24000 32000 32768 40960 64000 65536 128000 "
    "131072".split()
)
# Families that bear a person's name: nothing that follows another family, as a user's name would.
_NAMES: Final = frozenset({"agnes", "claude", "dolly", "polly", "roberta", "spark", "stella"})
_BEFORE_SPARK: Final = frozenset({"codex", "muse"})  # gpt-5.3-codex-spark; anywhere else it may be S. Park
# Families that their makers alone serve: a star or an animal behind one, and no gateway before it, is what a user called a
# deployment, unless a list has it.
_CLOSED: Final = frozenset({"gpt", "chatgpt", "claude", "gemini", "o", "davinci", "dall"})
# Families and kinds that those makers have of their own; any other behind one of theirs names a deployment, like a star.
_OWN: Final = frozenset(
    "opus sonnet haiku codex realtime nano fable mythos daybreak transcribe tts embed embedding embeddings omni banana "
    "whisper moderation image gemma gemini gpt chatgpt claude davinci dall dalle veo imagen lyria sora opt v0 sd sd3".split()
)
_KNOWN: Final = ("products", "mixed", "general")
_BEHIND: Final = ("lines", "products", "mixed")
_YEARS: Final = frozenset({"1920", "2000"})  # in which somebody was born
_EVERYDAY: Final = ("general", "codenames")
_ONE_DIGIT: Final = frozenset("123456789")
_BEFORE_DAYS: Final = frozenset({"preview", "exp", "experimental", "latest", "thinking", "tts", "r", "plus", "r7b", "dialog"})
_BY_DAY: Final = frozenset(
    "doubao seed seedream seedance seededit bytedance wan skylark hunyuan glm deepseek qwen qwq kimi oss solar ernie "
    "step".split()
)
_UNITS: Final = {
    "e": 3,
    **dict.fromkeys(("b", "m", "k", "d", "px"), 4),
    **dict.fromkeys(("t", "v", "o", "n", "bit", "bits", "vl"), 2),
}
_LETTERS: Final = frozenset("vrkmolsxnhgjqtewzfp")
_PRECISIONS: Final = frozenset({"fp", "int", "bf", "nvfp", "mxfp", "w", "a", "q", "iq", "uint", "f"})
_SECOND: Final = {"w": "a", "q": "f"}  # w4a16, q4f16
_TAILS: Final = frozenset({"o", "v", "vl", "e", "b", "n", "c", "t", "i", "omni", "flash"})


def is_model_id(text: str) -> bool:
    """Whether the lower-case text is the id of a published model, as far as finite sets can tell."""
    text = text.removesuffix("[1m]").removeprefix("~")
    if text.startswith("ft:"):
        text = text[3:]
        if ":" in text:  # the owner's part
            return False
    model, _, region = text.rpartition(":")
    text = model if model and is_cloud_region(region) else text
    return text in table("models")["exact"] or _is_composed(text) or (may_be_listed(text) and _is_relative(text))


def _is_composed(text: str) -> bool:
    """Whether it is put together from what ids are made of."""
    *before, last = text.split("/")
    if len(before) >= _MOST_SEGMENTS or any(not _is_prefix(each, behind=at > 0) for at, each in enumerate(before)):
        return False
    pieces = last.translate(_APART).split("-")
    if _is_file(last) or _is_machine(pieces) or (len(pieces) == 1 and not before and last.isalpha()):
        return text in table("models")["bare"]
    reader = _Reader(vendor=_is_tagged(last) or any(segment not in _GENERIC for segment in before), before=before)
    return reader.read(pieces) and not (reader.is_deployment() and (not before or any("azure" in each for each in before)))


def _is_relative(text: str) -> bool:
    """Whether a list has the id with other small numbers or another date, or without what is said behind it.

    ``suno-v6`` beside ``suno-v5``, ``z-image-turbo-2`` beside ``z-image-turbo``.
    """
    if _is_listed(text):
        return True
    cuts = [at for at, sign in enumerate(text) if sign in _BETWEEN][-_MOST_BEHIND:]
    at = max((at for at in cuts if _is_listed(text[:at])), default=0)
    if not at:
        return False
    pieces = text[at + 1 :].translate(_APART).split("-")
    plain = all(each.isdigit() or each in table("models")["variants"] or _Reader().is_fused(each) for each in pieces)
    apart = not (text[at - 1 : at].isdigit() and pieces[0].isdigit())  # a date of birth is cut nowhere
    return plain and apart and not _is_machine(pieces) and _Reader(listed=text[:at]).read(pieces)


def _is_listed(text: str) -> bool:
    """Whether a list has the id, whatever its small numbers, its date and the gateway before it are."""
    shape, digits = shape_of(text)
    first, _, rest = text.partition("/")
    known = shape in known_shapes() and digits <= _MOST_DIGITS
    return known or bool(rest and _is_prefix(first) and _is_listed(rest))


def _is_file(segment: str) -> bool:
    behind = (part.translate(_APART).partition("-")[0] for part in segment.split(".")[1:])
    return not table("models")["extensions"].isdisjoint(behind)


def _is_tagged(last: str) -> bool:
    """Whether a size stands behind a colon, as Ollama tags its models: ``reflection:70b``."""
    size = last.partition(":")[2].partition("-")[0]
    return size[-1:] in ("b", "m") and 2 <= len(size) <= 5 and size[:-1].replace(".", "").isdigit()


def _is_prefix(segment: str, *, behind: bool = False) -> bool:
    """Whether it may stand before the last; behind another one it may be a product: ``fal-ai/ltx-2/text-to-video``."""
    sets = table("models")
    if segment.removeprefix("~") in sets["prefixes"] or is_cloud_region(segment):
        return True
    names = ("prefixes", "vendors", "families", "variants", "general", "hosting", *(_BEHIND if behind else ()))
    words = (*(sets[name] for name in names), _FIXED)
    pieces = segment.translate(_APART).split("-")
    digits = sum(map(str.isdigit, "".join(piece for piece in pieces if piece not in _FIXED)))
    date = not _YEARS.isdisjoint(pieces) or (len(pieces) > 2 and "".join(pieces).isdigit())
    if date or digits > _MOST_DIGITS_BEFORE or _is_file(segment) or _is_machine(pieces):
        return False
    return all(
        any(piece in known for known in words)
        or piece in _ONE_DIGIT
        or (len(piece) < 3 and piece.isdigit() and len(pieces) > 1)
        or _Reader().is_fused(piece)
        or _is_joined(piece, "hosting")
        for piece in pieces
    )


def _is_joined(piece: str, marks: str, *, codenames: bool = False) -> bool:
    """Whether it is two known words written as one, at least one of which is of the set that marks what it is."""
    if not 6 <= len(piece) <= 24 or not piece.isalpha():
        return False
    marking, known = table("models")[marks], _words(codenames=codenames)
    shortest = 2 + codenames  # L. Morgan is no lm-organ
    parted = ((piece[:at], piece[at:]) for at in range(shortest, len(piece) - shortest + 1))
    return any((one in marking and two in known) or (two in marking and one in known) for one, two in parted)


@cache
def _words(*, codenames: bool) -> frozenset[str]:
    """Return the words that others can be joined with: long enough to be words."""
    sets = table("models")
    names = ("families", "variants", "vendors", "general", "hosting", *(("codenames",) if codenames else ()))
    known = (sets[name] for name in names)
    return frozenset(word for words in known for word in words if len(word) >= _SHORTEST_JOINED)


def _is_machine(pieces: list[str]) -> bool:
    """Whether it may be the address of a machine's network card: ``00-1b-44-11-3a-b7``, ``001b.4411.3ab7``."""
    of_hex = [len(piece) * (_HEX.issuperset(piece) and not _is_active(piece)) for piece in pieces]
    return of_hex.count(2) > _MOST_BYTES or any(of_hex[at : at + 3] == [4, 4, 4] for at in range(len(of_hex)))


def _is_active(piece: str) -> bool:
    """Whether it tells how many parameters work at a time, or how exactly: ``a22b``, ``bf16``."""
    return piece == "bf16" or (piece[:1] == "a" and piece[-1:] == "b" and piece[1:-1].isdigit())


class _Reader:
    """Reads the pieces of one id from left to right, and counts what is bounded."""

    def __init__(self, *, vendor: bool = False, before: Iterable[str] = (), listed: str = "") -> None:
        """Read what stands behind the segments ``before``, or behind an id of the list."""
        self._vendor = vendor or bool(listed)
        self._sets = table("models")
        self._family = False
        self._known = vendor  # a word that is more than a variant, or a vendor before all words
        self._listed = bool(listed)
        self._digits = shape_of(listed)[1]
        self._numbers: list[str] = []  # that stand side by side here
        self._row = 0
        self._rare = 0
        self._codenames = 0
        self._closed = False
        self._dated = False
        self._by_day = False
        self._before = ""
        self._there: set[str] = set()  # words so far
        self._led = self._listed
        for segment in before:
            self._lead(segment)

    def _lead(self, segment: str) -> None:
        """Count the digits of a segment before the last, and look whether it names a family: ``kling-video/v2``."""
        if segment not in self._sets["prefixes"]:
            self._digits += sum(map(str.isdigit, segment))
        heads = {piece.rstrip("0123456789") for piece in segment.translate(_APART).split("-")}
        self._there |= heads
        self._led = self._led or any(not heads.isdisjoint(self._sets[name]) for name in ("families", "lines"))

    def read(self, pieces: list[str]) -> bool:
        """Return whether all pieces are known, and together make an id."""
        at = int(self._leads(*pieces[:2]))
        while at < len(pieces):
            used = self._number(pieces, at) if pieces[at].isdigit() else self._piece(pieces[at])
            if not used:
                return False
            at += used
        bounded = self._digits <= _MOST_DIGITS and self._rare <= _MOST_RARE and self._codenames <= _MOST_CODENAMES
        return bounded and (self._family or self._led or (self._vendor and self._known))

    def _leads(self, first: str, version: str = "") -> bool:
        """Whether it begins with a word that names a family where its version follows: ``music-2.5``, ``gen-4-turbo``."""
        led = first in self._sets["leading"] and version.removeprefix("v")[:1].isdigit() and len(version) <= 2
        self._family = led
        self._known = self._known or led
        return led

    def is_deployment(self) -> bool:
        """Return whether it may be what a user called a deployment of somebody's model."""
        return self._closed and self._codenames > 0

    def _piece(self, piece: str) -> int:
        sets = self._sets
        self._by_day = self._by_day or piece in _BY_DAY
        if piece in _NAMES and (self._family or (self._led and piece == "spark")) and self._before not in _BEFORE_SPARK:
            return 0
        closed, self._closed = self._closed, self._closed or piece in _CLOSED
        if piece in sets["families"]:
            self._family = self._known = True
            self._codenames += closed and piece not in _OWN and self._before not in _BEFORE_SPARK
        elif piece in sets["vendors"]:
            self._vendor = self._vendor or len(piece) > 3
        elif piece in sets["variants"] or self.is_fused(piece):
            pass
        elif any(piece in sets[name] for name in _KNOWN) or is_next(piece) or _is_joined(piece, "joining"):
            self._known = True
            self._rare += 1
            self._family = self._family or piece in sets["lines"]
        elif piece in sets["codenames"] or _is_joined(piece, "joining", codenames=True):
            self._known = True
            self._codenames += 1
        elif not piece:  # what two dashes enclose, as in anthropic--claude-4-sonnet
            return int(self._vendor and not self._family)
        elif not any(f"{name}+{piece}" in sets["companions"] for name in self._there):
            return 0
        self._there.add(piece)
        if piece.isalpha():
            self._row = 0
        self._before = piece
        self._numbers.clear()
        return 1

    # -------------------------------------------------------------------------------- letters and digits in one piece

    def is_fused(self, piece: str) -> bool:
        """Whether it is a size or a version: letters and digits in one piece."""
        runs = ["".join(run) for _, run in groupby(piece, str.isdigit)]
        digits = sum(len(run) for run in runs if run.isdigit())
        if not piece.isalnum() or len(runs) < 2 or len(runs) > 5 or digits > 5:
            return False
        self._row += 1
        if self._row > 4:
            return False
        return self._is_size(runs) or self._is_version(runs)

    def _is_size(self, runs: list[str]) -> bool:
        """Whether it is 70b, 8x22b, a3b, e4b, 0p6b, 128k, 16e, 4bit, 4o."""
        if runs[0] in ("a", "e", "r", "x", "h", "s") and len(runs) == 3:
            return len(runs[1]) <= 3 and runs[2] in ("b", "m")
        if not runs[0].isdigit():
            return False
        if len(runs) == 2:
            self._digits += len(runs[0]) * (len(runs[0]) == 4 or runs[1] == "e")
            return len(runs[0]) <= _UNITS.get(runs[1], 0)
        joined = runs[1] in ("x", "p") and len(runs[0]) <= 2 and len(runs[2]) <= 3
        return joined and (len(runs) == 3 or runs[3] in ("b", "m", "v"))

    def _is_version(self, runs: list[str]) -> bool:
        """Whether it is v2, r1, k2p5, gpt4o, llama3, qwen2p5, fp8, w4a16."""
        head, number, *rest = runs
        family = head == "o" or head in self._sets["families"] or head in self._sets["lines"]
        codename = head in self._sets["codenames"] and len(number) == 1  # two digits behind a word make it a password
        word = family or codename or (len(head) > 2 and head in _words(codenames=False)) or _is_joined(head, "joining")
        if head.isdigit() or len(number) > 2 or not (word or head in _LETTERS or head in _PRECISIONS):
            return False
        if len(rest) == 1 and not (word and (rest[0] in _TAILS or (len(head) > 2 and rest[0] in self._sets["families"]))):
            return False  # PS3 7YI is an address
        joined = len(rest) < 2 or rest[0] == _SECOND.get(head, "" if head in _PRECISIONS else "p")
        if not joined or len(rest) > 3 or len("".join(rest[1:2])) > 2 or rest[2:] not in ([], ["v"], ["b"]):
            return False
        self._rare += word and not family and not codename
        self._codenames += codename and not family
        self._closed = self._closed or head in _CLOSED
        self._digits += len(number)
        if family:
            self._family = self._known = True
        if family or head in _PRECISIONS:
            self._row = 0
        return True

    # -------------------------------------------------------------------------------------------------- digits alone

    def _number(self, pieces: list[str], at: int) -> int:
        """Return how many pieces the number takes that stands here: a date takes up to three, 0 is for none at all."""
        begun = bool(at) or self._listed
        if begun and (self._family or self._vendor) and not self._dated and (used := self._date(pieces, at)):
            self._dated = True
            self._row = 0
            self._numbers.clear()
            return used
        number = pieces[at]
        if number in _YEARS and (self._dated or self._digits or "".join(pieces[at + 1 : at + 2]).isdigit()):
            return 0
        self._numbers.append(number)
        self._row += 1
        self._digits += min(len(number), _FIXED_DIGITS) if number in _FIXED else len(number)
        short = len(number) <= 2 - self._dated and (number == "0" or number[0] != "0")
        row = len(self._numbers) <= 2 - self._dated or (len(self._numbers) == 3 and len(number) == 1 and not self._dated)
        return int((begun or (self._led and short)) and row and self._row <= 4 and (short or number in _FIXED))

    def _is_plate(self, before: str) -> bool:
        """Whether the four digits behind the word make it the plate of a car: ``SUN-0115``, ``MPT-0603``."""
        if len(before) == 3 and before.isalpha() and not (before in self._sets["variants"] or before in _BEFORE_DAYS):
            return True
        plain = before in self._sets["general"] and len(before) > 3
        return not plain and before not in self._sets["variants"] and any(before in self._sets[name] for name in _EVERYDAY)

    def _date(self, pieces: list[str], at: int) -> int:
        first, second, third = (*pieces[at : at + 3], "", "")[:3]
        if len(first) in (6, 8):
            day = first if len(first) == 8 else f"20{first}" if self._by_day else ""
            month = len(first) == 6 and is_year(first[:4]) and is_month(first[4:])
            return int(month or is_day(day[:4], day[4:6], day[6:]))
        if is_year(first) and len(second) == 4:
            return 2 * is_day(first, second[:2], second[2:])
        if is_year(first) and len(second) == 2:
            return (3 if len(third) == 2 and is_day(first, second, third) else 2) if is_month(second) else 0
        if len(first) == 4 and first not in _FIXED:
            alone = self._digits <= _FEW_DIGITS and all(len(n) == 1 for n in self._numbers[:1])  # no 12-34-0613
            alone = alone and not self._is_plate(pieces[at - 1])
            return int(
                alone and (is_day("2024", first[:2], first[2:]) or ("23" <= first[:2] <= "29" and is_month(first[2:])))
            )
        if len(first) == 2 and is_month(first) and is_year(second):
            return 2 * (not self._numbers)
        days = len(first) == len(second) == 2 and pieces[at - 1] in _BEFORE_DAYS
        return 2 if days and is_day("2024", first, second) else 0
