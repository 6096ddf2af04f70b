"""What `redaction.yaml` lets through, from spanguard's own table of names: keys, and for each key which values.

The second line of defence, for what reaches the collector unguarded: another product's spans, a program that runs without the
guard. It fails closed: a key that does not stand here goes, so does a value that its key cannot have, and what cannot be
checked is refused and not passed on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from spanguard import semconv
from spanguard.semconv import ATTRIBUTES, Attribute, Privacy

_WORD = "[A-Za-z0-9_.:/@+=-]{1,128}"
_PATTERNS: dict[Privacy, str] = {
    "known": f"^{_WORD}$",
    "name": f"^{_WORD}$",
    "id": f"^{_WORD}$",
    "pseudonym": "^h:[0-9a-f]{16}$",
    "number": "^-?[0-9.]{1,20}(e[+-]?[0-9]{1,3})?$",
    "flag": "^(true|false)$",
}

_STANDARD = (
    *(Attribute(key, "int", "number", "") for key in ("server.port", "http.response.body.size", "http.request.body.size")),
    *(Attribute(key, "int", "number", "") for key in ("rpc.grpc.status_code", "http.status_code")),
    *(Attribute(key, "string", "known", "") for key in ("url.scheme", "db.system.name", "db.operation.name", "rpc.system")),
    *(Attribute(key, "string", "known", "") for key in ("messaging.system", "network.protocol.version", "exception.type")),
    Attribute("http.method", "string", "enum", "", semconv.HTTP_METHODS),
)
"""Attributes of other instrumentations that tell no content: enough for the shape of a request."""
_RESOURCE = tuple(
    Attribute(key, "string", "known", "")
    for key in (
        *("service.name", "service.namespace", "service.version", "service.instance.id", "deployment.environment.name"),
        *("telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version", "telemetry.distro.name"),
        *("telemetry.distro.version", "os.type", "host.arch", "process.runtime.name", "process.runtime.version"),
        *("k8s.namespace.name", "k8s.deployment.name", "k8s.pod.name", "container.image.name", "cloud.provider"),
        "cloud.region",
    )
)
_OURS = tuple(ATTRIBUTES[key] for key in (semconv.RUN_ID, semconv.SESSION, semconv.SCHEMA, semconv.PRIVACY_MODE))
_POINTS = sorted(
    {
        key
        for metric in (
            *semconv.METRICS,
            *semconv.KEEPER_METRICS,
            *(each.duration for each in semconv.GENERATIONS.values()),
            *(token.metric for each in semconv.GENERATIONS.values() for token in each.tokens),
        )
        for key in metric.attributes
    }
)
_HTTP = tuple(ATTRIBUTES[key] for key in (semconv.HTTP_METHOD, semconv.HTTP_STATUS, semconv.SERVER_ADDRESS))
"""What metrics of HTTP clients are told apart by."""
_CONNECTOR = tuple(
    Attribute(key, "string", "known", "")
    for key in ("span.name", "span.kind", "status.code", "service.name", "collector.instance.id")
)
"""What the span_metrics connector adds."""
_SPAN_WORDS = "|".join((*semconv.OPERATIONS, *semconv.POLICIES, "attempt"))
_METHODS = "|".join(semconv.HTTP_METHODS[:-1])
_SPAN_NAME = f"^(({_SPAN_WORDS})( {_WORD})?|{_METHODS}|_OTHER)$"
_SECRETS = (
    r"(?:sk|pk|rk|ghp|gho|ghs|xox[abprs]|glpat|hf|AKIA|ASIA|AIza|ya29)[-_.]?[A-Za-z0-9_-]{16,}",
    r"eyJ[A-Za-z0-9_-]{10,}[.][A-Za-z0-9_.-]+",
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+[.][A-Za-z]{2,}",
    r"\b[0-9]{4}-?[0-9]{4}-?[0-9]{4}-?[0-9]{4}\b",
)
"""Shapes of secrets that are one word, as a name or a model could be: keys, tokens, addresses, cards. The last resort."""


def _pattern(each: Attribute) -> str:
    if each.name == "span.name":
        pattern = _SPAN_NAME
    elif each.privacy == "enum":
        pattern = f"^({'|'.join(map(re.escape, each.values))})$".replace("\\-", "-").replace("\\.", "[.]")
    else:
        pattern = _PATTERNS[each.privacy]
    if each.type == "string[]":  # a list is matched as JSON
        item = '"' + _WORD.replace("{1,128}", "+") + '"'  # Go's expressions allow no count within a count
        return f"^[[]({item}(,{item})*)?[]]$"
    return pattern


def _quoted(text: str) -> str:
    """Return text as OTTL's, in a file in which a dollar sign is written twice."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$") + '"'


def _map(path: str, allowed: Iterable[Attribute]) -> Iterator[str]:
    """Give the statements that leave of a map of attributes what is allowed."""
    by_key = {each.name: each for each in allowed}
    yield f"keep_keys({path}, [{', '.join(map(_quoted, by_key))}])"
    # A map that has a key twice, as nobody may send it, would hide all but its first value from what follows.
    cache = path.partition(".")[0] + ".cache"
    yield f'merge_maps({cache}, {path}, "upsert")'
    yield f"set({path}, {cache})"
    for key, each in by_key.items():
        value = f"{path}[{_quoted(key)}]"
        yield f"delete_key({path}, {_quoted(key)}) where not IsMatch({value}, {_quoted(_pattern(each))})"


def _text(path: str, pattern: str, instead: str) -> str:
    return f"set({path}, {_quoted(instead)}) where not IsMatch({path}, {_quoted(pattern)})"


def _around() -> Iterator[dict[str, object]]:
    """Give the statements on what stands around the records: resource and scope."""
    yield {"context": "resource", "statements": list(_map("resource.attributes", (*_RESOURCE, *_OURS)))}
    yield {
        "context": "scope",
        "statements": [
            'delete_matching_keys(scope.attributes, "")',
            _text("scope.name", f"^({_WORD})?$", "_OTHER"),
            _text("scope.version", f"^({_WORD})?$", ""),
        ],
    }


def _spans() -> list[dict[str, object]]:
    name = _quoted(_SPAN_NAME)
    first = _quoted(f"(?s)^({_SPAN_WORDS}|{_METHODS}) .*$")
    allowed = (*ATTRIBUTES.values(), *_STANDARD)
    return [
        *_around(),
        {
            "context": "span",
            "statements": [
                *_map("span.attributes", allowed),
                f'replace_pattern(span.name, {first}, "$${{1}}") where not IsMatch(span.name, {name})',
                f'set(span.name, "_OTHER") where not IsMatch(span.name, {name})',
                'set(span.status.message, "")',
                'set(span.trace_state, "")',
                # Links carry attributes that no statement can reach; with --feature-gates=ottl.set.allowNil others' links go.
                'set(span.links, nil) where not IsMatch(instrumentation_scope.name, "^spanguard")',
            ],
        },
        {
            "context": "spanevent",
            "statements": [
                *_map("spanevent.attributes", (*_event_attributes(), *_STANDARD)),
                _text("spanevent.name", _EVENT, "_OTHER"),
            ],
        },
    ]


_EVENT = "^((resilience|gen_ai[.]evaluation)[.][a-z_.]{1,64}|exception)$"


def _event_attributes() -> list[Attribute]:
    keys = {key for event in semconv.EVENTS.values() for key in event.attributes}
    return [ATTRIBUTES[key] for key in sorted(keys)]


def _metrics() -> list[dict[str, object]]:
    points = (*(ATTRIBUTES[key] for key in _POINTS), *_STANDARD, *_HTTP, *_CONNECTOR)
    return [
        *_around(),
        {
            "context": "metric",
            "statements": [
                _text("metric.name", f"^{_WORD}$", "_OTHER"),
                _text("metric.unit", "^[A-Za-z0-9{}/%_.]{0,32}$", ""),
                'set(metric.description, "")',
                'delete_matching_keys(metric.metadata, "")',
            ],
        },
        {"context": "datapoint", "statements": list(_map("datapoint.attributes", points))},
        {"context": "exemplar", "statements": ['delete_matching_keys(exemplar.filtered_attributes, "")']},
    ]


def _logs() -> list[dict[str, object]]:
    return [
        *_around(),
        {
            "context": "log",
            "statements": [
                *_map("log.attributes", (*_event_attributes(), *_STANDARD)),
                _text("log.event_name", _EVENT, ""),
                _text("log.severity_text", "^[A-Za-z0-9]{0,16}$", ""),
                'set(log.body, "")',  # spanguard's events have none
            ],
        },
    ]


def overlay() -> dict[str, object]:
    """Return the overlay as plain data."""
    statements = {"trace_statements": _spans(), "metric_statements": _metrics(), "log_statements": _logs()}
    processors = ["memory_limiter", "transform/allowed", "redaction/secrets"]
    return {
        "processors": {
            # What cannot be checked is refused, not passed on.
            "transform/allowed": {"error_mode": "propagate", **statements},
            "redaction/secrets": {"allow_all_keys": True, "blocked_values": list(_SECRETS), "summary": "silent"},
        },
        "service": {"pipelines": {name: {"processors": processors} for name in ("traces/in", "metrics", "logs")}},
    }
