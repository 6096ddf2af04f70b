"""The auditor: it finds whatever strict mode would not have let out, and says where, never what."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from spanguard.privacy.audit import audit_message, is_repeated
from spanguard.privacy.audit_json import NotOtlpError, audit_json
from spanguard.privacy.audit_store import Reading
from spanguard.privacy.exporters import GuardedLogExporter, GuardedMetricExporter, GuardedSpanExporter
from spanguard.store.columns import COLUMNS, PROMOTED
from spanguard.store.database import Database
from support import EPOCH

CANARY = "the quick brown canary 4111"
NUMBER = 4_111_111_111_111_111
REQUESTS = (ExportTraceServiceRequest, ExportMetricsServiceRequest, ExportLogsServiceRequest)
MODEL, LANGUAGE = "gen_ai.request.model", "telemetry.sdk.language"


# ------------------------------------------------------------------------------------- violations, from the descriptors


def leaves(descriptor: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every kind of field that holds a text, bytes or a number; a value inside a value is walked once."""
    for field in descriptor.fields:
        if field.message_type is None:
            if field.type != field.TYPE_BOOL:
                yield (*path, field)
        elif sum(each.message_type is field.message_type for each in path) < 1:
            yield from leaves(field.message_type, (*path, field))


PLANTS = [(request, way) for request in REQUESTS for way in leaves(request.DESCRIPTOR)]


def name(way: tuple[Any, ...]) -> str:
    """Return the path of a field."""
    return ".".join(field.name for field in way)


def plant(message: Any, way: tuple[Any, ...]) -> None:
    """Put a canary at the end of the way, and nothing else anywhere."""
    for field in way[:-1]:
        if field.message_type is KeyValue.DESCRIPTOR:
            pair = getattr(message, field.name).add()
            if way[-1].name not in ("key", "key_strindex"):
                pair.key = LANGUAGE if "resource" in name(way[:3]).split(".") else MODEL
            message = pair
        else:
            target = getattr(message, field.name)
            message = target.add() if is_repeated(field) else target
    field = way[-1]
    value: Any = canary(field)
    if is_repeated(field):
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


def canary(field: Any) -> Any:
    """Return what may not stand in a field of that type."""
    if field.cpp_type == field.CPPTYPE_STRING:
        return CANARY.encode() if field.type == field.TYPE_BYTES else CANARY
    if field.type == field.TYPE_ENUM:
        return 77
    if field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_UINT32):
        return 2_079_414_111  # a telephone number fits in
    return float(NUMBER) if field.cpp_type == field.CPPTYPE_DOUBLE else NUMBER


def test_there_are_more_than_a_hundred_kinds_of_fields() -> None:
    """The plants cover OTLP: fields of all three signals, every one that can hold a text, bytes or a number."""
    assert len(PLANTS) > 100


@pytest.mark.parametrize(("request_type", "way"), PLANTS, ids=[f"{t.DESCRIPTOR.name[6:9]}-{name(w)}" for t, w in PLANTS])
def test_each_planted_violation_is_found(request_type: Any, way: tuple[Any, ...]) -> None:
    """A canary in any one field is found, the field named, and the canary not told."""
    message = request_type()
    plant(message, way)
    found = list(audit_message(message))
    assert found
    assert any(name(way).startswith(each.field) for each in found), found
    assert CANARY not in repr(found)
    assert str(NUMBER) not in repr(found)
    # The same from its bytes, and from OTLP-JSON.
    assert list(audit_message(request_type.FromString(message.SerializeToString()))) == found
    assert {each.field for each in audit_json(as_json(message))} == {each.field for each in found}


def as_json(message: Message) -> str:
    """Return a request as the collector's file exporter writes it: ids in hex."""

    def fixed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: in_hex(each) if key.endswith(("raceId", "panId")) else fixed(each) for key, each in value.items()}
        return [fixed(each) for each in value] if isinstance(value, list) else value

    def in_hex(text: str) -> str:
        import base64

        return base64.b64decode(text).hex()

    return json.dumps(fixed(MessageToDict(message)))


def test_a_field_that_nobody_has_thought_about_is_refused() -> None:
    """What a newer OTLP adds is a violation, wherever it stands."""
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add()
    span.MergeFromString(b"\xfa\x3e\x06canary")  # field 1007, a text
    pair = span.attributes.add(key=MODEL)
    pair.value.MergeFromString(b"\xfa\x3e\x06canary")
    found = {(each.field, each.reason) for each in audit_message(message)}
    spans = "resource_spans.scope_spans.spans"
    assert found == {(f"{spans}.?", "unknown_field"), (f"{spans}.attributes.value.?", "unknown_field")}


def test_a_key_is_shown_only_if_the_conventions_know_it() -> None:
    """A key can be what somebody typed."""
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add()
    for key in (MODEL, CANARY):
        span.attributes.add(key=key).value.string_value = CANARY
    assert [(each.key, each.reason) for each in audit_message(message)] == [
        (MODEL, "not_in_vocabulary"),
        ("unknown", "unknown_key"),
    ]


@pytest.mark.parametrize("key", ["gen_ai.input.messages", "exception.message", "db.query.text"])
def test_content_is_called_content(key: str) -> None:
    """Where content stands under the key of content, that is said."""
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add()
    span.attributes.add(key=key).value.string_value = CANARY
    assert {each.reason for each in audit_message(message)} <= {"content", "unknown_key", "not_in_vocabulary"}
    assert list(audit_message(message))


def test_the_program_s_own_names_are_a_doubt() -> None:
    """A policy's name that could stand in code is no violation: it was a literal of a program that cannot be seen here."""
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add(name="repair extract_invoice")
    span.attributes.add(key="resilience.policy.name").value.string_value = "extract_invoice"
    (found,) = audit_message(message)
    assert (found.reason, found.is_doubt) == ("undeclared_name", True)
    span.attributes[0].value.string_value = CANARY
    assert {each.reason for each in audit_message(message)} == {"not_in_vocabulary", "unknown_name"}


@pytest.mark.parametrize(
    ("key", "name"), [("", "load_invoice"), ("gen_ai.agent.name", "trip_planner"), ("gen_ai.request.model", "acme-legal-7b")]
)
def test_a_name_that_another_process_declared_is_called_one(key: str, name: str) -> None:
    """It is a violation until it is declared here too; only a text that no name could be is called a text."""
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add(name="chat")
    for text, reason in ((name, "unknown_name"), (CANARY, "not_in_vocabulary")):
        span.ClearField("attributes")
        if key:
            span.attributes.add(key=key).value.string_value = text
        else:
            span.name = text
        (found,) = audit_message(message)
        assert (found.key, found.reason, found.is_doubt) == (key, reason, False)


def test_an_identity_is_never_a_name() -> None:
    """A user under a key of identities cannot be declared, however harmless it looks."""
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add(name="chat")
    span.attributes.add(key="user.id").value.string_value = "alice"
    assert [each.reason for each in audit_message(message)] == ["not_in_vocabulary"]


def test_pseudonyms_are_known_by_their_look() -> None:
    """Another process has no key: what looks like a pseudonym passes, where a pseudonym may stand."""
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add(name="h:0123456789abcdef")
    for key in ("user.id", MODEL):
        span.attributes.add(key=key).value.string_value = "h:0123456789abcdef"
    assert list(audit_message(message)) == []
    span.attributes[0].value.string_value = "h:0123456789abcdeX"
    assert [each.key for each in audit_message(message)] == ["user.id"]


# ------------------------------------------------------------------------------------------------ what is clean is clean


class Wire:
    """An exporter at the end of a guard; what arrives is encoded."""

    _preferred_temporality: Any = None
    _preferred_aggregation: Any = None

    def __init__(self, encode: Any) -> None:
        self.encode, self.requests = encode, []

    def export(self, telemetry: Any, *_: Any, **__: Any) -> None:
        self.requests.append(self.encode(telemetry))


def test_everything_that_spanguard_emits_is_clean(telemetry: Any, clock: Any) -> None:
    """All that the verbs can emit, guarded and encoded, is free of violations."""
    from test_semconv import everything

    everything()
    spans, logs, points = Wire(encode_spans), Wire(encode_logs), Wire(encode_metrics)
    GuardedSpanExporter(spans).export(telemetry._spans.get_finished_spans())  # type: ignore[arg-type]
    GuardedLogExporter(logs).export(telemetry._logs.get_finished_logs())  # type: ignore[arg-type]
    GuardedMetricExporter(points).export(telemetry.metrics_data())  # type: ignore[arg-type]
    requests = spans.requests + logs.requests + points.requests
    assert requests
    found = [each for request in requests for each in audit_message(request) if not each.is_doubt]
    assert found == []


# ----------------------------------------------------------------------------------------------------------- OTLP-JSON


@pytest.mark.parametrize(
    ("line", "field", "reason"),
    [
        ('{"resourceSpans":[{"canary":1}]}', "resource_spans.?", "unknown_field"),
        ('{"resourceSpans":[{"schemaUrl":"a","schemaUrl":""}]}', "resource_spans", "unknown_field"),
        ('{"resourceSpans":[{"schemaUrl":7}]}', "resource_spans.schema_url", "wrong_type"),
        ('{"resourceSpans":{}}', "resource_spans", "wrong_type"),
        ('{"resourceSpans":[[]]}', "resource_spans", "wrong_type"),
        ('{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"canary"}]}]}]}', "*.trace_id", "wrong_type"),
        ('{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":"CANARY"}]}]}]}', "*.kind", "wrong_type"),
        (
            '{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"1e99"}]}]}]}',
            "*.start_time_unix_nano",
            "wrong_type",
        ),
        ('{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"\\ud800"}]}]}]}', "*.name", "wrong_type"),
        ('{"resourceProfiles":[],"resourceLogs":[]}', "?", "unknown_field"),
    ],
)
def test_json_that_does_not_fit_is_a_violation(line: str, field: str, reason: str) -> None:
    """What cannot be read as OTLP says is refused, and named by its place."""
    (found,) = audit_json(line)
    assert found.field == field.replace("*", "resource_spans.scope_spans.spans")
    assert found.reason == reason


def test_ids_are_hex_enums_names_and_long_numbers_texts() -> None:
    """The collector's way of writing is read, and the one of protobuf's own JSON besides."""
    span = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "kind": "SPAN_KIND_CLIENT"}
    for kind, start in ((3, str(EPOCH)), ("SPAN_KIND_CLIENT", EPOCH)):
        line = {"resourceSpans": [{"scopeSpans": [{"spans": [{**span, "kind": kind, "startTimeUnixNano": start}]}]}]}
        assert list(audit_json(json.dumps(line))) == []


@pytest.mark.parametrize(
    "line",
    ["", "{", "[]", "7", '"canary"', '{"canary":1}', "canary " * 9, b"\xff\xfe", "\ud800", '{"a":' * 100_000, "[" * 100_000],
    ids=repr,
)
def test_what_is_no_otlp_is_said_to_be_none(line: Any) -> None:
    """It is an error with a clear text that quotes nothing."""
    with pytest.raises(NotOtlpError) as error:
        list(audit_json(line))
    assert "canary" not in str(error.value)


def test_deep_values_are_refused() -> None:
    """A value inside a value is refused at the first level, and never walked to the bottom."""
    value: Any = {"stringValue": CANARY}
    for _ in range(150):
        value = {"arrayValue": {"values": [value]}}
    line = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"attributes": [{"key": MODEL, "value": value}]}]}]}]}
    assert {each.reason for each in audit_json(json.dumps(line))} == {"nested"}


# ------------------------------------------------------------------------------------------------------- hostile input


def test_truncated_requests_cannot_be_read() -> None:
    """Half a request is no request; nothing but protobuf's own error comes."""
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add(name="chat gpt-5.2", trace_id=bytes(16))
    span.attributes.add(key=MODEL).value.string_value = "gpt-5.2"
    whole = message.SerializeToString()
    read = 0
    for end in range(1, len(whole)):
        try:
            list(audit_message(ExportTraceServiceRequest.FromString(whole[:end])))
            read += 1
        except DecodeError:
            pass
    assert read < len(whole) // 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e308, -1.0])
def test_numbers_that_are_none_are_out_of_range(value: float) -> None:
    """NaN and infinities are in no range."""
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add()
    span.attributes.add(key="gen_ai.request.top_p").value.double_value = value
    assert [each.reason for each in audit_message(message)] == ["out_of_range"]


def test_a_text_of_ten_megabytes_is_a_violation_like_any_other() -> None:
    """Length costs nothing but the reading."""
    message = ExportLogsServiceRequest()
    record = message.resource_logs.add().scope_logs.add().log_records.add()
    record.body.string_value = record.event_name = "canary " * 1_500_000
    record.attributes.add(key=MODEL).value.string_value = record.event_name
    assert sorted(each.reason for each in audit_message(message)) == [
        "must_be_empty",
        "not_in_vocabulary",
        "not_in_vocabulary",
    ]


def test_long_lists_are_looked_at_no_further_than_the_guard_keeps_them() -> None:
    """A list of more than 32 elements is more than the guard lets out."""
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add()
    values = span.attributes.add(key="gen_ai.response.finish_reasons").value.array_value.values
    for _ in range(32):
        values.add(string_value="stop")
    assert list(audit_message(message)) == []
    values.add(string_value=CANARY)
    assert [each.key for each in audit_message(message)] == ["gen_ai.response.finish_reasons"]


# ------------------------------------------------------------------------------------------------------------ the store


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """An empty store."""
    path = tmp_path / "telemetry.db"
    Database.open(path).close()
    return path


def columns() -> list[tuple[str, str]]:
    """Return every column of every table, as SQLite itself lists them."""
    memory = Path(":memory:")
    connection = sqlite3.connect(memory)
    from spanguard.store.schema import migrate

    migrate(connection)
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    found = [
        (table, column)
        for (table,) in tables.fetchall()
        for _, column, *_ in connection.execute(f"PRAGMA table_info({table})")
        if column not in ("id", "resource_id")  # numbers that SQLite or a hash chose
    ]
    connection.close()
    return found


def test_every_table_has_columns_to_plant_in() -> None:
    """The columns come from the schema itself, so that new ones are planted in as well."""
    assert {table for table, _ in columns()} >= set(COLUMNS)


@pytest.mark.parametrize(("table", "column"), columns())
@pytest.mark.parametrize("value", [CANARY, CANARY.encode(), -NUMBER, json.dumps({CANARY: CANARY}), json.dumps([CANARY])])
def test_a_canary_in_any_column_is_found(store: Path, table: str, column: str, value: Any) -> None:
    """Text, bytes, a number, JSON: whatever stands where it may not is found, named by its column, and not told."""
    put(store, table, column, value)
    with Database.open(store, read_only=True) as database:
        reading = Reading(database.rows, PROMOTED)
        found = list(reading.violations())
    assert any(each.field.startswith(f"{table}.{column}") for each in found), found
    assert not any("canary" in str(each) or str(NUMBER) in str(each) for each in found)


def put(store: Path, table: str, column: str, value: Any) -> None:
    """Write a row in which nothing else is wrong enough to be taken for it."""
    connection = sqlite3.connect(store)
    row = {name: kind for _, name, kind, required, *_ in connection.execute(f"PRAGMA table_info({table})") if required}
    defaults = {"INTEGER": 0, "TEXT": "", "BLOB": b"", "NUMERIC": 0}
    filled = {name: "{}" if name == "attributes" else defaults[kind] for name, kind in row.items()} | {column: value}
    marks = ", ".join("?" * len(filled))
    connection.execute(f"INSERT INTO {table} ({', '.join(filled)}) VALUES ({marks})", tuple(filled.values()))
    connection.commit()
    connection.close()


def test_a_table_that_nobody_knows_is_refused(store: Path) -> None:
    """What a later version writes is a violation until somebody has thought about it."""
    connection = sqlite3.connect(store)
    connection.execute('CREATE TABLE "new ""one" (note TEXT, PRIMARY KEY (note)) WITHOUT ROWID')
    connection.execute('INSERT INTO "new ""one" VALUES (?)', (CANARY,))
    connection.commit()
    connection.close()
    with Database.open(store, read_only=True) as database:
        (found,) = Reading(database.rows, PROMOTED).violations()
    assert (found.signal, found.reason) == ("store", "unknown_field")


def test_the_spool_is_read_too(tmp_path: Path) -> None:
    """What waits for the collector is decoded and judged like what was sent."""
    from spanguard.store.spool import Part, Place, Spool, _SpoolFile

    message = ExportTraceServiceRequest()
    message.resource_spans.add().scope_spans.add().spans.add(name="chat").status.message = CANARY
    spool = Spool(Place(tmp_path / "telemetry.db"), "traces", "http://127.0.0.1:9")
    spool.add([Part(message.SerializeToString(), 1)])
    spool.close()
    (path,) = tmp_path.rglob("spool.db")
    with _SpoolFile.open(path, read_only=True) as database:
        (found,) = Reading(database.rows, PROMOTED).violations()
    assert found.field == "batches.body.resource_spans.scope_spans.spans.status.message"
    assert (found.signal, found.reason) == ("span", "must_be_empty")
