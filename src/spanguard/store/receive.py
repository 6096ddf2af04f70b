"""Requests of OTLP as rows of the store: what the receiver of `spanguard serve` takes, from any language."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from google.protobuf.message import Message  # type: ignore[import-untyped]

from spanguard.store.database import Database, StoreError
from spanguard.store.imports import Json, rows_of, without_known
from spanguard.store.schema import Rows
from spanguard.store.writer import Writer

_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId"})
_FAULTS: Final = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, StopIteration)


class MalformedError(ValueError):
    """Raised for a request that is OTLP and yet cannot be: an id that is none, a number beyond its range."""


@dataclass(frozen=True)
class Received:
    """What became of a request: how many rows are new, and how many log records are no events and were left out."""

    rows: int
    left_out: int


class Inbox:
    """Writes requests into one store, through the guard and with its retention. `close` it in the end."""

    def __init__(self, path: Path) -> None:
        self._writer = Writer.of(path)
        self._known = Database(path)

    def take(self, request: Message) -> Received:
        """Write a request; what the store has already is left out, as delivery is at least once.

        Raises `MalformedError`, and `StoreError` if it could not be written: then nothing of it was.
        """
        try:
            rows = rows_of(_json(MessageToDict(request, use_integers_for_enums=True)))
        except _FAULTS as fault:
            raise MalformedError(type(fault).__name__) from None
        told = sum(map(len, rows.values())) - len(rows.get("resources", ()))
        fresh: Rows = {}

        def encode() -> Rows:
            fresh.update(without_known(self._known, rows))
            return fresh

        error = self._writer.keep(encode)
        if isinstance(error, StoreError):
            raise error
        if error is not None:
            raise MalformedError(type(error).__name__)
        records = sum(len(scope.log_records) for each in getattr(request, "resource_logs", ()) for scope in each.scope_logs)
        return Received(sum(map(len, fresh.values())), records - told if records else 0)

    def close(self) -> None:
        """Close the store."""
        self._writer.release()
        self._known.close()


def _json(value: Json) -> Json:
    """Return a message's JSON as OTLP has it: with ids in hexadecimal digits."""
    return {key: _id(each) if key in _IDS and isinstance(each, str) else _inside(each) for key, each in value.items()}


def _inside(value: object) -> object:
    if isinstance(value, dict):
        return _json(value)
    return [_inside(each) for each in value] if isinstance(value, list) else value


def _id(text: str) -> str:
    return base64.b64decode(text).hex()
