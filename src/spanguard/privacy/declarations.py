"""Names and keys that a program declares in a file: the table ``[tool.spanguard.privacy]`` of pyproject.toml, or one like it.

    [tool.spanguard.privacy]
    names = ["planner", "checkout"]        # policies, spans, events, metrics, services, hosts, routes, exception classes
    models = ["acme-legal-7b"]             # model ids
    keys = ["shop.plan", "shop.items"]     # attributes of your own

A file of its own (``SPANGUARD_PRIVACY_FILE``) has the same entries, with or without the table's heading.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple, cast

from spanguard.settings import SettingsError
from spanguard.vocabulary.declared import declare

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT: Final = "pyproject.toml"
_LISTS: Final = ("names", "models", "keys")


class Declarations(NamedTuple):
    """What a file declares safe to show: names (models among them) and keys of attributes."""

    names: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


def load(path: Path | None = None) -> Declarations:
    """Read the declarations of a file, by default those of the working directory's pyproject.toml, if it has any.

    Raises `SettingsError` for a file that was named and cannot be read, that is no TOML, or whose entries are no lists of
    strings; it names the file's fault and never what stands in it.
    """
    try:
        with (path or Path(PROJECT)).open("rb") as file:
            document: Mapping[str, object] = tomllib.load(file)
    except OSError as error:
        if path is None:
            return Declarations()
        raise SettingsError(f"the privacy file cannot be read ({type(error).__name__})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        if path is None:
            return Declarations()  # somebody else's trouble, told by their tools
        raise SettingsError("the privacy file is not TOML") from None
    table = _table(document)
    if table is None:
        table = {} if path is None or "tool" in document else document
    unknown = set(table) - set(_LISTS)
    if unknown:
        raise SettingsError(f"the privacy table has entries other than {', '.join(_LISTS)}")
    names, models, keys = (_strings(table, each) for each in _LISTS)
    return Declarations((*names, *models), keys)


def named(setting: str) -> Path | None:
    """Return the file that ``SPANGUARD_PRIVACY_FILE`` names, if it names one."""
    return Path(setting).expanduser() if setting else None


def declare_all(declarations: Declarations) -> None:
    """Declare them for this process."""
    try:
        declare(*declarations.names, keys=declarations.keys)
    except ValueError as error:
        raise SettingsError(f"the privacy table: {error}") from None


def _table(document: Mapping[str, object]) -> Mapping[str, object] | None:
    table: object = document.get("tool", {})
    for name in ("spanguard", "privacy"):
        table = cast("Mapping[str, object]", table).get(name) if isinstance(table, dict) else None
        if table is None:
            return None
        if not isinstance(table, dict):
            raise SettingsError("the privacy file: tool.spanguard.privacy is not a table")
    return cast("Mapping[str, object]", table)


def _strings(table: Mapping[str, object], name: str) -> tuple[str, ...]:
    found = table.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise SettingsError(f"the privacy table: {name} is not a list of strings")
    return tuple(found)
