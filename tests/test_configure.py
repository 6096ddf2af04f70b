"""`spanguard.configure`: where telemetry goes. Each program runs in a process of its own, as OpenTelemetry is set up once."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import pytest

from otlp_receiver import GrpcReceiver, HttpReceiver
from spanguard.pipeline import SettingsError, configure

PROGRAM = """
    import spanguard

    @spanguard.traced_llm_call(provider="openai")
    def ask(prompt, model="gpt-5.2"):
        return {"model": model, "usage": {"prompt_tokens": 10, "completion_tokens": 5}, "choices": []}

    def program():
        with spanguard.traced_repair("invoice") as repair:
            for attempt in repair.attempts(3):
                with attempt:
                    ask("the secret prompt")
                    attempt.validated("schema", passed=attempt.number == 2, rule="total_matches")
"""


def run(directory: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program that has `ask` and `program`, in a directory and with these environment variables alone."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SPANGUARD_"))}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(PROGRAM) + textwrap.dedent(code)],
        cwd=directory,
        env={**kept, "XDG_STATE_HOME": str(directory / "state"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def stored(path: Path, table: str = "spans") -> list[str]:
    """Names of the rows in a table of a store, in the order they came."""
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute(f"SELECT name FROM {table}")]


TREE = [
    ("repair invoice", None),
    ("attempt", "repair invoice"),
    ("chat gpt-5.2", "attempt"),
    ("attempt", "repair invoice"),
    ("chat gpt-5.2", "attempt"),
]


def test_without_an_endpoint_everything_is_kept_in_the_local_store(tmp_path: Path) -> None:
    """The store is `.spanguard/telemetry.db` in the working directory, and holds no word of the prompt."""
    result = run(tmp_path, "spanguard.configure(); program()")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    store = tmp_path / ".spanguard" / "telemetry.db"
    assert sorted(stored(store)) == ["attempt", "attempt", "chat gpt-5.2", "chat gpt-5.2", "repair invoice"]
    assert "resilience.operation.attempts" in stored(store, "metric_points")
    assert b"secret prompt" not in b"".join(path.read_bytes() for path in store.parent.iterdir())


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc", ""])
def test_with_an_endpoint_everything_goes_there_by_otlp(tmp_path: Path, protocol: str) -> None:
    """Spans, metrics and resource arrive over HTTP (the default) and gRPC, and nothing is kept locally."""
    with GrpcReceiver() if protocol == "grpc" else HttpReceiver() as receiver:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, "OTEL_SERVICE_NAME": "invoices"}
        if protocol:
            environment["OTEL_EXPORTER_OTLP_PROTOCOL"] = protocol
        result = run(tmp_path, "spanguard.configure(run='nightly'); program()", **environment)
    assert (result.returncode, result.stderr) == (0, "")
    assert receiver.tree() == TREE
    operation, attempt = (
        next(span for span in receiver.spans if span["name"] == name) for name in ("repair invoice", "attempt")
    )
    assert (operation["status"], operation["attributes"]["resilience.operation.outcome"]) == ("UNSET", "recovered")
    assert operation["attributes"]["resilience.usage.wasted.input_tokens"] == 10
    assert (attempt["status"], attempt["message"]) == ("ERROR", "")
    assert attempt["attributes"]["error.type"] == "validation_error"
    tokens = [value for name, _, value in receiver.points if name == "resilience.token.usage"]
    assert sum(tokens) == 30
    assert receiver.resource["service.name"] == "invoices"
    assert receiver.resource["resilience.run.id"] == "nightly"
    assert b"secret prompt" not in receiver.raw
    assert not (tmp_path / ".spanguard").exists()


def test_exporters_can_be_named(tmp_path: Path) -> None:
    """`OTEL_TRACES_EXPORTER` and its sisters name exporters: here both the endpoint and the store, and no metrics."""
    with HttpReceiver() as receiver:
        result = run(
            tmp_path,
            "spanguard.configure(); program()",
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
            OTEL_TRACES_EXPORTER="otlp, spanguard",
            OTEL_METRICS_EXPORTER="none",
        )
    assert (result.returncode, result.stderr) == (0, "")
    assert receiver.tree() == TREE
    store = tmp_path / ".spanguard" / "telemetry.db"
    assert (len(stored(store)), stored(store, "metric_points"), receiver.points) == (5, [], [])


def test_otel_sdk_disabled_switches_everything_off(tmp_path: Path) -> None:
    """The program runs as ever, and nothing is written."""
    result = run(tmp_path, "spanguard.configure(); program(); print('done')", OTEL_SDK_DISABLED="true")
    assert (result.stdout, result.stderr) == ("done\n", "")
    assert list(tmp_path.iterdir()) == []


def test_debug_prints_a_line_each_and_exports_nothing(tmp_path: Path) -> None:
    """`SPANGUARD_DEBUG=1` shows spans, events and metrics on stderr, and no prompt."""
    result = run(tmp_path, "spanguard.configure(); program()", SPANGUARD_DEBUG="1")
    lines = result.stderr.splitlines()
    kinds = [line.split()[1] for line in lines]
    assert (kinds.count("span"), kinds.count("event")) == (5, 2)
    assert kinds.count("metric") >= 5
    assert all(line.startswith("spanguard ") for line in lines)
    assert "secret" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_provider_that_the_program_has_set_is_used_and_not_replaced(tmp_path: Path) -> None:
    """Our spans go where the program's own go; the signals that it has not set up go to the store."""
    code = """
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        mine, kept = TracerProvider(), InMemorySpanExporter()
        mine.add_span_processor(SimpleSpanProcessor(kept))
        trace.set_tracer_provider(mine)
        pipeline = spanguard.configure()
        program()
        assert trace.get_tracer_provider() is mine
        print(len(kept.get_finished_spans()), pipeline.destinations["traces"])
    """
    result = run(tmp_path, code)
    assert (result.stdout, result.stderr) == ("5 the provider that the program has set\n", "")
    assert stored(tmp_path / ".spanguard" / "telemetry.db") == []


def test_configure_is_idempotent(tmp_path: Path) -> None:
    """A second call returns the same pipeline; other settings are refused with one warning."""
    code = """
        first = spanguard.configure()
        assert spanguard.configure() is first
        assert spanguard.configure(run="other") is first
        program()
        assert first.flush()
        assert first.shutdown() and first.shutdown()
        assert not first.flush()
    """
    result = run(tmp_path, code)
    assert result.stderr == "configure() was called again with other settings; the first ones hold\n"
    assert len(stored(tmp_path / ".spanguard" / "telemetry.db")) == 5


def test_decorators_applied_before_configure_record_after_it(tmp_path: Path) -> None:
    """And calls made before it are not recorded, and not in the way."""
    assert run(tmp_path, "program(); spanguard.configure(); ask('x')").returncode == 0
    assert stored(tmp_path / ".spanguard" / "telemetry.db") == ["chat gpt-5.2"]


@pytest.mark.parametrize("hang", [False, True])
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_dead_collector_holds_the_exit_up_for_two_seconds_at_most(tmp_path: Path, protocol: str, hang: bool) -> None:
    """Whether it refuses or never answers: the process ends within its setting (here half a second, to be quick)."""
    with HttpReceiver(hang=True) as receiver:
        code = """
            import atexit, time
            def end():
                print(time.monotonic() - began)
            atexit.register(end)  # runs after what is registered later
            spanguard.configure()
            program()
            began = time.monotonic()
        """
        began = time.monotonic()
        result = run(
            tmp_path,
            code,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint if hang else "http://127.0.0.1:9",
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            SPANGUARD_EXIT_TIMEOUT="0.5",
        )
        assert time.monotonic() - began < 30
    assert result.returncode == 0
    # What the shutdown itself took, by its own deadline; generous, because the machine may be busy.
    assert float(result.stdout) < 5
    assert hang or result.stderr.count("the OTLP endpoint is down") == 1
    # What it did not take is not lost: `test_spool_pipeline.py`.
    assert (tmp_path / ".spanguard" / "spool.db").exists()


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("SPANGUARD_SEMCONV", "9.99", "SPANGUARD_SEMCONV: expected one of 1.37, dev-2026-10"),
        ("SPANGUARD_EVENTS", "smoke", "SPANGUARD_EVENTS: expected one of span, log, both"),
        ("SPANGUARD_DEBUG", "perhaps", "SPANGUARD_DEBUG: expected true or false"),
        ("SPANGUARD_EXIT_TIMEOUT", "soon", "SPANGUARD_EXIT_TIMEOUT: expected a number"),
        ("SPANGUARD_EXIT_TIMEOUT", "nan", "SPANGUARD_EXIT_TIMEOUT: expected seconds from 0 to 3600"),
        ("OTEL_TRACES_EXPORTER", "telegraph", "OTEL_TRACES_EXPORTER: no exporter of that name is installed"),
    ],
)
def test_a_wrong_setting_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str) -> None:
    """`configure()` names the variable and what is allowed, never the value."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        configure()
    assert str(caught.value) == message


def test_a_wrong_argument_is_a_clear_error() -> None:
    """Arguments are held to the same rules as variables."""
    with pytest.raises(SettingsError, match="SPANGUARD_SEMCONV: expected one of"):
        configure(semconv="9.99")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="service_name"):
        configure(service_name="")


def test_an_unknown_protocol_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTLP goes over HTTP with protobuf or over gRPC."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "pigeon")
    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_PROTOCOL: expected one of http/protobuf, grpc"):
        configure()


def test_without_configure_a_wrong_setting_disturbs_nobody(tmp_path: Path) -> None:
    """Emitters in somebody else's pipeline take the default and say so once."""
    code = """
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        trace.set_tracer_provider(TracerProvider())
        program(); program()
    """
    result = run(tmp_path, code, SPANGUARD_SEMCONV="9.99")
    assert result.returncode == 0
    assert result.stderr.count("SPANGUARD_SEMCONV: expected one of") == 1


def test_the_content_of_other_libraries_is_kept_out_too(tmp_path: Path) -> None:
    """Exception messages, status descriptions, message attributes and log bodies of anyone's spans are not exported."""
    code = """
        from opentelemetry import trace, _logs
        spanguard.configure()
        tracer = trace.get_tracer("somebody")
        try:
            with tracer.start_as_current_span("work") as span:
                span.set_attribute("gen_ai.input.messages", "the secret prompt")
                raise ValueError("the secret prompt")
        except ValueError:
            pass
        _logs.get_logger("somebody").emit(_logs.LogRecord(body="the secret prompt", event_name="feature_flag.evaluation"))
    """
    with HttpReceiver() as receiver:
        result = run(tmp_path, code, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)
    assert (result.returncode, result.stderr) == (0, "")
    assert [span["name"][:2] for span in receiver.spans] == ["h:"]
    assert b"feature_flag.evaluation" in receiver.raw
    assert b"secret prompt" not in receiver.raw


def test_an_unwritable_directory_costs_the_data_and_nothing_else(tmp_path: Path) -> None:
    """When there is no place for a store, the program runs and one warning says so."""
    (tmp_path / ".spanguard").write_text("a file where the directory should be")
    (tmp_path / "state").write_text("likewise")
    result = run(tmp_path, "spanguard.configure(); program(); print('done')")
    assert (result.returncode, result.stdout) == (0, "done\n")
    assert result.stderr
    assert "Traceback" not in result.stderr


def test_the_resource_says_which_spanguard_run_and_session(tmp_path: Path) -> None:
    """Run and session are random unless given; the schema version says which table of names was used."""
    with HttpReceiver() as receiver:
        run(tmp_path, "spanguard.configure(); ask('x')", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)
    resource = receiver.resource
    assert resource["telemetry.distro.name"] == "spanguard"
    assert {len(resource[key]) for key in ("resilience.run.id", "resilience.session.id")} == {16}
    assert resource["resilience.schema.version"] == "1"
    assert not [key for key in resource if key.startswith(("process.", "host.name"))], json.dumps(resource)
