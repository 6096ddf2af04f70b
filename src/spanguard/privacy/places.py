"""Functions of OpenTelemetry that the guard puts itself in front of, and how they are put back.

A place that this version of OpenTelemetry does not have is left alone, and `missing` names it; what has not been imported
yet is guarded as soon as it is. Nothing is put back that somebody else has replaced meanwhile.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, NamedTuple

from wrapt import register_post_import_hook

Function = Callable[..., Any]


class Place(NamedTuple):
    """A function where telemetry passes: its module, its class (or nothing), its name, and what makes the guarded one."""

    module: str
    owner: str
    name: str
    guarded: Callable[[Function], Function]

    @property
    def label(self) -> str:
        """The place in words that a developer can look for."""
        return ".".join(filter(None, (self.module, self.owner, self.name)))


_lock: Final = threading.Lock()
_wanted: Final[set[Place]] = set()
_hooked: Final[set[Place]] = set()
_taken: Final[dict[Place, tuple[object, Function, Function]]] = {}
_missing: Final[set[str]] = set()


def put_in(place: Place) -> None:
    """Guard the place, at once if its module is loaded, otherwise as soon as it is."""
    _wanted.add(place)
    if place in _hooked:
        _guard(place)
        return
    _hooked.add(place)
    register_post_import_hook(lambda module: _guard(place, module), place.module)


def take_out(place: Place) -> None:
    """Put the original back, if the place is still as the guard left it."""
    with _lock:
        _wanted.discard(place)
        owner, original, guarded = _taken.pop(place, (None, None, None))
        if owner is not None and getattr(owner, place.name, None) is guarded:
            setattr(owner, place.name, original)


def missing() -> list[str]:
    """Return the places that this version of OpenTelemetry does not have."""
    return sorted(_missing)


def _guard(place: Place, module: ModuleType | None = None) -> None:
    with _lock:
        if place not in _wanted or place in _taken:
            return
        if module is None:
            module = sys.modules.get(place.module)
        owner = getattr(module, place.owner, None) if place.owner else module
        original = getattr(owner, place.name, None)
        if owner is None or original is None:
            if module is not None:
                _missing.add(place.label)
            return
        guarded = place.guarded(original)
        setattr(owner, place.name, guarded)
        _taken[place] = (owner, original, guarded)
