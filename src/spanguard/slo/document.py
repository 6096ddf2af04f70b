"""Files of YAML or JSON as fields that know where they stand, so that whatever is wrong with one can say so."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NoReturn, TypeAlias, cast

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"

_DEEPEST: Final = 100
_WHOLE: Final = re.compile(r"[-+]?[0-9]{1,15}")
_NUMBER: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Final[Mapping[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class SloError(ValueError):
    """Raised when a file of service levels cannot be used; its text says where and what is allowed there."""


class Field:
    """One value in a document: what it is, and where it stands."""

    def __init__(self, value: Plain, path: str, document: str) -> None:
        self.value = value
        self.path = path
        self.document = document

    def fail(self, expected: str) -> NoReturn:
        """Raise `SloError` that says where this is and what is expected here."""
        raise SloError(f"{self.document}: {self.path or 'the document'}: {expected}")

    def fields(self, required: Sequence[str] = (), optional: Sequence[str] = ()) -> dict[str, Field]:
        """Return the fields of a mapping that must have these keys, may have those, and has no others."""
        allowed = (*required, *optional)
        if not isinstance(self.value, dict):
            self.fail(f"expected a mapping with {', '.join(allowed)}")
        for key in self.value:
            if key not in allowed:
                self._at(key).fail(f"is not known here; allowed are {', '.join(allowed)}")
        for key in required:
            if self.value.get(key) is None:
                self._at(key).fail("is missing")
        return {key: self._at(key) for key in allowed if self.value.get(key) is not None}

    def texts(self) -> dict[str, str]:
        """Return a mapping of texts to texts."""
        if not isinstance(self.value, dict):
            self.fail("expected a mapping of texts")
        return {key: self._at(key).text() for key in self.value}

    def items(self, least: int = 0, most: int | None = None) -> list[Field]:
        """Return the items of a list of some length."""
        if not isinstance(self.value, list):
            self.fail("expected a list")
        if len(self.value) < least or (most is not None and len(self.value) > most):
            self.fail(f"expected {least} item{'s' * (least != 1)}" if least == most else f"expected at least {least} items")
        return [Field(each, f"{self.path}[{place}]", self.document) for place, each in enumerate(self.value)]

    def text(self, pattern: str = r"(?s:.+)", expected: str = "expected text that is not empty") -> str:
        """Return a text of some shape."""
        if not isinstance(self.value, str) or not re.fullmatch(pattern, self.value):
            self.fail(expected)
        return self.value

    def one_of(self, *allowed: str) -> str:
        """Return one of these texts."""
        if not isinstance(self.value, str) or self.value not in allowed:
            self.fail(f"expected one of {', '.join(allowed)}")
        return self.value

    def number(self, least: float = -math.inf, most: float = math.inf) -> float:
        """Return a number in this range, ends included."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            limits = f" from {least:g} to {most:g}" if math.isfinite(most) else f" of at least {least:g}"
            self.fail(f"expected a number{limits if math.isfinite(least) else ''}")
        return float(value)

    def flag(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            self.fail("expected true or false")
        return self.value

    def _at(self, key: str) -> Field:
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return Field(value, f"{self.path}.{key}" if self.path else key, self.document)


def read(path: Path) -> list[Field]:
    """Return the documents of a file: YAML, or JSON if its name ends so; raises `SloError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SloError(f"{path}: cannot be read ({reason})") from None
    return parse(text, str(path), is_json=path.suffix == ".json")


def parse(text: str, name: str, *, is_json: bool = False) -> list[Field]:
    """Return the documents of a text; ``name`` is what errors call it."""
    found = _json(text, name) if is_json else _yaml(text, name)
    documents = [each for each in found if each is not None]
    if not documents:
        raise SloError(f"{name}: there is no document in it")
    return [Field(value, "", f"{name}, document {place}") for place, value in enumerate(documents, start=1)]


def _json(text: str, name: str) -> list[Plain]:
    def mapping(pairs: list[tuple[str, Plain]]) -> dict[str, Plain]:
        found: dict[str, Plain] = {}
        for key, value in pairs:
            if key in found:
                raise SloError(f"{name}: the key {key[:80]!r} stands twice in one mapping")
            found[key] = value
        return found

    try:
        value = cast("Plain", json.loads(text, object_pairs_hook=mapping))
    except SloError:
        raise
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise SloError(f"{name}: is not JSON{where}") from None
    return value if isinstance(value, list) else [value]


def _yaml(text: str, name: str) -> list[Plain]:
    if find_spec("yaml") is None:
        raise SloError(f"{name}: to read YAML, install PyYAML (pip install 'spanguard[slo]'), or write the file as JSON")
    yaml: Any = import_module("yaml")
    try:
        # Nodes, and not what a loader makes of them: they know of keys that stand twice, and no date becomes an object.
        return [_Nodes(name)._plain(node) for node in yaml.compose_all(text, Loader=yaml.SafeLoader)]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise SloError(f"{name}: is not YAML{where}") from None
    except RecursionError:
        raise SloError(f"{name}: is nested too deeply") from None


class _Nodes:
    """YAML's nodes as plain values; each node once, however many aliases it has."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._known: dict[int, Plain] = {}
        self._open: set[int] = set()

    def _plain(self, node: Any) -> Plain:
        if node is None or id(node) in self._known:
            return None if node is None else self._known[id(node)]
        if id(node) in self._open or len(self._open) > _DEEPEST:
            raise SloError(f"{self._name}: line {node.start_mark.line + 1}: is nested too deeply")
        self._open.add(id(node))
        value = self._known[id(node)] = self._value(node)
        self._open.discard(id(node))
        return value

    def _value(self, node: Any) -> Plain:
        if isinstance(node.value, str):
            return _scalar(node.value, node.tag.rpartition(":")[2])
        if node.id == "sequence":
            return [self._plain(each) for each in node.value]
        found: dict[str, Plain] = {}
        for key, value in node.value:
            if not isinstance(key.value, str):
                raise SloError(f"{self._name}: line {key.start_mark.line + 1}: a key must be text")
            if key.value in found:
                raise SloError(f"{self._name}: line {key.start_mark.line + 1}: the key {key.value[:80]!r} stands twice")
            found[key.value] = self._plain(value)
        return found


def _scalar(text: str, tag: str) -> Plain:
    """Read a scalar as YAML 1.2 does: `yes`, `12:30` and dates are texts."""
    if tag in ("null", "bool") and text in _WORDS:
        return _WORDS[text]
    if tag == "int" and _WHOLE.fullmatch(text):
        return int(text)
    if tag in ("int", "float") and _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text
