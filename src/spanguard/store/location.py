"""Where the local store is: under the working directory, or in the user's state directory if that cannot be written."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from spanguard.settings import state_directory

DIRECTORY: Final = ".spanguard"
FILE: Final = "telemetry.db"
DEMO: Final = "demo.db"

_MOUNTS: Final = Path("/proc/mounts")
_NETWORK: Final = frozenset(
    """nfs nfs4 cifs smb3 smbfs afs ceph lustre glusterfs fuse.glusterfs fuse.sshfs fuse.ceph fuse.rclone fuse.s3fs
    fuse.gcsfuse gpfs beegfs orangefs davfs ncpfs""".split()
)

_log: Final = logging.getLogger("spanguard")
_warned: set[tuple[Path, str]] = set()


def resolve(setting: str, directory: Path | None = None) -> Path | None:
    """Return the file that telemetry is kept in, and make its directory (mode 0700, never the file itself).

    ``setting`` is what ``SPANGUARD_STORE`` says: a path, ``off`` for None, or nothing for ``.spanguard/telemetry.db`` under
    ``directory``, by default the working directory. If the file cannot be written there, it is ``spanguard/telemetry.db`` in
    the user's state directory (``$XDG_STATE_HOME``, ``~/.local/state``, on Windows ``%LOCALAPPDATA%``), and None if not there
    either; a warning on the logger ``spanguard`` says so once.
    """
    if setting == "off":
        return None
    base = _base(directory)
    wanted = base / os.path.expanduser(setting) if setting else base / DIRECTORY / FILE  # noqa: PTH111 - Path's raises
    if _usable(wanted):
        return wanted
    fallback = state_directory()
    if fallback is not None and _usable(fallback / FILE):
        _warn_once(wanted, "the local store cannot be written where it should be: it is in your state directory instead")
        return fallback / FILE
    _warn_once(wanted, "the local store cannot be written, nor can your state directory: no telemetry is kept")
    return None


def newest(directory: Path | None = None) -> Path | None:
    """Return the store that was written last: the program's or the demo's, under ``directory`` (the working directory).

    If neither is there, the same in the user's state directory; None if there is none at all.
    """
    state = state_directory()
    for place in (_base(directory) / DIRECTORY, *([state] if state else [])):
        written = {path: when for path in (place / FILE, place / DEMO) if (when := _written(path)) is not None}
        if written:
            return max(written, key=written.__getitem__)
    return None


def _base(directory: Path | None) -> Path:
    return Path.cwd() if directory is None else directory.absolute()


def _usable(file: Path) -> bool:
    if not _writable(file):
        return False
    if network(file.parent):
        _warn_once(file, "the local store cannot be on a network filesystem, where files are not locked reliably")
        return False
    return True


def network(directory: Path, mounts: Path = _MOUNTS) -> bool:
    """Whether a directory is on a filesystem of another machine, as far as Linux tells; elsewhere nobody tells."""
    try:
        listed = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return False
    place, found, longest = str(directory.resolve()), "", -1
    for line in listed:
        _, point, kind, *_ = [*line.split(" "), "", "", ""]
        point = point.replace("\\040", " ")
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= longest:  # what is mounted later lies over what was there
            found, longest = kind, len(point)
    return found in _NETWORK


def _writable(file: Path) -> bool:
    """Make the file's directory, and say whether the file can be written or made there."""
    try:
        _make(file.parent)
    except OSError:
        return False
    return os.access(file.parent, os.W_OK | os.X_OK) and (not file.exists() or os.access(file, os.W_OK))


def _make(directory: Path) -> None:
    if not directory.is_dir():
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
    if directory.name == DIRECTORY:  # ours by its name, so nobody else's business and nothing to commit
        if directory.stat().st_mode & 0o077:
            directory.chmod(0o700)
        with contextlib.suppress(FileExistsError), (directory / ".gitignore").open("x", encoding="ascii") as ignore:
            ignore.write("*\n")


def _written(path: Path) -> int | None:
    """Return when the store was written last, in ns; the newest rows may be in its write-ahead log."""
    return max(_times(path), default=None) if path.is_file() else None


def _times(path: Path) -> Iterator[int]:
    for each in (path, path.with_name(path.name + "-wal")):
        with contextlib.suppress(OSError):
            yield each.stat().st_mtime_ns


def _warn_once(wanted: Path, message: str) -> None:
    """Warn once for each place; without the path, because logs are themselves telemetry."""
    if (wanted, message) not in _warned:
        _warned.add((wanted, message))
        _log.warning(message)
