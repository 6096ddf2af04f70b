"""From a program through the collector to Prometheus: every panel and every rule has data; rules do what their tests say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from binaries import SHIPPED
from collector import busy
from collector.running import collecting, get, prometheus_running, until
from slo.test_slo_prometheus import every_sli
from spanguard.slo.dashboards import Dashboard, Panel, dashboards
from spanguard.slo.evaluate import Scope, check
from spanguard.slo.indicators import INDICATORS
from spanguard.slo.prometheus import PrometheusClient, PrometheusSource
from spanguard.slo.reading import StoreSource
from spanguard.store import Database

pytestmark = pytest.mark.collector
RULES = SHIPPED / "prometheus"
PANELS = [(board, panel) for board in dashboards() for row in board.rows for panel in row.panels]
VARIABLES = {"$service": ".+", "$policy": ".*", "$__rate_interval": "1m", "$__range": "5m"}


@dataclass
class Measured:
    """A Prometheus that has the metrics of a program, and the store that has the same."""

    url: str
    store: Path

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the series that a query gives, those that are no number left out."""
        data = get(f"{self.url}/api/v1/query?query={quote(query)}")["data"]["result"]
        return [each for each in data if each["value"][1] != "NaN"]


@contextmanager
def running_busy(directory: Path, endpoint: str) -> Iterator[None]:
    """Run the program in which everything happens, over and over until the block ends; it keeps its metrics locally, too."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SPANGUARD_"))}
    enough = directory / "enough"
    variables = {
        "OTEL_SERVICE_NAME": "invoices",
        "SPANGUARD_RUN": "nightly",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_METRICS_EXPORTER": "otlp,spanguard",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
        "BUSY_UNTIL": str(enough),
        "XDG_STATE_HOME": str(directory / "state"),
    }
    command = [sys.executable, busy.__file__]
    process = subprocess.Popen(command, cwd=directory, env={**kept, **variables}, stderr=subprocess.PIPE, text=True)
    try:
        yield
        enough.touch()
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def measured(otelcol: str, prometheus: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    """A program, the collector with redaction and metrics of spans, and Prometheus with the shipped configuration.

    Rules are evaluated each second instead of each minute; nothing else is changed.
    """
    directory = tmp_path_factory.mktemp("measured")
    for path in RULES.glob("*.rules.yml"):
        shutil.copy(path, directory)
    config = directory / "prometheus.yaml"
    config.write_text("global: {evaluation_interval: 1s}\n" + (RULES / "prometheus.yaml").read_text(encoding="utf-8"))
    names = ["base.yaml", "file.yaml", "prometheus.yaml", "redaction.yaml", "span-metrics.yaml"]
    with prometheus_running(prometheus, directory, config) as url:
        found = Measured(url, directory / ".spanguard" / "telemetry.db")
        variables = {
            "PROMETHEUS_ENDPOINT": f"{url}/api/v1/otlp",
            "TELEMETRY_FILE": str(directory / "telemetry.jsonl"),
            "SPAN_METRICS_INTERVAL": "1s",
        }
        with collecting(otelcol, names, directory, **variables) as collector:
            with running_busy(directory, collector.endpoints["http/protobuf"]):
                until(lambda: len(found.ask("count_over_time(resilience_operation_duration_seconds_count[5m]) > 4")) > 0)
                until(lambda: len(found.ask("spanguard:sli:value5m")) == len(INDICATORS))
            with Database.open(found.store, read_only=True) as db:
                (last,) = check(
                    [each for each in every_sli() if each.name == "tokens"], StoreSource(db, time.time_ns()), RUN, now()
                )
            until(lambda: found.ask(TOKENS) and float(found.ask(TOKENS)[0]["value"][1]) == last.value)
        yield found


RUN = Scope(run="nightly")
TOKENS = 'sum(last_over_time(gen_ai_client_token_usage_sum{resilience_run_id="nightly"}[5m]))'


def now() -> datetime:
    """Return the time."""
    return datetime.now(timezone.utc)


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=lambda each: getattr(each, "uid", getattr(each, "title", "")))
def test_every_panel_has_data(measured: Measured, board: Dashboard, panel: Panel) -> None:
    """Each query of each panel, for every service and policy; and its legend has a name for each series."""
    for query in panel.queries:
        text = query.expression
        for variable, value in VARIABLES.items():
            text = text.replace(variable, value)
        assert "$" not in text
        series = until(lambda text=text: measured.ask(text))
        for name in re.findall(r"{{(\w+)}}", query.legend):
            assert any(name in each["metric"] for each in series), (query.legend, series[0]["metric"])


def test_every_sli_stands_on_a_dashboard() -> None:
    """Wherever one can look at it."""
    legends = {query.legend for _, panel in PANELS for query in panel.queries}
    assert [name for name in INDICATORS if name.replace("_", " ").capitalize() not in legends] == []


def test_dashboards_are_as_grafana_reads_them() -> None:
    """Ids and places are each one's own, and what a query's variables are is declared."""
    for board in dashboards():
        model = json.loads((SHIPPED / "grafana" / "dashboards" / f"{board.uid}.json").read_text(encoding="utf-8"))
        panels = model["panels"]
        assert len({each["id"] for each in panels}) == len(panels)
        taken = [(x, y) for each in panels for x, y in squares(each["gridPos"])]
        assert len(set(taken)) == len(taken)
        declared = {f"${each['name']}" for each in model["templating"]["list"]} | {"$__rate_interval", "$__range"}
        used = set(re.findall(r"\$\w+", json.dumps([each.get("targets", ()) for each in panels])))
        assert used <= declared
        repeated = [each["title"] for each in panels if "repeat" in each]
        assert repeated == (["$policy"] if board.uid == "spanguard-overview" else [])


def squares(place: dict[str, int]) -> list[tuple[int, int]]:
    """Return what a panel covers; Grafana's grid is 24 wide."""
    assert place["x"] + place["w"] <= 24
    return [(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])]


def test_every_rule_has_data(measured: Measured) -> None:
    """What is recorded is there, what alerts compare is there, and Prometheus finds no rule faulty."""
    groups = get(f"{measured.url}/api/v1/rules")["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 100
    assert [rule["name"] for rule in rules if rule["health"] not in ("ok", "unknown") or rule.get("lastError")] == []
    for rule in rules:
        labels = ",".join(f"{key}={json.dumps(value)}" for key, value in rule.get("labels", {}).items())
        wanted = (
            [f"{rule['name']}{{{labels}}}"]
            if rule["type"] == "recording"
            else re.findall(r"slo:[\w:]+{[^}]*}", rule["query"])
        )
        assert wanted
        for series in wanted:
            until(lambda series=series: measured.ask(series))


def test_prometheus_says_what_the_local_store_says(measured: Measured) -> None:
    """On the run, for every SLI the same value, from what came through the collector and from what was kept locally."""
    slos = [each for each in every_sli() if each.name not in ("request-rate", "breaker-open-fraction")]
    there = check(slos, PrometheusSource(PrometheusClient(measured.url)), RUN, now())
    with Database.open(measured.store, read_only=True) as db:
        here = check(slos, StoreSource(db, time.time_ns()), RUN, now())
    for a, b in zip(here, there, strict=True):
        if a.indicator in ("request_rate", "breaker_open_fraction"):
            continue  # a run is no time, and each reader observes states by itself
        assert (a.slo, a.state) == (b.slo, b.state)
        assert a.state != "unknown"
        assert (a.value, a.sample) == (pytest.approx(b.value), pytest.approx(b.sample)), a.slo


def test_metrics_of_spans_are_there_too(measured: Measured) -> None:
    """With the policy and the outcome as labels."""
    (found,) = until(
        lambda: measured.ask(
            "max by (resilience_policy_name, resilience_operation_outcome) (traces_span_metrics_calls_total"
            '{resilience_policy_name="invoice",resilience_operation_outcome="recovered"})'
        )
    )
    assert float(found["value"][1]) >= 2


def test_rules_are_valid(promtool: str, tmp_path: Path) -> None:
    """By `promtool check rules` with every lint, and by `check config`."""
    for path in RULES.iterdir():
        shutil.copy(path, tmp_path)
    for name in ("sli.rules.yml", "objectives.rules.yml"):
        command = [promtool, "check", "rules", "--lint=all", "--lint-fatal", name]
        checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert checked.returncode == 0, checked.stderr
    checked = subprocess.run(
        [promtool, "check", "config", "prometheus.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert checked.returncode == 0, checked.stderr
