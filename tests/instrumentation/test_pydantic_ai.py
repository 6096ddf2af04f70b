"""pydantic-ai, the real library on the real openai SDK: how often agents are sent back, and what that costs."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
import json
from collections.abc import Iterator
from typing import Any

import pytest
import wire
from opentelemetry import context

from scripted import Fault, ScriptedProvider, cancel
from spanguard.instrumentation.openai import OpenAIInstrumentor
from spanguard.instrumentation.pydantic_ai import PydanticAIInstrumentor, _running
from spanguard.instrumentation.tenacity import TenacityInstrumentor
from support import Telemetry

pydantic_ai = pytest.importorskip("pydantic_ai")
pytest.importorskip("openai")
pydantic = pytest.importorskip("pydantic")
pytestmark = pytest.mark.foreign
NAME = f"{__name__}.Extractor.__init__.agent"
PROMPT = "the secret"


class Person(pydantic.BaseModel):  # type: ignore[misc,name-defined]
    """What is asked for."""

    name: str
    age: int


def answer(**fields: Any) -> dict[str, Any]:
    """Return an answer whose content is JSON of these fields."""
    body = copy.deepcopy(wire.OPENAI)
    body["choices"][0]["message"]["content"] = json.dumps(fields) if fields else ""
    return body


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    """Return an answer that calls a tool."""
    body = answer()
    function = {"name": tool, "arguments": json.dumps(arguments)}
    body["choices"][0]["message"] |= {"tool_calls": [{"id": "call_1", "type": "function", "function": function}]}
    body["choices"][0]["finish_reason"] = "tool_calls"
    return body


GOOD, WRONG, YOUNG = answer(name="Ada", age=36), answer(name="Ada", age="the secret"), answer(name="Ada", age=-1)


@pytest.fixture(autouse=True)
def _instrumented(instrument: Any) -> Iterator[None]:
    for each in (OpenAIInstrumentor, TenacityInstrumentor, PydanticAIInstrumentor):
        instrument(each)
    before = context.get_current()
    yield
    assert context.get_current() is before
    assert not _running


@contextlib.contextmanager
def loop() -> Iterator[None]:
    """Lend pydantic-ai the event loop that it would make for itself, and never close."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        made.close()


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    """A provider on this machine."""
    running = ScriptedProvider(GOOD)
    yield running
    running.close()


def model(provider: ScriptedProvider) -> Any:
    """Return a model of pydantic-ai that asks it."""
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIChatModel("gpt-5.2", provider=OpenAIProvider(base_url=f"{provider.url}/v1", api_key="x"))


def young(person: Any) -> Any:
    """Refuse persons that are not born yet."""
    if getattr(person, "age", 0) < 0:
        raise pydantic_ai.ModelRetry("the secret")
    return person


class Extractor:
    """Extracts a person, in one of the two ways that run to an end."""

    def __init__(self, provider: ScriptedProvider, kind: str = "async", **options: Any) -> None:
        given = {"output_type": pydantic_ai.PromptedOutput(Person), "retries": 2, **options}
        agent = pydantic_ai.Agent(model(provider), **given)
        self.agent: Any = agent
        self.agent.output_validator(young)
        self._kind = kind

    def run(self) -> Any:
        """Ask for a person."""
        if self._kind == "sync":
            with loop():
                return self.agent.run_sync(PROMPT).output
        return asyncio.run(self.agent.run(PROMPT)).output


@pytest.fixture(params=["sync", "async"])
def extractor(request: pytest.FixtureRequest, provider: ScriptedProvider) -> Extractor:
    """Both ways."""
    return Extractor(provider, str(request.param))


class Told:
    """What was told of pydantic-ai, whose metrics are read once."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    @functools.cached_property
    def all(self) -> dict[str, Any]:
        """All metrics."""
        return self._telemetry.metrics()

    def of(self, metric: str, *keys: str) -> list[Any]:
        """Return the points of a metric: these attributes, and the value."""
        found = [(by, value) for by, value in self.all.get(metric, []) if by.get("resilience.library.name") == "pydantic-ai"]
        return sorted(((*(by.get(key) for key in keys), value) for by, value in found), key=repr)

    @property
    def operations(self) -> list[Any]:
        """The outcomes of the operations, with their number and how many attempts there were."""
        return self.of("resilience.operation.attempts", "resilience.operation.outcome")

    @property
    def verdicts(self) -> list[Any]:
        """What was validated: the stage, the rule, what is done about it, and how often."""
        keys = ("resilience.validation.stage", "resilience.validation.rule", "resilience.validation.action")
        return self.of("resilience.validation.results", *keys)

    @property
    def tokens(self) -> dict[str, int]:
        """How many input tokens were useful and wasted."""
        points = self.of("resilience.token.usage", "resilience.token.type", "resilience.token.disposition")
        return {disposition: count for kind, disposition, count in points if kind == "input"}


@pytest.fixture
def told(telemetry: Telemetry) -> Told:
    """What was told in the test."""
    return Told(telemetry)


def test_a_good_answer_is_a_success(told: Told, extractor: Extractor) -> None:
    """One attempt, whose verdict is that it passed; the agent is known by the variable that it is assigned to."""
    assert extractor.run().age == 36
    assert told.operations == [("success", (1, 1))]
    assert told.of("resilience.operation.duration", "resilience.policy.type", "resilience.policy.name")[0][:2] == (
        "repair",
        NAME if hasattr(Extractor.__init__.__code__, "co_qualname") else f"{__name__}.__init__.agent",
    )
    assert told.verdicts == [("output", None, None, 1)]


def test_there_are_no_spans_of_ours_beside_the_call(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """Neither for the repair nor for its attempts; the call says which attempt it serves."""
    provider.bodies = [WRONG]
    Extractor(provider).run()
    calls = [span for span in telemetry.spans if span.name != "POST"]
    assert [span.name for span in calls] == ["chat gpt-5.2", "chat gpt-5.2"]
    assert [span["resilience.attempt.number"] for span in calls] == [1, 2]
    assert {span["resilience.library.name"] for span in calls} == {"pydantic-ai"}


def test_a_repaired_answer_says_what_the_refused_ones_cost(
    told: Told, extractor: Extractor, provider: ScriptedProvider
) -> None:
    """The rule is pydantic's first complaint, or that a validator of the program wants another answer."""
    provider.bodies = [WRONG, YOUNG]
    assert extractor.run().age == 36
    assert told.operations == [("recovered", (1, 3))]
    assert told.verdicts == [
        ("output", "int_parsing", "retried", 1),
        ("output", "model_retry", "retried", 1),
        ("output", None, None, 1),
    ]
    assert told.tokens == {"useful": 20, "wasted": 40}
    outcomes = told.of("resilience.attempt.duration", "resilience.attempt.outcome", "error.type")
    assert [(outcome, error, count) for outcome, error, (count, _) in outcomes] == [
        ("invalid", "validation_error", 2),
        ("success", None, 1),
    ]


def test_an_output_tool_is_told_once(told: Told, provider: ScriptedProvider) -> None:
    """It is a tool and the output, and pydantic-ai counts its failures as both."""
    provider.bodies = [call("final_result", name="Ada", age="the secret"), call("final_result", name="Ada", age=-1)]
    provider.body = call("final_result", name="Ada", age=36)
    assert Extractor(provider, output_type=Person).run().age == 36
    assert told.operations == [("recovered", (1, 3))]
    assert [verdict[:3] for verdict in told.verdicts] == [
        ("output", "int_parsing", "retried"),
        ("output", "model_retry", "retried"),
        ("output", None, None),
    ]


def test_a_tool_sends_the_model_back(told: Told, provider: ScriptedProvider) -> None:
    """By wrong arguments, or by what it raises; a tool that is content is part of the attempt."""
    extractor = Extractor(provider)

    def look_up(number: int) -> int:
        if number < 0:
            raise pydantic_ai.ModelRetry("the secret")
        return number

    extractor.agent.tool_plain(look_up)
    provider.bodies = [call("look_up", number="x"), call("look_up", number=-1), call("look_up", number=1)]
    assert extractor.run().age == 36
    assert told.operations == [("recovered", (1, 3))]
    assert told.verdicts == [
        ("output", None, None, 1),
        ("tool", "int_parsing", "retried", 1),
        ("tool", "model_retry", "retried", 1),
    ]
    assert told.tokens == {"useful": 40, "wasted": 40}


def test_an_empty_answer_is_refused_too(told: Told, provider: ScriptedProvider) -> None:
    """There is nothing in it that could be an output."""
    provider.bodies = [answer()]
    Extractor(provider).run()
    assert ("output", "no_output", "retried", 1) in told.verdicts


def test_a_run_in_vain_is_exhausted(told: Told, extractor: Extractor, provider: ScriptedProvider) -> None:
    """Everything was wasted, and the library's error passes."""
    provider.body = WRONG
    with pytest.raises(pydantic_ai.UnexpectedModelBehavior):
        extractor.run()
    assert told.operations == [("exhausted", (1, 3))]
    assert told.verdicts == [("output", "int_parsing", "blocked", 1), ("output", "int_parsing", "retried", 2)]
    assert told.tokens == {"wasted": 60}
    errors = told.of("resilience.attempt.duration", "error.type")
    assert [(error, count) for error, (count, _) in errors] == [("validation_error", 3)]


def test_a_tool_in_vain_exhausts_the_run(told: Told, provider: ScriptedProvider) -> None:
    """Its own limit counts."""
    extractor = Extractor(provider)

    def look_up() -> int:
        raise pydantic_ai.ModelRetry("the secret")

    extractor.agent.tool_plain(look_up, retries=1)
    provider.body = call("look_up")
    with pytest.raises(pydantic_ai.UnexpectedModelBehavior):
        extractor.run()
    assert told.operations == [("exhausted", (1, 2))]


def test_an_error_of_the_provider_is_a_failure(told: Told, extractor: Extractor, provider: ScriptedProvider) -> None:
    """Nothing is repaired: one attempt that failed."""
    provider.script = [Fault(400)]
    with pytest.raises(pydantic_ai.ModelHTTPError):
        extractor.run()
    assert told.operations == [("failed", (1, 1))]
    assert told.verdicts == []


def test_each_layer_that_retries_is_counted_once(told: Told, extractor: Extractor, provider: ScriptedProvider) -> None:
    """A repair by pydantic-ai, a retry by the SDK."""
    provider.script, provider.bodies = [Fault(429)], [WRONG]
    extractor.run()
    attempts = [(by["resilience.library.name"], value) for by, value in told.all["resilience.operation.attempts"]]
    assert sorted(attempts) == [("openai", (1, 1)), ("openai", (1, 2)), ("pydantic-ai", (1, 2))]


def test_a_cancelled_run_is_cancelled(told: Told, provider: ScriptedProvider) -> None:
    """While it waits for an answer."""
    provider.hangs = True

    async def main() -> None:
        run = asyncio.create_task(Extractor(provider).agent.run(PROMPT))
        await asyncio.to_thread(provider.asked.wait, 60)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())
    assert told.operations == [("cancelled", (1, 1))]


def test_a_run_that_the_program_cancels_is_cancelled(told: Told, provider: ScriptedProvider) -> None:
    """By the run's own method, where it has one."""
    from pydantic_ai.run import AgentRun

    if not hasattr(AgentRun, "cancel"):
        pytest.skip("this version cannot")

    async def main() -> None:
        async with Extractor(provider).agent.iter(PROMPT) as run:
            run.cancel()
            async for _ in run:
                pass

    with pytest.raises(pydantic_ai.exceptions.RunCancelled):
        asyncio.run(main())
    ((outcome, _),) = told.operations
    assert outcome == "cancelled"


def test_a_stream_is_followed_to_its_end(told: Told, provider: ScriptedProvider) -> None:
    """Text that is validated by nothing has no verdict."""
    provider.events = wire.OPENAI_EVENTS
    agent = pydantic_ai.Agent(model(provider))

    async def main() -> str:
        async with agent.run_stream(PROMPT) as streamed:
            return "".join([text async for text in streamed.stream_text(delta=True)])

    assert asyncio.run(main()) == "the secret" * 20
    assert told.operations == [("success", (1, 1))]
    assert told.verdicts == []
    assert told.tokens == {"useful": 20}


def test_a_stream_to_a_program_without_a_loop_is_followed(told: Told, provider: ScriptedProvider) -> None:
    """`run_stream_sync` enters and leaves the run in different contexts."""
    provider.events = wire.OPENAI_EVENTS
    agent = pydantic_ai.Agent(model(provider))
    if not hasattr(pydantic_ai.result.StreamedRunResultSync, "__enter__"):
        pytest.skip("this version never leaves the run")
    with loop(), agent.run_stream_sync(PROMPT) as streamed:
        assert "".join(streamed.stream_text(delta=True)) == "the secret" * 20
    assert told.operations == [("success", (1, 1))]


def test_a_run_that_the_program_drives_is_followed(told: Told, provider: ScriptedProvider) -> None:
    """Node by node, with streams of its own."""
    provider.bodies = [WRONG]
    agent = Extractor(provider).agent

    async def main() -> list[str]:
        async with agent.iter(PROMPT) as run:
            return [type(node).__name__ async for node in run]

    assert "End" in asyncio.run(main())
    assert told.operations == [("recovered", (1, 2))]


def test_a_run_that_is_left_is_cancelled(told: Told, provider: ScriptedProvider) -> None:
    """Without an error, and without a result."""
    agent = Extractor(provider).agent

    async def main() -> None:
        async with agent.iter(PROMPT) as run:
            async for node in run:
                if type(node).__name__ == "CallToolsNode":
                    break

    asyncio.run(main())
    assert told.operations == [("cancelled", (1, 1))]
    assert told.verdicts == []


def test_a_run_that_cannot_begin_leaves_nothing_behind(told: Told) -> None:
    """An agent without a model."""
    with pytest.raises(pydantic_ai.UserError):
        asyncio.run(pydantic_ai.Agent().run(PROMPT))
    assert told.operations == []


def test_runs_at_the_same_time_are_kept_apart(told: Told, provider: ScriptedProvider) -> None:
    """Each agent has its own outcome."""
    provider.body = WRONG
    agents = [Extractor(provider, name=name, retries=number).agent for number, name in enumerate(("one", "two", "three"))]

    async def main() -> list[Any]:
        return await asyncio.gather(*(agent.run(PROMPT) for agent in agents), return_exceptions=True)

    assert all(isinstance(each, pydantic_ai.UnexpectedModelBehavior) for each in asyncio.run(main()))
    found = told.of("resilience.operation.attempts", "resilience.operation.outcome")
    assert sorted(value for _, value in found) == [(1, 1), (1, 2), (1, 3)]


def test_an_agent_inside_a_tool_counts_for_itself(told: Told, provider: ScriptedProvider) -> None:
    """Its refused answer is wasted; what it used is useful if the outer run uses it, and counted once."""
    inner = Extractor(provider).agent
    outer = Extractor(provider)

    async def look_up(ctx: Any) -> str:
        return str((await inner.run(PROMPT, usage=ctx.usage)).output)

    look_up.__annotations__["ctx"] = pydantic_ai.RunContext
    outer.agent.tool(look_up)
    provider.bodies = [call("look_up"), WRONG, GOOD]
    outer.run()
    assert told.operations == [("recovered", (1, 2)), ("success", (1, 1))]
    assert told.tokens == {"useful": 60, "wasted": 20}


def test_usage_is_read_where_nobody_counts_it(told: Told, provider: ScriptedProvider) -> None:
    """Of each of the requests of an attempt."""
    OpenAIInstrumentor().uninstrument()
    extractor = Extractor(provider)
    extractor.agent.tool_plain(len_of)
    provider.bodies = [call("len_of", text="x"), WRONG, call("len_of", text="x")]
    extractor.run()
    assert told.tokens == {"useful": 40, "wasted": 40}
    providers = {by[0] for by in told.of("resilience.token.usage", "gen_ai.provider.name")}
    assert providers == {"openai"}


def len_of(text: str) -> int:
    """Return how long a text is."""
    return len(text)


def test_with_spans_of_its_own_there_is_one_for_each_call(
    telemetry: Telemetry, told: Told, provider: ScriptedProvider
) -> None:
    """`Agent.instrument_all()`: the call's span is pydantic-ai's, inside the agent's; what it used flows to our metrics."""
    provider.bodies = [WRONG]
    pydantic_ai.Agent.instrument_all()
    try:
        Extractor(provider).run()
    finally:
        pydantic_ai.Agent.instrument_all(False)
    names = [span.name for span in telemetry.spans]
    assert names.count("chat gpt-5.2") == 2
    assert not [name for name in names if name.startswith(("repair", "attempt", "retry"))]
    assert told.operations == [("recovered", (1, 2))]
    assert told.tokens == {"useful": 20, "wasted": 20}


def test_a_verdict_belongs_to_the_span_of_the_agent(telemetry: Telemetry, told: Told, provider: ScriptedProvider) -> None:
    """As a log record in its trace."""
    provider.bodies = [WRONG]
    pydantic_ai.Agent.instrument_all()
    try:
        Extractor(provider).run()
    finally:
        pydantic_ai.Agent.instrument_all(False)
    records = [data.log_record for data in telemetry._logs.get_finished_logs()]
    (agent,) = [span for span in telemetry._spans.get_finished_spans() if "agent" in span.name]
    results = [(each.trace_id, each.span_id, (each.attributes or {})["resilience.validation.result"]) for each in records]
    of_agent = agent.context.trace_id, agent.context.span_id
    assert results == [(*of_agent, "fail"), (*of_agent, "pass")]


@pytest.fixture
def second() -> Iterator[ScriptedProvider]:
    """Another provider."""
    running = ScriptedProvider(GOOD)
    yield running
    running.close()


def fallback(*providers: ScriptedProvider, **options: Any) -> Any:
    """Return a model that asks one provider after the other."""
    from pydantic_ai.models.fallback import FallbackModel

    chain = FallbackModel(*(model(each) for each in providers), **options)
    return chain  # noqa: RET504 - it is called as the variable


CHAIN = f"{__name__}.fallback.chain"
FAILOVER = ("resilience.policy.type", "resilience.policy.name", "resilience.operation.outcome")


def failovers(told: Told) -> list[Any]:
    """Return the outcomes of failovers, with their number and how many models were asked."""
    found = told.of("resilience.operation.attempts", *FAILOVER)
    return [rest for policy, *rest in found if policy == "failover"]


async def _streamed(agent: Any) -> None:
    async with agent.run_stream(PROMPT) as stream:
        await stream.get_output()


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
def test_a_model_that_fails_is_followed_by_the_next(
    told: Told, provider: ScriptedProvider, second: ScriptedProvider, *, streams: bool
) -> None:
    """A failover with a hop; the agent's own operation knows nothing of it."""
    provider.script = [Fault(400)]
    if streams:
        second.events = wire.OPENAI_EVENTS
    agent = pydantic_ai.Agent(fallback(provider, second))
    asyncio.run(_streamed(agent) if streams else agent.run(PROMPT))
    assert failovers(told) == [[CHAIN, "recovered", (1, 2)]]
    hops = told.of("resilience.failover.hops", "resilience.failover.from", "resilience.failover.to")
    assert hops == [("gpt-5.2", "gpt-5.2", 1)]
    repairs = [rest for policy, *rest in told.of("resilience.operation.attempts", *FAILOVER) if policy == "repair"]
    assert [rest[1:] for rest in repairs] == [["success", (1, 1)]]


def test_a_first_model_that_answers_is_a_success(told: Told, provider: ScriptedProvider, second: ScriptedProvider) -> None:
    """And the second is never asked."""
    asyncio.run(pydantic_ai.Agent(fallback(provider, second)).run(PROMPT))
    assert failovers(told) == [[CHAIN, "success", (1, 1)]]
    assert told.tokens == {"useful": 20}
    assert second.statuses == []


def test_models_that_all_fail_are_exhausted(told: Told, provider: ScriptedProvider, second: ScriptedProvider) -> None:
    """Each is an attempt with its error."""
    provider.script, second.script = [Fault(400)], [Fault(404)]
    with pytest.raises(pydantic_ai.exceptions.FallbackExceptionGroup):
        asyncio.run(pydantic_ai.Agent(fallback(provider, second)).run(PROMPT))
    assert failovers(told) == [[CHAIN, "exhausted", (1, 2)]]


def test_an_error_that_is_no_reason_to_fall_back_is_a_failure(
    told: Told, provider: ScriptedProvider, second: ScriptedProvider
) -> None:
    """The second model is not asked."""
    provider.script = [Fault(400)]
    with pytest.raises(pydantic_ai.exceptions.ModelHTTPError):
        asyncio.run(pydantic_ai.Agent(fallback(provider, second, fallback_on=(KeyError,))).run(PROMPT))
    assert failovers(told) == [[CHAIN, "failed", (1, 1)]]


def test_an_answer_that_is_refused_is_wasted(told: Told, provider: ScriptedProvider, second: ScriptedProvider) -> None:
    """The attempt is invalid, and what it used is the failover's waste."""
    refused: list[object] = []

    def _first(response: pydantic_ai.messages.ModelResponse) -> bool:  # type: ignore[name-defined]
        refused.append(response)
        return len(refused) == 1

    _first.__annotations__["response"] = pydantic_ai.messages.ModelResponse
    asyncio.run(pydantic_ai.Agent(fallback(provider, second, fallback_on=[_first])).run(PROMPT))
    assert failovers(told) == [[CHAIN, "recovered", (1, 2)]]
    assert told.tokens == {"useful": 20, "wasted": 20}
    attempts = told.of("resilience.attempt.duration", "resilience.policy.type", "resilience.attempt.outcome")
    assert sorted(outcome for policy, outcome, _ in attempts if policy == "failover") == ["invalid", "success"]


def test_a_cancelled_request_is_a_cancelled_failover(
    told: Told, provider: ScriptedProvider, second: ScriptedProvider
) -> None:
    """The second model is not asked."""
    provider.hangs = True
    agent = pydantic_ai.Agent(fallback(provider, second))
    asyncio.run(cancel(agent.run(PROMPT), provider.asked.is_set))
    assert failovers(told) == [[CHAIN, "cancelled", (1, 1)]]


def test_calls_below_a_failover_are_children_of_nothing_that_is_not_there(
    telemetry: Telemetry, provider: ScriptedProvider, second: ScriptedProvider
) -> None:
    """It makes no span, so what runs inside has the parent that it would have without it."""
    asyncio.run(pydantic_ai.Agent(fallback(provider, second)).run(PROMPT))
    assert [span.parent for span in telemetry.spans if span.name.startswith("chat ")] == [None]


@pytest.mark.parametrize("kind", ["model", "capability"])
def test_a_stream_that_was_left_is_current_nowhere(provider: ScriptedProvider, second: ScriptedProvider, kind: str) -> None:
    """pydantic-ai closes it later, elsewhere."""
    provider.events = wire.OPENAI_EVENTS
    agent = pydantic_ai.Agent(fallback(provider, second)) if kind == "model" else capable(provider, second)

    async def main() -> None:
        before = context.get_current()
        async with agent.run_stream(PROMPT) as stream:
            async for _ in stream.stream_text():
                break
        assert context.get_current() is before

    asyncio.run(main())


def capable(*providers: ScriptedProvider, **options: Any) -> Any:
    """Return an agent with the capability to ask one provider after the other."""
    module = pytest.importorskip("pydantic_ai.capabilities.model_fallback")
    first, *rest = (model(each) for each in providers)
    capability = module.ModelFallback(*rest, **options)
    return pydantic_ai.Agent(first, capabilities=[capability])


CAPABILITY = f"{__name__}.capable.capability"


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
def test_the_capability_to_fall_back_is_a_failover(
    told: Told, provider: ScriptedProvider, second: ScriptedProvider, *, streams: bool
) -> None:
    """As that of a model is, under the name of the variable that it is assigned to."""
    provider.script = [Fault(400)]
    if streams:
        second.events = wire.OPENAI_EVENTS
    agent = capable(provider, second)
    asyncio.run(_streamed(agent) if streams else agent.run(PROMPT))
    assert failovers(told) == [[CAPABILITY, "recovered", (1, 2)]]
    assert told.of("resilience.failover.hops", "resilience.failover.from", "resilience.failover.to") == [
        ("gpt-5.2", "gpt-5.2", 1)
    ]
    assert told.tokens == {"useful": 20}


def test_a_capability_that_is_not_needed_is_a_success(
    told: Told, provider: ScriptedProvider, second: ScriptedProvider
) -> None:
    """Each run is one of its own."""
    agent = capable(provider, second)
    for _ in range(2):
        asyncio.run(agent.run(PROMPT))
    assert failovers(told) == [[CAPABILITY, "success", (2, 2)]]
    assert told.tokens == {"useful": 40}


def test_a_capability_whose_models_all_fail_is_exhausted(
    told: Told, provider: ScriptedProvider, second: ScriptedProvider
) -> None:
    """Each is an attempt."""
    provider.script, second.script = [Fault(400)], [Fault(404)]
    agent = capable(provider, second)
    with pytest.raises(pydantic_ai.exceptions.FallbackExceptionGroup):
        asyncio.run(agent.run(PROMPT))
    assert failovers(told) == [[CAPABILITY, "exhausted", (1, 2)]]


def test_an_error_that_is_no_reason_for_the_capability_is_a_failure(
    told: Told, provider: ScriptedProvider, second: ScriptedProvider
) -> None:
    """The second model is not asked."""
    provider.script = [Fault(400)]
    agent = capable(provider, second, fallback_on=(KeyError,))
    with pytest.raises(pydantic_ai.exceptions.ModelHTTPError):
        asyncio.run(agent.run(PROMPT))
    assert failovers(told) == [[CAPABILITY, "failed", (1, 1)]]


def test_an_answer_that_the_capability_refuses_is_wasted(
    told: Told, provider: ScriptedProvider, second: ScriptedProvider
) -> None:
    """What it used is the failover's waste."""
    refused: list[object] = []

    def _first(response: pydantic_ai.messages.ModelResponse) -> bool:  # type: ignore[name-defined]
        refused.append(response)
        return len(refused) == 1

    _first.__annotations__["response"] = pydantic_ai.messages.ModelResponse
    agent = capable(provider, second, fallback_on=[_first])
    asyncio.run(agent.run(PROMPT))
    assert failovers(told) == [[CAPABILITY, "recovered", (1, 2)]]
    assert told.tokens == {"useful": 20, "wasted": 20}


def test_a_cancelled_run_cancels_the_failover_of_its_capability(
    told: Told, provider: ScriptedProvider, second: ScriptedProvider
) -> None:
    """None of its hooks hears of that."""
    provider.hangs = True
    agent = capable(provider, second)
    asyncio.run(cancel(agent.run(PROMPT), provider.asked.is_set))
    assert failovers(told) == [[CAPABILITY, "cancelled", (1, 1)]]


def test_a_name_that_is_given_is_shown_if_it_is_a_literal(told: Told, provider: ScriptedProvider) -> None:
    """Any other is a pseudonym."""
    made = "the secret"
    for agent in (
        pydantic_ai.Agent(model(provider), name="clerk"),
        pydantic_ai.Agent(model(provider), name=made + made),
    ):
        asyncio.run(agent.run(PROMPT))
    (clerk, _), (other, _) = told.of("resilience.operation.attempts", "resilience.policy.name")
    assert clerk == "clerk"
    assert other.startswith("h:")


def test_nothing_that_was_said_is_recorded(
    telemetry: Telemetry, told: Told, extractor: Extractor, provider: ScriptedProvider
) -> None:
    """Neither an answer nor the feedback to it."""
    provider.body = YOUNG
    with pytest.raises(pydantic_ai.UnexpectedModelBehavior):
        extractor.run()
    assert "secret" not in repr([(span.name, span.attributes, span.events, span.description) for span in telemetry.spans])
    assert "secret" not in repr((told.all, telemetry.logs))


def test_uninstrument_restores_everything(told: Told, extractor: Extractor) -> None:
    """A run is a run."""
    patched = vars(pydantic_ai.Agent)["iter"]
    PydanticAIInstrumentor().uninstrument()
    assert vars(pydantic_ai.Agent)["iter"] is patched.__wrapped__
    extractor.run()
    assert told.operations == []
