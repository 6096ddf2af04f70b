"""The columns of the local store's tables, in the order in which rows are written."""

from __future__ import annotations

from typing import Final

from spanguard import semconv

PROMOTED: Final = {
    semconv.OUTCOME: "outcome",
    semconv.ERROR_TYPE: "error_type",
    semconv.POLICY_TYPE: "policy_type",
    semconv.POLICY_NAME: "policy_name",
    semconv.GEN_AI_OPERATION: "operation",
    semconv.GEN_AI_PROVIDER: "provider",
    semconv.GEN_AI_MODEL: "model",
    semconv.RUN_ID: "run",
    semconv.ROLE: "role",
    semconv.USER: "user",
    semconv.SPACE: "space",
    semconv.TENANT: "tenant",
    semconv.GEN_AI_RESPONSE_MODEL: "response_model",
    semconv.GEN_AI_INPUT: "input_tokens",
    semconv.GEN_AI_OUTPUT: "output_tokens",
    semconv.CALL_COST: "cost",
    semconv.ATTEMPT_NUMBER: "attempt",
    semconv.ERROR_CATEGORY: "error_category",
    semconv.CACHE_RESULT: "cache_result",
}
"""Attributes of spans that have a column of their own; they are not repeated in the JSON of the others."""

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "resources": ("id", "run", "service", "attributes"),
    "spans": (
        *("trace_id", "span_id", "parent_id", "resource_id", "scope", "name", "kind", "start_ns", "end_ns", "status"),
        *PROMOTED.values(),
        *("attributes", "links"),
    ),
    "span_events": ("trace_id", "span_id", "time_ns", "name", "attributes"),
    "metric_points": (
        *("resource_id", "scope", "name", "unit", "kind", "temporality", "start_ns", "time_ns", "attributes"),
        *("value", "count", "sum", "min", "max", "bounds", "counts"),
    ),
    "log_events": (*("resource_id", "scope", "name", "time_ns", "severity", "trace_id", "span_id", "attributes"),),
    "drops": ("resource_id", "signal", "time_ns", "items"),
}


_SPANS: Final = "sbcogi"  # spans themselves, beside, inside, around and two around them


def attribute(key: str, of: str = "s") -> str:
    """Return the SQL for an attribute; ``of`` is the alias of its table (`_SPANS` are those of spans)."""
    if of in _SPANS and key in PROMOTED:
        return f"{of}.{PROMOTED[key]}"
    return f"""json_extract({of}.attributes, '$."{key}"')"""
