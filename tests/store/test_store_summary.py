"""What a run did, from its metric points."""

from __future__ import annotations

import json
import math

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from spanguard import semconv
from spanguard.semconv import (
    ATTEMPT_DURATION,
    ATTEMPT_OUTCOME,
    COST,
    DISPOSITION,
    ERROR_TYPE,
    GENERATIONS,
    OPERATION_ATTEMPTS,
    OPERATION_DURATION,
    OUTCOME,
    POLICY_NAME,
    POLICY_TYPE,
    TOKEN_TYPE,
    TOKEN_USAGE,
    VALIDATION_RESULT,
    VALIDATION_RULE,
    VALIDATIONS,
)
from spanguard.store import Cost, Database, PolicyRow, StoreMetricExporter, Tokens, Verdicts, summary

CHAT = {semconv.GEN_AI_OPERATION: "chat", semconv.GEN_AI_PROVIDER: "openai", semconv.GEN_AI_MODEL: "gpt-5.2"}
REPAIR = {POLICY_TYPE: "repair", POLICY_NAME: "invoice"}
RETRY = {POLICY_TYPE: "retry", POLICY_NAME: "ask"}


def call(program, generation, seconds, tokens=(), error=""):
    """Record a call as a generation of the conventions has it: its duration, and each token metric."""
    program.record(generation.duration, seconds, {**CHAT, **({ERROR_TYPE: error} if error else {})})
    stated = dict(zip(("input", "output"), tokens, strict=False))
    for each in generation.tokens:
        if each.kind in stated:
            program.record(each.metric, stated[each.kind], {**CHAT, **dict(each.fixed or {})})


def operation(program, policy, outcome, attempts, seconds=0.5):
    """Record the end of an operation."""
    program.record(OPERATION_DURATION, seconds, {**policy, OUTCOME: outcome})
    program.record(OPERATION_ATTEMPTS, attempts, {**policy, OUTCOME: outcome})


@pytest.mark.parametrize("name", GENERATIONS)
def test_calls(start, read, name):
    """Requests, errors, tokens and latency are read from the metrics of either generation of the conventions."""
    program = start()
    for _ in range(18):
        call(program, GENERATIONS[name], 0.03, (100, 10))
    program.flush()
    call(program, GENERATIONS[name], 0.03, error="RateLimitError")
    call(program, GENERATIONS[name], 0.1, (50, 5))
    program.stop()
    calls = summary(read()).calls
    assert (calls.requests, calls.errors, calls.input_tokens, calls.output_tokens) == (20, 1, 1850, 185)
    # 19 of 20 lie in the bucket from 0.02 to 0.04: the median 10/19 into it, the 95th percentile at its end.
    assert calls.p50 == pytest.approx(0.02 + 0.02 * 10 / 19)
    assert calls.p95 == pytest.approx(0.04)


def test_calls_of_both_generations_add_up(start, read):
    """In one run libraries may follow different generations."""
    program = start()
    for generation in GENERATIONS.values():
        call(program, generation, 0.1, (10, 1))
    program.stop()
    assert summary(read()).calls.requests == 2
    assert summary(read()).calls.input_tokens == 20


def test_tokens_that_no_call_stated_are_unknown(start, read):
    """Unknown is None, not 0."""
    program = start()
    call(program, GENERATIONS["1.37"], 0.1)
    program.stop()
    calls = summary(read()).calls
    assert (calls.requests, calls.input_tokens, calls.output_tokens) == (1, None, None)


def test_operations(start, read):
    """Outcomes, the share that succeeded at once, what was saved by a repair and by any policy, and the retries."""
    program = start()
    for _ in range(6):
        operation(program, REPAIR, "success", 1)
    operation(program, REPAIR, "recovered", 2)
    operation(program, RETRY, "recovered", 3)
    operation(program, RETRY, "exhausted", 4)
    operation(program, RETRY, "rejected", 0)
    program.stop()
    found = summary(read()).operations
    assert found.count == 10
    assert found.outcomes == {"success": 6, "recovered": 2, "exhausted": 1, "rejected": 1}
    assert found.first_attempt_success == 0.6
    assert (found.repaired, found.recovered) == (1, 2)
    assert (found.attempts, found.retries) == (15, 6)


def test_useful_and_wasted(start, read):
    """Tokens and cost are split by whether the answer that they paid for was used."""
    program = start()
    for kind, amount in (("input", 100), ("output", 10)):
        program.record(TOKEN_USAGE, amount, {**REPAIR, TOKEN_TYPE: kind, DISPOSITION: "useful"})
        program.record(TOKEN_USAGE, amount * 2, {**REPAIR, TOKEN_TYPE: kind, DISPOSITION: "wasted"})
    program.record(COST, 0.25, {**REPAIR, DISPOSITION: "useful"})
    program.record(COST, 0.5, {**REPAIR, DISPOSITION: "wasted"})
    program.stop()
    found = summary(read())
    assert found.tokens == Tokens(110, 220)
    assert found.cost == Cost(0.25, 0.5)


@pytest.mark.parametrize(("wasted", "cost"), [(0, 0.0), (7, None)])
def test_a_cost_that_nobody_stated_is_unknown(start, read, wasted, cost):
    """With a price for useful tokens only, wasted ones cost nothing if there are none, and an unknown sum if there are."""
    program = start()
    program.record(TOKEN_USAGE, 10, {**REPAIR, DISPOSITION: "useful"})
    if wasted:
        program.record(TOKEN_USAGE, wasted, {**REPAIR, DISPOSITION: "wasted"})
    program.record(COST, 0.25, {**REPAIR, DISPOSITION: "useful"})
    program.stop()
    assert summary(read()).cost == Cost(0.25, cost)


def test_policies(start, read):
    """Each policy has its own row."""
    program = start()
    operation(program, REPAIR, "recovered", 2, seconds=0.64)
    operation(program, RETRY, "success", 1, seconds=0.02)
    program.record(TOKEN_USAGE, 5, {**REPAIR, DISPOSITION: "useful"})
    program.record(TOKEN_USAGE, 3, {**REPAIR, DISPOSITION: "wasted"})
    program.stop()
    repair, retry = summary(read()).policies
    assert repair == PolicyRow(
        "repair", "invoice", 1, {"recovered": 1}, 2, 5, 3, pytest.approx(0.48), pytest.approx(0.32 + 0.32 * 0.95)
    )
    assert (retry.type, retry.name, retry.operations, retry.useful_tokens) == ("retry", "ask", 1, None)


def test_errors(start, read):
    """Failed attempts by what went wrong, the most frequent first; successes and cancellations are no errors."""
    program = start()
    for outcome, error, times in (
        ("error", "RateLimitError", 3),
        ("invalid", "validation_error", 4),
        ("invalid", "", 1),
        ("success", "", 9),
        ("cancelled", "CancelledError", 9),
    ):
        attributes = {**RETRY, ATTEMPT_OUTCOME: outcome, **({ERROR_TYPE: error} if error else {})}
        program.record(ATTEMPT_DURATION, 0.1, attributes, times)
    program.stop()
    assert list(summary(read()).errors.items()) == [("validation_error", 4), ("RateLimitError", 3), ("_OTHER", 1)]


def test_validations(start, read):
    """Verdicts by rule."""
    program = start()
    for rule, result, times in (("total", "pass", 3), ("total", "fail", 2), ("currency", "pass", 1)):
        program.record(VALIDATIONS, 1, {**REPAIR, VALIDATION_RULE: rule, VALIDATION_RESULT: result}, times)
    program.stop()
    assert summary(read()).validations == {"currency": Verdicts(1, 0), "total": Verdicts(3, 2)}


def test_only_the_run_counts(start, read):
    """Without a name the newest run is summed up; each other by its name; one that is not there is empty."""
    for run, times in (("old", 3), ("new", 1)):
        program = start(run=run)
        program.record(OPERATION_DURATION, 0.1, {**RETRY, OUTCOME: "success"}, times)
        program.stop()
    database = read()
    assert (summary(database).run, summary(database).operations.count) == ("new", 1)
    assert summary(database, run="old").operations.count == 3
    assert summary(database, run="none").start_ns is None
    found = summary(database)
    assert found.start_ns is not None
    assert found.end_ns is not None
    assert found.start_ns < found.end_ns


def test_spans_do_not_count(start, read):
    """Spans may be sampled, and the happy ones are not recorded at all: a summary never counts them."""
    program = start()
    program.tracer.start_span("chat", attributes=CHAT).end()
    program.stop()
    found = summary(read())
    assert (found.run, found.calls.requests, found.operations.count) == ("run-1", 0, 0)
    assert found.operations.first_attempt_success is None


def test_an_empty_store_has_an_empty_summary(path):
    """Nothing yet is not an error."""
    with Database.open(path) as database:
        found = summary(database)
    assert (found.run, found.start_ns, found.calls.p50, found.tokens, found.cost) == (
        *("", None, None),
        Tokens(None, None),
        Cost(None, None),
    )


def test_of_cumulative_points_the_last_counts(path, read):
    """Points of a reader that sends running totals are not added up, those of different processes are."""
    for service in ("a", "b"):
        exporter = StoreMetricExporter(path)
        exporter._preferred_temporality = {}  # all cumulative
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=math.inf)
        resource = Resource({"service.name": service, semconv.RUN_ID: "r"})
        provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        meter = provider.get_meter("test")
        tokens, duration = meter.create_counter(TOKEN_USAGE.name), meter.create_histogram(OPERATION_DURATION.name)
        for _ in range(3):
            tokens.add(5, {DISPOSITION: "useful"})
            duration.record(0.1, {OUTCOME: "success"})
            provider.force_flush()
        provider.shutdown()
    assert summary(read()).tokens.useful == 30
    assert summary(read()).operations.count == 6


def test_a_summary_is_json(start, read):
    """to_dict() holds nothing but dictionaries, lists, text and numbers."""
    program = start()
    operation(program, REPAIR, "recovered", 2)
    call(program, GENERATIONS["1.37"], 0.1, (1, 1))
    program.record(VALIDATIONS, 1, {VALIDATION_RULE: "total", VALIDATION_RESULT: "pass"})
    program.stop()
    found = summary(read()).to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert list(found)[:4] == ["run", "start_ns", "end_ns", "calls"]
