"""One try to send a serialised OTLP request over gRPC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

import grpc  # type: ignore[import-untyped]
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from spanguard.pipeline.spooling_answer import LONGEST_TRY, Answer, Exporter, bounded
from spanguard.pipeline.spooling_partial import rejected

# As the OTLP specification has them, besides RESOURCE_EXHAUSTED with a delay.
_LATER: Final = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"})
_METHODS: Final = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}


class GrpcPost:
    """By OTLP over gRPC."""

    def __init__(self, exporter: Exporter, signal: str, make: Callable[[], Exporter]) -> None:
        self.endpoint: str = exporter._endpoint
        self.timeout: float = bounded(getattr(exporter, "_timeout", LONGEST_TRY))
        self._exporter = exporter
        self._signal = signal
        self._method = _METHODS[signal]
        self._make = make

    def __call__(self, body: bytes, timeout: float) -> Answer:
        """Try once to send."""
        channel, metadata = (getattr(self._exporter, name, None) for name in ("_channel", "_headers"))
        try:
            response = channel.unary_unary(self._method)(body, timeout=timeout, metadata=metadata)  # type: ignore[union-attr]
        except grpc.RpcError as error:
            return self._understand(cast("grpc.Call", error))
        return Answer("taken", rejected=rejected(self._signal, cast("bytes", response)))

    def close(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()

    def _understand(self, call: grpc.Call) -> Answer:
        name = call.code().name
        if name == "UNAVAILABLE":  # the channel itself would try to connect again in up to two minutes only
            self.close()
            self._exporter = self._make()
        wait = _retry_delay(call)
        later = name in _LATER or (name == "RESOURCE_EXHAUSTED" and wait is not None)
        return Answer("later" if later else "refused", wait, name)


def _retry_delay(call: grpc.Call) -> float | None:
    """Return the seconds that an answer asks to wait; None if it does not say."""
    for key, value in call.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            info = RetryInfo()
            if any(detail.Unpack(info) for detail in Status.FromString(cast("bytes", value)).details):
                return cast("float", info.retry_delay.ToTimedelta().total_seconds())
        elif key == "google.rpc.retryinfo-bin":
            return cast("float", RetryInfo.FromString(cast("bytes", value)).retry_delay.ToTimedelta().total_seconds())
    return None
