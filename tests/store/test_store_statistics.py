"""Statistics against an independent count of the same data, for random data."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections import Counter, defaultdict
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanguard import semconv
from spanguard.store import Database
from spanguard.store.columns import COLUMNS
from spanguard.store.groups import groups
from spanguard.store.points import called_by
from spanguard.store.selection import WINDOWS, Selection, last, window_of
from spanguard.store.statistics import statistics
from spanguard.store.trend import SPIKE_ERRORS, compare, finer, spikes, trend
from stores import refilled

DURATION = semconv.GENERATIONS["1.37"].duration
TOKENS = semconv.GENERATIONS["1.37"].tokens[0].metric
BOUNDS = DURATION.boundaries
BEGIN = 1_790_000_000 * 10**9


@dataclass(frozen=True)
class Call:
    """One made-up call."""

    at: int
    run: str
    user: str
    space: str
    provider: str
    model: str
    error: str | None
    milliseconds: int
    sent: int
    received: int
    cost: float
    cached: str
    given_up: bool = False

    @property
    def cancelled(self) -> bool:
        """Whether somebody did not wait for it; points do not carry that."""
        return self.given_up and self.error is None

    @property
    def seconds(self) -> float:
        return self.milliseconds / 1000


calls_ = st.lists(
    st.builds(
        Call,
        at=st.integers(0, 60 * 86_400).map(lambda second: BEGIN + second * 10**9),
        run=st.sampled_from(["r1", "r2"]),
        user=st.sampled_from(["h:u1", "h:u2", "h:u3"]),
        space=st.sampled_from(["h:s1", "h:s2"]),
        provider=st.sampled_from(["openai", "anthropic"]),
        model=st.sampled_from(["gpt-5.2", "claude"]),
        error=st.sampled_from([None, None, "TimeoutError", "429"]),
        milliseconds=st.integers(1, 200_000),
        sent=st.integers(0, 5_000),
        received=st.integers(0, 5_000),
        cost=st.integers(0, 1_000).map(lambda millionths: millionths / 1e6),
        cached=st.sampled_from(["hit", "miss", "stale", "bypass"]),
        given_up=st.booleans(),
    ),
    min_size=1,
    max_size=40,
)
law = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(store: Database, calls: list[Call]) -> Database:
    """Fill the store with a span and the points of each call."""
    runs = {run: number for number, run in enumerate(sorted({call.run for call in calls}), 1)}
    rows = {
        "resources": [(number, run, "shop", "{}") for run, number in runs.items()],
        "spans": [span(call, number, runs[call.run]) for number, call in enumerate(calls, 1)],
        "metric_points": [point for call in calls for point in points(call, runs[call.run])],
    }
    return refilled(store, rows)


def span(call: Call, number: int, resource: int) -> tuple[object, ...]:
    """Return the row of a call's span."""
    rest = {semconv.ERROR_RECOVERABLE: True} if call.error else {}
    known = {
        "trace_id": number.to_bytes(16, "big"),
        "span_id": number.to_bytes(8, "big"),
        "resource_id": resource,
        "scope": semconv.SCOPE_GENAI,
        "name": "chat",
        "kind": "CLIENT",
        "start_ns": call.at,
        "end_ns": call.at + call.milliseconds * 10**6,
        "status": "ERROR" if call.error else "UNSET",
        "outcome": "cancelled" if call.cancelled else None,
        "error_type": call.error,
        "operation": "chat",
        "provider": call.provider,
        "model": call.model,
        "user": call.user,
        "space": call.space,
        "input_tokens": call.sent,
        "output_tokens": call.received,
        "cost": call.cost,
        "cache_result": call.cached,
        "error_category": "timeout" if call.error else None,
        "attributes": json.dumps(rest),
    }
    return tuple(known.get(column) for column in COLUMNS["spans"])


def points(call: Call, resource: int) -> list[tuple[object, ...]]:
    """Return the rows of a call's metric points."""
    by = {semconv.GEN_AI_OPERATION: "chat", semconv.GEN_AI_PROVIDER: call.provider, semconv.GEN_AI_MODEL: call.model}
    failed = {semconv.ERROR_TYPE: call.error} if call.error else {}
    used = ((kind, value) for kind, value in (("input", call.sent), ("output", call.received)))
    return [
        histogram(call, resource, DURATION, {**by, **failed}, call.seconds),
        *(histogram(call, resource, TOKENS, {**by, semconv.GEN_AI_TOKEN_TYPE: kind}, value) for kind, value in used),
        counter(call, resource, semconv.CACHE_LOOKUPS, {semconv.CACHE_RESULT: call.cached}),
    ]


def histogram(call: Call, resource: int, metric: semconv.Metric, by: dict[str, object], value: float) -> tuple[object, ...]:
    """Return a histogram's point with one value."""
    counts = [int(place == bucket(metric.boundaries, value)) for place in range(len(metric.boundaries) + 1)]
    more = {"count": 1, "sum": value, "min": value, "max": value, "counts": json.dumps(counts)}
    return row(call, resource, metric, "histogram", by, bounds=json.dumps(metric.boundaries), **more)


def counter(call: Call, resource: int, metric: semconv.Metric, by: dict[str, object]) -> tuple[object, ...]:
    """Return a counter's point that counts one."""
    return row(call, resource, metric, "sum", by, value=1)


def row(call: Call, resource: int, metric: semconv.Metric, kind: str, by: dict[str, object], **more: object):
    """Return a point's row."""
    known = {
        "resource_id": resource,
        "scope": "s",
        "name": metric.name,
        "unit": metric.unit,
        "kind": kind,
        "temporality": "DELTA",
        "start_ns": call.at,
        "time_ns": call.at,
        "attributes": json.dumps(by, sort_keys=True),
        **more,
    }
    return tuple(known.get(column) for column in COLUMNS["metric_points"])


def bucket(bounds: tuple[float, ...], value: float) -> int:
    """Return which bucket a value is in."""
    return next((place for place, bound in enumerate(bounds) if value <= bound), len(bounds))


def quantile(values: list[float], q: float) -> float:
    """Return Prometheus' histogram_quantile over the buckets of the values, written from its documentation."""
    edges = (0.0, *BOUNDS)
    inside = Counter(bucket(BOUNDS, value) for value in values)
    rank, below = q * len(values), 0
    for place in range(len(BOUNDS)):
        if inside[place] and below + inside[place] >= rank:
            lower, upper = edges[place], edges[place + 1]
            return lower + (upper - lower) * (rank - below) / inside[place]
        below += inside[place]
    return BOUNDS[-1]


def begin(at: int, window: str) -> int:
    """Return when the calendar's window of a time begins, by the calendar of the standard library."""
    when = dt.datetime.fromtimestamp(at // 10**9, dt.timezone.utc)
    day = when.replace(hour=0, minute=0, second=0)
    start = {
        "minute": when.replace(second=0),
        "hour": when.replace(minute=0, second=0),
        "day": day,
        "week": day - dt.timedelta(days=when.weekday()),
        "month": day.replace(day=1),
    }[window]
    return int(start.timestamp()) * 10**9


@law
@given(calls=calls_, window=st.sampled_from(list(WINDOWS)))
def test_windows_share_out_all_calls(store, calls, window):
    """Each call is in one window, the calendar's, and all windows together have all calls, errors and tokens."""
    database = written(store, calls)
    found = groups(database, Selection(), "window", window)
    assert {int(each.key): each.requests for each in found} == Counter(begin(call.at, window) for call in calls)
    assert [int(each.key) for each in found] == sorted(int(each.key) for each in found)
    assert sum(each.errors for each in found) == sum(call.error is not None for call in calls)
    assert sum(each.input_tokens for each in found) == sum(call.sent for call in calls)
    assert math.isclose(sum(each.cost for each in found), sum(call.cost for call in calls), abs_tol=1e-9)


@law
@given(calls=calls_, by=st.sampled_from(["run", "user", "space", "provider", "model"]))
def test_groups_are_sums_of_their_calls(store, calls, by):
    """Requests, errors, tokens, cost and latency of each group are those of its calls, from spans and from points alike."""
    database = written(store, calls)
    found = {each.key: each for each in groups(database, Selection(), by)}
    expected: defaultdict[str, list[Call]] = defaultdict(list)
    for call in calls:
        expected[getattr(call, by)].append(call)
    assert found.keys() == expected.keys()
    for key, own in expected.items():
        group, seconds = found[key], [call.seconds for call in own]
        errors = sum(call.error is not None for call in own)
        assert (group.requests, group.errors) == (len(own), errors)
        assert (group.input_tokens, group.output_tokens) == (sum(c.sent for c in own), sum(c.received for c in own))
        assert math.isclose(group.error_rate, errors / len(own))
        waited_for = [call.error is None for call in own if not call.cancelled]
        assert group.success_rate == (sum(waited_for) / len(waited_for) if waited_for else None)
        assert math.isclose(group.cost or 0, sum(call.cost for call in own), abs_tol=1e-9)
        assert math.isclose(group.latency.average, sum(seconds) / len(own))
        assert math.isclose(group.latency.min, min(seconds))
        assert math.isclose(group.latency.max, max(seconds))
        assert math.isclose(group.latency.p95, quantile(seconds, 0.95))
        if by in ("user", "space"):
            asked = [call.cached for call in own if call.cached != "bypass"]
            hits = asked.count("hit")
            assert (group.cache_hits, group.cache_lookups) == (hits, len(asked))
            assert group.cache_hit_rate == (hits / len(asked) if asked else 0)


@law
@given(calls=calls_, run=st.sampled_from([None, "r1"]))
def test_statistics_are_those_of_the_calls(store, calls, run):
    """Counts, rates, latency, errors and cache of a run or of all, counted again in plain Python."""
    database = written(store, calls)
    told = statistics(database, Selection(run))
    own = [call for call in calls if run in (None, call.run)]
    seconds, errors = [call.seconds for call in own], [call.error for call in own if call.error]
    assert (told.requests.count, told.requests.errors) == (len(own), len(errors))
    assert told.errors.by_type == Counter(errors)
    assert sum(each.count for each in told.errors.by_category) == len(errors)
    assert {each.key: each.requests for each in told.users} == Counter(call.user for call in own)
    assert {each.key: each.requests for each in told.spaces} == Counter(call.space for call in own)
    if not own:
        assert (told.requests.error_rate, told.cache.hit_rate, told.latency.model.p95) == (None, None, None)
        return
    assert math.isclose(told.requests.error_rate, len(errors) / len(own))
    assert told.latency.model.count == len(own)
    assert math.isclose(told.latency.model.total, sum(seconds))
    for q, value in ((0.5, told.latency.model.median), (0.95, told.latency.model.p95), (0.99, told.latency.model.p99)):
        assert math.isclose(value, quantile(seconds, q))
    asked = [call.cached for call in own if call.cached != "bypass"]
    assert math.isclose(told.cache.hit_rate, asked.count("hit") / len(asked) if asked else 0)
    both = sum(call.sent + call.received for call in own)
    assert math.isclose(told.requests.tokens_per_request, both / len(own))


@law
@given(calls=calls_)
def test_a_time_and_the_one_before_meet(store, calls):
    """The trend compares a window with the one right before it: no call is in both, none is between them."""
    database = written(store, calls)
    now = last(database, "week")
    before = now.before()
    figures = {each.figure: each for each in trend(database, now, statistics(database, now))}
    inside = [call for call in calls if now.start_ns <= call.at < now.end_ns]
    earlier = [call for call in calls if before.start_ns <= call.at < before.end_ns]
    assert before.end_ns == now.start_ns
    if earlier:
        assert (figures["requests"].now, figures["requests"].before) == (len(inside), len(earlier))
        assert math.isclose(figures["requests"].change, (len(inside) - len(earlier)) / len(earlier))
    else:
        assert figures == {}


@law
@given(calls=calls_)
def test_spikes_are_windows_with_many_errors(store, calls):
    """Enough of them, and twice the usual rate."""
    day = [Call(**{**vars(call), "at": BEGIN + call.at % (12 * 3600 * 10**9)}) for call in calls]
    database = written(store, day)
    selection = Selection(None, BEGIN, BEGIN + 86_400 * 10**9)
    found = {each.start_ns for each in spikes(database, selection)}
    assert finer(selection) == "hour"
    usual = sum(call.error is not None for call in day) / len(day)
    hours: defaultdict[int, list[Call]] = defaultdict(list)
    for call in day:
        hours[begin(call.at, "hour")].append(call)
    errors = {hour: sum(call.error is not None for call in own) for hour, own in hours.items()}
    many = {hour for hour, number in errors.items() if number >= SPIKE_ERRORS}
    assert found == {hour for hour in many if errors[hour] / len(hours[hour]) >= 2 * usual}


@law
@given(calls=calls_, window=st.sampled_from([*WINDOWS]))
def test_cancelled_calls_are_no_successes(store, calls, window):
    """Nor failures: the success rate of a window is of the calls that somebody waited for."""
    found = groups(written(store, calls), Selection(), "window", window)
    for each in found:
        own = [call for call in calls if begin(call.at, window) == int(each.key) and not call.cancelled]
        assert each.success_rate == (sum(call.error is None for call in own) / len(own) if own else None)


@law
@given(
    calls=st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=1, max_size=4),
    errors=st.lists(st.integers(0, 9), min_size=4, max_size=4),
)
def test_calls_are_counted_as_in_groups(store, calls, errors):
    """In much less time: deltas, and cumulative points by how much they grow."""
    rows = []
    for place, (error, counts) in enumerate([("429", errors), *((None, each) for each in calls)]):
        by = {
            semconv.GEN_AI_OPERATION: "chat",
            semconv.GEN_AI_MODEL: f"m{place}",
            **({semconv.ERROR_TYPE: error} if error else {}),
        }
        for hour, count in enumerate(counts):
            grown, delta = sum(counts[: hour + 1]), place % 2
            known = dict(zip(COLUMNS["metric_points"], histogram(CALL, 1, DURATION, by, 1.0), strict=True))
            known |= {
                "count": count if delta else grown,
                "counts": json.dumps([count if delta else grown, *[0] * len(BOUNDS)]),
            }
            known |= {
                "temporality": "DELTA" if delta else "CUMULATIVE",
                "start_ns": BEGIN,
                "time_ns": BEGIN + hour * 3600 * 10**9,
            }
            rows.append(tuple(known.values()))
    database = refilled(store, {"resources": [(1, "r", "shop", "{}")], "metric_points": rows})
    for selection in (Selection(), Selection(None, BEGIN + 2 * 3600 * 10**9), Selection("r"), Selection("x")):
        found = called_by(database, selection, window_of("p.time_ns", "hour"))
        grouped = groups(database, selection, "window")
        assert {str(each): counts for each, counts in found.items()} == {g.key: (g.requests, g.errors) for g in grouped}


CALL = Call(BEGIN, "r", "u", "s", "openai", "m", None, 10, 1, 1, 0, "hit")


def test_a_spike_is_found(store):
    """An hour of failures among hours of success."""
    good = [Call(BEGIN + n * 60 * 10**9, "r", "u", "s", "openai", "m", None, 10, 1, 1, 0, "hit") for n in range(600)]
    bad = [Call(BEGIN + n * 10**9, "r", "u", "s", "openai", "m", "429", 10, 1, 1, 0, "hit") for n in range(100)]
    database = written(store, [*good, *bad])
    (spike, *_) = spikes(database, Selection(None, BEGIN, BEGIN + 86_400 * 10**9))
    assert (spike.window, spike.errors, spike.start_ns) == ("hour", 100, begin(BEGIN, "hour"))


def test_nothing_is_not_zero(tmp_path):
    """An empty store knows no rate; a store in which nothing was asked of a cache knows it to be 0."""
    with Database.open(tmp_path / "t.db") as database:
        told = statistics(database, Selection())
    assert (told.requests.count, told.requests.error_rate, told.requests.cost) == (0, None, None)
    assert (told.operations.first_attempt_success, told.operations.wasted_share, told.validation.failure_rate) == (None,) * 3


# -------------------------------------------------------------------------------------------------------- operations


def operation(program, outcome: str, attempts: int, policy: str = "repair") -> None:
    """Record an operation as the verbs do."""
    by = {semconv.POLICY_TYPE: policy, semconv.POLICY_NAME: "p", semconv.OUTCOME: outcome}
    program.record(semconv.OPERATION_ATTEMPTS, attempts, by)
    program.record(semconv.OPERATION_DURATION, 1.0, by)


@pytest.fixture
def told(start, read):
    """Statistics of a program that did some of everything."""
    program = start()
    for outcome, attempts in (("success", 1), ("success", 1), ("recovered", 3), ("exhausted", 3)):
        operation(program, outcome, attempts)
    who = {semconv.POLICY_TYPE: "x", semconv.POLICY_NAME: "p"}
    for disposition, tokens in (("useful", 30), ("wasted", 10)):
        program.record(semconv.TOKEN_USAGE, tokens, {**who, semconv.DISPOSITION: disposition})
        program.record(semconv.COST, tokens / 10, {**who, semconv.DISPOSITION: disposition})
    for rule, result, times in (("a", "fail", 3), ("a", "pass", 1), ("b", "fail", 1), ("c", "pass", 5)):
        by = {**who, semconv.VALIDATION_RULE: rule, semconv.VALIDATION_RESULT: result}
        program.record(semconv.VALIDATIONS, 1, by, times)
    safety = {semconv.RISK_LEVEL: "high", semconv.VALIDATION_ACTION: "blocked", semconv.VALIDATION_RESULT: "fail"}
    program.record(semconv.VALIDATIONS, 1, {**who, **safety}, 2)
    program.record(semconv.BREAKER_TRANSITIONS, 1, {**who, semconv.BREAKER_FROM: "closed", semconv.BREAKER_TO: "open"}, 2)
    program.record(semconv.BREAKER_TRANSITIONS, 1, {**who, semconv.BREAKER_FROM: "open", semconv.BREAKER_TO: "half_open"})
    program.record(semconv.BREAKER_CALLS, 1, {**who, semconv.BREAKER_RESULT: "rejected"}, 4)
    program.meter.create_counter(semconv.BREAKER_OPEN.name, "s").add(2.5, who)
    hop = {**who, semconv.FAILOVER_FROM: "eu", semconv.FAILOVER_TO: "us"}
    program.record(semconv.FAILOVER_HOPS, 1, {**hop, semconv.ERROR_TYPE: "TimeoutError"}, 2)
    program.record(semconv.FAILOVER_HOPS, 1, {**hop, semconv.ERROR_TYPE: "429"})
    program.record(semconv.LIMITER_REQUESTS, 1, {**who, semconv.LIMITER_RESULT: "delayed"}, 2)
    program.record(semconv.LIMITER_WAIT, 1.5, {**who, semconv.LIMITER_RESULT: "delayed"}, 2)
    for operation_, seconds in (("retrieval", 0.5), ("chat", 2.0)):
        program.record(DURATION, seconds, {semconv.GEN_AI_OPERATION: operation_})
    about = {semconv.POLICY_TYPE: "repair", semconv.DEPENDENCIES: ["numpy", "json"]}
    for _ in range(2):
        program.tracer.start_span("repair p", attributes=about).end()
    program.stop()
    return statistics(read(), Selection("run-1"))


def test_operations(told):
    """How they ended, how often at once, and how many retries a success took."""
    assert told.operations.outcomes == {"success": 2, "recovered": 1, "exhausted": 1}
    assert told.operations.first_attempt_success == 0.5
    assert told.operations.average_retries == pytest.approx(2 / 3)


def test_waste(told):
    """Tokens and cost of answers that were not used."""
    assert (told.operations.useful_tokens, told.operations.wasted_tokens, told.operations.wasted_share) == (30, 10, 0.25)
    assert (told.operations.useful_cost, told.operations.wasted_cost) == (3.0, 1.0)


def test_rules(told):
    """The rules that failed most, and what safety validators did; those that always held are left out."""
    assert [(each.rule, each.failed, each.passed) for each in told.validation.top_rules] == [
        ("a", 3, 1),
        ("p", 2, 0),
        ("b", 1, 0),
    ]
    assert told.validation.failure_rate == 0.5
    assert [(each.risk_level, each.action, each.count) for each in told.validation.safety] == [("high", "blocked", 2)]


def test_breakers_failovers_limiters(told):
    """Trips and time open; the matrix of hops, whatever the error; waits."""
    (breaker,), (hop,), (limiter,) = told.breakers, told.failovers, told.limiters
    assert (breaker.name, breaker.trips, breaker.open_seconds, breaker.calls) == ("p", 2, 2.5, {"rejected": 4})
    assert (hop.from_candidate, hop.to_candidate, hop.count) == ("eu", "us", 3)
    assert (limiter.requests, limiter.wait.count, limiter.wait.total) == ({"delayed": 2}, 2, 3.0)


def test_context_assembly_is_apart_from_the_model(told):
    """`retrieval` is one, everything else the other."""
    assert (told.latency.retrieval.total, told.latency.model.total, told.latency.operations.total) == (0.5, 2.0, 4.0)


def test_dependencies(told):
    """How many generations tried to use each package."""
    assert told.dependencies == {"json": 2, "numpy": 2}


def test_two_runs_side_by_side(start, read):
    """Figure by figure, with the difference as a share of the second."""
    for run, outcomes in (("one", ["success"]), ("two", ["success", "exhausted"])):
        program = start(run=run)
        for outcome in outcomes:
            operation(program, outcome, 1)
        program.stop()
    database = read()
    found = compare(statistics(database, Selection("two")), statistics(database, Selection("one")))
    (change,) = (each for each in found if each.figure == "first_attempt_success")
    assert (change.now, change.before, change.change) == (0.5, 1.0, -0.5)


def test_policies_are_groups_too(start, read):
    """Their operations, and those that were broken off."""
    program = start()
    for outcome in ("success", "recovered", "exhausted"):
        operation(program, outcome, 2)
    program.stop()
    (group,) = groups(read(), Selection(), "policy")
    assert (group.key, group.requests, group.errors) == ("repair p", 3, 1)
