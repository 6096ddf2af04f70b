"""What stands in the place of a value that may not leave the process: ``h:`` and 16 hex digits.

Keyed, so that nobody without the key can test a guess; separate for each attribute, so that the same value under two
attributes cannot be told to be the same. The first digit says which key was used, the others are 60 bits of BLAKE2b.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hashlib import blake2b

PREFIX: Final = "h:"
LENGTH: Final = len(PREFIX) + 16

_HASHED: Final = 4096
_DIGITS: Final = "0123456789abcdef"

edition: int = 0
"""Grows with each key: what was made before has another pseudonym after it."""

_key: bytes = os.urandom(32)
_number: int = _key[0] % 16
_begun: dict[str, blake2b] = {}


class Pseudonym(str):
    """A pseudonym that was made here. The guard knows it by its class, never by its look: a user can write ``h:`` too."""

    __slots__ = ()


def use_key(key: bytes, number: int) -> None:
    """Use this key of 32 bytes from now on, and its number, 0 to 15, as the first digit. Until then it is random."""
    global _key, _number, edition
    if len(key) != 32 or not 0 <= number < 16:
        raise ValueError("a key has 32 bytes and a number from 0 to 15")
    _key, _number = key, number
    _begun.clear()
    edition += 1


def pseudonym(value: str, of: str) -> Pseudonym:
    """Return what stands for the value of the attribute ``of``: the same for equal values, and tells nothing about them."""
    if len(value) > _HASHED:  # a prompt passed for a name must not cost a second
        value = f"{value[:_HASHED]}{len(value)}"
    digest = (_begun.get(of) or _begin(of)).copy()
    digest.update(value.encode("utf-8", "surrogatepass"))
    return Pseudonym(f"{PREFIX}{_DIGITS[_number]}{digest.hexdigest()[1:]}")


def looks_like_one(value: str) -> bool:
    """Whether the value has the form of a pseudonym. For auditors of what was stored or sent; anybody can write one."""
    return len(value) == LENGTH and value.startswith(PREFIX) and not value[len(PREFIX) :].strip(_DIGITS)


def _begin(of: str) -> blake2b:
    from hashlib import blake2b  # brings OpenSSL in, which `import spanguard` need not wait for

    begun = blake2b(digest_size=8, key=_key)
    begun.update(of.encode("utf-8", "surrogatepass") + b"\0")
    if len(_begun) < 1000:
        _begun[of] = begun
    return begun
