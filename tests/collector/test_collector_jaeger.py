"""From a program with decorators through the collector to Jaeger, and what Jaeger's own query API then says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from binaries import SHIPPED
from collector import busy
from collector.running import PROTOCOLS, collecting, get, jaeger_running, until
from spanguard.store import Database
from spanguard.store.queries import SpanRow, trace, traces

pytestmark = pytest.mark.collector
KINDS = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT"}
STATUS = {0: "UNSET", 1: "OK", 2: "ERROR"}
Plain = dict[str, Any]


def run_busy(directory: Path, **environment: str) -> None:
    """Run the program in which everything happens, once."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SPANGUARD_"))}
    variables = {**kept, "XDG_STATE_HOME": str(directory / "state"), "OTEL_SERVICE_NAME": "invoices", **environment}
    command = [sys.executable, "-W", "error", busy.__file__]
    ran = subprocess.run(command, cwd=directory, env=variables, capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stderr) == (0, "")


def stored(path: Path) -> dict[str, dict[str, Plain]]:
    """Return what the local store has, by trace and by span."""
    with Database.open(path, read_only=True) as db:
        return {
            each.trace_id: {span.span_id: plain(span) for span in trace(db, each.trace_id)} for each in traces(db, limit=1000)
        }


def plain(span: SpanRow) -> Plain:
    """Return a span of the store as plain data."""
    return {
        "name": span.name,
        "kind": span.kind,
        "parent": span.parent_id,
        "start": span.start_ns,
        "end": span.end_ns,
        "status": span.status,
        "scope": span.scope,
        "attributes": {key: comparable(value) for key, value in span.attributes.items()},
        "events": in_order(
            (each.time_ns, each.name, {k: comparable(v) for k, v in each.attributes.items()}) for each in span.events
        ),
        "links": [(each.trace_id, each.span_id) for each in span.links],
    }


def in_order(events: Iterable[tuple[int, str, Plain]]) -> list[tuple[int, str, Plain]]:
    """Return events by their times and names: Jaeger gives them by their names, and two may have the same time."""
    return sorted(events, key=lambda each: each[:2])


def comparable(value: object) -> object:
    """Return lists as tuples, and whole doubles as integers: JSON does not tell them apart."""
    if isinstance(value, (list, tuple)):
        return tuple(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def queried(address: str, trace_id: str) -> dict[str, Plain]:
    """Return a trace of Jaeger's as plain data, by span."""
    found: dict[str, Plain] = {}
    for resource in get(f"{address}/api/v3/traces/{trace_id}")["result"]["resourceSpans"]:
        about = attributes(resource["resource"]["attributes"])
        assert about["service.name"] == "invoices"
        for scope in resource["scopeSpans"]:
            found |= {span["spanId"]: of_jaeger(span, scope["scope"]["name"]) for span in scope["spans"]}
    return found


def of_jaeger(span: Plain, scope: str) -> Plain:
    """Return a span of Jaeger's answer, which is OTLP as JSON."""
    return {
        "name": span["name"],
        "kind": KINDS[span["kind"]],
        "parent": span.get("parentSpanId") or None,
        "start": int(span["startTimeUnixNano"]),
        "end": int(span["endTimeUnixNano"]),
        "status": STATUS[span.get("status", {}).get("code", 0)],
        "scope": scope,
        "attributes": attributes(span.get("attributes", ())),
        "events": in_order(
            (int(each["timeUnixNano"]), each["name"], attributes(each.get("attributes", ())))
            for each in span.get("events", ())
        ),
        "links": [(each["traceId"], each["spanId"]) for each in span.get("links", ())],
    }


def attributes(pairs: Any) -> Plain:
    """Return attributes as OTLP's JSON has them."""
    return {pair["key"]: value_of(pair["value"]) for pair in pairs}


def value_of(value: Plain) -> object:
    """Return a value as OTLP's JSON has it."""
    ((kind, inner),) = value.items()
    if kind == "arrayValue":
        return tuple(value_of(each) for each in inner["values"])
    return int(inner) if kind == "intValue" else comparable(inner)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("further", [(), ("redaction.yaml", "span-metrics.yaml")], ids=["plain", "redacted"])
def test_jaeger_says_what_the_local_store_says(
    otelcol: str, jaeger: str, tmp_path: Path, protocol: str, further: tuple[str, ...]
) -> None:
    """Every trace, with the same tree, times, status, attributes, events and links; redaction takes nothing of ours."""
    names = ["base.yaml", "jaeger.yaml", *further]
    with (
        jaeger_running(jaeger, tmp_path) as (otlp, address),
        collecting(otelcol, names, tmp_path, JAEGER_ENDPOINT=otlp) as collector,
    ):
        run_busy(
            tmp_path,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoints[protocol],
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            OTEL_TRACES_EXPORTER="otlp,spanguard",
        )
        local = stored(tmp_path / ".spanguard" / "telemetry.db")
        assert sum(map(len, local.values())) > 50
        until(lambda: get(f"{address}/api/services")["data"] == ["invoices"])
        until(lambda: len(get(f"{address}/api/traces?service=invoices&limit=1500")["data"]) == len(local))
        until(lambda: all(len(queried(address, each)) == len(spans) for each, spans in local.items()))
        there = {each: queried(address, each) for each in local}
    assert there.keys() == local.keys()
    assert [(there[a].get(b), local[a][b]) for a in local for b in local[a] if there[a].get(b) != local[a][b]] == []
    outcomes = {span["attributes"].get("resilience.operation.outcome") for spans in there.values() for span in spans.values()}
    assert outcomes >= {"success", "recovered", "exhausted"}
    assert any(span["links"] for spans in there.values() for span in spans.values())
    assert "secret prompt" not in str(there)


def test_the_compose_file_starts_the_jaeger_that_is_tested(jaeger: str) -> None:
    """Version 2.13 of Jaeger is what the tag of the module says it is."""
    assert "v1.76.0" in jaeger
    assert "jaegertracing/jaeger:2.13.0" in (SHIPPED / "docker-compose.yaml").read_text(encoding="utf-8")
