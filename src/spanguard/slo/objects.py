"""The objects of a file of OpenSLO: their kinds, their names, and how one refers to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from spanguard.slo.document import Field

API: Final = "openslo/v1"
KINDS: Final = ("SLO", "SLI", "Service", "DataSource", "AlertPolicy", "AlertCondition", "AlertNotificationTarget")
OPERATORS: Final = ("lte", "gte", "lt", "gt")
Operator = Literal["lte", "gte", "lt", "gt"]
_NAME: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAME_EXPECTED: Final = "expected a name of small letters, digits and hyphens, at most 63 of them"
_UNITS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 30 * 86_400, "Q": 90 * 86_400, "Y": 365 * 86_400}


@dataclass(frozen=True)
class Object:
    """One object: its kind, its name, what it says, and notes on it."""

    kind: str
    name: str
    spec: Field
    annotations: Mapping[str, Field]


Objects: TypeAlias = dict[tuple[str, str], Object]


def objects(documents: list[Field]) -> Objects:
    """Return the objects of documents by kind and name."""
    found: Objects = {}
    for document in documents:
        each = _object(document)
        if found.setdefault((each.kind, each.name), each) is not each:
            document.fail(f"there are two objects of kind {each.kind} with the name {each.name}")
    return found


def referred(kind: str, field: Field, known: Objects) -> Object:
    """Return the object of a kind whose name stands in a field."""
    names = sorted(name for each, name in known if each == kind)
    name = field.text()
    if name not in names:
        field.fail(f"there is no {kind} of that name in the file; it has {', '.join(names) or 'none'}")
    return known[kind, name]


def metadata(field: Field) -> tuple[str, dict[str, Field]]:
    """Read the name and the annotations of an object."""
    fields = field.fields(("name",), ("displayName", "labels", "annotations"))
    if "displayName" in fields:
        fields["displayName"].text()
    if "labels" in fields and not isinstance(fields["labels"].value, dict):
        fields["labels"].fail("expected a mapping of labels")
    annotations: dict[str, Field] = {}
    if "annotations" in fields:
        given = fields["annotations"].texts()
        annotations = fields["annotations"].fields((), tuple(given))
    return fields["name"].text(_NAME, _NAME_EXPECTED), annotations


def duration(field: Field) -> int:
    """Read a duration, in seconds; a month is 30 days, a quarter 90, a year 365."""
    text = field.text(r"[1-9][0-9]{0,5}[mhdwMQY]", "expected a duration such as 5m, 1h, 28d, 4w, 1M, 1Q or 1Y")
    return int(text[:-1]) * _UNITS[text[-1]]


def _object(document: Field) -> Object:
    fields = document.fields(("apiVersion", "kind", "metadata", "spec"))
    fields["apiVersion"].one_of(API)
    kind = fields["kind"].one_of(*KINDS)
    name, annotations = metadata(fields["metadata"])
    return Object(kind, name, fields["spec"], annotations)
