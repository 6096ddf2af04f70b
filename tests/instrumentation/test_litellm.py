"""litellm's Router, the real one on the real openai SDK: its retries, and its fallbacks as failover."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest
import wire

from scripted import Fault, ScriptedProvider, cancel
from spanguard import declare
from spanguard.instrumentation.litellm import LiteLLMInstrumentor
from spanguard.instrumentation.openai import OpenAIInstrumentor
from support import Clock, Span, Telemetry

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # nothing is fetched
litellm = pytest.importorskip("litellm")
pytestmark = [pytest.mark.foreign, pytest.mark.filterwarnings("ignore")]  # of pydantic, of loops that litellm leaves open
ASKED: Any = {"messages": [{"role": "user", "content": "the secret"}]}
ANSWERS = wire.OPENAI, wire.OPENAI_EVENTS


@pytest.fixture(autouse=True)
def _instrumented(instrument: Any) -> None:
    instrument(OpenAIInstrumentor)
    instrument(LiteLLMInstrumentor)


def router(provider: ScriptedProvider, *groups: str, **options: Any) -> Any:
    """Return a router over groups of one model each, which falls back from each group to the next."""
    models = [
        {
            "model_name": group,
            "litellm_params": {"model": "openai/gpt-5.2", "api_base": f"{provider.url}/v1", "api_key": "x"},
        }
        for group in groups
    ]
    fallbacks = [{groups[0]: list(groups[1:])}] if groups[1:] else []
    given = {"num_retries": 1, "retry_after": 0, "disable_cooldowns": True, "fallbacks": fallbacks, **options}
    return litellm.Router(model_list=models, **given)


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Ask a router for a completion, in both ways."""

    def _ask(made: Any, model: str, **options: Any) -> Any:
        if request.param == "sync":
            answer = made.completion(model=model, **ASKED, **options)
            return list(answer) if options.get("stream") else answer
        return asyncio.run(_aask(made, model, **options))

    return _ask


async def _aask(made: Any, model: str, **options: Any) -> Any:
    answer = await made.acompletion(model=model, **ASKED, **options)
    return [chunk async for chunk in answer] if options.get("stream") else answer


def operations(telemetry: Telemetry, policy: str) -> list[Span]:
    """Return the operations of one policy."""
    return [span for span in telemetry.spans if span.name.startswith(f"{policy} ")]


def test_a_router_retries(telemetry: Telemetry, provider: ScriptedProvider, ask: Any) -> None:
    """Each attempt with its error; the SDK below does not retry by itself then."""
    provider.script = [Fault(500), Fault(429)]
    ask(router(provider, "gpt-5.2", num_retries=2), "gpt-5.2")
    (retry,) = operations(telemetry, "retry")
    assert retry["resilience.library.name"] == "litellm"
    assert (retry["resilience.operation.outcome"], retry["resilience.operation.attempt_count"]) == ("recovered", 3)
    assert retry["resilience.usage.useful.input_tokens"] == 20
    attempts = [span for span in telemetry.spans if span.name == "attempt"]
    assert [span.attributes.get("error.type") for span in attempts] == [
        "litellm.exceptions.InternalServerError",
        "litellm.exceptions.RateLimitError",
        None,
    ]
    assert [name for name, _ in retry.events].count("resilience.retry.scheduled") == 2
    assert provider.statuses == [500, 429, 200]


def test_a_fallback_is_a_failover(telemetry: Telemetry, provider: ScriptedProvider, ask: Any) -> None:
    """A hop from group to group, each with retries of its own inside."""
    provider.script = [Fault(500), Fault(500)]
    ask(router(provider, "gpt-5.2", "gpt-4o"), "gpt-5.2")
    (failover,) = operations(telemetry, "failover")
    assert (failover.status, failover["resilience.operation.outcome"]) == ("UNSET", "recovered")
    hop = failover.event("resilience.failover.hop")
    assert (hop["resilience.failover.from"], hop["resilience.failover.to"]) == ("gpt-5.2", "gpt-4o")
    assert telemetry.span("attempt gpt-5.2")["error.type"] == "litellm.exceptions.InternalServerError"
    assert failover["resilience.usage.useful.output_tokens"] == 6
    assert provider.statuses == [500, 500, 200]


def test_a_chain_in_vain_is_exhausted(telemetry: Telemetry, provider: ScriptedProvider, ask: Any) -> None:
    """And the library's error passes."""
    provider.script = [Fault(500)] * 4
    with pytest.raises(litellm.InternalServerError):
        ask(router(provider, "gpt-5.2", "gpt-4o"), "gpt-5.2")
    (failover,) = operations(telemetry, "failover")
    assert (failover.status, failover["resilience.operation.outcome"]) == ("ERROR", "exhausted")
    assert {span["resilience.operation.outcome"] for span in operations(telemetry, "retry")} == {"exhausted"}


def test_an_error_that_is_not_retried_is_a_failure(telemetry: Telemetry, provider: ScriptedProvider, ask: Any) -> None:
    """One attempt."""
    provider.script = [Fault(400)]
    with pytest.raises(litellm.BadRequestError):
        ask(router(provider, "gpt-5.2", num_retries=2), "gpt-5.2")
    (retry,) = operations(telemetry, "retry")
    assert (retry["resilience.operation.outcome"], retry["resilience.operation.attempt_count"]) == ("failed", 1)


def test_a_good_answer_has_a_call_alone(telemetry: Telemetry, provider: ScriptedProvider, ask: Any) -> None:
    """Nothing was retried, and no fallback is configured."""
    ask(router(provider, "gpt-5.2"), "gpt-5.2")
    assert [span.name for span in telemetry.spans if "gen_ai.operation.name" in span.attributes] == ["chat gpt-5.2"]
    assert operations(telemetry, "failover") == []


def test_a_stream_is_followed(telemetry: Telemetry, provider: ScriptedProvider, ask: Any) -> None:
    """By the SDK's own instrumentation, within the attempt."""
    provider.script = [Fault(500)]
    options = {"stream": True, "stream_options": {"include_usage": True}}
    assert len(ask(router(provider, "gpt-5.2"), "gpt-5.2", **options)) > 2
    calls = [span for span in telemetry.spans if span.name == "chat gpt-5.2"]
    assert [span.status for span in calls] == ["ERROR", "UNSET"]
    assert calls[1]["gen_ai.usage.output_tokens"] == 6
    assert operations(telemetry, "retry")[0]["resilience.operation.outcome"] == "recovered"


def test_the_name_of_a_group_is_not_shown_unless_it_may(telemetry: Telemetry, provider: ScriptedProvider, ask: Any) -> None:
    """It is the program's own: a published model's or a declared one is clear."""
    declare("cheap")
    provider.script = [Fault(500)] * 2
    ask(router(provider, "group of the secret customer", "cheap"), "group of the secret customer")
    hop = operations(telemetry, "failover")[0].event("resilience.failover.hop")
    assert str(hop["resilience.failover.from"]).startswith("h:")
    assert hop["resilience.failover.to"] == "cheap"
    assert "secret" not in repr([(span.name, span.attributes, span.events, span.description) for span in telemetry.spans])


def test_usage_is_read_where_nobody_counts_it(telemetry: Telemetry, provider: ScriptedProvider, ask: Any) -> None:
    """Of providers whose SDK is not instrumented."""
    OpenAIInstrumentor().uninstrument()
    provider.script = [Fault(500)]
    ask(router(provider, "gpt-5.2"), "gpt-5.2")
    assert operations(telemetry, "retry")[0]["resilience.usage.useful.input_tokens"] == 20


def test_a_cooldown_is_a_breaker_that_opens(telemetry: Telemetry, provider: ScriptedProvider, ask: Any, clock: Clock) -> None:
    """Until the deployment answers again: the router says nothing of the end."""
    declare("east", "west")
    common = {"model": "openai/gpt-5.2", "api_base": f"{provider.url}/v1", "api_key": "x"}
    models = [{"model_name": "gpt-5.2", "litellm_params": common, "model_info": {"id": each}} for each in ("east", "west")]
    made = litellm.Router(model_list=models, num_retries=1, retry_after=0, cooldown_time=1)
    provider.script = [Fault(429)]
    ask(made, "gpt-5.2")
    ((name, *states),) = transitions(telemetry)
    assert (name in ("east", "west"), states) == (True, ["closed", "open"])
    store = getattr(made.cooldown_cache, "cooldown_store", None) or made.cooldown_cache.cache
    store.flush_cache()
    clock.move(1)
    told: list[tuple[object, ...]] = []
    for _ in range(100):  # until the router chooses that one of the two
        if not told:
            ask(made, "gpt-5.2")
            told = transitions(telemetry)
    assert told == [(name, "open", "closed")]


def transitions(telemetry: Telemetry) -> list[tuple[object, ...]]:
    """Return each change of state since the last look: of which breaker, from what, to what."""
    keys = ("resilience.policy.name", "resilience.circuit_breaker.from", "resilience.circuit_breaker.to")
    points = telemetry.metrics().get("resilience.circuit_breaker.transitions", [])
    return [tuple(by[key] for key in keys) for by, _ in points]


def test_a_cancelled_call_is_cancelled(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """While it waits for the answer."""
    provider.hangs = True

    async def main() -> None:
        await cancel(_aask(router(provider, "gpt-5.2", "gpt-4o"), "gpt-5.2"), provider.asked.is_set)

    asyncio.run(main())
    assert operations(telemetry, "failover")[0]["resilience.operation.outcome"] == "cancelled"


def test_calls_at_the_same_time_keep_apart(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """Through one router."""
    provider.script = [Fault(500)] * 3

    async def main() -> None:
        made = router(provider, "gpt-5.2", num_retries=3)
        await asyncio.gather(*(_aask(made, "gpt-5.2") for _ in range(3)))

    asyncio.run(main())
    retries = operations(telemetry, "retry")
    assert {span["resilience.operation.outcome"] for span in retries} <= {"recovered", "success"}
    metrics: Any = telemetry.metrics()
    counted = [point for by, point in metrics["resilience.operation.attempts"] if by["resilience.library.name"] == "litellm"]
    assert [sum(column) for column in zip(*counted, strict=True)] == [3, 6]


def test_uninstrument_restores_everything(telemetry: Telemetry, provider: ScriptedProvider, ask: Any) -> None:
    """The router's methods are what they were."""
    instrumentor, cls = LiteLLMInstrumentor(), litellm.Router
    names = ("async_function_with_fallbacks", "async_function_with_retries", "make_call", "_time_to_sleep_before_retry")
    instrumentor.uninstrument()
    before = [getattr(cls, name) for name in names]
    instrumentor.instrument()
    instrumentor.uninstrument()
    assert [getattr(cls, name) for name in names] == before
    provider.script = [Fault(500)]
    ask(router(provider, "gpt-5.2"), "gpt-5.2")
    assert operations(telemetry, "retry") == []
