"""JSON schemas of dataclasses, for OpenAPI: what an answer looks like is said by the class that it is made of."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing

Json = dict[str, object]
_SIMPLE: typing.Final[dict[object, Json]] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    object: {},
}


class Schemas:
    """The schemas of all classes that were asked for, by name."""

    def __init__(self) -> None:
        self.components: dict[str, Json] = {}

    def of(self, hint: object) -> Json:
        """Return the schema of a type; that of a dataclass is a reference into `components`."""
        if hint in _SIMPLE:
            return dict(_SIMPLE[hint])
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            return self._class(hint)
        origin, inner = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Literal:
            return {"type": "string", "enum": list(inner)}
        if origin in (typing.Union, types.UnionType):
            return {"anyOf": [{"type": "null"} if each is type(None) else self.of(each) for each in inner]}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.of(inner[1])}
        if origin in (tuple, list):
            return {"type": "array", "items": self.of(inner[0])}
        raise TypeError(f"no schema for {hint}")

    def _class(self, kind: type) -> Json:
        name = kind.__name__
        if name not in self.components:
            self.components[name] = {}  # it may hold itself
            hints = typing.get_type_hints(kind)
            fields = [each.name for each in dataclasses.fields(kind)]
            properties = {each: self.of(hints[each]) for each in fields}
            for each, brief in _briefs(kind).items():
                if each in properties:
                    properties[each] = {**properties[each], "description": brief}
            self.components[name] = {
                "type": "object",
                "description": inspect.getdoc(kind) or "",
                "properties": properties,
                "required": fields,
            }
        return {"$ref": f"#/components/schemas/{name}"}


def _briefs(kind: type) -> dict[str, str]:
    """Return what stands below the fields of a class."""
    found = re.findall(r'^    (\w+):[^\n]*\n    """(.*?)"""', inspect.getsource(kind), re.MULTILINE | re.DOTALL)
    return {name: " ".join(brief.split()) for name, brief in found}
