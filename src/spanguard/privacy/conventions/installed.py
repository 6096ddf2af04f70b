"""What is installed for everyone: the standard library and distributions from an index, never the application's own code."""

from __future__ import annotations

import site
import sys
import sysconfig
from contextlib import suppress
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Final

_LONGEST: Final = 200


@lru_cache(maxsize=1)
def _distributions() -> dict[str, tuple[str, ...]]:
    """Return the distributions by their top-level packages, those from a directory, a file or a repository left out."""
    found: dict[str, tuple[str, ...]] = {}
    with suppress(Exception):  # metadata can be broken in many ways
        for top, names in metadata.packages_distributions().items():
            found[top] = tuple(name for name in names if _is_from_index(name))
    return {top: names for top, names in found.items() if names}


def _is_from_index(name: str) -> bool:
    with suppress(metadata.PackageNotFoundError, OSError, ValueError):
        return metadata.distribution(name).read_text("direct_url.json") is None
    return False


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(name for names in _distributions().values() for name in names)


@lru_cache(maxsize=1)
def _places() -> tuple[str, ...]:
    """Return the directories that installed code lies in."""
    paths = sysconfig.get_paths()
    places = {paths[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    with suppress(AttributeError):  # a frozen program has hardly a `site`
        places |= {*site.getsitepackages(), site.getusersitepackages()}
    return tuple({f"{form}{sep}" for place in places for form in (place, str(Path(place).resolve())) for sep in "/\\"})


def is_distribution(name: str) -> bool:
    """Whether the name is that of an installed distribution."""
    return len(name) <= _LONGEST and name in _names()


def names_of(module: ModuleType) -> dict[str, object]:
    """Return what a module holds, without asking the module: a lazy one would load itself."""
    held: dict[str, object] = object.__getattribute__(module, "__dict__")
    return held


def public_module(name: str) -> ModuleType | None:
    """Return the loaded module of that name if it is the standard library's or an installed distribution's."""
    if len(name) > _LONGEST:
        return None
    top = name.partition(".")[0]
    standard = top in sys.stdlib_module_names
    module = sys.modules.get(name) if standard or top in _distributions() else None
    if module is None or not issubclass(type(module), ModuleType):
        return None
    held = names_of(module)
    file = held.get("__file__")
    if type(file) is str:  # an application's `utils.py` can bear the name of an installed module
        return module if file.startswith(_places()) else None
    return module if name in sys.builtin_module_names or "__path__" in held else None


def source_of(name: str) -> str | None:
    """Return the source of a module that everybody can install, loaded or not; None if there is none on this machine."""
    parts = name.split(".") if len(name) <= _LONGEST else []
    if not parts or not all(part.isidentifier() for part in parts):
        return None
    if parts[0] not in sys.stdlib_module_names and parts[0] not in _distributions():
        return None
    for place in _places():
        for file in (Path(place, *parts[:-1], f"{parts[-1]}.py"), Path(place, *parts, "__init__.py")):
            with suppress(OSError, ValueError):
                return file.read_text("utf-8")
    return None


members_of: Final = type.__dict__["__dict__"].__get__
"""Returns what a class holds, without asking the class."""


def is_public_module(name: str) -> bool:
    """Whether the name is that of a loaded module of the standard library or of an installed distribution."""
    return public_module(name) is not None


def is_public_function(name: str) -> bool:
    """Whether the name is that of a function or method in such a module, written with dots from the module on."""
    parts = name.split(".") if len(name) <= _LONGEST else []
    for cut in range(len(parts) - 1, 0, -1):
        module = public_module(".".join(parts[:cut]))
        if module is not None:
            return _has_function(names_of(module).get(parts[cut]), parts[cut + 1 :])
    return False


def _has_function(thing: object, below: list[str]) -> bool:
    for part in below:
        if not issubclass(type(thing), type):
            return False
        thing = members_of(thing).get(part)
    kind = type(thing)
    return kind is FunctionType or kind is staticmethod or kind is classmethod or kind is property
