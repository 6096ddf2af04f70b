"""Real frameworks, clients, databases and SDKs with other people's instrumentations: nothing a user wrote leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from adversary import Keeping, Server, everywhere, found, run_adversary, serving, values
from canaries import canaries, forms
from test_process_guard import (  # noqa: F401 - what it needs is installed here alone
    test_json_exporters_that_are_called_directly_encode_what_is_clean,
)

from otlp_receiver import GrpcReceiver, HttpReceiver
from spanguard.privacy.conventions import ATTRIBUTES

pytest.importorskip("opentelemetry.instrumentation.genai.openai", reason="the instrumentations are not installed")
pytest.importorskip("opentelemetry.instrumentation.sqlalchemy", reason="the instrumentations are not installed")
pytestmark = [pytest.mark.foreign, pytest.mark.slow]

PROGRAM = Path(__file__).with_name("guarded_program.py")


@pytest.fixture
def server() -> Iterator[Server]:
    """A provider on loopback."""
    with serving() as made:
        yield made


SECRETS = ["Alice Jones has diabetes, see /home/alice/taxes.pdf", "sk-proj-9aZ8bY7cX6dW5eV4"]


@pytest.mark.parametrize("secret", SECRETS)
def test_nothing_that_a_user_wrote_leaves_a_real_program(secret: str, server: Server, tmp_path: Path) -> None:
    """Not on the wire, not on stdout or stderr, not in headers to others, not in a file."""
    with HttpReceiver() as receiver:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SPANGUARD_"))}
        done = subprocess.run(
            [sys.executable, str(PROGRAM), secret, f"http://127.0.0.1:{server.server_port}"],
            cwd=tmp_path,
            env={
                **kept,
                "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
                "OTEL_SEMCONV_STABILITY_OPT_IN": "http,database,gen_ai_latest_experimental",
                "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_AND_EVENT",
                "XDG_STATE_HOME": str(tmp_path / "state"),
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        sent, spans = receiver.raw, receiver.spans
    assert not [form for form in forms(secret) if form in sent]
    assert secret not in done.stdout + done.stderr
    assert not [line for line in server.headers if any(form in line.encode() for form in forms(secret))]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and any(f in path.read_bytes() for f in forms(secret))]
    names = {span["name"] for span in spans}
    assert {"GET /users/{user_id}", "GET /orders/<int:order_id>", "GET", "SELECT", "chat gpt-4o-mini"} <= names
    (served,) = [
        s for s in spans if s["name"] == "GET /users/{user_id}" and s["attributes"].get("http.response.status_code") == 500
    ]
    assert served["attributes"]["http.route"] == "/users/{user_id}"
    failed = [span for span in spans if span["attributes"].get("error.type") == "openai.BadRequestError"]
    assert failed


# ------------------------------------------------------------------------------------------ every channel, in every way

MOST_IN_BALANCED = 12
SCRIPTS = Path(sys.executable).parent
INSTRUMENT = [str(SCRIPTS / "opentelemetry-instrument"), sys.executable]
INSTRUMENTED = {
    "SPANGUARD_GUARD": "process",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "*",
}
CONFIGURATION = """
file_format: "1.0"
tracer_provider:
  processors:
    - batch: {{exporter: {{otlp_http: {{endpoint: "{endpoint}/v1/traces"}}}}}}
    - simple: {{exporter: {{console: }}}}
meter_provider:
  readers:
    - periodic: {{exporter: {{otlp_http: {{endpoint: "{endpoint}/v1/metrics"}}}}}}
logger_provider:
  processors:
    - batch: {{exporter: {{otlp_http: {{endpoint: "{endpoint}/v1/logs"}}}}}}
"""

# By what it is: how the program is started, what it does, and settings.
WAYS: dict[str, tuple[list[str], str, dict[str, str]]] = {
    "configure": ([sys.executable], "configured", {"OTEL_PROPAGATORS": "tracecontext,baggage,jaeger,ottrace"}),
    "configure, over gRPC": ([sys.executable], "configured", {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}),
    "configure, kept in the local store": ([sys.executable], "configured", {"SPANGUARD_DEBUG": "1"}),
    "spanguard run": ([str(SCRIPTS / "spanguard"), "run", "--", sys.executable], "given", {}),
    "opentelemetry-instrument, with a configuration file": (
        INSTRUMENT,
        "given",
        {**INSTRUMENTED, "OTEL_CONFIG_FILE": "otel.yaml"},
    ),
    "opentelemetry-instrument, to the console too": (
        INSTRUMENT,
        "given",
        {
            **INSTRUMENTED,
            **dict.fromkeys(("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"), "console,otlp"),
            "OTEL_PYTHON_LOG_CORRELATION": "true",
            "OTEL_LOG_LEVEL": "debug",
        },
    ),
    "other providers": ([sys.executable], "second", {}),
    "processors and exporters that are added later": ([sys.executable], "late", {}),
    "exporters that are called directly": ([sys.executable], "directly", {}),
    "a forked child": ([sys.executable], "forked", {}),
    "a spawned child": ([sys.executable], "spawned", {}),
    "Prometheus": ([sys.executable], "scraped", {}),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_canary_leaves_a_program(way: str, server: Server, tmp_path: Path) -> None:
    """Texts of forty kinds through every channel: none on the wire, on the console, in headers to others, or in a file."""
    command, does, settings = WAYS[way]
    receiver = GrpcReceiver() if "gRPC" in way else HttpReceiver()
    texts = canaries(seed=sum(map(ord, way)))
    with receiver:
        if "local store" not in way:
            settings = {**settings, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint}
        (tmp_path / "otel.yaml").write_text(CONFIGURATION.format(endpoint=receiver.endpoint))
        done = run_adversary(does, texts, server, tmp_path, command=command, **settings)
    assert "done" in done.stdout, done.stderr[-2000:]
    assert (done.returncode, found(texts, everywhere(receiver, done, server, tmp_path))) == (0, [])
    assert way.startswith(("Prometheus", "configure, kept")) or len(receiver.raw) > 10_000
    assert does != "given" or server.asked > 20
    assert command != INSTRUMENT or '"trace_id"' in done.stdout  # on the console too


def test_without_the_guard_all_canaries_are_found(server: Server, tmp_path: Path) -> None:
    """So the tests above would see them."""
    texts = canaries(seed=1)
    with HttpReceiver() as receiver:
        done = run_adversary("unguarded", texts, server, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)
    places = found(texts, everywhere(receiver, done, server, tmp_path))
    assert {kind for kind, place in places if place == "wire"} == set(texts)
    assert {kind for kind, place in places if place == "headers"}


def test_in_balanced_mode_no_content_leaves_a_program(server: Server, tmp_path: Path) -> None:
    """What is under a key that holds content stays; of other texts no more leave than the documentation says."""
    texts = canaries(seed=1)
    with Keeping() as receiver:
        done = run_adversary("balanced", texts, server, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)
    assert "done" in done.stdout, done.stderr[-2000:]
    content = {key for key, rule in ATTRIBUTES.items() if rule.content}
    assert not [key for message in receiver.messages for key, _ in values(message) if key in content]
    places = found(texts, everywhere(receiver, done, server, tmp_path))
    assert {place for _, place in places} <= {"wire"}
    assert len(places) <= MOST_IN_BALANCED
