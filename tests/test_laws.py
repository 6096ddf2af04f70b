"""Laws that hold for every program: random nested uses of all eight verbs, compared with what the program did itself."""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from spanguard import (
    traced_breaker,
    traced_cache,
    traced_failover,
    traced_llm_call,
    traced_rate_limit,
    traced_repair,
    traced_retry,
    traced_validation,
)
from spanguard._core import breaker, writers
from support import Clock, Telemetry, completion

SECRET = "the secret prompt"
QUEUED = "resilience.rate_limiter.queued_requests"


class BrokenError(Exception):
    """What goes wrong in a program."""


class OtherError(BrokenError):
    """Another kind of it."""


class RefusedError(Exception):
    """What an open breaker raises."""


@dataclass
class World:
    """What the program did, counted by the program."""

    clock: Clock
    telemetry: Telemetry
    did: Counter[Any] = field(default_factory=Counter)
    points: dict[str, list[Any]] = field(default_factory=dict)

    def collect(self) -> None:
        """Collect what was measured since the last time, as a reader does whenever it likes."""
        for metric, points in self.telemetry.metrics().items():
            if metric == QUEUED:  # it has no beginning
                self.points[metric] = points
            else:
                self.points.setdefault(metric, []).extend(points)


@dataclass
class Step:
    """One use of a verb around further steps; ``fails`` raises at its end, ``takes`` is its own time in milliseconds."""

    verb: str
    inside: list[Step]
    fails: bool
    takes: int
    word: str
    collects: bool

    def run(self, world: World) -> None:
        """Run it, and count what happens."""
        getattr(self, self.verb)(world)

    def body(self, world: World) -> None:
        """Do what is inside, let time pass, and perhaps fail."""
        for step in self.inside:
            step.run(world)
        world.clock.move(self.takes / 1000)
        if self.collects:
            world.collect()
        if self.fails:
            raise (OtherError if self.word == "a" else BrokenError)(SECRET)

    def call(self, world: World) -> None:
        world.did["calls"] += 1
        try:
            with traced_llm_call(model="gpt-5.2") as call:
                self.body(world)
                call.record_response(completion())
                world.did["answers"] += 1
        except BrokenError as error:
            world.did["failed calls", type(error).__qualname__] += 1
            raise

    def repair(self, world: World) -> None:
        self.loop(world, traced_repair("repair_loop"))

    def retry(self, world: World) -> None:
        self.loop(world, traced_retry("retry_loop"))

    def loop(self, world: World, verb: Any) -> None:
        world.did["operations"] += 1
        with verb as operation:
            for attempt in operation.attempts(2):
                world.did["attempts"] += 1
                try:
                    with attempt:
                        self.body(world)
                except BrokenError as error:
                    world.did["failed attempts", type(error).__qualname__] += 1

    def failover(self, world: World) -> None:
        world.did["operations"] += 1
        with traced_failover("chain") as chain:
            for attempt in chain.candidates("first", "second"):
                world.did["attempts"] += 1
                world.did["hops"] += attempt.candidate == "second"
                try:
                    with attempt:
                        self.body(world)
                except BrokenError as error:
                    world.did["failed attempts", type(error).__qualname__] += 1

    def breaker(self, world: World) -> None:
        result = "rejected" if self.word == "a" else "success"
        try:
            with traced_breaker("provider", rejections=(RefusedError,)) as call:
                if result == "rejected":
                    call.rejected()
                else:
                    self.body(world)
        except BrokenError:
            result = "failure"
            raise
        finally:
            world.did["breaker", result] += 1

    def limiter(self, world: World) -> None:
        world.did["waits"] += 1
        with traced_rate_limit("provider"):
            self.body(world)

    def cache(self, world: World) -> None:
        result = "hit" if self.word == "a" else "miss"
        try:
            with traced_cache("answers") as lookup:
                getattr(lookup, result)()
                self.body(world)
        except BrokenError:
            result = "error"
            raise
        finally:
            world.did["cache", result] += 1

    def validation(self, world: World) -> None:
        world.did["checks"] += 1
        with traced_validation("schema") as check:
            self.body(world)
            if self.word == "a":
                check.failed(rule="rule", action="warned")


VERBS = ["call", "call", "repair", "retry", "failover", "breaker", "limiter", "cache", "validation"]
steps = st.recursive(
    st.builds(Step, st.just("call"), st.just([]), st.booleans(), st.integers(0, 30), st.sampled_from("ab"), st.booleans()),
    lambda step: st.builds(
        Step,
        st.sampled_from(VERBS),
        st.lists(step, max_size=3),
        st.sampled_from([False, False, True]),
        st.integers(0, 30),
        st.sampled_from("ab"),
        st.booleans(),
    ),
    max_leaves=10,
)


def total(points: dict[str, Any], metric: str, **by: str) -> int:
    """Sum a metric's counts over the points that have these attributes."""
    wanted = {key.replace("__", "."): value for key, value in by.items()}
    chosen = [value for attributes, value in points.get(metric, []) if wanted.items() <= attributes.items()]
    return sum(value[0] if isinstance(value, tuple) else value for value in chosen)


def failures(points: dict[str, Any], metric: str) -> Counter[str]:
    """Count what failed, by its type."""
    found: Counter[str] = Counter()
    for attributes, (count, _) in points.get(metric, []):
        if "error.type" in attributes:
            found[attributes["error.type"].rpartition(".")[2]] += count
    return found


def expected(did: Counter[Any], what: str) -> Counter[str]:
    """Return what the program counted as failed, by its type."""
    return Counter({key[1]: count for key, count in did.items() if isinstance(key, tuple) and key[0] == what})


def run(telemetry: Telemetry, clock: Clock, program: list[Step]) -> World:
    """Run a program from nothing, and collect what it did not collect itself."""
    telemetry.clear()
    breaker._cells.clear()
    world = World(clock, telemetry)
    for step in program:
        try:
            step.run(world)
        except BrokenError:
            world.did["escaped"] += 1
    world.collect()
    return world


given_programs = given(st.lists(steps, max_size=3))
many = hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@many
@given_programs
def test_calls_and_tokens_are_those_of_the_program(telemetry: Telemetry, clock: Clock, program: list[Step]) -> None:
    """Requests, errors by type, and input and output tokens, by the metrics and by the spans."""
    world = run(telemetry, clock, program)
    points, spans, did = world.points, [span for span in telemetry.spans if span.kind == "CLIENT"], world.did
    assert total(points, "gen_ai.client.operation.duration") == did["calls"] == len(spans)
    by_type = failures(points, "gen_ai.client.operation.duration")
    assert by_type == expected(did, "failed calls")
    assert by_type.total() == sum(span.status == "ERROR" for span in spans) == did["calls"] - did["answers"]

    for kind, each in (("input", 10), ("output", 5)):
        counted = [v for a, (_, v) in points.get("gen_ai.client.token.usage", []) if a["gen_ai.token.type"] == kind]
        told = [span.attributes.get(f"gen_ai.usage.{kind}_tokens", 0) for span in spans]
        assert sum(counted) == sum(told) == each * did["answers"]
        booked = total(points, "resilience.token.usage", resilience__token__type=kind)
        assert booked <= sum(told)
        kept = [
            total(points, "resilience.token.usage", resilience__token__type=kind, resilience__token__disposition=d)
            for d in ("useful", "wasted")
        ]
        assert sum(kept) == booked


@many
@given_programs
def test_operations_and_attempts_are_those_of_the_program(telemetry: Telemetry, clock: Clock, program: list[Step]) -> None:
    """How many there were, how many failed and why, and each hop from one candidate to the next."""
    world = run(telemetry, clock, program)
    points, did = world.points, world.did
    assert total(points, "resilience.operation.attempts") == did["operations"]
    assert total(points, "resilience.operation.duration") == did["operations"]
    assert sum(value[1] for _, value in points.get("resilience.operation.attempts", [])) == did["attempts"]
    assert failures(points, "resilience.attempt.duration") == expected(did, "failed attempts")
    assert total(points, "resilience.attempt.duration") == did["attempts"]
    assert total(points, "resilience.failover.hops") == did["hops"]


@many
@given_programs
def test_gates_count_each_passage_once(telemetry: Telemetry, clock: Clock, program: list[Step]) -> None:
    """Hits, misses and errors are all lookups; admitted and rejected are all calls; nobody is left in a queue."""
    world = run(telemetry, clock, program)
    points, did = world.points, world.did
    for metric, attribute, kind, results in (
        ("circuit_breaker.calls", "circuit_breaker.result", "breaker", ("success", "failure", "rejected")),
        ("cache.lookups", "cache.result", "cache", ("hit", "miss", "error")),
    ):
        key = f"resilience.{attribute}".replace(".", "__")
        counts = [total(points, f"resilience.{metric}", **{key: result}) for result in results]
        assert counts == [did[kind, result] for result in results]
        assert sum(counts) == total(points, f"resilience.{metric}")
    assert total(points, "resilience.cache.lookup.duration") == total(points, "resilience.cache.lookups")
    assert total(points, "resilience.rate_limiter.requests") == total(points, "resilience.rate_limiter.wait.duration")
    assert total(points, "resilience.rate_limiter.requests") == did["waits"]
    assert total(points, QUEUED) == 0
    assert total(points, "resilience.validation.results") == did["checks"]


@many
@given_programs
def test_parts_are_no_longer_than_the_whole(telemetry: Telemetry, clock: Clock, program: list[Step]) -> None:
    """A span ends within its parent, attempts together take no longer than their operation, and metrics agree."""
    world = run(telemetry, clock, program)
    spans = telemetry.spans
    for outer in spans:
        inner = [span for span in spans if span.parent_id == outer.id]
        assert all(outer.start <= span.start <= span.end <= outer.end for span in inner)
        attempts = [span.end - span.start for span in inner if "resilience.attempt.outcome" in span.attributes]
        assert sum(attempts) <= outer.end - outer.start + 1e-9
    attempts, operations = (
        sum(value[1] for _, value in world.points.get(f"resilience.{grain}.duration", []))
        for grain in ("attempt", "operation")
    )
    assert attempts <= operations + 1e-9
    calls = sum(value[1] for _, value in world.points.get("gen_ai.client.operation.duration", []))
    assert calls == pytest.approx(sum(span.end - span.start for span in spans if span.kind == "CLIENT"))


@many
@given_programs
def test_errors_stand_where_they_were_and_content_nowhere(telemetry: Telemetry, clock: Clock, program: list[Step]) -> None:
    """What failed has type and category, what did not has none; what was said is in no signal."""
    world = run(telemetry, clock, program)
    for span in telemetry.spans:
        outcome = span.attributes.get("resilience.operation.outcome", "success")
        if span.status == "ERROR":
            assert {"error.type", "resilience.error.category"} <= span.attributes.keys()
        elif outcome != "cancelled":
            assert "error.type" not in span.attributes
        assert span.description is None
    signals = repr((telemetry.spans, world.points, telemetry.logs))
    assert SECRET not in signals
    assert "hello" not in signals


def test_collection_and_callers_do_not_wait_for_each_other(telemetry: Telemetry) -> None:
    """A reader collects while calls are inside every verb, and calls begin and end while a reader is collecting."""
    entered, collected, collecting, go = (threading.Event() for _ in range(4))

    def inside() -> None:
        with contextlib.ExitStack() as stack:
            for verb in (traced_breaker("provider", state="closed"), traced_rate_limit("provider"), traced_cache("answers")):
                stack.enter_context(verb)  # type: ignore[arg-type]
            stack.enter_context(traced_repair("repair_loop")).attempt()
            stack.enter_context(traced_llm_call(model="gpt-5.2"))
            entered.set()
            assert collected.wait(10)

    def observe() -> list[tuple[float, dict[str, str]]]:
        collecting.set()
        assert go.wait(10)
        return [(1.0, {})]

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        work = pool.submit(inside)
        assert entered.wait(10)
        telemetry.metrics()
        collected.set()
        work.result(10)
        before = writers._observers["resilience.circuit_breaker.state"]
        writers._observers["resilience.circuit_breaker.state"] = observe  # type: ignore[assignment]
        try:
            reading = pool.submit(telemetry.metrics)
            assert collecting.wait(10)
            with traced_breaker("provider") as call:
                call.rejected()
            traced_breaker("provider").on_transition("closed", "open")
            traced_llm_call(lambda: completion())()
            go.set()
            reading.result(10)
        finally:
            go.set()
            writers._observers["resilience.circuit_breaker.state"] = before
