"""What the exporters of a process are given while a test runs, as the bytes that OTLP would put on the wire."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from google.protobuf.message import Message  # type: ignore[import-untyped]
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.trace.export import SpanExporter

from spanguard.testing.telemetry import KeptLogs, KeptSpans

Encode = Callable[[Any], Message]

ENCODERS: Final[dict[type, Encode]] = {
    SpanExporter: encode_spans,
    LogRecordExporter: encode_logs,
    MetricExporter: encode_metrics,
}
_STORE: Final = "spanguard.store."


class Exports:
    """Watches the exporters of this process, whoever made them, between `start` and `stop`.

    Of exporters inside exporters the innermost counts: what it is given is what leaves, and a guard in front of it has been
    at work. Those that keep telemetry for tests, and the local store, which is read as a file, do not count.
    """

    def __init__(self, *, with_kept: frozenset[str] = frozenset()) -> None:
        self.requests: list[Message] = []
        self.unencoded: list[str] = []
        ignored = {"spans": KeptSpans, "logs": KeptLogs}
        self._ignored = tuple(kind for signal, kind in ignored.items() if signal not in with_kept)
        self._watched: list[tuple[type, object]] = []
        self._depth = threading.local()

    def start(self) -> None:
        """Watch all classes of exporters that there are, and those that will be made."""
        for base, encode in ENCODERS.items():
            for kind in (base, *_below(base)):
                self._watch(kind, encode)
            self._watch_new(base, encode)

    def stop(self) -> None:
        """Leave all classes as they were."""
        for kind, original in reversed(self._watched):
            kind.export = original  # type: ignore[attr-defined]
        self._watched.clear()
        for base in ENCODERS:
            del base.__init_subclass__

    def take(self, encode: Encode, telemetry: object) -> None:
        """Encode what an exporter was given, and keep it."""
        try:
            self.requests.append(encode(telemetry))
        except Exception:  # nothing that cannot be encoded leaves by OTLP, but there are other exporters
            self.unencoded.append(_in_words(telemetry))

    def _watch(self, kind: type, encode: Encode) -> None:
        original = kind.__dict__.get("export")
        if original is None or kind.__module__.startswith(_STORE):
            return

        @functools.wraps(original)
        def export(exporter: object, telemetry: object, *args: object, **kwargs: object) -> object:
            frames: list[bool] = self._depth.__dict__.setdefault("frames", [])
            frames.append(False)
            try:
                return original(exporter, telemetry, *args, **kwargs)
            finally:
                holds_another = frames.pop()
                if frames:
                    frames[-1] = True
                if not holds_another and not isinstance(exporter, self._ignored):
                    self.take(encode, telemetry)

        kind.export = export  # type: ignore[attr-defined]
        self._watched.append((kind, original))

    def _watch_new(self, base: type, encode: Encode) -> None:
        def init_subclass(kind: type[Any], /) -> None:
            self._watch(kind, encode)

        base.__init_subclass__ = classmethod(init_subclass)  # type: ignore[assignment]


def _below(base: type[Any]) -> Iterator[type[Any]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _below(kind)


def _in_words(telemetry: object) -> str:
    """Return all that can be said of telemetry that OTLP cannot encode."""
    try:
        each: Iterable[Any] = telemetry if isinstance(telemetry, (list, tuple)) else [telemetry]
        return "\n".join(one.to_json() for one in each)
    except Exception:
        return repr(telemetry)
