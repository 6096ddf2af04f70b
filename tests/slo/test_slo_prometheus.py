"""The same objectives over the store and over a real Prometheus that the same program sends OTLP to; rules in promtool."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from random import Random

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

from slo.made_up import play, rows
from slo.slo_files import ratio, threshold
from spanguard import semconv
from spanguard.slo.evaluate import Scope, check
from spanguard.slo.indicators import INDICATORS
from spanguard.slo.openslo import Slo, load, loads
from spanguard.slo.prometheus import PrometheusClient, PrometheusSource
from spanguard.slo.reading import StoreSource
from spanguard.slo.rule_tests import tests as rule_tests
from spanguard.slo.rules import rules

pytestmark = pytest.mark.collector
EXAMPLE = Path(__file__).parents[2] / "examples" / "slo" / "slo.yaml"
CONFIGURATION = f"otlp: {{promote_resource_attributes: [{semconv.RUN_ID}]}}\n"


@contextmanager
def running(directory: Path, binaries: Path) -> Iterator[str]:
    """Run Prometheus with its OTLP receiver; gives its address."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    (directory / "prometheus.yml").write_text(CONFIGURATION)
    command = [
        binaries / "prometheus",
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-otlp-receiver",
        "--enable-feature=created-timestamp-zero-ingestion",
    ]
    with (directory / "prometheus.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait(f"http://127.0.0.1:{port}/-/ready", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def wait(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return when an address answers."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with closing(urllib.request.urlopen(url, timeout=5)):
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail("Prometheus does not start")


def every_sli() -> list[Slo]:
    """Return an objective on each SLI, and where it is a share also one on that share."""
    found = []
    for name, each in INDICATORS.items():
        op, value = ("gte", 0.4) if each.better == "high" else ("lte", 0.6)
        found.append(threshold(name, op, value, name=name.replace("_", "-")))
        if each.is_share:
            side = "good" if each.better == "high" else "bad"
            found.append(ratio(name, 0.5, side=side, name=f"{name.replace('_', '-')}-share"))
    return loads(json.dumps(found), is_json=True)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_store_and_prometheus_give_the_same_verdict(prometheus, tmp_path, start, read, seed):
    """On a run, for every SLI: the same value, sample and budget, to the rounding of floats."""
    random = Random(seed)
    with running(tmp_path, prometheus) as url:
        for number in range(2):
            program = start(OTLPMetricExporter(f"{url}/api/v1/otlp/v1/metrics"), instance=f"i{number}")
            play(program, rows(random, 60), random)
            program.stop()
        now, scope = datetime.now(timezone.utc), Scope(run="run-1")
        there = check(every_sli(), PrometheusSource(PrometheusClient(url)), scope, now)
        here = check(every_sli(), StoreSource(read(), time.time_ns()), scope, now)
    for a, b in zip(here, there, strict=True):
        if a.indicator == "request_rate":
            continue  # a rate is of a time, and a run is none
        assert (a.slo, a.state) == (b.slo, b.state)
        assert a.state != "unknown"
        for x, y in ((a.value, b.value), (a.sample, b.sample), (a.budget_left, b.budget_left), (a.burn_rate, b.burn_rate)):
            assert (x is None) == (y is None), a.slo
            assert x is None or x == pytest.approx(y, rel=1e-9, abs=1e-9), a.slo


def test_over_a_window_the_verdicts_are_the_same(prometheus, tmp_path, start, read):
    """Prometheus extrapolates the increase of counters, so values are near, and verdicts the same."""
    random = Random(3)
    slos = [each for each in every_sli() if each.name not in ("tokens", "request-rate", "failed-artifacts")]
    with running(tmp_path, prometheus) as url:
        program = start(OTLPMetricExporter(f"{url}/api/v1/otlp/v1/metrics"))
        play(program, rows(random, 300), random)
        program.stop()
        now, scope = datetime.now(timezone.utc), Scope(seconds=600)
        there = check(slos, PrometheusSource(PrometheusClient(url)), scope, now)
        here = check(slos, StoreSource(read(), time.time_ns()), scope, now)
    for a, b in zip(here, there, strict=True):
        assert (a.slo, a.state) == (b.slo, b.state), (a, b)
        assert a.value == pytest.approx(b.value, rel=0.02)


def promtool(binaries: Path, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run promtool in a directory."""
    return subprocess.run(
        [binaries / "promtool", *arguments], cwd=directory, capture_output=True, text=True, timeout=300, check=False
    )


SHARES = [ratio("cache_hit_ratio", 0.95, policy="prompts"), ratio("error_rate", 0.99, side="bad", service="shop")]
OTHERS = [threshold("latency_p95", "lte", 5), threshold("breaker_open_fraction", "lte", 0.1, name="open")]


@pytest.mark.parametrize(
    "slos",
    [
        load(EXAMPLE),
        loads(
            json.dumps(
                [
                    {**SHARES[0], "metadata": {"name": "cache"}},
                    SHARES[1],
                    *[{**each, "metadata": {"name": f"x{n}"}} for n, each in enumerate(OTHERS)],
                ]
            ),
            is_json=True,
        ),
    ],
    ids=["example", "others"],
)
def test_rules_pass_their_tests(prometheus, tmp_path, slos):
    """What `spanguard slo rules` writes is valid, without a lint, and does what its tests say."""
    (tmp_path / "a.rules.yml").write_text(rules(slos))
    (tmp_path / "a.test.yml").write_text(rule_tests(slos, "a.rules.yml"))
    checked = promtool(prometheus, tmp_path, "check", "rules", "--lint=all", "--lint-fatal", "a.rules.yml")
    assert checked.returncode == 0, checked.stderr
    tested = promtool(prometheus, tmp_path, "test", "rules", "a.test.yml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


MUTATIONS = [
    ("success|recovered", "success"),
    ("> 0.1", "> 0.04"),
    ("1 - ((sum", "((sum"),
    ('!=\\"cancelled\\"', '=~\\".*\\"'),
]


@pytest.mark.parametrize(("old", "new"), MUTATIONS)
def test_a_wrong_rule_fails_its_tests(prometheus, tmp_path, old, new):
    """The tests would notice another outcome, threshold or sign."""
    slos = loads(json.dumps(ratio("success", 0.9)), is_json=True)
    text = rules(slos)
    assert old in text
    (tmp_path / "a.rules.yml").write_text(text.replace(old, new))
    (tmp_path / "a.test.yml").write_text(rule_tests(slos, "a.rules.yml"))
    assert promtool(prometheus, tmp_path, "test", "rules", "a.test.yml").returncode != 0
