"""Parameters of requests: each says what it takes, to people and to OpenAPI, and reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final

from starlette.datastructures import QueryParams

Json = dict[str, object]
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?")


class ParameterError(ValueError):
    """Raised for a parameter that cannot be; its text names the parameter and what is expected, not what was given."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a query (or of the path)."""

    name: str
    brief: str
    schema: Json
    required: bool = False
    place: str = "query"

    def read(self, text: str) -> object:
        """Return the value of its text; raises `ParameterError`."""
        kind, allowed = self.schema.get("type"), self.schema.get("enum")
        if isinstance(allowed, list) and text not in allowed:
            raise self._wrong(f"one of {', '.join(map(str, allowed))}")
        if kind == "integer":
            return self._integer(text)
        if self.schema.get("format") == "date-time":
            return self._time(text)
        longest, pattern = self.schema.get("maxLength"), self.schema.get("pattern")
        if isinstance(longest, int) and len(text) > longest:
            raise self._wrong(f"at most {longest} characters")
        if isinstance(pattern, str) and not re.search(pattern, text):
            raise self._wrong(f"text of the form {pattern}")
        return text

    def _integer(self, text: str) -> int:
        low, high = self.schema.get("minimum"), self.schema.get("maximum")
        assert isinstance(low, int)
        assert isinstance(high, int)
        if not (re.fullmatch(r"-?[0-9]{1,19}", text) and low <= int(text) <= high):
            raise self._wrong(f"a whole number from {low} to {high}")
        return int(text)

    def _time(self, text: str) -> int:
        """Return ns since 1970."""
        try:
            if not _TIME.fullmatch(text):
                raise self._wrong("a date and time such as 2026-11-21T05:14:00Z")
            text = re.sub(r"(\.\d{1,6})\d*", lambda found: found[1].ljust(7, "0"), text)
            when = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            raise self._wrong("a date and time such as 2026-11-21T05:14:00Z") from None
        seconds = (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()
        return max(0, min(int(seconds * 1e6) * 1000, 2**62))

    def _wrong(self, expected: str) -> ParameterError:
        return ParameterError(f"{self.name}: expected {expected}")

    def to_openapi(self) -> Json:
        """Return it as OpenAPI has it."""
        return {
            "name": self.name,
            "in": self.place,
            "required": self.required,
            "description": self.brief,
            "schema": self.schema,
        }


def one_of(name: str, brief: str, *allowed: str, default: str | None = None, required: bool = False) -> Parameter:
    """Return a parameter that is one of some words."""
    schema: Json = {"type": "string", "enum": list(allowed), **({"default": default} if default else {})}
    return Parameter(name, brief, schema, required)


def text(name: str, brief: str, longest: int = 200, *, required: bool = False) -> Parameter:
    """Return a parameter that is any text."""
    return Parameter(name, brief, {"type": "string", "maxLength": longest}, required)


def time(name: str, brief: str) -> Parameter:
    """Return a parameter that is a point in time."""
    return Parameter(name, brief, {"type": "string", "format": "date-time"})


def whole(name: str, brief: str, low: int, high: int, default: int) -> Parameter:
    """Return a parameter that is a whole number."""
    return Parameter(name, brief, {"type": "integer", "minimum": low, "maximum": high, "default": default})


class Values:
    """The parameters of one request, read."""

    def __init__(self, parameters: tuple[Parameter, ...], query: QueryParams, path: Mapping[str, str]) -> None:
        """Read them; raises `ParameterError` for one that cannot be, is missing, is there twice or is not known."""
        given = {**dict(query.multi_items()), **path}
        known = {each.name for each in parameters}
        if len(given) != len(query.multi_items()) + len(path):
            raise ParameterError("a parameter stands there twice")
        if not given.keys() <= known:
            raise ParameterError(f"expected no other parameters than {', '.join(sorted(known)) or 'none'}")
        missing = [each.name for each in parameters if each.required and each.name not in given]
        if missing:
            raise ParameterError(f"{missing[0]}: is missing")
        self._values = {each.name: each.read(given[each.name]) for each in parameters if each.name in given}
        self._defaults = {each.name: each.schema.get("default") for each in parameters}

    def text(self, name: str) -> str | None:
        """Return a word, or what it is by default."""
        found = self._values.get(name, self._defaults.get(name))
        return found if isinstance(found, str) else None

    def number(self, name: str) -> int | None:
        """Return a number, or a point in time in ns since 1970."""
        found = self._values.get(name, self._defaults.get(name))
        return found if isinstance(found, int) else None
