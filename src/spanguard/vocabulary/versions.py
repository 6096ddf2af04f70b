"""Versions that may be shown: of what is installed, of protocols, and releases that could be no date, number or address."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

_PROTOCOLS: Final = ("1", "2", "3", "5")
# Versions of interfaces and of systems that look like a day or an amount: Azure's, Anthropic's, MCP's, Ubuntu's.
_PUBLISHED: Final = (
    *(
        "2023-05-15",
        "2023-12-01-preview",
        "2024-02-01",
        "2024-06-01",
        "2024-08-01-preview",
        "2024-10-21",
        "2025-04-01-preview",
    ),
    *("2023-01-01", "2023-06-01", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"),
    *("20.04", "22.04", "24.04", "26.04"),
)
_KINDS: Final = (".dist-info", ".egg-info")
_LONGEST: Final = 32
_MOST_DIGITS: Final = 6
_MONTHS: Final = 12
_DAYS: Final = 31
_YEARS: Final = range(27, 100)
# Few digits, so that none is a number of a telephone or an account.
_RELEASE: Final = (
    r"(?ai)v?(0|[1-9]\d?)\.(0|[1-9]\d{0,2})(?:\.(0|[1-9]\d{0,2}))?"
    r"((?:a|b|rc|\.dev|\.post|[.-](?:alpha|beta|rc|dev|preview|pre|snapshot|release|final))\.?\d{0,2})?"
    r"(?:\+cpu|\+cu1[1-3]\d|\+rocm\d\.\d)?"
)
_INTERFACE: Final = r"(?a)v\d(?:alpha|beta)?\d?|\d\.\d"
_CALENDAR: Final = r"(?a)20(?:19|[23]\d)\.(?:[1-9]|1[0-2])\.(?:0|[1-9]\d?)(?:(?:a|b|rc|\.dev|\.post)\d{1,2})?"


def is_version(text: str) -> bool:
    """Whether it is the version of what is installed or of a protocol, or a release such as ``1.45.2`` and ``2.0.0-rc1``.

    Of releases only those that could be neither somebody's day of birth nor an amount.
    """
    if text in _known():
        return True
    return len(text) <= _LONGEST and (_is_release(text) or any(re.fullmatch(form, text) for form in (_CALENDAR, _INTERFACE)))


def _is_release(text: str) -> bool:
    found = re.fullmatch(_RELEASE, text)
    if found is None or sum(map(str.isdigit, text.partition("+")[0])) > _MOST_DIGITS:
        return False
    major, minor, patch, stage = found.groups()
    if patch is None:  # 38.5 may be a temperature, and 19.99 a price
        return bool(stage)
    days = {int(major), int(patch)}  # 3.12.85, 85.12.3, 24.12.11
    short = len(major) == len(minor) == len(patch) == 2
    return not (1 <= int(minor) <= _MONTHS and min(days) in range(1, _DAYS + 1) and (short or max(days) in _YEARS))


@cache
def _known() -> frozenset[str]:
    installed = (version for version in _installed() if not _is_address(version))
    return frozenset({platform.python_version(), *_PROTOCOLS, *_PUBLISHED, *installed})


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
