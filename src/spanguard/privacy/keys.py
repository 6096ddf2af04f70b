"""The key of pseudonyms: a file that only its owner can read, so that what is equal today is equal tomorrow, for a while.

After 30 days a new key takes over: what two pseudonyms of different months have in common cannot be told. Where no file can
be kept the key is random for each process. It is never derived from anything that others could know.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from spanguard.settings import state_directory
from spanguard.vocabulary.pseudonyms import use_key

FILE: Final = "pseudonym.key"
LIFE: Final = 30 * 86_400
"""Seconds that a key is used."""

_log: Final = logging.getLogger("spanguard")
_MAGIC: Final = "spanguard-key-1"
_PATIENCE: Final = 1.0


class Key(NamedTuple):
    """A key, its number (0 to 15), which pseudonyms begin with, and when it was made, in seconds since 1970."""

    number: int
    made: int
    secret: bytes


def use_kept_key(directory: Path | None = None) -> bool:
    """Make pseudonyms with the key that is kept in the directory, by default the user's state directory.

    The key is made if there is none, and replaced by a new one after 30 days. Returns whether a kept key is used; if
    not, as where nothing can be written, pseudonyms hold for this process and its forked children.
    """
    directory = directory or state_directory()
    try:
        key = None if directory is None else _kept(directory, int(time.time()))
    except OSError:
        key = None
    if key is None:
        _log.info("the key of pseudonyms cannot be kept: they hold for this process alone")
        return False
    use_key(key.secret, key.number)
    return True


def _kept(directory: Path, now: int) -> Key | None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / FILE
    key = _read(path)
    if _holds(key, now):
        return key
    with _alone(directory):
        for _ in range(3):  # where nothing can be locked, another process may make or replace it at the same time
            is_there = os.path.lexists(path)  # asked before the reading, which finds what has come meanwhile
            key = _read(path)
            if _holds(key, now):
                return key
            fresh = Key((key.number + 1) % 16 if key else secrets.randbelow(16), now, secrets.token_bytes(32))
            if _write(path, fresh, replaces=is_there):
                return fresh
    return _read(path)


def _holds(key: Key | None, now: int) -> bool:
    return key is not None and now - key.made < LIFE


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Let one process at a time make the key; the others wait for it, a second at most, and then take what is there."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(directory, os.O_RDONLY)
    try:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_PATIENCE / 100)
            except OSError:  # a file system that locks no directories
                break
        yield
    finally:
        os.close(descriptor)


def _read(path: Path) -> Key | None:
    try:
        with path.open(encoding="ascii") as file:
            if os.name == "posix":
                status = os.fstat(file.fileno())
                if status.st_uid != os.getuid():
                    return None  # somebody else's, who would know the key
                if status.st_mode & 0o077:
                    os.fchmod(file.fileno(), 0o600)
            magic, number, made, secret = file.read(200).split()
        key = Key(int(number), int(made), bytes.fromhex(secret))
    except (FileNotFoundError, ValueError):
        return None
    return key if magic == _MAGIC and len(key.secret) == 32 and 0 <= key.number < 16 else None


def _write(path: Path, key: Key, *, replaces: bool) -> bool:
    """Write the key; whether it is this one that is there now, and not one of another process."""
    try:
        write_whole(path, f"{_MAGIC} {key.number} {key.made} {key.secret.hex()}\n", replaces=replaces)
    except FileExistsError:
        return False
    return _read(path) == key


def write_whole(path: Path, text: str, *, replaces: bool = True) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Raises `FileExistsError` if it ``replaces`` nothing and there is one, `OSError` where nothing can be written.
    """
    new = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        if replaces:
            new.replace(path)
        else:
            try:
                os.link(new, path)
            except FileExistsError:
                raise
            except OSError:  # a file system without links
                new.replace(path)
    finally:
        with contextlib.suppress(OSError):
            new.unlink()
