"""Laws that hold for every program: random nested uses of all eight verbs, compared with what the program did itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

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
from spanguard._core import breaker
from support import Clock, Telemetry, completion

SECRET = "the secret prompt"


class BrokenError(Exception):
    """What goes wrong in a program."""


class RefusedError(Exception):
    """What an open breaker raises."""


@dataclass
class World:
    """What the program did, counted by the program."""

    clock: Clock
    did: Counter[Any] = field(default_factory=Counter)


@dataclass
class Step:
    """One use of a verb around further steps; ``fails`` raises at its end, ``takes`` is its own time in milliseconds."""

    verb: str
    inside: list[Step]
    fails: bool
    takes: int
    word: str

    def run(self, world: World) -> None:
        """Run it, and count what happens."""
        getattr(self, self.verb)(world)

    def body(self, world: World) -> None:
        """Do what is inside, let time pass, and perhaps fail."""
        for step in self.inside:
            step.run(world)
        world.clock.move(self.takes / 1000)
        if self.fails:
            raise BrokenError(SECRET)

    def call(self, world: World) -> None:
        world.did["calls"] += 1
        try:
            with traced_llm_call(model="gpt-5.2") as call:
                self.body(world)
                call.record_response(completion())
        except BrokenError:
            world.did["failed calls"] += 1
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
                except BrokenError:
                    world.did["failed attempts"] += 1

    def failover(self, world: World) -> None:
        world.did["operations"] += 1
        with traced_failover("chain") as chain:
            for attempt in chain.candidates("first", "second"):
                world.did["attempts"] += 1
                world.did["hops"] += attempt.candidate == "second"
                try:
                    with attempt:
                        self.body(world)
                except BrokenError:
                    world.did["failed attempts"] += 1

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
    st.builds(Step, st.just("call"), st.just([]), st.booleans(), st.integers(0, 30), st.sampled_from("ab")),
    lambda step: st.builds(
        Step,
        st.sampled_from(VERBS),
        st.lists(step, max_size=3),
        st.sampled_from([False, False, True]),
        st.integers(0, 30),
        st.sampled_from("ab"),
    ),
    max_leaves=10,
)


def total(points: dict[str, Any], metric: str, **by: str) -> int:
    """Sum a metric's counts over the points that have these attributes."""
    wanted = {key.replace("__", "."): value for key, value in by.items()}
    chosen = [value for attributes, value in points.get(metric, []) if wanted.items() <= attributes.items()]
    return sum(value[0] if isinstance(value, tuple) else value for value in chosen)


@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, max_size=3))
def test_the_laws_hold_for_random_programs(telemetry: Telemetry, clock: Clock, program: list[Step]) -> None:
    """Counts equal what the program did, parts are no longer than the whole, and no content is in any signal."""
    telemetry.clear()
    breaker._cells.clear()
    world = World(clock)
    for step in program:
        try:
            step.run(world)
        except BrokenError:
            world.did["escaped"] += 1
    points, spans, did = telemetry.metrics(), telemetry.spans, world.did

    assert total(points, "gen_ai.client.operation.duration") == did["calls"] == sum(s.kind == "CLIENT" for s in spans)
    errors = [value for attributes, value in points.get("gen_ai.client.operation.duration", []) if "error.type" in attributes]
    assert sum(count for count, _ in errors) == did["failed calls"]

    assert total(points, "resilience.operation.attempts") == did["operations"]
    assert total(points, "resilience.operation.duration") == did["operations"]
    assert sum(value[1] for _, value in points.get("resilience.operation.attempts", [])) == did["attempts"]
    failed = [value for attributes, value in points.get("resilience.attempt.duration", []) if "error.type" in attributes]
    assert sum(count for count, _ in failed) == did["failed attempts"]
    assert total(points, "resilience.attempt.duration") == did["attempts"]
    assert total(points, "resilience.failover.hops") == did["hops"]

    for result in ("success", "failure", "rejected"):
        key = {"resilience__circuit_breaker__result": result}
        assert total(points, "resilience.circuit_breaker.calls", **key) == did["breaker", result]
    for result in ("hit", "miss", "error"):
        assert total(points, "resilience.cache.lookups", resilience__cache__result=result) == did["cache", result]
    assert total(points, "resilience.rate_limiter.requests") == did["waits"]
    assert total(points, "resilience.rate_limiter.queued_requests") == 0
    assert total(points, "resilience.validation.results") == did["checks"]

    for outer in spans:
        inner = [span for span in spans if span.parent_id == outer.id]
        assert all(outer.start <= span.start <= span.end <= outer.end for span in inner)
    for span in spans:
        outcome = span.attributes.get("resilience.operation.outcome", "success")
        if span.status == "ERROR":
            assert {"error.type", "resilience.error.category"} <= span.attributes.keys()
        elif outcome != "cancelled":
            assert "error.type" not in span.attributes
    assert SECRET not in repr((spans, points, telemetry.logs))
    assert "hello" not in repr((spans, points, telemetry.logs))
