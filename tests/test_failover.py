"""`traced_failover`: one candidate after another until one answers."""

from __future__ import annotations

import re

import pytest

from spanguard import declare, traced_failover, traced_llm_call
from support import Telemetry, completion


def answer(failing: int) -> str | None:
    """Ask three candidates, of which the first ones fail."""
    with traced_failover("summarise", work="order 4711") as failover:
        for attempt in failover.candidates("primary", "backup", "local"):
            try:
                with attempt:
                    if attempt.number <= failing:
                        raise ConnectionError("secret")
                    with traced_llm_call(provider="openai", model="gpt-5.2") as call:
                        call.record_response(completion(10, 5))
                    return attempt.candidate
            except ConnectionError:
                continue
        failover.degraded()
    return None


def test_each_candidate_is_an_attempt_and_each_change_a_hop(telemetry: Telemetry) -> None:
    """The operation recovered; the failed candidates have the error, and hops say from where to where and why."""
    assert answer(failing=2) == "local"
    assert telemetry.tree == [
        ("failover summarise", None),
        ("attempt primary", "failover summarise"),
        ("attempt backup", "failover summarise"),
        ("attempt local", "failover summarise"),
        ("chat gpt-5.2", "attempt local"),
    ]
    operation, first, *_ = telemetry.spans
    assert (operation.status, operation["resilience.operation.outcome"]) == ("UNSET", "recovered")
    assert re.fullmatch("h:[0-9a-f]{16}", operation["resilience.work.id"])
    assert (first.status, first["error.type"], first["resilience.failover.candidate"]) == (
        "ERROR",
        "ConnectionError",
        "primary",
    )
    assert [attributes for _, attributes in operation.events] == [
        {
            "resilience.policy.type": "failover",
            "resilience.policy.name": "summarise",
            "resilience.attempt.number": number,
            "resilience.failover.from": old,
            "resilience.failover.to": new,
            "error.type": "ConnectionError",
        }
        for number, old, new in ((2, "primary", "backup"), (3, "backup", "local"))
    ]


def test_hops_and_the_one_who_answered_are_measured(telemetry: Telemetry) -> None:
    """Hops by from, to and error; the duration by provider and model of the answer."""
    answer(failing=1)
    points = telemetry.metrics()
    ((hop, count),) = points["resilience.failover.hops"]
    assert (hop["resilience.failover.from"], hop["resilience.failover.to"], count) == ("primary", "backup", 1)
    ((duration, _),) = points["resilience.operation.duration"]
    assert (duration["gen_ai.provider.name"], duration["gen_ai.request.model"]) == ("openai", "gpt-5.2")


@pytest.mark.parametrize(("failing", "outcome"), [(0, "success"), (1, "recovered"), (3, "degraded")])
def test_the_outcome_tells_how_far_it_went(telemetry: Telemetry, failing: int, outcome: str) -> None:
    """A stub after the last candidate degrades it."""
    answer(failing)
    assert telemetry.span("failover summarise")["resilience.operation.outcome"] == outcome


def test_candidates_can_be_described(telemetry: Telemetry) -> None:
    """Provider, model, tier, source and host of a candidate stand on its attempt; unknown hosts are pseudonyms."""
    declare("mirror.example.org")
    with pytest.raises(OSError), traced_failover("download", artifact="file.bin") as failover:  # noqa: PT012
        with failover.candidate("mirror", tier=1, source="eu", host="mirror.example.org"):
            pass
        with failover.candidate("origin", provider="openai", model="gpt-5.2", tier=2, host="files.example.org"):
            raise OSError("secret")
    mirror, origin = [span for span in telemetry.spans if span.name.startswith("attempt")]
    assert mirror.attributes.items() >= {"resilience.failover.tier": 1, "server.address": "mirror.example.org"}.items()
    assert (origin["gen_ai.request.model"], origin["server.address"][:2]) == ("gpt-5.2", "h:")
    operation = telemetry.span("failover download")
    assert (operation["resilience.operation.outcome"], operation["resilience.artifact.id"][:2]) == ("exhausted", "h:")


def test_a_hop_can_be_told_after_the_fact(telemetry: Telemetry) -> None:
    """`on_failover` is a callback for clients that know nothing of telemetry."""
    with traced_failover("summarise") as failover:
        failover.on_failover("primary", "backup", TimeoutError("secret"))
    event = telemetry.span("failover summarise").event("resilience.failover.hop")
    assert (event["resilience.failover.from"], event["resilience.failover.to"], event["error.type"]) == (
        "primary",
        "backup",
        "TimeoutError",
    )


def test_hops_alone_are_a_recovery(telemetry: Telemetry) -> None:
    """Each hop stands for a candidate that failed."""
    with traced_failover("summarise") as failover:
        failover.on_failover("primary", "backup", TimeoutError())
        failover.on_failover("backup", "local", TimeoutError())
    span = telemetry.span("failover summarise")
    assert (span["resilience.operation.outcome"], span["resilience.operation.attempt_count"]) == ("recovered", 3)


def test_tokens_of_candidates_that_failed_are_wasted(telemetry: Telemetry) -> None:
    """As in every operation that tries more than once."""
    ask = traced_llm_call(model="gpt-5.2")(lambda: completion(10, 5))
    with traced_failover("summarise") as failover:
        for attempt in failover.candidates("primary", "backup"):
            with attempt:
                ask()
                if attempt.number == 1:
                    attempt.fail(TimeoutError())
    span = telemetry.span("failover summarise")
    assert (span["resilience.usage.useful.input_tokens"], span["resilience.usage.wasted.input_tokens"]) == (10, 10)
