"""Summaries, SLIs and DuckDB say the same of the same data, whatever it is: one definition of each figure."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanguard import semconv
from spanguard.semconv import GENERATIONS, Metric
from spanguard.slo.indicators import INDICATORS, Filters
from spanguard.slo.reading import StoreSource
from spanguard.store import Database, summary
from spanguard.store.columns import COLUMNS
from spanguard.store.groups import groups
from spanguard.store.selection import SECOND_NS, Selection
from spanguard.store.statistics import statistics
from stores import refilled

ENGINE = pytest.importorskip("duckdb").connect(":memory:", config={"threads": 1})

BEGIN = 1_790_000_000
CALL = GENERATIONS["1.37"]
RUNS = ("nightly", "canary")


class Measured(NamedTuple):
    """One measurement: in which run, at which second after `BEGIN`, of what."""

    run: str
    at: int
    metric: Metric
    value: float
    attributes: dict[str, str]


def operation(run: str, at: int, *, policy: str, outcome: str, attempts: int, used: tuple[int, int]) -> list[Measured]:
    """Return what an operation measures when it ends; an outcome that nobody stated is empty."""
    by = {semconv.POLICY_TYPE: policy, semconv.POLICY_NAME: "p"}
    ended = {**by, **({semconv.OUTCOME: outcome} if outcome else {})}
    tokens = [
        Measured(run, at, semconv.TOKEN_USAGE, tokens, {**by, semconv.DISPOSITION: kind})
        for kind, tokens in zip(semconv.DISPOSITIONS, used, strict=True)
    ]
    return [
        Measured(run, at, semconv.OPERATION_DURATION, 0.5, ended),
        Measured(run, at, semconv.OPERATION_ATTEMPTS, attempts, ended),
        *tokens,
    ]


def call(run: str, at: int, *, kind: str, error: str, milliseconds: int, tokens: int) -> list[Measured]:
    """Return what a call measures."""
    by = {semconv.GEN_AI_OPERATION: kind, semconv.GEN_AI_MODEL: "m"}
    failed = {semconv.ERROR_TYPE: error} if error else {}
    return [
        Measured(run, at, CALL.duration, milliseconds / 1000, {**by, **failed}),
        Measured(run, at, CALL.tokens[0].metric, tokens, {**by, semconv.GEN_AI_TOKEN_TYPE: "input"}),
    ]


AT, RUN = st.integers(0, 7200), st.sampled_from(RUNS)
OUTCOMES = st.sampled_from([*semconv.OUTCOMES, "", "a newer outcome"])
MEASURED = st.one_of(
    st.builds(
        operation,
        RUN,
        AT,
        policy=st.sampled_from(["repair", "retry", "failover"]),
        outcome=OUTCOMES,
        attempts=st.integers(0, 5),
        used=st.tuples(st.integers(0, 900), st.integers(0, 900)),
    ),
    st.builds(
        call,
        RUN,
        AT,
        kind=st.sampled_from(["chat", "retrieval"]),
        error=st.sampled_from(["", "", "429"]),
        milliseconds=st.integers(1, 90_000),
        tokens=st.integers(0, 900),
    ),
    st.builds(
        lambda run, at, result: [Measured(run, at, semconv.CACHE_LOOKUPS, 1, {semconv.CACHE_RESULT: result})],
        *(RUN, AT, st.sampled_from(semconv.CACHE_RESULTS)),
    ),
    st.builds(
        lambda run, at, result: [Measured(run, at, semconv.VALIDATIONS, 1, {semconv.VALIDATION_RESULT: result})],
        *(RUN, AT, st.sampled_from(["pass", "fail"])),
    ),
)


def written(store: Database, measured: list[Measured], temporality: str) -> Database:
    """Fill the store with points: of each measurement its own, or what a stream's came to until then."""
    resources = [(number, run, "shop", "{}") for number, run in enumerate(RUNS)]
    return refilled(store, {"resources": resources, "metric_points": list(points(measured, temporality))})


def points(measured: list[Measured], temporality: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of points."""
    before: defaultdict[object, list[Any]] = defaultdict(lambda: [0, 0, []])
    for number, each in enumerate(sorted(measured, key=lambda one: one.at)):
        metric, attributes = each.metric, json.dumps(each.attributes, sort_keys=True)
        counts = [int(place == bisect_left(metric.boundaries, each.value)) for place in range(len(metric.boundaries) + 1)]
        total = before[each.run, metric.name, attributes] if temporality == "CUMULATIVE" else [0, 0, []]
        total[0] += each.value
        total[1] += 1
        total[2] = [old + new for old, new in zip(total[2] or [0] * len(counts), counts, strict=True)]
        known: dict[str, Any] = {
            "resource_id": RUNS.index(each.run),
            "scope": "s",
            "name": metric.name,
            "unit": metric.unit,
            "temporality": temporality,
            "start_ns": BEGIN * SECOND_NS,
            "time_ns": (BEGIN + each.at) * SECOND_NS + number,  # one point of a stream at a time
            "attributes": attributes,
        }
        if metric.kind == "histogram":
            known |= {"kind": "histogram", "count": total[1], "sum": total[0], "min": 0, "max": each.value}
            known |= {"bounds": json.dumps(metric.boundaries), "counts": json.dumps(total[2])}
        else:
            known |= {"kind": "sum", "value": total[0]}
        yield tuple(known.get(column) for column in COLUMNS["metric_points"])


FIGURES = """WITH m AS (SELECT * FROM measured WHERE run IN (SELECT unnest($runs)) AND second >= $since AND second < $until),
    operation AS (SELECT *, attributes ->> $outcome AS outcome FROM m WHERE name = $operations),
    judged AS (SELECT * FROM operation WHERE outcome IS DISTINCT FROM 'cancelled'),
    attempts AS (SELECT *, attributes ->> $outcome AS outcome FROM m WHERE name = $attempts),
    usage AS (SELECT *, attributes ->> $disposition AS kind FROM m WHERE name = $usage),
    call AS (SELECT *, attributes ->> $error AS error FROM m WHERE name = $calls),
    lookup AS (SELECT *, attributes ->> $looked AS result FROM m WHERE name = $lookups),
    verdict AS (SELECT *, attributes ->> $judged AS result FROM m WHERE name = $verdicts)
SELECT
    (SELECT avg(coalesce(outcome IN ('success', 'recovered'), false)::INT) FROM judged) AS success,
    (SELECT avg(coalesce(outcome = 'success', false)::INT) FROM judged) AS first_attempt_success,
    (SELECT avg((outcome IS NOT DISTINCT FROM 'recovered')::INT) FROM judged
        WHERE attributes ->> $policy = 'repair' AND coalesce(outcome, '') NOT IN ('success', 'rejected')) AS repair_success,
    (SELECT avg(value) FROM attempts) AS retry_amplification,
    (SELECT coalesce(sum(value) FILTER (kind = 'wasted'), 0) / nullif(sum(value), 0) FROM usage) AS wasted_token_share,
    (SELECT avg((result = 'hit')::INT) FROM lookup WHERE result <> 'bypass') AS cache_hit_ratio,
    (SELECT avg((result = 'fail')::INT) FROM verdict) AS validation_failure_ratio,
    (SELECT avg((error IS NOT NULL)::INT) FROM call) AS error_rate,
    (SELECT avg(value) - 1 FROM attempts WHERE outcome IN ('success', 'recovered')) AS average_retries,
    (SELECT count(*) FROM operation) AS operations,
    (SELECT count(*) FROM call) AS calls"""
NAMES = {
    "outcome": semconv.OUTCOME,
    "disposition": semconv.DISPOSITION,
    "error": semconv.ERROR_TYPE,
    "looked": semconv.CACHE_RESULT,
    "judged": semconv.VALIDATION_RESULT,
    "policy": semconv.POLICY_TYPE,
    "operations": semconv.OPERATION_DURATION.name,
    "attempts": semconv.OPERATION_ATTEMPTS.name,
    "usage": semconv.TOKEN_USAGE.name,
    "calls": CALL.duration.name,
    "lookups": semconv.CACHE_LOOKUPS.name,
    "verdicts": semconv.VALIDATIONS.name,
}
SLIS = [name for name in INDICATORS if f" AS {name}" in FIGURES]


def told_by_duckdb(measured: list[Measured], runs: list[str], since: int, until: int) -> dict[str, float | None]:
    """Compute every figure from the measurements, in SQL of another engine."""
    with ENGINE.cursor() as connection:
        connection.execute(
            "CREATE OR REPLACE TABLE measured (run TEXT, second BIGINT, name TEXT, value DOUBLE, attributes JSON)"
        )
        rows = [(each.run, each.at, each.metric.name, each.value, json.dumps(each.attributes)) for each in measured]
        if rows:
            connection.executemany("INSERT INTO measured VALUES (?, ?, ?, ?, ?)", rows)
        found = connection.execute(FIGURES, {**NAMES, "runs": runs, "since": since, "until": until})
        names = [column[0] for column in found.description]
        return dict(zip(names, found.fetchone(), strict=True))


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    measured=st.lists(MEASURED, max_size=25).map(lambda found: [each for group in found for each in group]),
    run=st.sampled_from([None, *RUNS]),
    since=st.integers(0, 7200),
    temporality=st.sampled_from(["DELTA", "CUMULATIVE"]),
)
def test_summary_slis_and_duckdb_agree(store, measured, run, since, temporality):
    """Of a run or all, from a time on: shares of what was judged; where nothing was, the SLI is unknown and the rate 0."""
    now = (BEGIN + 7300) * SECOND_NS
    wanted = told_by_duckdb(measured, [run] if run else list(RUNS), since, 7300)
    database = written(store, measured, temporality)
    told = statistics(database, Selection(run, (BEGIN + since) * SECOND_NS, now))
    source = StoreSource(database, now)
    formulas = {name: INDICATORS[name].formula for name in (*SLIS, "latency_p50", "latency_p95", "latency_p99")}
    figures, _ = source.figures(formulas.values(), Filters(run=run), 7300 - since)
    slis = {name: figures.number(formula) for name, formula in formulas.items()}
    assert {name: slis[name] for name in SLIS} == pytest.approx({name: wanted[name] for name in SLIS})
    rates = {
        "first_attempt_success": told.operations.first_attempt_success,
        "wasted_token_share": told.operations.wasted_share,
        "cache_hit_ratio": told.cache.hit_rate,
        "validation_failure_ratio": told.validation.failure_rate,
        "error_rate": told.requests.error_rate,
        "average_retries": told.operations.average_retries,
    }
    assert {name: rate or 0 for name, rate in rates.items()} == pytest.approx({name: wanted[name] or 0 for name in rates})
    assert (told.operations.count, told.requests.count) == (wanted["operations"], wanted["calls"])
    assert sum(told.operations.outcomes.values()) == told.operations.count
    model = told.latency.model
    assert (model.median, model.p95, model.p99) == (slis["latency_p50"], slis["latency_p95"], slis["latency_p99"])


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    measured=st.lists(MEASURED, min_size=1, max_size=25).map(lambda found: [each for group in found for each in group]),
    temporality=st.sampled_from(["DELTA", "CUMULATIVE"]),
)
def test_a_run_its_policies_and_its_windows_agree(store, measured, temporality):
    """`show` and `summary` say the same of a run; a policy's rates are its SLIs; windows share out what happened."""
    run = measured[0].run
    database = written(store, measured, temporality)
    short, told = summary(database, run=run), statistics(database, Selection(run))
    windows = groups(database, Selection(run), "window", "hour")
    policies = groups(database, Selection(run), "policy")
    source = StoreSource(database, 0)
    success = INDICATORS["success"].formula
    figures, _ = source.figures([success], Filters(run=run, policy="p"), None)
    wanted = told_by_duckdb(measured, [run], 0, 7300)
    assert short.operations.first_attempt_success == pytest.approx(wanted["first_attempt_success"])
    assert short.operations.outcomes == told.operations.outcomes
    assert (short.calls.requests, short.calls.errors) == (told.requests.count, told.requests.errors)
    assert sum(each.requests for each in windows) == told.requests.count == wanted["calls"]
    assert sum(each.requests for each in policies) == wanted["operations"]
    if len(policies) == 1:
        assert policies[0].success_rate == figures.number(success)


def test_a_cumulative_stream_that_falls_began_anew(tmp_path):
    """As Prometheus sees it: 3, 5, 2 are seven operations."""
    counts = [0] * (len(semconv.OPERATION_DURATION.boundaries) + 1)
    about = {"resource_id": 0, "scope": "s", "name": semconv.OPERATION_DURATION.name, "unit": "s", "kind": "histogram"}
    about |= {"temporality": "CUMULATIVE", "start_ns": 1, "attributes": json.dumps({semconv.OUTCOME: "success"})}
    about |= {"bounds": json.dumps(semconv.OPERATION_DURATION.boundaries)}
    rows = []
    for second, number in enumerate((3, 5, 2), start=1):
        point = {
            "time_ns": second * SECOND_NS,
            "count": number,
            "sum": number / 2,
            "counts": json.dumps([number, *counts[1:]]),
        }
        rows.append(tuple({**about, **point}.get(column) for column in COLUMNS["metric_points"]))
    with Database.open(tmp_path / "t.db") as database:
        database.write({"resources": [(0, "r", "shop", "{}")], "metric_points": rows})
        assert statistics(database, Selection("r")).operations.count == 7
        assert statistics(database, Selection("r", 2 * SECOND_NS, 3 * SECOND_NS)).operations.count == 2
        assert statistics(database, Selection("r", 3 * SECOND_NS)).operations.count == 2
