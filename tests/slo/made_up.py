"""A program's metrics made up at random: recorded with the real SDK, and kept as plain rows to compute from anew."""

from __future__ import annotations

import time
from collections.abc import Iterable
from random import Random
from typing import Any

from opentelemetry.metrics import Observation

from spanguard import semconv
from spanguard.semconv import GENERATIONS, Metric
from spanguard.slo.indicators import HTTP, OLD_HTTP

POLICIES = [("repair", "invoice"), ("retry", "ask"), ("failover", "download")]
Row = tuple[str, float, dict[str, str]]


def rows(random: Random, count: int) -> list[tuple[Metric, float, dict[str, str]]]:
    """Return measurements of everything that SLIs are made of."""
    made: list[tuple[Metric, float, dict[str, str]]] = []
    for _ in range(count):
        kind, name = random.choice(POLICIES)
        by = {semconv.POLICY_TYPE: kind, semconv.POLICY_NAME: name}
        outcome = random.choice(semconv.OUTCOMES)
        made.append((semconv.OPERATION_DURATION, random.expovariate(1), {**by, semconv.OUTCOME: outcome}))
        made.append((semconv.OPERATION_ATTEMPTS, random.randint(1, 6), {**by, semconv.OUTCOME: outcome}))
        made += [
            (semconv.TOKEN_USAGE, random.randint(0, 500), {**by, semconv.DISPOSITION: each}) for each in semconv.DISPOSITIONS
        ]
        made += _call(random)
        made += _gates(random, by)
    return made


def _call(random: Random) -> Iterable[tuple[Metric, float, dict[str, str]]]:
    generation = GENERATIONS[random.choice(list(GENERATIONS))]
    model = {semconv.GEN_AI_OPERATION: "chat", semconv.GEN_AI_MODEL: random.choice(["gpt-5.2", "claude-5"])}
    failed = {semconv.ERROR_TYPE: "TimeoutError"} if random.random() < 0.2 else {}
    yield generation.duration, random.expovariate(0.5), {**model, **failed}
    yield generation.first_chunk, random.expovariate(2), model
    for each in generation.tokens:
        yield each.metric, random.randint(1, 900), {**model, **dict(each.fixed or {})}


def _gates(random: Random, by: dict[str, str]) -> Iterable[tuple[Metric, float, dict[str, str]]]:
    yield semconv.FAILOVER_HOPS, random.randint(1, 2), {semconv.POLICY_NAME: by[semconv.POLICY_NAME]}
    yield semconv.LIMITER_WAIT, random.expovariate(5), {semconv.LIMITER_RESULT: random.choice(semconv.LIMITER_RESULTS)}
    yield semconv.CACHE_LOOKUPS, 1, {semconv.CACHE_RESULT: random.choice(semconv.CACHE_RESULTS)}
    yield semconv.VALIDATIONS, 1, {semconv.VALIDATION_RESULT: random.choice(["pass", "fail"])}
    yield HTTP, random.expovariate(3), {semconv.HTTP_STATUS: random.choice(["200", "429", "503"])}
    yield OLD_HTTP, random.expovariate(0.01), {"http.status_code": random.choice(["200", "429"])}


def play(program: Any, made: list[tuple[Metric, float, dict[str, str]]], random: Random) -> list[Row]:
    """Record and export in several goes; return what was recorded, breakers' observations among it."""
    told = [(metric.name, value, by) for metric, value, by in made]
    parts = 3
    for part in range(parts):
        for metric, value, by in made[part::parts]:
            program.record(metric, value, by)
        state = random.choice(semconv.BREAKER_STATES)
        observed = [
            Observation(int(each == state), {semconv.POLICY_NAME: "db", semconv.BREAKER_STATE: each})
            for each in semconv.BREAKER_STATES
        ]
        program.observe(semconv.BREAKER_STATE_NOW, observed)
        told += [(semconv.BREAKER_STATE_NOW.name, each.value, dict(each.attributes or {})) for each in observed]
        program.export()
        time.sleep(0.005)  # Prometheus keeps one sample a millisecond
    return told
