"""Versions that may be shown: of what is installed, and of protocols."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

_PROTOCOLS: Final = ("0.9", "1", "1.0", "1.1", "1.2", "1.3", "2", "2.0", "3", "3.0", "3.1", "3.1.1", "5", "5.0")
_KINDS: Final = (".dist-info", ".egg-info")


def is_version(text: str) -> bool:
    """Whether the text is the version of an installed distribution, of this Python, or of a protocol such as HTTP or TLS."""
    return text in _known()


@cache
def _known() -> frozenset[str]:
    installed = (version for version in _installed() if not _is_address(version))
    return frozenset({platform.python_version(), *_PROTOCOLS, *installed})


def _installed() -> Iterator[str]:
    """Yield the versions that the names of the directories tell; to read each distribution's metadata takes half a second."""
    for directory in set(sys.path):
        try:
            inside = list(Path(directory).iterdir())
        except OSError:  # a zip file, or gone
            continue
        yield from (each.stem.split("-")[1] for each in inside if each.suffix in _KINDS and "-" in each.stem)


def _is_address(version: str) -> bool:
    """Whether an address of the network would look the same."""
    return version.count(".") == 3 and version.replace(".", "").isdigit()
