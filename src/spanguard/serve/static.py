"""The files that pages need, read once from the package: no request names a file."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

_KINDS: Final = {
    "style.css": "text/css; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
ASSETS: Final = {name: ((files("spanguard.serve") / "assets" / name).read_bytes(), kind) for name, kind in _KINDS.items()}
"""The content of each and what kind of file it is, by name."""
