"""`redaction.yaml` against a client that guards nothing: what it puts where, and what comes out of the collector."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

import sensitive
from collector.running import collecting, until
from otlp_receiver import HttpReceiver

pytestmark = pytest.mark.collector

PROMPT = "Summarise the medical record of Alice Doe, who suffers from diabetes"
SECRETS = {
    "key": "sk-proj-" + "a1B2c3D4" * 5,
    "token": "ghp_" + "x9Y8z7W6" * 4,
    "mail": "alice.doe@example.com",
    "card": "4111-1111-1111-1111",
    "jwt": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
}
CONTENT = (
    *("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.prompt", "gen_ai.completion"),
    *("gen_ai.prompt.0.content", "gen_ai.tool.call.arguments", "llm.prompts", "input.value", "output.value", "http.url"),
    *("llm.input_messages.0.message.content", "traceloop.entity.input", "exception.message", "exception.stacktrace"),
    *("db.statement", "db.query.text", "url.full", "my.notes", "message", "", PROMPT),
)
"""Keys that hold content, or that nobody knows."""
KNOWN = (
    *("gen_ai.request.model", "gen_ai.provider.name", "gen_ai.usage.input_tokens", "resilience.operation.outcome", "user.id"),
    *("resilience.policy.name", "error.type", "gen_ai.request.stream", "gen_ai.response.id", "gen_ai.conversation.id"),
    *("http.request.method", "server.address", "gen_ai.operation.name", "service.name", "gen_ai.response.finish_reasons"),
)
"""Keys that stay, whatever is put into them."""
HARMLESS = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-5.2",
    "gen_ai.provider.name": "openai",
    "gen_ai.usage.input_tokens": 1234,
    "gen_ai.usage.output_tokens": 56,
    "gen_ai.usage.cache_read.input_tokens": 7,
    "resilience.usage.wasted.input_tokens": 12,
    "resilience.usage.cost": 0.00012,
    "resilience.operation.outcome": "recovered",
    "resilience.policy.name": "ask_model",
    "gen_ai.request.stream": True,
    "gen_ai.request.temperature": 1e-7,
    "user.id": "h:0123456789abcdef",
    "gen_ai.response.finish_reasons": ["stop", "tool_calls"],
    "error.type": "openai.RateLimitError",
}


def value(of: Any) -> dict[str, Any]:
    """Return a value as OTLP's JSON has it."""
    if isinstance(of, bool):
        return {"boolValue": of}
    if isinstance(of, int):
        return {"intValue": str(of)}
    if isinstance(of, float):
        return {"doubleValue": of}
    if isinstance(of, list):
        return {"arrayValue": {"values": [value(each) for each in of]}}
    if isinstance(of, dict):
        return {"kvlistValue": {"values": pairs(of)}}
    return {"stringValue": of}


def pairs(of: dict[str, Any]) -> list[dict[str, Any]]:
    """Return attributes as OTLP's JSON has them."""
    return [{"key": key, "value": value(each)} for key, each in of.items()]


IDS = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}
TIMES = {"startTimeUnixNano": "1795000000000000000", "endTimeUnixNano": "1795000001000000000"}


def resource(attributes: dict[str, Any], text: str) -> dict[str, Any]:
    """Return a resource and a scope with the text in them."""
    return {
        "resource": {"attributes": pairs(attributes)},
        "scope": {"name": text, "version": text, "attributes": pairs({"note": text})},
    }


def spans(text: str, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return a span with a text wherever there can be one."""
    around = resource(attributes, text)
    span = {
        **IDS,
        **TIMES,
        "name": text,
        "traceState": "vendor=" + "".join(filter(str.isalnum, text))[:60],
        "attributes": pairs(attributes),
        "status": {"code": 2, "message": text},
        "events": [
            {"timeUnixNano": TIMES["startTimeUnixNano"], "name": name, "attributes": pairs(attributes)}
            for name in (text, "exception")
        ],
        "links": [{**IDS, "attributes": pairs(attributes), "traceState": "v=x"}],
    }
    scope = {"scope": around["scope"], "spans": [span]}
    return {"resourceSpans": [{"resource": around["resource"], "scopeSpans": [scope]}]}


def metrics(text: str, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return metrics of every kind with a text wherever there can be one."""
    around = resource(attributes, text)
    times = {"startTimeUnixNano": TIMES["startTimeUnixNano"], "timeUnixNano": TIMES["endTimeUnixNano"]}
    exemplar = {"timeUnixNano": TIMES["endTimeUnixNano"], "asDouble": 1.0, "filteredAttributes": pairs(attributes), **IDS}
    number = {**times, "asInt": "1", "attributes": pairs(attributes), "exemplars": [exemplar]}
    histogram = {**number, "count": "1", "sum": 1.0, "bucketCounts": ["1"]}
    del histogram["asInt"]
    about = {"name": text, "description": text, "unit": text, "metadata": pairs({"note": text})}
    kinds = [
        {"sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [number]}},
        {"gauge": {"dataPoints": [number]}},
        {"histogram": {"aggregationTemporality": 2, "dataPoints": [histogram]}},
    ]
    scope = {"scope": around["scope"], "metrics": [{**about, **kind} for kind in kinds]}
    return {"resourceMetrics": [{"resource": around["resource"], "scopeMetrics": [scope]}]}


def logs(text: str, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return log records with bodies of every kind, and a text wherever there can be one."""
    around = resource(attributes, text)
    bodies: list[Any] = [text, {"note": text, "inner": {"list": [text]}}, [text, {"note": text}]]
    records = [
        {
            "timeUnixNano": TIMES["startTimeUnixNano"],
            "severityText": text,
            "eventName": text,
            "body": value(body),
            "attributes": pairs(attributes),
        }
        for body in bodies
    ]
    return {
        "resourceLogs": [{"resource": around["resource"], "scopeLogs": [{"scope": around["scope"], "logRecords": records}]}]
    }


def post(endpoint: str, path: str, body: dict[str, Any]) -> None:
    """Send one request as any client could."""
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(endpoint + path, json.dumps(body).encode(), headers)
    with closing(urllib.request.urlopen(request, timeout=30)) as answer:
        assert answer.status == 200


def everything(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give requests of every signal that have the text everywhere: as a text, in lists and in maps."""
    nested = [text, [text], {"inner": {"note": text}}]
    for each in nested:
        attributes = dict.fromkeys((*CONTENT, *KNOWN), each)
        yield "/v1/traces", spans(text, attributes)
        yield "/v1/metrics", metrics(text, attributes)
        yield "/v1/logs", logs(text, attributes)


def sent(otelcol: str, directory: Path, requests: list[tuple[str, dict[str, Any]]]) -> HttpReceiver:
    """Send requests through the collector; returns all that came out of it."""
    names = ["base.yaml", "redaction.yaml"]
    paths = [path for path, _ in requests]
    with (
        HttpReceiver() as backend,
        collecting(otelcol, names, directory, BACKEND_ENDPOINT=backend.endpoint) as collector,
    ):
        for path, body in requests:
            post(collector.endpoints["http/protobuf"], path, body)
        until(lambda: len(backend.spans) == paths.count("/v1/traces"))
        until(lambda: len(backend.points) == 2 * paths.count("/v1/metrics"))  # sums and histograms are counted, gauges not
        until(lambda: has_logs(backend, paths.count("/v1/logs")))
    return backend


def has_logs(backend: HttpReceiver, requests: int) -> bool:
    """Whether the log records of so many requests have come: each has three, with a time that nothing else has."""
    stamp = int(TIMES["startTimeUnixNano"]).to_bytes(8, "little")
    return backend.raw.count(b"\x09" + stamp) >= 3 * requests


def test_no_prompt_gets_through(otelcol: str, tmp_path: Path) -> None:
    """In attributes, events, bodies, names, messages, descriptions, exemplars, resources, scopes, links: nowhere."""
    backend = sent(otelcol, tmp_path, list(everything(PROMPT)))
    assert len(backend.spans) == 3
    for word in PROMPT.replace(",", "").split():
        if len(word) > 3:
            assert word.encode() not in backend.raw, word
    assert {span["name"] for span in backend.spans} == {"_OTHER"}
    assert {tuple(span["events"]) for span in backend.spans} == {("_OTHER", "exception")}
    assert {span["message"] for span in backend.spans} == {""}
    assert [span["status"] for span in backend.spans] == ["ERROR"] * 3


def twice(body: Any) -> Any:
    """Return a request in which each attribute stands twice, first with a value that is harmless."""
    if isinstance(body, list):
        return [twice(each) for each in body]
    if not isinstance(body, dict):
        return body
    return {
        key: [{**pair, "value": value("1")} for pair in each] + each if key == "attributes" else twice(each)
        for key, each in body.items()
    }


def test_no_prompt_gets_through_behind_a_harmless_value(otelcol: str, tmp_path: Path) -> None:
    """Under a key that stands twice, which OTLP forbids and which statements see the first of alone."""
    backend = sent(otelcol, tmp_path, [(path, twice(body)) for path, body in everything(PROMPT)])
    assert [word for word in PROMPT.replace(",", "").split() if len(word) > 3 and word.encode() in backend.raw] == []


def test_no_secret_gets_through(otelcol: str, tmp_path: Path) -> None:
    """Not even where it looks like a name or a model: one word, under a known key."""
    requests = []
    for secret in SECRETS.values():
        attributes = dict.fromkeys((*CONTENT, *KNOWN), secret)
        text = f"call with {secret}"
        makers = (("/v1/traces", spans), ("/v1/metrics", metrics), ("/v1/logs", logs))
        requests += [(path, make(text, attributes)) for path, make in makers]
    backend = sent(otelcol, tmp_path, requests)
    assert len(backend.spans) == len(SECRETS)
    assert [kind for kind, secret in SECRETS.items() if secret.encode() in backend.raw] == []


def test_no_text_that_users_write_gets_through(otelcol: str, tmp_path: Path) -> None:
    """A hundred texts of every kind, in several scripts, under keys that nobody knows and in every other place."""
    random = Random(6)
    texts = [text for text in (sensitive.prompt(random) for _ in range(100)) if len(text) > 12]
    requests = [("/v1/traces", spans(text, dict.fromkeys((*CONTENT, *KNOWN), text))) for text in texts]
    requests += [("/v1/logs", logs(text, dict.fromkeys(CONTENT, text))) for text in texts[::5]]
    backend = sent(otelcol, tmp_path, requests)
    assert len(backend.spans) == len(texts)
    assert [text for text in texts if text.encode() in backend.raw] == []


def test_what_is_harmless_survives(otelcol: str, tmp_path: Path) -> None:
    """Token counts, costs, models, outcomes, pseudonyms, lists of finish reasons: as they were."""
    request = spans("chat gpt-5.2", {**HARMLESS, "gen_ai.input.messages": PROMPT})
    request["resourceSpans"][0]["resource"]["attributes"] = pairs({"service.name": "shop", "host.name": "alices-laptop"})
    backend = sent(otelcol, tmp_path, [("/v1/traces", request)])
    (span,) = backend.spans
    reasons = span["attributes"].pop("gen_ai.response.finish_reasons")
    assert [each.string_value for each in reasons.values] == HARMLESS["gen_ai.response.finish_reasons"]
    assert span["attributes"] == {key: each for key, each in HARMLESS.items() if not isinstance(each, list)}
    assert span["name"] == "chat gpt-5.2"
    assert backend.resource == {"service.name": "shop"}


NAMES = {
    "chat gpt-5.2": "chat gpt-5.2",
    "repair invoice": "repair invoice",
    "attempt": "attempt",
    "attempt primary": "attempt primary",
    "chat tell Alice that": "chat",
    "GET": "GET",
    "GET /users/alice@example.com": "GET",
    "Alice": "_OTHER",
    "chatting": "_OTHER",
    "chat\nAlice": "_OTHER",
}


def test_a_spans_name_is_two_known_words_at_most(otelcol: str, tmp_path: Path) -> None:
    """What was done, and one word of what it was done to; an HTTP method alone."""
    requests = []
    for number, name in enumerate(NAMES):
        request = spans("chat", {})
        (span,) = request["resourceSpans"][0]["scopeSpans"][0]["spans"]
        span |= {"name": name, "startTimeUnixNano": str(int(TIMES["startTimeUnixNano"]) + number)}
        requests.append(("/v1/traces", request))
    backend = sent(otelcol, tmp_path, requests)
    came = sorted(backend.spans, key=lambda span: span["start"])
    assert dict(zip(NAMES, (span["name"] for span in came), strict=True)) == NAMES
