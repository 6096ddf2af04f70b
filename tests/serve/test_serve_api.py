"""The JSON API."""

from __future__ import annotations

import json
import time

import pytest

from spanguard.serve.api import ENDPOINTS
from spanguard.serve.openapi import document
from spanguard.slo.indicators import INDICATORS, Filters
from spanguard.slo.reading import StoreSource
from spanguard.store import Database, runs, traces
from spanguard.store.history import TYPES
from spanguard.store.selection import Selection
from spanguard.store.statistics import statistics

WINDOWS = ["5m", "15m", "1h", "6h", "24h", "7d", "30d"]


@pytest.fixture
def told(recorded):
    """The same store, added up from its rows."""
    with Database.open(recorded, read_only=True) as db:
        return statistics(db, Selection())


def flat(figures, path=""):
    """Return all figures below, each by its path."""
    if not isinstance(figures, (dict, list)):
        return {path: figures}
    named = figures.items() if isinstance(figures, dict) else enumerate(figures)
    return {key: value for name, inner in named for key, value in flat(inner, f"{path}/{name}").items()}


@pytest.mark.parametrize("window", WINDOWS)
def test_current_figures_are_those_of_the_store(site, told, window) -> None:
    """What is kept up to date row by row is what the rows add up to."""
    figures = site.get(f"/api/metrics/current?window={window}")["figures"]
    expected = json.loads(json.dumps(told.to_dict()))
    for each in ("operations", "latency", "cache", "validation", "breakers", "failovers", "limiters", "dependencies"):
        assert flat(figures[each]) == pytest.approx(flat(expected[each])), each
    assert figures["errors"] == expected["errors"]["by_type"]
    assert figures["requests"]["count"] == expected["requests"]["count"]


def test_every_sli_is_that_of_the_gate(site, recorded) -> None:
    """What `spanguard slo check` computes over the same time."""
    found = {each["sli"]: each for each in site.get("/api/metrics/current?window=24h")["indicators"]}
    with Database.open(recorded, read_only=True) as db:
        source = StoreSource(db, time.time_ns())
        for name, indicator in INDICATORS.items():
            if name not in ("request_rate", "http_429_ratio"):  # of a time; of spans, where no metrics count requests
                expected = source.figures([indicator.formula, indicator.sample], Filters(), 86_400)[0]
                assert found[name]["value"] == pytest.approx(expected.number(indicator.formula)), name
                assert found[name]["sample"] == expected.number(indicator.sample), name


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("aggregation", ["minute", "hour", "day", "week", "month"])
def test_every_figure_has_a_history(site, kind, aggregation) -> None:
    """In each aggregation it has the one window in which something happened."""
    found = site.get(f"/api/metrics/historical?type={kind}&aggregation={aggregation}")
    assert [each["count"] > 0 for each in found["points"]] in ([True], [True, True])  # a program can run past a full minute
    assert found["points"][0]["start"].endswith("Z")


def test_a_history_adds_up_to_the_whole(site, told) -> None:
    """Tokens of all windows are the tokens of all time."""
    for kind, whole in (("promptTokens", told.requests.input_tokens), ("completionTokens", told.requests.output_tokens)):
        points = site.get(f"/api/metrics/historical?type={kind}&aggregation=minute")["points"]
        assert sum(each["value"] for each in points) == whole


def test_a_history_is_of_the_time_that_is_asked_for(site) -> None:
    """Before anything happened there is nothing."""
    path = "/api/metrics/historical?type=requestRate&start=2020-01-01&end=2020-01-02T00:00:00Z&aggregation=hour"
    assert site.get(path)["points"] == []


def test_a_history_is_not_longer_than_can_be_read(site) -> None:
    """It says where it begins; a time that ends before it begins has nothing in it."""
    found = site.get("/api/metrics/historical?type=requestRate&start=2000-01-01&end=2026-01-08T00:00:00Z&aggregation=minute")
    assert found["start"] == "2026-01-01T01:20:00.000Z"
    assert site.get("/api/metrics/historical?type=requestRate&start=2026-01-02&end=2026-01-01")["points"] == []


@pytest.mark.parametrize(
    "query",
    [
        "",
        "type=nothing",
        "type=requestRate&aggregation=year",
        "type=requestRate&start=yesterday",
        "type=requestRate&start=2026-13-01",
        "type=requestRate&type=errorRate",
        "type=requestRate&more=1",
    ],
)
def test_a_question_that_cannot_be_is_refused(site, query) -> None:
    """It says which parameter, and what is expected of it."""
    answer = site.ask(f"/api/metrics/historical?{query}")
    assert answer.status == 400
    assert answer.json["detail"]


def test_a_summary_in_a_few_figures(site, told) -> None:
    """How many events, how many failed, with what, and what generated code wanted."""
    found = site.get("/api/summary")
    assert (found["total_events"], found["failures"], found["failure_rate"]) == (5, 1, pytest.approx(0.2))
    assert found["top_errors"] == [{"type": "TimeoutError", "count": 1}]
    assert found["dependency_usage"] == {"json": 1, "numpy": 1}
    assert found["average_retries"] == told.operations.average_retries


def test_traces_can_be_looked_for(site, recorded) -> None:
    """By what stands in a span's name, by outcome, by error, by run and by time."""
    with Database.open(recorded, read_only=True) as db:
        expected = [each.trace_id for each in traces(db)]
    assert [each["trace_id"] for each in site.get("/api/traces")["traces"]] == expected
    for query in ("name=WORK", "outcome=exhausted", "error=TimeoutError", "error=timeout", "run=nightly", "since=2020-01-01"):
        assert len(site.get(f"/api/traces?{query}")["traces"]) == 1, query
    for query in ("name=nothing", "outcome=success", "error=x", "run=x", "since=2100-01-01T00:00:00%2B01:00", "name=%25"):
        assert site.get(f"/api/traces?{query}")["traces"] == [], query


def test_a_trace_has_its_spans_and_their_events(site) -> None:
    """As a tree: each before its children."""
    trace_id = site.get("/api/traces")["traces"][0]["trace_id"]
    spans = site.get(f"/api/traces/{trace_id}")["spans"]
    assert spans[0]["depth"] == 0
    assert any(span["events"] for span in spans)
    assert {span["trace_id"] for span in spans} == {trace_id}


@pytest.mark.parametrize("trace_id", ["f" * 32, "f" * 31, "x" * 32, "F" * 32, "%00"])
def test_a_trace_that_is_not_there(site, trace_id) -> None:
    """Is not found, or is no id."""
    assert site.ask(f"/api/traces/{trace_id}").status in (400, 404)


def test_runs_are_those_of_the_store(site, recorded) -> None:
    """With service, begin, end and number of spans."""
    with Database.open(recorded, read_only=True) as db:
        expected = [each.__dict__ for each in runs(db)]
    assert site.get("/api/runs")["runs"] == expected


def test_a_run_and_two_compared(site) -> None:
    """A run compared with itself has not changed."""
    assert site.get("/api/run?run=nightly")["statistics"]["requests"]["count"] == 5
    changes = site.get("/api/runs/compare?run=nightly&other=nightly")["changes"]
    assert {each["change"] for each in changes} <= {0, None}
    assert site.ask("/api/run?run=nothing").status == 404
    assert site.ask("/api/runs/compare?run=nightly").status == 400


def test_objectives_have_verdicts(site) -> None:
    """Without a file there are some of the server's own."""
    found = site.get("/api/slo")
    assert found["defaults"] is True
    states = {each["indicator"]: each["state"] for each in found["verdicts"]}
    assert states["error_rate"] == "not met"
    assert states["latency_p95"] == "met"


def test_alerts_are_listed(site) -> None:
    """Those that are checked, those that are not, and why."""
    found = {each["name"]: each for each in site.get("/api/metrics/alerts")["definitions"]}
    assert found["error-rate"]["value"] == pytest.approx(0.2)
    assert "SPANGUARD_TOKEN_BUDGET" in found["token-budget"]["inactive"]


def test_the_document_describes_every_endpoint(site) -> None:
    """What answers is what it is made of."""
    found = site.get("/openapi.json")
    assert found == json.loads(json.dumps(document()))
    assert set(found["paths"]) == {each.path for each in ENDPOINTS} | {"/metrics"}


def test_a_store_that_is_not_there_yet_is_an_empty_one(serve) -> None:
    """The server is there before the program."""
    site = serve()
    assert site.get("/api/traces")["traces"] == []
    assert site.get("/api/runs")["runs"] == []
    assert site.get("/api/metrics/current")["figures"]["requests"]["count"] == 0
    assert site.get("/api/metrics/historical?type=requestRate")["points"] == []
    assert site.ask(f"/api/traces/{'a' * 32}").status == 404
    for page in ("/", "/traces", "/runs", "/alerts", "/privacy"):
        assert site.ask(page).status == 200


def test_a_store_that_is_damaged_is_said_to_be(serve, tmp_path) -> None:
    """On the page and by the status of the API."""
    (tmp_path / "telemetry.db").write_bytes(b"x" * 10_000)
    site = serve()
    assert site.ask("/api/traces").status == 503
    site.until(lambda: "cannot be read" in site.ask("/").text)
