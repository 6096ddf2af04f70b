"""The same objectives over the store and over a real Prometheus that the same program sends OTLP to; rules in promtool."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from random import Random

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

from collector.running import prometheus_running
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
    """Run Prometheus, which is told of runs; gives its address."""
    config = directory / "prometheus.yml"
    config.write_text(CONFIGURATION)
    with prometheus_running(str(binaries / "prometheus"), directory, config) as url:
        yield url


def every_sli(high: float = 0.4, low: float = 0.6, share: float = 0.5) -> list[Slo]:
    """Return an objective on each SLI, and where it is a share also one on that share."""
    found = []
    for name, each in INDICATORS.items():
        op, value = ("gte", high) if each.better == "high" else ("lte", low)
        found.append(threshold(name, op, value, name=name.replace("_", "-")))
        if each.is_share:
            side = "good" if each.better == "high" else "bad"
            found.append(ratio(name, share, side=side, name=f"{name.replace('_', '-')}-share"))
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
        # A breaker's state is observed once an export, by each reader at a time of its own.
        observed = a.indicator == "breaker_open_fraction"
        assert a.slo == b.slo
        assert a.state == b.state or observed, a.slo
        assert "unknown" not in (a.state, b.state), a.slo
        for x, y in ((a.value, b.value), (a.sample, b.sample), (a.budget_left, b.budget_left), (a.burn_rate, b.burn_rate)):
            assert (x is None) == (y is None), a.slo
            assert x is None or observed or x == pytest.approx(y, rel=1e-9, abs=1e-9), a.slo


def test_over_a_window_the_verdicts_are_the_same(prometheus, tmp_path, start, read):
    """Prometheus extrapolates the increase of counters: values are near, verdicts the same if no limit is nearer."""
    random = Random(3)
    slos = [*every_sli(0.01, 1e6, 0.01), *every_sli(0.999, 1e-6, 0.999)]
    with running(tmp_path, prometheus) as url:
        program = start(OTLPMetricExporter(f"{url}/api/v1/otlp/v1/metrics"))
        play(program, rows(random, 300), random)
        program.stop()
        now, scope = datetime.now(timezone.utc), Scope(seconds=600)
        there = check(slos, PrometheusSource(PrometheusClient(url)), scope, now)
        here = check(slos, StoreSource(read(), time.time_ns()), scope, now)
    for a, b in zip(here, there, strict=True):
        assert (a.slo, a.state) == (b.slo, b.state), (a, b)
        assert a.state != "unknown"
    assert {each.state for each in here[: len(here) // 2]} == {"met"}
    assert {each.state for each in here[len(here) // 2 :]} == {"not met"}


@pytest.mark.parametrize("outcome", ["success", "failed"])
def test_slices_of_time_are_judged_alike(prometheus, tmp_path, start, read, outcome):
    """Prometheus looks at the ends of slices, so the slice that is under way is not in it yet."""
    slo = ratio("success", 0.9)
    objective = {"target": 0.9, "timeSliceWindow": "1m", "timeSliceTarget": 0.8}
    slo["spec"] |= {"budgetingMethod": "Timeslices", "objectives": [objective]}
    slos = loads(json.dumps(slo), is_json=True)
    with running(tmp_path, prometheus) as url:
        program = start(OTLPMetricExporter(f"{url}/api/v1/otlp/v1/metrics"))
        program.record(semconv.OPERATION_DURATION, 1, {semconv.OUTCOME: outcome})
        program.stop()
        now, scope = datetime.now(timezone.utc), Scope(seconds=600)
        later = now.timestamp() // 60 * 60 + 61
        (there,) = check(slos, PrometheusSource(PrometheusClient(url), later), scope, now)
        (here,) = check(slos, StoreSource(read(), time.time_ns()), scope, now)
    assert there.value == here.value == float(outcome == "success")
    assert (here.state, here.sample, here.burn_rate) == (there.state, there.sample, there.burn_rate)


def promtool(binaries: Path, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run promtool in a directory."""
    return subprocess.run(
        [binaries / "promtool", *arguments], cwd=directory, capture_output=True, text=True, timeout=300, check=False
    )


def others() -> list[Slo]:
    """Return SLOs of every other kind: limits, slices of time, queries, policies, targets of 100 %, minimum samples."""
    slices = threshold("latency_p95", "lte", 5, name="slices")
    slices["spec"] |= {
        "budgetingMethod": "Timeslices",
        "objectives": [{"op": "lte", "value": 5, "target": 0.95, "timeSliceWindow": "5m"}],
    }
    parts = ratio("success", 0.9, name="parts")
    objective = {"target": 0.9, "timeSliceWindow": "5m", "timeSliceTarget": 0.8}
    parts["spec"] |= {"budgetingMethod": "Timeslices", "objectives": [objective]}
    query = ratio("success", 0.9, name="query")
    asked = {"metricSource": {"type": "Prometheus", "spec": {"query": "sum(rate(up[{{.window}}]))"}}}
    query["spec"] |= {"indicator": {"spec": {"ratioMetric": {"good": asked, "total": asked}}}}
    policy = ratio("success", 0.9, name="policy")
    burn = {"kind": "burnrate", "op": "gte", "threshold": 2, "lookbackWindow": "1h", "alertAfter": "10m"}
    condition = {"kind": "AlertCondition", "metadata": {"name": "c"}, "spec": {"severity": "page", "condition": burn}}
    policy["spec"] |= {"alertPolicies": [{"kind": "AlertPolicy", "spec": {"conditions": [condition]}}]}
    found = [
        *(slices, parts, query, policy),
        ratio("cache_hit_ratio", 0.95, policy="prompts", name="cache"),
        ratio("error_rate", 1, side="bad", service="shop", name="never"),
        threshold("latency_p95", "lte", 5, name="fast"),
        threshold("breaker_open_fraction", "lte", 0.1, name="open"),
        threshold("retry_amplification", "lt", 2, name="tries"),
        threshold("failed_artifacts", "lte", 0, name="artifacts"),
    ]
    for each in found:
        each["metadata"] = {**each["metadata"], "annotations": {"spanguard/min-samples": "10"}}
        each["spec"] = {
            **each["spec"],
            "objectives": [{**o, "displayName": 'ü "😀" {{x}}'} for o in each["spec"]["objectives"]],
        }
    return loads(json.dumps(found), is_json=True)


OTHERS = ["slices", "parts", "query", "policy", "cache", "never", "fast", "open", "tries", "artifacts"]


@pytest.mark.parametrize("which", ["example", *OTHERS])
def test_rules_pass_their_tests(prometheus, tmp_path, which):
    """What `spanguard slo rules` writes is valid, without a lint, and does what its tests say.

    One file a kind: promtool evaluates all rules of a file for each of its tests, which takes ten times as long.
    """
    if which == "example":
        pytest.importorskip("yaml")
    slos = load(EXAMPLE) if which == "example" else [each for each in others() if each.name == which]
    (tmp_path / "a.rules.yml").write_text(rules(slos))
    (tmp_path / "a.test.yml").write_text(rule_tests(slos, "a.rules.yml"))
    tested = promtool(prometheus, tmp_path, "test", "rules", "a.test.yml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("which", ["example", "others"])
def test_rules_have_no_lint(prometheus, tmp_path, which):
    """All of a file together; and no kind of SLO is left out of the tests above."""
    if which == "example":
        pytest.importorskip("yaml")
    slos = load(EXAMPLE) if which == "example" else others()
    assert which == "example" or [each.name for each in slos] == OTHERS
    (tmp_path / "a.rules.yml").write_text(rules(slos))
    checked = promtool(prometheus, tmp_path, "check", "rules", "--lint=all", "--lint-fatal", "a.rules.yml")
    assert checked.returncode == 0, checked.stderr


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
