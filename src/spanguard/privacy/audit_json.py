"""OTLP-JSON, the format of the collector's files (one request a line), read into requests that the auditor can walk.

Made for text that nobody vouches for: what OTLP does not have is a violation, and so is what has the wrong type; neither is
ever shown. A line that is no OTLP at all is a `NotOtlpError`, whose text names what is wrong, never what was there.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor  # type: ignore[import-untyped]
from google.protobuf.message import Message  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanguard.privacy.audit import Violation, audit_message, is_repeated, signal_of
from spanguard.privacy.audit_values import Reason

REQUESTS: Final[dict[str, type[Message]]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
"""The kinds of request, by the names that OTLP has for the signals."""
MOST_BYTES: Final = 64 * 2**20
"""Bytes of the largest request that is read, unpacked."""
DEEPEST: Final = 64
"""Levels of nesting that are read; OTLP's own fields need 12."""

_FIELDS: Final = {"resourceSpans": "traces", "resourceMetrics": "metrics", "resourceLogs": "logs"}


class NotOtlpError(ValueError):
    """Raised for what is no OTLP; its text says what is wrong and holds nothing of what was read."""


def audit_json(text: str | bytes) -> Iterator[Violation]:
    """Yield what is wrong with one OTLP-JSON request of any signal; raises `NotOtlpError` if it is none."""
    found = _parsed(text)
    named = [name for name in _FIELDS if name in found or _snake(name) in found]
    if not named and found:
        raise NotOtlpError("it has neither resourceSpans nor resourceMetrics nor resourceLogs")
    for name in named[:1]:
        request, wrong = _read(found, REQUESTS[_FIELDS[name]])
        yield from wrong
        yield from audit_message(request)


def read_json(text: str | bytes, kind: type[Message]) -> tuple[Message, list[Violation]]:
    """Return the request of that kind, and what had to be left out of it; raises `NotOtlpError`."""
    return _read(_parsed(text), kind)


def _read(found: _Object, kind: type[Message]) -> tuple[Message, list[Violation]]:
    reader = _Reader()
    request = kind()
    reader.fill(request, found, "", 0)
    return request, reader.wrong


def unpacked(body: bytes) -> bytes:
    """Return what gzip packed; raises `zlib.error` for what is no gzip, `OverflowError` above `MOST_BYTES`."""
    found = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(body, MOST_BYTES + 1)
    if len(found) > MOST_BYTES:
        raise OverflowError
    return found


class _Object(dict[str, Any]):
    """A JSON object that remembers whether a name stood in it twice: only the last would be seen."""

    twice = False


def _parsed(text: str | bytes) -> _Object:
    try:
        found = json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise NotOtlpError("it is nested too deeply") from None
    except ValueError:  # its text would quote the line; UnicodeDecodeError is one as well
        raise NotOtlpError("it is not JSON") from None
    if not isinstance(found, _Object):
        raise NotOtlpError("it is no JSON object")
    return found


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    made = _Object(pairs)
    made.twice = len(made) != len(pairs)
    return made


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


class _Reader:
    """Fills messages from JSON objects, and collects what does not fit."""

    def __init__(self) -> None:
        self.wrong: list[Violation] = []

    def fill(self, message: Message, found: _Object, path: str, depth: int) -> None:
        """Set the fields that the object has; what has no field is a violation."""
        descriptor: Any = message.DESCRIPTOR
        fields = {name: field for field in descriptor.fields for name in (field.name, field.json_name)}
        if found.twice:
            self._refuse(descriptor, path or "?", "unknown_field")
        for name, value in found.items():
            field = fields.get(name)
            if field is None:
                self._refuse(descriptor, f"{path}.?".lstrip("."), "unknown_field")
            elif value is not None:
                self._set(message, field, value, f"{path}.{field.name}".lstrip("."), depth)

    def _set(self, message: Message, field: Any, value: object, path: str, depth: int) -> None:
        if depth > DEEPEST:
            self._refuse(field.containing_type, path, "nested")
            return
        repeated = is_repeated(field)
        if repeated != isinstance(value, list):
            self._refuse(field.containing_type, path, "wrong_type")
            return
        for each in value if isinstance(value, list) else [value]:
            if field.message_type is None:
                self._set_scalar(message, field, each, path)
            elif isinstance(each, _Object):
                target = getattr(message, field.name)
                target = target.add() if repeated else target
                target.SetInParent()
                self.fill(target, each, path, depth + 1)
            else:
                self._refuse(field.containing_type, path, "wrong_type")

    def _set_scalar(self, message: Message, field: Any, value: object, path: str) -> None:
        try:
            read = _scalar(field, value)
            if is_repeated(field):
                getattr(message, field.name).append(read)
            else:
                setattr(message, field.name, read)
        except (ValueError, TypeError, OverflowError):  # binascii.Error and UnicodeEncodeError are ValueErrors
            self._refuse(field.containing_type, path, "wrong_type")

    def _refuse(self, descriptor: Any, path: str, reason: Reason) -> None:
        self.wrong.append(Violation(signal_of(descriptor.name), path, "", reason))


def _scalar(field: Any, value: object) -> object:
    """Return a value of JSON as one of protobuf; raises `ValueError` or `TypeError` if it is none."""
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _bytes(field.name, value)
    if field.type == FieldDescriptor.TYPE_ENUM:
        return field.enum_type.values_by_name[value].number if value in field.enum_type.values_by_name else _whole(value)
    return _BY_KIND[field.cpp_type](value)


def _bytes(name: str, value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError
    if name.endswith("_id"):  # ids alone are hex in OTLP-JSON
        return bytes.fromhex(value)
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        return value.encode("utf-8", "surrogatepass")  # as it stands, so that it is looked at


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)) or (isinstance(value, float) and value % 1):
        raise TypeError
    if isinstance(value, str) and len(value) > 20:
        raise ValueError
    return int(value)


def _real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError
    return float(value)


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


_BY_KIND: Final[dict[int, Callable[[object], object]]] = {
    FieldDescriptor.CPPTYPE_STRING: _text,
    FieldDescriptor.CPPTYPE_BOOL: _truth,
    **dict.fromkeys((FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT), _real),
    **dict.fromkeys((FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64), _whole),
    **dict.fromkeys((FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64), _whole),
}
