"""The gate over what the verbs record, through the real pipeline, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from slo.slo_files import ratio, threshold
from spanguard.slo.indicators import INDICATORS, Filters, Ratio
from spanguard.slo.reading import StoreSource
from spanguard.store import Database
from spanguard.store.selection import Selection
from spanguard.store.statistics import statistics

PROGRAM = """
import spanguard
from spanguard import association, traced_llm_call, traced_repair

spanguard.configure(service_name="shop", run="ci-1")

@traced_llm_call(provider="openai", model="gpt-5.2")
def ask(ok):
    return {"usage": {"input_tokens": 10, "output_tokens": 5}}

def extract(tries):
    with traced_repair("invoice") as repair:
        for attempt in repair.attempts(3):
            with attempt:
                ask(True)
                attempt.validated("schema", passed=attempt.number == tries)

for tries in (1, 1, 2, 3, 9):
    extract(tries)
with association(run="first"):
    extract(1), extract(1)
with association(run="second"):
    extract(2), extract(9)
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """A directory in which the program has run."""
    directory = tmp_path_factory.mktemp("run")
    spanguard(directory, "-c", PROGRAM)
    return directory


def spanguard(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python there, without what our own environment says."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SPANGUARD_", "GITHUB_"))}
    ran = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=directory,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran


def gate(directory: Path, slos: list[object], *arguments: str, **environment: str):
    """Run the gate and return its exit code and its verdicts by SLI."""
    (directory / "slo.json").write_text(json.dumps(slos))
    ran = spanguard(directory, "-m", "spanguard", "slo", "check", "slo.json", "--json", *arguments, **environment)
    told = json.loads(ran.stdout) if ran.stdout else {"verdicts": [], "exit_code": ran.returncode}
    assert told["exit_code"] == ran.returncode
    return ran.returncode, {each["indicator"]: each for each in told["verdicts"]}, ran


def test_a_run_is_judged(recorded):
    """Nine repairs: four at once, three after more attempts, two never."""
    slos = [
        ratio("success", 0.7),
        threshold("first_attempt_success", "gte", 0.4, name="b"),
        threshold("retry_amplification", "lte", 2, name="c"),
        threshold("repair_success", "gte", 0.5, name="d"),
        threshold("validation_failure_ratio", "lte", 0.6, name="e"),
    ]
    code, verdicts, _ = gate(recorded, slos, "--run", "ci-1")
    values = {name: each["value"] for name, each in verdicts.items()}
    assert code == 0, verdicts
    assert values == {
        "success": pytest.approx(7 / 9),
        "first_attempt_success": pytest.approx(4 / 9),
        "retry_amplification": pytest.approx(17 / 9),
        "repair_success": pytest.approx(3 / 5),
        "validation_failure_ratio": pytest.approx(10 / 17),
    }


def test_a_part_of_a_process_is_judged_by_its_spans(recorded):
    """A run of `association` stands on spans, and the verdict says what that means."""
    slos = [
        ratio("success", 0.9),
        threshold("wasted_token_share", "lte", 0.6, name="b"),
        threshold("latency_p95", "lte", 1, name="c"),
    ]
    code, first, _ = gate(recorded, slos, "--run", "first")
    assert (code, first["success"]["value"], first["wasted_token_share"]["value"]) == (0, 1.0, 0.0)
    assert first["success"]["notes"][0].startswith("computed from spans")
    code, second, _ = gate(recorded, slos, "--run", "second")
    assert (code, second["success"]["value"], second["latency_p95"]["sample"]) == (1, 0.5, 5)
    assert second["wasted_token_share"]["value"] == pytest.approx(4 / 5)
    assert second["success"]["budget_left"] == pytest.approx(-4)


def test_sampled_spans_are_told_of(tmp_path):
    """Where metrics know of more calls than there are spans."""
    spanguard(tmp_path, "-c", PROGRAM, OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0.5")
    _, verdicts, _ = gate(tmp_path, [threshold("latency_p95", "lte", 1)], "--run", "first")
    said = verdicts["latency_p95"]["notes"]
    assert said == [] or said[-1].startswith("spans were sampled or lost: there are ")


@pytest.mark.parametrize(("run", "notes"), [("ci-1", 0), ("part", 2)])
def test_http_requests_told_by_hand_are_counted(tmp_path, run, notes):
    """By a metric, where no HTTP instrumentation counts them; what a cache answered alone is no request.

    A part of a process has no metrics: there they are counted by spans, and the verdict says so.
    """
    program = """
import spanguard
spanguard.configure(run="ci-1")
with spanguard.association(run="part"), spanguard.traced_retry("get") as retry:
    for attempt, status in zip(retry.attempts(4), (429, 503, 429, 200)):
        with attempt:
            attempt.http(method="GET", status=status)
            attempt.http(method="GET", status=200, from_cache=True)
            attempt.validated("status", passed=status == 200)
"""
    spanguard(tmp_path, "-c", program)
    code, verdicts, _ = gate(tmp_path, [threshold("http_429_ratio", "lte", 0.5)], "--run", run)
    assert (code, verdicts["http_429_ratio"]["value"], verdicts["http_429_ratio"]["sample"]) == (0, 0.5, 4)
    assert len(verdicts["http_429_ratio"]["notes"]) == notes


def test_where_nothing_was_measured_the_verdict_says_what(recorded):
    """No HTTP request was told of by anybody: nobody knows how many were refused."""
    code, verdicts, _ = gate(recorded, [threshold("http_429_ratio", "lte", 0.5)], "--run", "ci-1")
    assert (code, verdicts["http_429_ratio"]["reason"]) == (2, "there are no data: no HTTP requests")


def test_exit_codes(recorded):
    """1 if an objective is not met, 2 if nobody knows, and 1 if both."""
    missed, unknown = ratio("success", 0.99), threshold("cache_hit_ratio", "gte", 0.5, name="b")
    assert gate(recorded, [missed], "--run", "ci-1")[0] == 1
    assert gate(recorded, [unknown], "--run", "ci-1")[0] == 2
    assert gate(recorded, [missed, unknown], "--since", "1h")[0] == 1
    assert gate(recorded, [unknown], "--run", "ci-1", "--missing", "pass")[0] == 0
    assert gate(recorded, [{"kind": "SLO"}])[0] == 2


def test_junit_and_annotations(recorded):
    """What CI shows: a test case for each objective, and an annotation where one is not met."""
    slos = [
        ratio("success", 0.99),
        threshold("latency_p95", "lte", 5, name="b"),
        threshold("cache_hit_ratio", "gte", 1, name="c"),
    ]
    _, _, ran = gate(recorded, slos, "--run", "ci-1", "--junit", "report.xml", GITHUB_ACTIONS="true")
    root = ET.parse(recorded / "report.xml").getroot()
    assert (root.attrib["tests"], root.attrib["failures"], root.attrib["errors"]) == ("3", "1", "1")
    cases = {case.attrib["classname"]: [child.tag for child in case] for case in root.iter("testcase")}
    assert cases == {"shop.answers": ["failure", "system-out"], "shop.b": ["system-out"], "shop.c": ["error", "system-out"]}
    first, second = ran.stderr.strip().splitlines()
    assert first.startswith("::error file=slo.json,title=SLO answers%3A not met::objective-1: success is 77.78 %25, wanted")
    assert second.startswith("::warning file=slo.json,title=SLO c%3A unknown::")


def test_a_query_in_promql_needs_prometheus(recorded):
    """The store cannot tell."""
    slo = threshold("success", "gte", 0.9)
    slo["spec"]["indicator"] = {
        "spec": {"thresholdMetric": {"metricSource": {"type": "Prometheus", "spec": {"query": "up"}}}}
    }
    code, verdicts, _ = gate(recorded, [slo], "--run", "ci-1")
    assert (code, verdicts["query"]["reason"]) == (2, "a query in PromQL needs --prometheus")


def test_prometheus_that_is_not_there(recorded):
    """Is exit code 2, and its address is named without what was sent to it."""
    slos = [ratio("success", 0.9)]
    code, _, ran = gate(
        recorded, slos, "--prometheus", "http://127.0.0.1:9", SPANGUARD_PROMETHEUS_HEADERS="Authorization=secret"
    )
    assert (code, ran.stderr) == (2, "Error: http://127.0.0.1:9: cannot be reached (ConnectionRefusedError).\n")


INSIDE = """
import asyncio, contextlib
import spanguard
from spanguard import association, traced_llm_call, traced_repair, traced_retry

spanguard.configure(service_name="shop", run="whole")

@traced_llm_call(provider="openai", model="gpt-5.2")
def ask(fails=False):
    if fails:
        raise TimeoutError
    return {"usage": {"input_tokens": 10, "output_tokens": 5}}

def asked_twice():
    with traced_retry("ask") as retry:  # inside another operation, whose tokens are its own
        for attempt in retry.attempts(2):
            with contextlib.suppress(TimeoutError), attempt:
                return ask(fails=attempt.number == 1)

def extract(tries):
    with traced_repair("invoice") as repair:
        for attempt in repair.attempts(3):
            with attempt:
                asked_twice()
                attempt.validated("schema", passed=attempt.number == tries)

with association(run="part"):
    for tries in (1, 2, 9):
        extract(tries)
    with contextlib.suppress(asyncio.CancelledError), traced_repair("letter") as repair:
        for attempt in repair.attempts(2):
            with attempt:
                ask()
                raise asyncio.CancelledError
"""


def test_spans_and_metrics_say_the_same_of_a_whole_process(tmp_path):
    """Nested and cancelled operations included: a run of `association` around everything has the figures of the process."""
    spanguard(tmp_path, "-c", INSIDE)
    with Database.open(tmp_path / ".spanguard" / "telemetry.db", read_only=True) as database:
        whole, part = (statistics(database, Selection(run)) for run in ("whole", "part"))
        source = StoreSource(database, 0)
        # Durations are measured twice, and nearly the same; all else is the same to the last digit.
        shares = [each.formula for each in INDICATORS.values() if isinstance(each.formula, Ratio)]
        slis = [[source.figures([f], Filters(run=run), None)[0].number(f) for f in shares] for run in ("whole", "part")]
    assert whole.operations.outcomes == {"success": 1, "recovered": 7, "exhausted": 1, "cancelled": 1}
    assert whole.operations.first_attempt_success == pytest.approx(1 / 9)
    assert whole.operations == part.operations
    assert (whole.requests.count, whole.requests.errors) == (part.requests.count, part.requests.errors) == (13, 6)
    assert whole.validation == part.validation
    assert slis[0] == slis[1]
