"""Whether a text that nobody may see is in telemetry, in whatever form it got there."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import itertools
import json
import math
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

from google.protobuf.message import Message  # type: ignore[import-untyped]

from spanguard.privacy.audit import Signal, is_repeated, signal_of

Canary = str | bytes | int

SHORTEST: Final = 4
"""Characters of the shortest canary: shorter ones are everywhere."""
PIECE: Final = 8
"""Characters of a beginning or an end of a canary that counts as the canary."""

_DEEPEST: Final = 3
_LARGEST: Final = 2**24
_TOKEN: Final = re.compile(r"[A-Za-z0-9+/_=-]{12,}")
_AS_BYTES: Final = " as bytes "
_SPLIT: Final = "split over several fields"


class Leak(NamedTuple):
    """A canary that was found: which one (counted from 1), where, and in which form; never the canary itself."""

    canary: int
    place: str
    form: str

    def __str__(self) -> str:
        return f"canary {self.canary} in {self.place}, {self.form}"


def find_leaks(
    canaries: Iterable[Canary], requests: Iterable[Message] = (), texts: Mapping[str, str | bytes] | None = None
) -> list[Leak]:
    """Return where the canaries are in OTLP requests, and in further texts, which are given by the names of their places.

    Looked for are the canary, its first and its last 8 characters, in any case and with any characters between its letters
    and digits; reversed; as JSON, in percent-encoding, base64, hex, UTF-16, gzip or zlib, and these inside one another; as
    number, as list of bytes or characters, as digest; and split over fields that follow each other.

    Raises `ValueError` for a canary of less than 4 characters.
    """
    needles = [_Needles(number, canary) for number, canary in enumerate(canaries, 1)]
    found: dict[Leak, None] = {}
    for request in requests:
        unfound = needles
        for haystacks in (_fields(request), _together(request), _wire(request)):  # the next tells only what the last did not
            leaks = [leak for place, text in haystacks for each in unfound for leak in each.leaks(text, place)]
            found.update(dict.fromkeys(leaks))
            unfound = [each for each in unfound if each.number not in {leak.canary for leak in leaks}]
    for place, text in (texts or {}).items():
        for variant in _variants(text):
            found.update(dict.fromkeys(leak for each in needles for leak in each.leaks(variant, place)))
    return list(found)


# ------------------------------------------------------------------------------------------------------------- needles


class _Needles:
    """All forms of one canary."""

    def __init__(self, number: int, canary: Canary) -> None:
        text = canary.decode("utf-8", "replace") if isinstance(canary, bytes) else str(canary)
        if len(text.strip()) < SHORTEST:
            raise ValueError(f"canary {number} has less than {SHORTEST} characters: it would be found everywhere")
        self.number = number
        raw = text.encode("utf-8", "surrogatepass")
        self._folded = {
            "as it is": _pieces(_fold(text)),
            "reversed": _pieces(_fold(text)[::-1]),
            "in hex": _pieces(raw.hex(), 2 * PIECE),
            "as a digest": [hashlib.new(name, raw).hexdigest()[:16] for name in ("md5", "sha1", "sha256", "sha512")]
            + [hashlib.blake2b(raw, digest_size=8).hexdigest()],
        }
        bare = _bare(text)
        if len(bare) >= PIECE:
            self._bare = {"with other characters between": _pieces(bare), "reversed": _pieces(bare[::-1])}
        else:
            self._bare = {}
        self._exact = {"in base64": [piece for core in _base64(raw) for piece in _pieces(core, 11)]}

    def leaks(self, text: str, place: str) -> list[Leak]:
        """Return the first form that is in the text, as a leak; nothing if none is."""
        for forms, hay in ((self._folded, _fold(text)), (self._bare, _bare(text)), (self._exact, text)):
            for form, needles in forms.items():
                if any(needle in hay for needle in needles):
                    return [Leak(self.number, place, form)]
        return []


def _pieces(text: str, length: int = PIECE) -> list[str]:
    """Return the text, its beginning and its end; those alone that are not all alike, such as ``00000000``."""
    pieces = {text, text[:length], text[-length:]} if len(text) > length else {text}
    return [piece for piece in pieces if len(set(piece)) >= min(SHORTEST, len(set(text)))]


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, _fold(text)))


def _base64(raw: bytes) -> Iterator[str]:
    """Yield what is left of the text in base64 wherever it begins: the characters that depend on nothing around it."""
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + raw).decode()
        core = encoded[(offset * 8 + 5) // 6 : len(encoded.rstrip("=")) - (1 if (offset + len(raw)) % 3 else 0)]
        if len(core) >= PIECE:
            yield from {core, core.replace("+", "-").replace("/", "_")}


# ----------------------------------------------------------------------------------------------------------- haystacks


def _fields(request: Message) -> Iterator[tuple[str, str]]:
    """Yield the texts of each field, with its place."""
    for place, value in _leaves(request, "", "resource"):
        for variant in _variants(value):
            yield place, variant


def _together(request: Message) -> Iterator[tuple[str, str]]:
    """Yield the texts of fields that follow each other, as one."""
    leaves = [(place, value) for place, value in _leaves(request, "", "resource") if isinstance(value, str)]
    for wanted in (_any, _is_key, _is_no_key):
        text = "".join(value.partition(_AS_BYTES)[0] for place, value in leaves if wanted(place))
        for variant in _variants(text):
            yield _SPLIT, variant


def _any(_: str) -> bool:
    return True


def _is_key(place: str) -> bool:
    return place.endswith(".key")


def _is_no_key(place: str) -> bool:
    return not place.endswith(".key")


def _wire(request: Message) -> Iterator[tuple[str, str]]:
    """Yield what the bytes on the wire say."""
    for variant in _variants(request.SerializeToString()):
        yield "the bytes on the wire", variant


def _leaves(message: Message, path: str, above: Signal) -> Iterator[tuple[str, str | bytes]]:
    signal = signal_of(message.DESCRIPTOR.name, above)
    listed: list[object] = []
    for field, value in message.ListFields():
        below = f"{path}.{field.name}".lstrip(".")
        for each in value if is_repeated(field) else (value,):
            if isinstance(each, Message):
                yield from _leaves(each, below, signal)
                listed.append(_single(each))
            elif isinstance(each, (str, bytes)):
                yield f"{signal} {below}", each
            elif not isinstance(each, bool):
                yield f"{signal} {below}", _digits(each)
    if len(listed) > 1:
        yield f"{signal} {path}", _joined(listed)


def _single(message: Message) -> object:
    """Return the one value of a message that has no other, such as an element of a list."""
    fields = message.ListFields()
    return fields[0][1] if len(fields) == 1 else None


def _joined(elements: list[object]) -> str | bytes:
    """Return a list of characters, of texts or of bytes as the text that it may be."""
    octets = [each for each in elements if isinstance(each, int) and 0 <= each < 256]
    if len(octets) == len(elements):
        return bytes(octets)
    return "".join(each for each in elements if isinstance(each, str))


def _digits(number: float) -> str:
    """Return a number as its digits and, if it is whole, as the bytes that it may stand for."""
    if not math.isfinite(number):
        return ""
    whole = int(number)
    text = str(whole) if whole == number else repr(number)
    length = (whole.bit_length() + 7) // 8
    raw = abs(whole).to_bytes(length, "big") if length <= 8 else b""
    return f"{text}{_AS_BYTES}{raw.decode('utf-8', 'replace')} {raw[::-1].decode('utf-8', 'replace')}"


def _variants(value: str | bytes, depth: int = 0) -> Iterator[str]:
    """Yield the text, and what it says when it is decoded in any way, to a depth of three."""
    if isinstance(value, bytes):
        yield from _of_bytes(value, depth)
        return
    yield value
    if depth >= _DEEPEST or len(value) < SHORTEST:
        return
    for decoded in _decoded(value):
        if decoded != value:
            yield from _variants(decoded, depth + 1)


def _of_bytes(value: bytes, depth: int) -> Iterator[str]:
    yield from _variants(value.decode("utf-8", "replace"), depth)
    if b"\0" in value:  # UTF-16, from an even byte or an odd one
        for encoding, start in itertools.product(("utf-16-le", "utf-16-be"), (0, 1)):
            yield value[start:].decode(encoding, "replace")
    if depth < _DEEPEST:
        for start in _packed(value):
            unpacked = _unpacked(value[start:])
            if unpacked:
                yield from _of_bytes(unpacked, depth + 1)


def _decoded(text: str) -> Iterator[str | bytes]:
    if "%" in text or "+" in text:
        yield unquote_plus(text)
    if "\\" in text:
        try:
            yield json.loads(f'"{text}"') if '"' not in text.replace('\\"', "") else re.sub(_ESCAPE, _unescaped, text)
        except ValueError:
            yield re.sub(_ESCAPE, _unescaped, text)
    for token in itertools.islice(_TOKEN.findall(text), 10_000):
        plain = token.rstrip("=").replace("-", "+").replace("_", "/")
        with contextlib.suppress(binascii.Error):
            yield base64.b64decode(plain + "=" * (-len(plain) % 4))
        if len(token) % 2 == 0:
            with contextlib.suppress(ValueError):
                yield bytes.fromhex(token)


_ESCAPE: Final = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|([\"\\/nrt]))")


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else {"n": "\n", "r": "\r", "t": "\t"}.get(match[2], match[2])


def _packed(value: bytes) -> Iterator[int]:
    """Yield where something that gzip or zlib packed may begin."""
    for magic in (b"\x1f\x8b\x08", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"):
        start = value.find(magic)
        while start >= 0:
            yield start
            start = value.find(magic, start + 1)


def _unpacked(value: bytes) -> bytes:
    try:
        return zlib.decompressobj(32 + zlib.MAX_WBITS).decompress(value, _LARGEST)
    except zlib.error:
        return b""
