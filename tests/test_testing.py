"""The kit for users' own tests: telemetry as plain data, and the proof that nothing leaks."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanguard.testing import Span, find_leaks

CANARY = "Zaphod's  card is 4929-1234-5678-9012 — ¿sí?"
FORMS: dict[str, Callable[[str], str | bytes]] = {
    "as it is": str,
    "in another case": str.upper,
    "inside a sentence": lambda text: f"error: could not parse '{text}' at line 7",
    "its first 8 characters": lambda text: text[:8],
    "its last 8 characters": lambda text: text[-8:],
    "reversed": lambda text: text[::-1],
    "as JSON": json.dumps,
    "as JSON in JSON": lambda text: json.dumps({"a": json.dumps({"b": text})}),
    "percent-encoded": quote,
    "percent-encoded twice": lambda text: quote(quote(text)),
    "as a slug": lambda text: "".join(each if each.isalnum() else "_" for each in text),
    "in base64": lambda text: base64.b64encode(text.encode()).decode(),
    "in base64 from the second byte": lambda text: base64.b64encode(b"x" + text.encode()).decode(),
    "in base64 from the third byte": lambda text: base64.urlsafe_b64encode(b"xy" + text.encode() + b"z").decode(),
    "in base64, cut": lambda text: base64.b64encode(b"prefix " + text.encode()).decode()[:31],
    "in hex": lambda text: text.encode().hex(),
    "in hex, large": lambda text: text.encode().hex().upper(),
    "as bytes": str.encode,
    "in UTF-16": lambda text: text.encode("utf-16-le"),
    "in gzip": lambda text: gzip.compress(text.encode()),
    "in zlib, in base64": lambda text: base64.b64encode(zlib.compress(text.encode())).decode(),
    "as a digest": lambda text: hashlib.sha256(text.encode()).hexdigest(),
    "as the beginning of a digest": lambda text: "h:" + hashlib.sha1(text.encode()).hexdigest()[:16],
    "its digits": lambda text: "".join(filter(str.isdigit, text)),
}
DIGITS_ALONE = {"its digits"}


def request(**fields: Any) -> tuple[ExportTraceServiceRequest, Any]:
    """Return a request and its one span."""
    message = ExportTraceServiceRequest()
    return message, message.resource_spans.add().scope_spans.add().spans.add(**fields)


@pytest.mark.parametrize("form", FORMS)
def test_a_canary_is_found_in_every_form(form: str) -> None:
    """Whatever encoding a canary went through, it is found, its field is named, and it is not shown."""
    message, span = request()
    value = FORMS[form](CANARY)
    pair = span.attributes.add(key="note")
    if isinstance(value, bytes):
        pair.value.bytes_value = value
    else:
        pair.value.string_value = value
    canary = FORMS[form](CANARY) if form in DIGITS_ALONE else CANARY
    leaks = find_leaks([canary], [message])
    assert leaks
    assert leaks[0].canary == 1
    assert leaks[0].place.startswith("span resource_spans.scope_spans.spans.attributes.value.")
    assert "aphod" not in str(leaks)


def test_a_canary_is_found_in_keys_names_and_numbers() -> None:
    """A key is as good as a value, and so is a number."""
    message, span = request(name=CANARY)
    span.attributes.add(key=CANARY).value.int_value = 4929123456789012
    assert {leak.place.rpartition(".")[2] for leak in find_leaks([CANARY], [message])} == {"name", "key"}
    number = find_leaks([4929123456789012], [message])
    assert {leak.place.rpartition(".")[2] for leak in number} == {"name", "key", "int_value"}
    assert any("int_value" in leak.place for leak in find_leaks(["4929 1234 5678 9012"], [message]))


def test_a_canary_that_is_split_is_found() -> None:
    """Fields that follow each other are read as one: a canary in pieces is still a canary."""
    message, span = request()
    for piece in ("Zap", "hod'", "s  c", "ard"):
        span.attributes.add(key="k").value.string_value = piece
    assert [leak.place for leak in find_leaks(["Zaphod's  card"], [message])] == ["split over several fields"]


@pytest.mark.parametrize("elements", [list(b"Zaphod's card"), list("Zaphod's card")], ids=["bytes", "characters"])
def test_a_canary_that_is_a_list_is_found(elements: list[Any]) -> None:
    """Bytes that became a list of numbers, and a text that became a list of characters."""
    message, span = request()
    values = span.attributes.add(key="note").value.array_value.values
    for element in elements:
        kind = "int_value" if isinstance(element, int) else "string_value"
        setattr(values.add(), kind, element)
    assert any("array_value" in leak.place for leak in find_leaks(["Zaphod's card"], [message]))


def test_what_is_not_there_is_not_found() -> None:
    """Ordinary telemetry holds no canary."""
    message, span = request(name="chat gpt-5.2", trace_id=bytes(range(16)), span_id=bytes(range(8)))
    span.attributes.add(key="gen_ai.request.model").value.string_value = "gpt-5.2"
    span.attributes.add(key="user.id").value.string_value = "h:0123456789abcdef"
    span.start_time_unix_nano = 1_800_000_000_000_000_000
    assert find_leaks([CANARY, "4929123456789012", b"another secret", 987123], [message], {"stderr": "warning: slow"}) == []


def test_a_short_canary_is_refused() -> None:
    """Three characters are everywhere."""
    with pytest.raises(ValueError, match="canary 2 has less than 4"):
        find_leaks(["long enough", "abc"])


# ---------------------------------------------------------------------------------------------------------- the plugin

PROGRAM = """
import logging, sys
import pytest
import spanguard
from opentelemetry import trace, metrics, _logs
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

CANARY = "Zaphod Beeblebrox 4929"

@spanguard.traced_llm_call(provider="openai", model="gpt-5.2")
def ask(prompt):
    return {"usage": {"prompt_tokens": 3, "completion_tokens": 4}, "choices": [{"message": {"content": prompt}}]}
"""
GOOD = (
    PROGRAM
    + """
def test_plain_data(spanguard_telemetry, spanguard_clock):
    ask(CANARY)
    span = spanguard_telemetry.span("chat gpt-5.2")
    assert span["gen_ai.usage.input_tokens"] == 3 and span.start == span.end == 0.0
    assert "gen_ai.client.token.usage" in spanguard_telemetry.metrics()

def test_the_next_begins_with_nothing(spanguard_telemetry):
    assert spanguard_telemetry.spans == [] and spanguard_telemetry.metrics() == {}

def test_nothing_leaks(assert_no_leak):
    ask(CANARY)
    assert assert_no_leak([CANARY]) >= 2, "spans and metrics"

def test_with_a_capture_of_its_own(assert_no_leak, capsys):
    print("hello")
    assert_no_leak([CANARY])
    assert capsys.readouterr().out == "hello\\n"

def test_a_guard_in_front_of_an_exporter_counts(assert_no_leak):
    class Sent(SpanExporter):
        def export(self, spans):
            return SpanExportResult.SUCCESS

    from spanguard import PrivacySpanProcessor
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(PrivacySpanProcessor(SimpleSpanProcessor(Sent())))
    provider.get_tracer("spanguard").start_span(CANARY, attributes={CANARY: CANARY}).end()
    assert assert_no_leak([CANARY]) >= 1
"""
)
BAD = (
    PROGRAM
    + """
def test_span(assert_no_leak):
    trace.get_tracer("t").start_span("s", attributes={"note": "x" + CANARY}).end()
    assert_no_leak(["not there", CANARY])

def test_metric(assert_no_leak):
    metrics.get_meter("t").create_counter("c").add(1, {"note": CANARY})
    assert_no_leak([CANARY])

def test_log(assert_no_leak):
    _logs.get_logger("t").emit(body=CANARY)
    assert_no_leak([CANARY])

def test_printed(assert_no_leak):
    print("oh,", CANARY.upper(), file=sys.stderr)
    assert_no_leak([CANARY])

def test_logged(assert_no_leak):
    logging.getLogger("opentelemetry.sdk").error("no %s", CANARY)
    assert_no_leak([CANARY])

def test_other_provider(assert_no_leak):
    class Sent(SpanExporter):
        def export(self, spans):
            return SpanExportResult.SUCCESS

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(Sent()))
    provider.get_tracer("t").start_span(CANARY).end()
    assert_no_leak([CANARY])

def test_store(assert_no_leak, tmp_path):
    import sqlite3
    from spanguard.store.database import Database
    database = Database.open(tmp_path / "mine.db")
    database.write({"drops": [(1, CANARY, 2, 3)]})
    assert_no_leak([CANARY])

def test_also(assert_no_leak):
    assert_no_leak([CANARY], also={"the reply": CANARY.encode().hex()})
"""
)


def run(directory: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a test file of a user's, with the plugin and nothing else of ours."""
    (directory / "test_theirs.py").write_text(program)
    (directory / "pytest.ini").write_text("[pytest]\n")
    plugin = ["-p", "no:spanguard", "-p", "spanguard.testing.plugin", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", *plugin, "test_theirs.py"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True)


def test_a_program_s_tests_can_see_telemetry_and_that_nothing_leaks(tmp_path: Path) -> None:
    """The fixtures work in a suite that knows nothing of spanguard's own."""
    done = run(tmp_path, GOOD)
    assert "5 passed" in done.stdout, done.stdout + done.stderr


def test_every_leak_fails_its_test_and_shows_no_canary(tmp_path: Path) -> None:
    """Spans, metrics, logs, what was printed and logged, other providers, the store: each failure names where."""
    done = run(tmp_path, BAD)
    assert "8 failed" in done.stdout, done.stdout + done.stderr
    told = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith("canary ")]
    for place in (
        "canary 2 in span resource_spans.scope_spans.spans.attributes.value.string_value, as it is",
        "canary 1 in metric resource_metrics.scope_metrics.metrics.sum.data_points.attributes.value.string_value, as it is",
        "canary 1 in log resource_logs.scope_logs.log_records.body.string_value, as it is",
        "canary 1 in the standard error, as it is",
        "canary 1 in the logs, as it is",
        "canary 1 in span resource_spans.scope_spans.spans.name, as it is",
        "canary 1 in the reply, in hex",
    ):
        assert place in told, done.stdout
    assert any(line.startswith("canary 1 in the local store (mine.db") for line in told)
    assert not any("aphod" in line or "4929" in line for line in told)


def test_importing_the_kit_does_not_import_pytest() -> None:
    """Programs may use the kit without pytest; only the plugin needs it."""
    code = "import sys, spanguard.testing; assert 'pytest' not in sys.modules and '_pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_span_is_asked_for_its_attributes_like_a_mapping() -> None:
    """Whether it has one, too."""
    span = Span("chat", None, "CLIENT", "UNSET", {"error.type": "timeout"})
    assert span["error.type"] == "timeout"
    assert "error.type" in span
    assert "http.route" not in span
