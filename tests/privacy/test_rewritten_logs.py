"""Processors may write to log records, which the SDK hands from one to the next: nothing that they write leaves as it is."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest
from channels import quiet_warnings, wire
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk._logs._internal import ConcurrentMultiLogRecordProcessor
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from spanguard.privacy import process, redactions
from spanguard.privacy.exporters import GuardedLogExporter
from spanguard.privacy.logs import clean_log

SECRET = "Alice's diagnosis 4111"


class Writer(LogRecordProcessor):
    """Writes a text wherever a processor can."""

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        record = log_record.log_record
        record.attributes = {**(record.attributes or {}), "note": SECRET, SECRET: 1, "http.request.method": "PUT"}
        record.body = record.severity_text = record.event_name = SECRET
        log_record.resource = Resource({"host.name": SECRET})
        log_record.instrumentation_scope = InstrumentationScope(SECRET, SECRET)

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True


class Keeper(LogRecordProcessor):
    """Keeps what it gets, whatever others do with it afterwards."""

    def __init__(self) -> None:
        self.records: list[ReadableLogRecord] = []

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        record = ReadableLogRecord(
            log_record.log_record, log_record.resource or Resource({}), log_record.instrumentation_scope
        )
        self.records.append(record)

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True


@pytest.fixture
def _guard() -> Iterator[None]:
    process.switch_on()
    yield
    process.switch_off()


def told(records: list[ReadableLogRecord]) -> str:
    """Return all that the records hold, as nobody's encoder would clean it."""
    return repr([(vars(each.log_record), each.resource.attributes, each.instrumentation_scope) for each in records])


class Late(Keeper):
    """Keeps what it gets when others have written to theirs."""

    def __init__(self, written: Event) -> None:
        super().__init__()
        self.written = written

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        assert self.written.wait(30)
        super().on_emit(log_record)


class Signalling(Writer):
    """Writes, and says when it has."""

    def __init__(self) -> None:
        self.written = Event()

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        super().on_emit(log_record)
        self.written.set()


@pytest.mark.usefixtures("_guard")
def test_what_one_processor_writes_no_other_sees_that_works_at_the_same_time() -> None:
    """In the SDK's concurrent list, whatever exporter stands behind the other."""
    writer = Signalling()
    late = Late(writer.written)
    together = ConcurrentMultiLogRecordProcessor(max_workers=2)
    provider = LoggerProvider(multi_log_record_processor=together, shutdown_on_exit=False)
    provider.add_log_record_processor(late)
    provider.add_log_record_processor(writer)
    provider.get_logger("shop").emit(LogRecord(attributes={"http.request.method": "GET"}, body="hello"))
    provider.shutdown()
    (record,) = late.records
    assert (record.log_record.attributes or {})["http.request.method"] == "GET"
    assert SECRET not in told(late.records)


@pytest.mark.usefixtures("_guard")
def test_what_one_processor_writes_the_next_gets_cleaned() -> None:
    """What is known stays: processors can add what may be shown."""
    before, after = Keeper(), Keeper()
    provider = LoggerProvider(Resource({}), shutdown_on_exit=False)
    for processor in (before, Writer(), after):
        provider.add_log_record_processor(processor)
    provider.get_logger("t").emit(LogRecord(body="x", severity_number=SeverityNumber.INFO))
    assert SECRET not in told(before.records) + told(after.records)
    assert (after.records[0].log_record.attributes or {})["http.request.method"] == "PUT"
    assert "http.request.method" not in (before.records[0].log_record.attributes or {})


@pytest.mark.usefixtures("_guard")
@pytest.mark.parametrize("kind", [None, ConcurrentMultiLogRecordProcessor])
def test_what_a_processor_writes_does_not_reach_the_wire(kind: type[ConcurrentMultiLogRecordProcessor] | None) -> None:
    """Nor what one of several at once writes to a record that another has kept."""
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider(Resource({}), shutdown_on_exit=False, multi_log_record_processor=kind() if kind else None)
    provider.add_log_record_processor(Writer())
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    provider.get_logger("t").emit(LogRecord(body="x"))
    with quiet_warnings():
        sent = encode_logs(exporter.get_finished_logs()).SerializeToString()
    assert sent
    assert b"diagnosis" not in sent


def test_a_guarded_exporter_trusts_no_record_that_was_clean() -> None:
    """What was cleaned once is cleaned again, and counted once."""
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    cleaned = clean_log(ReadableLogRecord(LogRecord(body=SECRET, attributes={"user.id": SECRET}), Resource({})))
    before = redactions.counts()
    assert clean_log(cleaned).log_record.attributes == cleaned.log_record.attributes
    assert redactions.counts() == before
    cleaned.log_record.body = SECRET
    GuardedLogExporter(exporter).export([cleaned])
    sent = wire(logs=exporter.get_finished_logs())
    assert sent
    assert b"diagnosis" not in sent
