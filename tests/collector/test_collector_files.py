"""The shipped files: valid to the real binary in every combination, clean by our own lint."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest

from binaries import SHIPPED
from collector.running import arguments

yaml = pytest.importorskip("yaml")
sys.path.insert(0, str(SHIPPED))
try:
    import lint
finally:
    sys.path.remove(str(SHIPPED))

pytestmark = pytest.mark.collector
BACKENDS = [
    (),
    ("file.yaml",),
    ("jaeger.yaml",),
    ("jaeger.yaml", "prometheus.yaml"),
    ("honeycomb.yaml",),
    ("honeycomb.yaml", "prometheus.yaml"),
    ("grafana.yaml",),
]
FURTHER = ("redaction.yaml", "span-metrics.yaml", "tail-sampling.yaml", "tls-auth.yaml", "container.yaml")
SUBSETS = list(chain.from_iterable(combinations(FURTHER, size) for size in range(len(FURTHER) + 1)))
COMBINATIONS = [("base.yaml", *backend, *further) for backend in BACKENDS for further in SUBSETS]
VARIABLES = {
    "TELEMETRY_FILE": "telemetry.jsonl",
    "HONEYCOMB_API_KEY": "a-key",
    "OTLP_TOKEN": "a-token",
    "TLS_CERT_FILE": "cert.pem",
    "TLS_KEY_FILE": "key.pem",
}
README = (SHIPPED / "README.md").read_text(encoding="utf-8")
OVERLAYS = {name: (SHIPPED / name).read_text(encoding="utf-8") for name in sorted({*chain.from_iterable(COMBINATIONS)})}


def validate(otelcol: str, names: tuple[str, ...], *overrides: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Ask the collector whether a configuration is valid."""
    command = [otelcol, "validate", *arguments(names, *overrides)]
    variables = {"PATH": os.environ["PATH"], **(environment or VARIABLES)}
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)


def test_every_combination_is_valid(otelcol: str) -> None:
    """Each backend with each selection of the overlays, to the binary that knows."""
    with ThreadPoolExecutor(4) as pool:
        results = pool.map(lambda names: (names, validate(otelcol, names)), COMBINATIONS)
    wrong = [(names, result.stderr) for names, result in results if result.returncode or result.stderr]
    assert len(COMBINATIONS) == 224
    assert wrong == []


MISTAKES = [
    ("base.yaml", "exporters::otlp_http/backend::endpont: x"),
    ("base.yaml", "processors::memory_limitr: {}"),
    ("base.yaml", "exporters::otlp_http/backend::sending_queue::stroage: file_storage/queue"),
    ("base.yaml", "service::pipelines::traces/out::exporters: [otlp_http/backed]"),
    ("base.yaml", "service::pipelines::traces/in::exporters: [forwards]"),
    ("redaction.yaml", "processors::transform/allowed::trace_statements: ['delete_keys(span.attributes)']"),
    ("redaction.yaml", "processors::redaction/secrets::blocked_valus: []"),
    ("tail-sampling.yaml", "processors::tail_sampling::decision_waits: 1s"),
    ("span-metrics.yaml", "connectors::span_metrics::histogram::unit: hours"),
    ("span-metrics.yaml", "connectors::span_metrics::dimension: []"),
    ("tls-auth.yaml", "receivers::otlp::protocols::http::tls::cert_fil: x"),
    ("honeycomb.yaml", "exporters::otlp_http/honeycomb::header: {}"),
    ("container.yaml", "extensions::file_storage/queue::directry: x"),
]


@pytest.mark.parametrize(("name", "mistake"), MISTAKES)
def test_a_mistake_is_found_by_the_binary(otelcol: str, name: str, mistake: str) -> None:
    """What the test above would say of a key, a value or a component that does not exist."""
    names = ("base.yaml",) if name == "base.yaml" else ("base.yaml", name)
    assert validate(otelcol, names).returncode == 0
    assert validate(otelcol, names, mistake).returncode == 1


def found(names: tuple[str, ...], *more: str, environment: dict[str, str] | None = None) -> list[str]:
    """What the lint says of files, and of settings that are laid over them."""
    settings = VARIABLES if environment is None else environment
    return lint.findings([*(OVERLAYS[name] for name in names), *more], settings, container="container.yaml" in names)


def test_every_combination_is_clean() -> None:
    """No combination has one of the faults that `validate` does not see."""
    assert [(names, told) for names in COMBINATIONS if (told := found(names))] == []


FAULTS = [
    ("service: {pipelines: {metrics: {processors: []}}}", "metrics: memory_limiter is not the first processor"),
    ("service: {pipelines: {logs: {processors: [transform/x, memory_limiter]}}}", "logs: memory_limiter is not the first"),
    ("service: {pipelines: {traces/out: {processors: [batch]}}}", "traces/out: batches belong into the sending queue"),
    ("exporters: {otlp_http/backend: {sending_queue: {storage: null}}}", "otlp_http/backend: its queue is not on disk"),
    ("exporters: {otlp_http/backend: {sending_queue: {storage: file_storage}}}", "in file_storage, which is not running"),
    ("service: {extensions: [health_check]}", "in file_storage/queue, which is not running"),
    ("exporters: {otlp_http/backend: {retry_on_failure: {max_elapsed_time: 300s}}}", "gives up after a while"),
    ("receivers: {otlp: {protocols: {grpc: {endpoint: '0.0.0.0:4317'}}}}", "everybody can reach 0.0.0.0:4317"),
    ("exporters: {otlp_http/backend: {headers: {Authorization: Bearer abc}}}", "a secret in plain text"),
    ("exporters: {otlp_http/backend: {headers: {x: '${env:NOT_SET}'}}}", "the variable NOT_SET is not set"),
    ("processors: {tail_sampling: {policies: [{name: a, type: statuscode}]}}", "the policy a says nothing of statuscode"),
    (
        "processors: {tail_sampling: {policies: [{name: a, type: status_code, status_code: {status_codes: [BAD]}}]}}",
        "the policy a has a status code that does not exist",
    ),
    ("processors: {transform/x: {}}", "processors: nothing uses transform/x"),
    ("service: {pipelines: {traces/in: {processors: [memory_limiter, tail_sampling]}}}", "computed after sampling"),
    ("service: {pipelines: {logs: {processors: [memory_limiter]}}}", "logs: is not redacted, and others are"),
]


@pytest.mark.parametrize(("fault", "told"), FAULTS)
def test_a_fault_is_found_by_the_lint(fault: str, told: str) -> None:
    """Each of the faults that `validate` does not see."""
    assert any(told in each for each in found(("base.yaml", "redaction.yaml", "span-metrics.yaml"), fault))


def test_sampling_before_metrics_is_found_through_a_connector() -> None:
    """A pipeline behind one that samples has sampled, too."""
    fault = "service: {pipelines: {traces/in: {processors: [memory_limiter, tail_sampling], exporters: [forward]},"
    fault += " traces/out: {exporters: [span_metrics]}}}"
    assert any("computed after sampling" in each for each in found(("base.yaml", "span-metrics.yaml"), fault))


def test_variables_without_a_default_have_to_be_set() -> None:
    """Where an empty one would be a header without a key, or no token at all."""
    told = found(("base.yaml", "honeycomb.yaml", "tls-auth.yaml"), environment={"OTLP_TOKEN": ""})
    names = ("HONEYCOMB_API_KEY", "OTLP_TOKEN", "TLS_CERT_FILE", "TLS_KEY_FILE")
    assert sorted(told) == [f"the variable {name} is not set" for name in names]


def test_the_lint_is_a_command() -> None:
    """It prints its findings and exits with 1, or with 0 if it has none."""
    command = [sys.executable, str(SHIPPED / "lint.py"), "base.yaml"]
    clean = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    fine = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=60)
    assert (fine.returncode, fine.stderr) == (0, "")
    wrong = subprocess.run([*command, "file.yaml"], env=clean, capture_output=True, text=True, timeout=60)
    assert (wrong.returncode, wrong.stderr) == (1, "the variable TELEMETRY_FILE is not set\n")


def test_without_a_token_nobody_gets_in(otelcol: str) -> None:
    """A collector that is to ask for a token and has none does not start."""
    names = ("base.yaml", "tls-auth.yaml")
    assert validate(otelcol, names, TLS_CERT_FILE="cert.pem", TLS_KEY_FILE="key.pem").returncode == 1


def test_the_manifest_has_what_the_files_use(otelcol: str) -> None:
    """No component more; that there is none less is what validation finds."""
    listed = subprocess.run([otelcol, "components"], capture_output=True, text=True, timeout=60, check=True).stdout
    names = re.findall(r"^ +- name: (\w+)", listed, re.MULTILINE)
    assert len(names) == 13
    whole = lint.merged(list(OVERLAYS.values()))
    used = {key.partition("/")[0] for kind in lint.KINDS for key in whole.get(kind, {})}
    assert sorted(used) == sorted(names)


def test_the_collectors_source_is_that_of_the_manifest() -> None:
    """`otelcol/` imports every module of builder.yaml, at its version, and no other component."""
    manifest = yaml.safe_load((SHIPPED / "builder.yaml").read_text(encoding="utf-8"))
    wanted = {each["gomod"] for kind, modules in manifest.items() if kind != "dist" for each in modules}
    required = (SHIPPED / "otelcol" / "go.mod").read_text(encoding="utf-8")
    source = "".join((SHIPPED / "otelcol" / name).read_text(encoding="utf-8") for name in ("components.go", "main.go"))
    for module in wanted:
        path, _, version = module.partition(" ")
        assert f"\t{path} {version}\n" in required
        assert f'"{path}"' in source
    parts = r'"((?:\S+/)(?:receiver|processor|exporter|connector|extension|provider)/\S+)"'
    assert set(re.findall(parts, source)) == {module.partition(" ")[0] for module in wanted}
    sums = (SHIPPED / "otelcol" / "go.sum").read_text(encoding="utf-8")
    assert all(f"{module} h1:" in sums for module in wanted)


def test_the_readme_names_every_file_and_every_variable() -> None:
    """Of each overlay its variables, and no variable that none has."""
    used = {name for text in OVERLAYS.values() for name, _ in lint.VARIABLE.findall(text)}
    assert used == set(re.findall(r"`([A-Z]+_[A-Z_]+)`", README))
    assert [name for name in OVERLAYS if f"`{name}`" not in README] == []


def test_compose_runs_the_shipped_files_pinned_and_on_loopback() -> None:
    """What stands in the compose file, as there is no engine to run it here."""
    compose: dict[str, Any] = yaml.safe_load((SHIPPED / "docker-compose.yaml").read_text(encoding="utf-8"))
    services = compose["services"]
    assert all(re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", each["image"]) for each in services.values())
    assert all(port.startswith("127.0.0.1:") for each in services.values() for port in each.get("ports", ()))
    checked = {name for name, each in services.items() if "healthcheck" in each}
    assert checked == {"collector-health", "jaeger", "prometheus", "grafana"}
    collector = services["collector"]
    names = tuple(each.rpartition("/")[2] for each in collector["command"] if each.startswith("--config="))
    assert found(names, environment=collector["environment"]) == []
    assert "queue:/var/lib/otelcol" in collector["volumes"]
    assert set(compose["volumes"]) == {"queue", "metrics"}
    mounted = [volume.split(":")[0] for each in services.values() for volume in each.get("volumes", ()) if volume[0] == "."]
    assert all((SHIPPED / path).is_dir() for path in mounted)


def test_the_images_are_of_the_versions_that_are_tested() -> None:
    """The collector of the manifest, the Jaeger and the Prometheus of the build script."""
    names = ("docker-compose.yaml", "kubernetes.yaml", "README.md")
    text = "".join((SHIPPED / name).read_text(encoding="utf-8") for name in names)
    version = yaml.safe_load((SHIPPED / "builder.yaml").read_text(encoding="utf-8"))["dist"]["version"]
    assert set(re.findall(r"opentelemetry-collector-contrib:([\w.]+)", text)) == {version}
    build = (SHIPPED / "build.py").read_text(encoding="utf-8")
    for image, about in (("jaegertracing/jaeger", r"this one is (\S+)\.\n"), ("prom/prometheus:v", r"# (\d\S+), without")):
        tested = re.findall(about, build)[0]
        assert set(re.findall(rf"{image}:?v?(\d[\w.]+)", text)) == {tested}


def test_kubernetes_runs_a_valid_configuration(otelcol: str, tmp_path: Path) -> None:
    """The files in its ConfigMap, with its arguments and its variables, to the real binary; the lint finds nothing."""
    documents = list(yaml.safe_load_all((SHIPPED / "kubernetes.yaml").read_text(encoding="utf-8")))
    by_kind: dict[str, Any] = {each["kind"]: each for each in documents}
    files: dict[str, str] = by_kind["ConfigMap"]["data"]
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    pod = by_kind["StatefulSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    given = [each.replace("/etc/otelcol", str(tmp_path)) for each in container["args"]]
    names = {each["name"] for each in container["env"]}
    environment = {"PATH": os.environ["PATH"], **dict.fromkeys(names, "410MiB")}
    told = subprocess.run([otelcol, "validate", *given], env=environment, capture_output=True, text=True, timeout=60)
    assert (told.returncode, told.stderr) == (0, "")
    assert lint.findings(list(files.values()), environment, container=True) == []
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    claims = {each["metadata"]["name"] for each in by_kind["StatefulSet"]["spec"]["volumeClaimTemplates"]}
    assert set(mounts) == claims | {each["name"] for each in pod["volumes"]}
    assert mounts["queue"] in files["container.yaml"]
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert {each["name"]: each["port"] for each in by_kind["Service"]["spec"]["ports"]}.items() <= ports.items()
    assert all(container[f"{probe}Probe"]["httpGet"]["port"] == "health" for probe in ("startup", "liveness", "readiness"))
    selector = by_kind["StatefulSet"]["spec"]["selector"]["matchLabels"]
    assert (
        selector == by_kind["StatefulSet"]["spec"]["template"]["metadata"]["labels"] == by_kind["Service"]["spec"]["selector"]
    )
