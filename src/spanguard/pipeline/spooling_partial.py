"""What an OTLP endpoint has rejected of a request that it took (`partial_success`)."""

from __future__ import annotations

import json
from typing import Final

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

_FAULTS: Final = (DecodeError, ValueError, TypeError, AttributeError)


def rejected(signal: str, body: bytes, *, is_json: bool = False) -> int:
    """Return how many spans, data points or log records a response says were rejected; 0 if it cannot be understood."""
    try:
        return max(0, _in_json(signal, body) if is_json else _in_protobuf(signal, body))
    except _FAULTS:
        return 0


def _in_protobuf(signal: str, body: bytes) -> int:
    if signal == "traces":
        return int(ExportTraceServiceResponse.FromString(body).partial_success.rejected_spans)
    if signal == "metrics":
        return int(ExportMetricsServiceResponse.FromString(body).partial_success.rejected_data_points)
    return int(ExportLogsServiceResponse.FromString(body).partial_success.rejected_log_records)


def _in_json(signal: str, body: bytes) -> int:
    name = {"traces": "rejectedSpans", "metrics": "rejectedDataPoints", "logs": "rejectedLogRecords"}[signal]
    return int(json.loads(body).get("partialSuccess", {}).get(name, 0))  # a number of 64 bits is text in protobuf's JSON
