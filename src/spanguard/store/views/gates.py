"""Views of what a call has to pass: breakers, rate limiters, and HTTP."""

from __future__ import annotations

from typing import Final

from spanguard import semconv
from spanguard.store.columns import attribute
from spanguard.store.views.view import SECONDS, SPANS, Column, View, common, events, time, told

BREAKER_TRANSITIONS: Final = View(
    "breaker_transitions",
    "One change of state of a circuit breaker.",
    (
        *common("time_ns", "e"),
        Column("name", "text", "The breaker.", told(semconv.POLICY_NAME)),
        Column("scope", "text", "What it protects, such as a host.", told(semconv.BREAKER_SCOPE)),
        Column("from_state", "text", "The state before.", told(semconv.BREAKER_FROM)),
        Column("to_state", "text", "The state after.", told(semconv.BREAKER_TO)),
        Column("failures", "integer", "Failures that led to it.", told(semconv.BREAKER_FAILURES)),
        Column("reset_timeout", "real", "Seconds that it stays open.", told(semconv.BREAKER_RESET)),
    ),
    events(semconv.BREAKER_TRANSITION.name),
)

_GRAIN: Final = "`{}`, a row of one span; `total`, one metric point, which counts all."
_POINTS: Final = "FROM metric_points AS p JOIN resources AS r ON r.id = p.resource_id"
_TOTAL: Final = {"run": "r.run", "time": time("p.time_ns"), "grain": "'total'"}
BREAKER_CALLS: Final = View(
    "breaker_calls",
    "Calls through circuit breakers. Admitted calls make no span: count with `sum(calls) WHERE grain = 'total'`.",
    (
        *common("start_ns"),
        Column("grain", "text", _GRAIN.format("call"), "'call'"),
        Column(
            "name",
            "text",
            "The breaker, or the host that it protects.",
            f"CASE s.policy_type WHEN 'circuit_breaker' THEN s.policy_name ELSE {attribute(semconv.SERVER_ADDRESS)} END",
        ),
        Column("state", "text", "State of the breaker.", attribute(semconv.BREAKER_STATE)),
        Column("result", "text", "What the breaker made of the call.", attribute(semconv.BREAKER_RESULT)),
        Column("calls", "integer", "How many calls.", "1"),
    ),
    f"{SPANS} WHERE {attribute(semconv.BREAKER_RESULT)} IS NOT NULL",
    {
        **_TOTAL,
        "name": attribute(semconv.POLICY_NAME, "p"),
        "result": attribute(semconv.BREAKER_RESULT, "p"),
        "calls": "p.value",
    },
    f"{_POINTS} WHERE p.name = '{semconv.BREAKER_CALLS.name}' AND p.temporality = 'DELTA'",
)

_LIMITED: Final = "s.policy_type = 'rate_limiter'"
_LIMITER_RESULT: Final = attribute(semconv.LIMITER_RESULT, "p")
_DELAY: Final = attribute(semconv.LIMITER_DELAY)
RATE_LIMITS: Final = View(
    "rate_limits",
    "Requests for permits of rate limiters. Short waits make no span: count with `sum(requests) WHERE grain = 'total'`.",
    (
        *common("start_ns"),
        Column("grain", "text", _GRAIN.format("request"), "'request'"),
        Column(
            "limiter",
            "text",
            "The limiter, or the host that it protects.",
            f"CASE WHEN {_LIMITED} THEN s.policy_name ELSE {attribute(semconv.SERVER_ADDRESS)} END",
        ),
        Column(
            "action",
            "text",
            "What it did: acquire, delay, block, skip.",
            f"coalesce({attribute(semconv.LIMITER_ACTION)}, CASE WHEN {_DELAY} > 0 THEN 'delay' ELSE 'acquire' END)",
        ),
        Column("delay", "real", "Seconds waited; of a total, those of all its requests.", _DELAY),
        Column("max_delay", "real", "Longest wait that is allowed, in seconds.", attribute(semconv.LIMITER_MAX_DELAY)),
        Column("requests", "integer", "How many requests.", "1"),
    ),
    f"{SPANS} WHERE {_DELAY} IS NOT NULL OR {attribute(semconv.LIMITER_ACTION)} IS NOT NULL",
    {
        **_TOTAL,
        "limiter": attribute(semconv.POLICY_NAME, "p"),
        "action": f"""CASE {_LIMITER_RESULT} WHEN 'acquired' THEN 'acquire' WHEN 'delayed' THEN 'delay'
            WHEN 'rejected' THEN 'block' WHEN 'timeout' THEN 'block' END""",
        "delay": "p.sum",
        "requests": "p.count",
    },
    f"{_POINTS} WHERE p.name = '{semconv.LIMITER_WAIT.name}' AND p.temporality = 'DELTA'",
)


# The stable names, and those that released instrumentations use unless OTEL_SEMCONV_STABILITY_OPT_IN says otherwise.
def _http(of: str) -> dict[str, str]:
    names = {
        "method": (semconv.HTTP_METHOD, "http.method"),
        "status": (semconv.HTTP_STATUS, "http.status_code"),
        "host": (semconv.SERVER_ADDRESS, "net.peer.name"),
    }
    return {name: f"coalesce({', '.join(attribute(key, of) for key in keys)})" for name, keys in names.items()}


def _is_http(of: str) -> str:
    known = _http(of)
    return f"coalesce({known['method']}, {known['status']}, {attribute(semconv.URL_ID, of)}) IS NOT NULL"


def _around(key: str) -> str:
    """Return what the HTTP span says, or else the attempt around it: no HTTP instrumentation knows of caches and limiters."""
    return f"coalesce({', '.join(attribute(key, of) for of in ('s', 'o', 'g'))})"


HTTP_ATTEMPTS: Final = View(
    "http_attempts",
    "One HTTP request that was sent, or answered from an HTTP cache.",
    (
        *common("start_ns"),
        Column("host", "text", "The server.", _http("s")["host"]),
        Column("method", "text", "The request's method.", _http("s")["method"]),
        Column("status", "integer", "Status of the response.", _http("s")["status"]),
        Column("url", "text", "The URL, a pseudonym.", _around(semconv.URL_ID)),
        Column("from_cache", "boolean", "The response came from an HTTP cache.", _around(semconv.FROM_CACHE)),
        Column("revalidated", "boolean", "The server confirmed a cached response.", _around(semconv.REVALIDATED)),
        Column("stale", "boolean", "The cached response was stale.", _around(semconv.STALE)),
        Column("resend_count", "integer", "How often it was sent before.", attribute(semconv.HTTP_RESEND)),
        Column("retry_after", "real", "Seconds that the server asked to wait.", _around(semconv.RETRY_AFTER)),
        Column("limiter_delay", "real", "Seconds waited for a rate limiter.", _around(semconv.LIMITER_DELAY)),
        Column("breaker_state", "text", "State of the circuit breaker.", _around(semconv.BREAKER_STATE)),
        Column("breaker_result", "text", "What the breaker made of it.", _around(semconv.BREAKER_RESULT)),
        Column("duration", "real", "Seconds.", SECONDS),
        Column("error_type", "text", "The status from 400 on, or the error.", "s.error_type"),
    ),
    f"""{SPANS} LEFT JOIN spans AS o ON o.trace_id = s.trace_id AND o.span_id = s.parent_id
        LEFT JOIN spans AS g ON g.trace_id = o.trace_id AND g.span_id = o.parent_id
        WHERE {_is_http("s")} AND (s.kind = 'CLIENT' OR {attribute(semconv.ATTEMPT_OUTCOME)} IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM spans AS c LEFT JOIN spans AS m ON m.trace_id = c.trace_id AND m.span_id = c.parent_id
            WHERE c.trace_id = s.trace_id AND c.kind = 'CLIENT' AND {_is_http("c")}
            AND s.span_id IN (c.parent_id, m.parent_id)))""",  # noqa: S608 - names of the vocabulary
)
