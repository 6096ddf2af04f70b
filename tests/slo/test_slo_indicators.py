"""Each SLI over the store equals what plain Python computes from the same measurements."""

from __future__ import annotations

import json
from bisect import bisect_left
from datetime import datetime, timezone
from pathlib import Path
from random import Random

import pytest

from slo.made_up import play, rows
from slo.slo_files import ratio, threshold
from spanguard import semconv
from spanguard.semconv import GENERATIONS
from spanguard.slo.evaluate import Scope, check
from spanguard.slo.indicators import INDICATORS, PIPELINE, Filters, bad_share
from spanguard.slo.openslo import loads
from spanguard.slo.promql import metric_name, promql, seconds, window_text
from spanguard.slo.reading import StoreSource
from spanguard.slo.reference import page
from spanguard.store.histogram import Buckets
from spanguard.store.indicators import share_up_to

NOW = datetime.now(timezone.utc)
CALLS = {each.duration.name for each in GENERATIONS.values()}
FIRST = {each.first_chunk.name for each in GENERATIONS.values()}
DURATION, ATTEMPTS = semconv.OPERATION_DURATION.name, semconv.OPERATION_ATTEMPTS.name
BOUNDS = {metric.name: metric.boundaries for metric in semconv.METRICS}
BOUNDS |= dict.fromkeys(CALLS | FIRST, semconv.GEN_AI_DURATION_BOUNDARIES)


class Plain:
    """The same computations, by hand over single measurements."""

    def __init__(self, told):
        self.told = told

    def of(self, *names, **attributes):
        return [v for name, v, by in self.told if name in names and all(by.get(k) == x for k, x in attributes.items())]

    def outcomes(self, kind=None):
        found = [by for name, _, by in self.told if name == DURATION and kind in (None, by[semconv.POLICY_TYPE])]
        return [by[semconv.OUTCOME] for by in found if by[semconv.OUTCOME] != "cancelled"]

    def labels(self, name, key):
        return [(v, by.get(key)) for each, v, by in self.told if each == name]

    def quantile(self, q, values, bounds):
        """Return what lies a share q of the way through the buckets, linear inside one."""
        counts = [0] * (len(bounds) + 1)
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        rank, below = q * len(values), 0
        for place, count in enumerate(counts[:-1]):
            if count and below + count >= rank:
                low = bounds[place - 1] if place else 0.0
                return low + (bounds[place] - low) * (rank - below) / count
            below += count
        return bounds[-1]

    def latency(self, q):
        return self.quantile(q, self.of(*CALLS), semconv.GEN_AI_DURATION_BOUNDARIES)

    def fetched(self, q):
        found = [
            v
            for name, v, by in self.told
            if name == DURATION and by[semconv.POLICY_TYPE] == "failover" and by[semconv.OUTCOME] in ("success", "recovered")
        ]
        return self.quantile(q, found, semconv.DURATION_BOUNDARIES)


def share(part, whole):
    """Return how large a part of a list another one is."""
    return len(part) / len(whole)


def expected(p):
    """Compute every SLI."""
    every, repairs, downloads = p.outcomes(), p.outcomes("repair"), p.outcomes("failover")
    broken = [each for each in repairs if each not in ("success", "rejected")]
    used = p.labels(semconv.TOKEN_USAGE.name, semconv.DISPOSITION)
    looked = [r for _, r in p.labels(semconv.CACHE_LOOKUPS.name, semconv.CACHE_RESULT) if r != "bypass"]
    verdicts = [r for _, r in p.labels(semconv.VALIDATIONS.name, semconv.VALIDATION_RESULT)]
    answered = [s for _, s in p.labels("http.client.request.duration", semconv.HTTP_STATUS)]
    answered += [s for _, s in p.labels("http.client.duration", "http.status_code")]
    states = p.of(semconv.BREAKER_STATE_NOW.name, **{semconv.BREAKER_STATE: "open"})
    missed = [each for each in downloads if each in ("exhausted", "failed", "rejected")]
    got = [each for each in downloads if each in ("success", "recovered")]
    failed = [1 for name, _, by in p.told if name in CALLS and semconv.ERROR_TYPE in by]
    old = GENERATIONS["1.37"].tokens[0].metric.name
    new = [each.metric.name for each in GENERATIONS["dev-2026-10"].tokens[:2]]
    return {
        "success": share([each for each in every if each in ("success", "recovered")], every),
        "first_attempt_success": share([each for each in every if each == "success"], every),
        "repair_success": share([each for each in broken if each == "recovered"], broken),
        "retry_amplification": sum(p.of(ATTEMPTS)) / len(p.of(ATTEMPTS)),
        "wasted_token_share": sum(v for v, d in used if d == "wasted") / sum(v for v, _ in used),
        "breaker_open_fraction": sum(states) / len(states),
        "failover_rate": sum(p.of(semconv.FAILOVER_HOPS.name)) / len(downloads),
        "latency_p50": p.latency(0.5),
        "latency_p95": p.latency(0.95),
        "latency_p99": p.latency(0.99),
        "time_to_first_chunk_p95": p.quantile(0.95, p.of(*FIRST), semconv.GEN_AI_DURATION_BOUNDARIES),
        "rate_limit_wait_p95": p.quantile(0.95, p.of(semconv.LIMITER_WAIT.name), semconv.WAIT_BOUNDARIES),
        "http_429_ratio": share([each for each in answered if each == "429"], answered),
        "cache_hit_ratio": share([each for each in looked if each == "hit"], looked),
        "validation_failure_ratio": share([each for each in verdicts if each == "fail"], verdicts),
        "yield": share(got, downloads),
        "time_to_first_success_p50": p.fetched(0.5),
        "time_to_first_success_p95": p.fetched(0.95),
        "failed_artifacts": len(missed),
        "error_rate": len(failed) / len(p.of(*CALLS)),
        "request_rate": len(p.of(*CALLS)) / 3600,
        "tokens": sum(p.of(old)) + sum(p.of(*new)),
    }


@pytest.mark.parametrize("seed", range(5))
def test_every_sli_equals_its_definition(start, read, seed):
    """Over measurements made up at random, in both generations of the conventions and several exports."""
    random = Random(seed)
    program = start()
    told = play(program, rows(random, 80), random)
    source = StoreSource(read(), int(NOW.timestamp() * 1e9) + 10**12)
    wanted = expected(Plain(told))
    assert list(wanted) == list(INDICATORS)
    for name, each in INDICATORS.items():
        value = source.figures([each.formula], Filters(), 3600)[0].number(each.formula)
        assert value == pytest.approx(wanted[name], rel=1e-9), name


@pytest.mark.parametrize("seed", range(3))
def test_filters_narrow_down(start, read, seed):
    """A filter leaves what carries the value, as if nothing else had been measured."""
    random = Random(seed)
    told = play(start(), rows(random, 80), random)
    source = StoreSource(read(), 0)
    formula = INDICATORS["latency_p95"].formula
    kept = Plain([each for each in told if each[2].get(semconv.GEN_AI_MODEL) == "claude-5"])
    found = source.figures([formula], Filters(model="claude-5"), None)[0].number(formula)
    assert found == pytest.approx(kept.latency(0.95))
    formula = INDICATORS["success"].formula
    kept = Plain([each for each in told if each[2].get(semconv.POLICY_NAME) == "ask"])
    found = source.figures([formula], Filters(policy="ask"), None)[0].number(formula)
    assert found == pytest.approx(expected_share(kept))


def expected_share(plain):
    """Compute the share of successes."""
    every = plain.outcomes()
    return share([each for each in every if each in ("success", "recovered")], every)


def test_runs_and_services_are_told_apart(start, read):
    """A run's figures are those of its processes alone; so are a service's."""
    for run, outcome in (("a", "success"), ("b", "failed")):
        program = start(run=run, instance=run)
        program.record(semconv.OPERATION_DURATION, 1, {semconv.OUTCOME: outcome})
        program.export()
    source, formula = StoreSource(read(), 0), INDICATORS["success"].formula

    def success(filters):
        return source.figures([formula], filters, None)[0].number(formula)

    assert [success(Filters(run=run)) for run in ("a", "b", "c", None)] == [1.0, 0.0, None, 0.5]
    assert [success(Filters(service=name)) for name in ("shop", "other")] == [0.5, None]


def test_nothing_is_not_zero(start, read):
    """Where nothing was attempted there is no share, no quantile and no count."""
    start().record(semconv.RETRY_DELAYS, 1)
    program = start()
    program.record(semconv.RETRY_DELAYS, 1)
    program.export()
    source = StoreSource(read(), 0)
    assert {source.figures([e.formula], Filters(), 60)[0].number(e.formula) for e in INDICATORS.values()} == {None}


@pytest.mark.parametrize("seed", range(3))
def test_timeslices_are_judged_one_by_one(start, read, seed):
    """The share of slices that keep the limit, of those in which there is anything."""
    random = Random(seed)
    program = start()
    play(program, rows(random, 30), random)
    sliced = threshold("latency_p95", "lte", 1000)
    sliced["spec"] |= {
        "budgetingMethod": "Timeslices",
        "objectives": [{"op": "lte", "value": 1e3, "target": 1, "timeSliceWindow": "1m"}],
    }
    (verdict,) = check(loads(json.dumps(sliced), is_json=True), StoreSource(read(), 0), Scope(run="run-1"), NOW)
    assert (verdict.state, verdict.value, verdict.sampled) == ("met", 1.0, "slices of time")
    assert verdict.sample in (1, 2)


def test_a_budget_is_what_the_target_leaves(start, read):
    """At 90 % wanted and 95 % reached half the budget is left; a limit on a quantile is a share of measurements."""
    program = start()
    for number in range(20):
        program.record(semconv.OPERATION_DURATION, 1, {semconv.OUTCOME: "failed" if number == 0 else "success"})
        program.record(GENERATIONS["1.37"].duration, 10 if number == 0 else 0.1)
    program.export()
    slos = [ratio("success", 0.9), threshold("latency_p95", "lte", 1.28, name="fast")]
    first, second = check(loads(json.dumps(slos), is_json=True), StoreSource(read(), 0), Scope(run="run-1"), NOW)
    assert (first.state, first.value) == ("met", pytest.approx(0.95))
    assert (first.budget_left, first.burn_rate) == (pytest.approx(0.5), pytest.approx(0.5))
    assert second.burn_rate == pytest.approx(1.0)
    assert second.sample == 20


@pytest.mark.parametrize("policy", ["unknown", "fail", "pass"])
def test_too_few_samples_are_judged_by_the_policy(start, read, policy):
    """A verdict takes a minimum of samples; where there are fewer, the file says what that means."""
    program = start()
    program.record(semconv.OPERATION_DURATION, 1, {semconv.OUTCOME: "success"})
    program.export()
    slo = ratio("success", 0.9)
    slo["metadata"] = {**slo["metadata"], "annotations": {"spanguard/min-samples": "2", "spanguard/missing-data": policy}}
    (verdict,) = check(loads(json.dumps(slo), is_json=True), StoreSource(read(), 0), Scope(run="run-1"), NOW)
    assert verdict.state == {"unknown": "unknown", "fail": "not met", "pass": "met"}[policy]
    assert verdict.reason == "1 operations are too few; at least 2 are needed"


def test_the_pipeline_has_its_seven():
    """Each of them is an SLI like all others."""
    assert len(PIPELINE) == 7
    assert set(PIPELINE) <= set(INDICATORS)


def test_names_are_those_of_prometheus():
    """Units and `_total` become part of the name, dots underscores."""
    names = [metric_name(each) for each in (semconv.OPERATION_DURATION, semconv.TOKEN_USAGE, semconv.BREAKER_STATE_NOW)]
    assert names == [
        "resilience_operation_duration_seconds",
        "resilience_token_usage_total",
        "resilience_circuit_breaker_state",
    ]
    assert metric_name(semconv.BREAKER_OPEN) == "resilience_circuit_breaker_open_duration_seconds_total"


def test_values_of_filters_cannot_leave_their_quotes():
    """Quotes and backslashes are escaped."""
    query = promql(INDICATORS["cache_hit_ratio"].formula, Filters(policy='a"} or up{x="\\'), "1h")
    assert 'resilience_policy_name="a\\"} or up{x=\\"\\\\"' in query


def test_windows_have_a_text():
    """And are read back from it."""
    assert [window_text(each) for each in (45, 300, 5400, 7200, 86_400 * 28)] == ["45s", "5m", "90m", "2h", "28d"]
    assert seconds("1h30m") == 5400


def test_what_has_no_budget():
    """An average and a count have none; a share has what its limit leaves."""
    assert bad_share(INDICATORS["retry_amplification"], 2) is None
    assert bad_share(INDICATORS["failed_artifacts"], 2) is None
    assert bad_share(INDICATORS["success"], 0.75) == (INDICATORS["success"].formula, 0.25)
    assert bad_share(INDICATORS["error_rate"], 0.1) == (INDICATORS["error_rate"].formula, 0.1)


def test_the_share_up_to_a_limit_is_linear_inside_a_bucket():
    """As of Prometheus' histogram_fraction; what is above all bounds is never below a limit."""
    buckets = Buckets()
    buckets.add((1.0, 2.0), [2, 4, 2])
    assert [share_up_to(buckets, each) for each in (0.5, 1, 1.5, 2, 100)] == [0.125, 0.25, 0.5, 0.75, 0.75]
    assert share_up_to(Buckets(), 1) is None


def test_the_page_has_every_sli():
    """`docs/slo.md` says what the definitions say; `python docs/generate.py` writes it anew."""
    text = (Path(__file__).parents[2] / "docs" / "slo.md").read_text(encoding="utf-8")
    assert page(text) == text
    assert all(f"### {name}\n" in text for name in INDICATORS)
