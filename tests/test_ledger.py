"""The law of the book: over random programs, what was useful and what was wasted sum to what the server counted."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from spanguard import traced_llm_call, traced_repair, traced_retry
from support import Telemetry, completion


class Refused(Exception):
    """What the server answers when it refuses."""


@dataclass
class Server:
    """Answers calls, and counts for itself what it answered."""

    sent: int = 0
    received: int = 0
    calls: int = 0
    refused: int = 0

    def answer(self, call: Ask) -> dict[str, Any]:
        """Answer one call or refuse it; a refused call costs nothing."""
        self.calls += 1
        if call.refuse:
            self.refused += 1
            raise Refused("secret")
        self.sent += call.sent
        self.received += call.received
        return completion(call.sent, call.received)


@dataclass
class Ask:
    """One call of a model, in one of the ways to write it."""

    sent: int
    received: int
    refuse: bool
    way: str

    def run(self, server: Server) -> None:
        if self.way == "context manager":
            with traced_llm_call(model="gpt-5.2") as call:
                call.record_response(server.answer(self))
        elif self.way == "stream":
            list(traced_llm_call(model="gpt-5.2")(lambda: (server.answer(self) for _ in range(1)))())
        elif self.way == "passed on":
            inner = traced_llm_call(model="gpt-5.2")(lambda: server.answer(self))
            server.calls += 1
            server.refused += self.refuse
            traced_llm_call(model="gpt-5.2-mini")(lambda: inner())()
        else:
            traced_llm_call(model="gpt-5.2")(lambda: server.answer(self))()


@dataclass
class Loop:
    """A repair or retry loop: for each attempt its steps, and whether the validator lets the answer pass."""

    policy: str
    attempts: list[tuple[list[Any], bool]]
    limit: int
    name: str = field(default="loop")

    def run(self, server: Server) -> None:
        verb = traced_repair("repair_loop") if self.policy == "repair" else traced_retry("retry_loop")
        tries = iter(self.attempts)
        with verb as operation:
            for attempt in operation.attempts(self.limit):
                steps, passed = next(tries, ([], True))
                try:
                    with attempt:
                        for step in steps:
                            step.run(server)
                        attempt.validated("rule", passed=passed)
                except Refused:
                    if self.policy == "repair":
                        raise


asks = st.builds(
    Ask,
    sent=st.integers(0, 500),
    received=st.integers(0, 500),
    refuse=st.sampled_from([False, False, False, True]),
    way=st.sampled_from(["decorator", "context manager", "stream", "passed on"]),
)
programs = st.recursive(
    asks,
    lambda step: st.builds(
        Loop,
        policy=st.sampled_from(["repair", "retry"]),
        attempts=st.lists(st.tuples(st.lists(step, max_size=3), st.booleans()), max_size=3),
        limit=st.integers(1, 3),
    ),
    max_leaves=8,
)


@hypothesis_settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(programs, max_size=3), st.booleans())
def test_useful_and_wasted_sum_to_what_the_server_counted(telemetry: Telemetry, steps: list[Any], passed: bool) -> None:
    """For the root operation, for the metrics of all policies, and for the GenAI metrics, over 1,000 random programs."""
    telemetry.clear()
    server = Server()
    with contextlib.suppress(Refused):
        Loop("repair", [(steps, passed)], 1).run(server)

    root = telemetry.spans[0]
    for kind, counted in (("input", server.sent), ("output", server.received)):
        useful = root.attributes.get(f"resilience.usage.useful.{kind}_tokens", 0)
        wasted = root.attributes.get(f"resilience.usage.wasted.{kind}_tokens", 0)
        assert useful + wasted == counted
        assert useful == 0 or root["resilience.operation.outcome"] in ("success", "recovered")

    points = telemetry.metrics()
    by_type: Counter[str] = Counter()
    for attributes, value in points.get("resilience.token.usage", []):
        by_type[attributes["resilience.token.type"]] += value
    standard: Counter[str] = Counter()
    for attributes, (_, value) in points.get("gen_ai.client.token.usage", []):
        standard[attributes["gen_ai.token.type"]] += value
    for counter in (by_type, standard):
        assert (counter["input"], counter["output"]) == (server.sent, server.received)

    durations = points.get("gen_ai.client.operation.duration", [])
    assert sum(count for _, (count, _) in durations) == server.calls
    assert sum(count for attributes, (count, _) in durations if "error.type" in attributes) == server.refused
    errors = [span for span in telemetry.spans if span.kind == "CLIENT" and span.status == "ERROR"]
    assert len(errors) == server.refused
    assert "secret" not in repr(telemetry.spans)
    assert "hello" not in repr(telemetry.spans)
