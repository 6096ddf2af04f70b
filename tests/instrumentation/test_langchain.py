"""langchain-core and langchain, the real ones with their own fake models: retries, fallbacks, limiters, caches, agents."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from spanguard.instrumentation._misuse import misuses
from spanguard.instrumentation.langchain import LangChainInstrumentor
from spanguard.instrumentation.tenacity import TenacityInstrumentor
from support import Span, Telemetry

pytest.importorskip("langchain_core.runnables")
from langchain_core.caches import InMemoryCache
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import RunnableGenerator, RunnableLambda
from langchain_core.runnables.fallbacks import RunnableWithFallbacks
from langchain_core.runnables.retry import RunnableRetry

pytestmark = pytest.mark.foreign

RETRY: Any = {"wait_exponential_jitter": False}
USAGE: Any = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


@pytest.fixture(autouse=True)
def _instrumented(instrument: Any) -> None:
    instrument(TenacityInstrumentor)  # both: a retry that both see is counted once
    instrument(LangChainInstrumentor)


@pytest.fixture(params=["sync", "async"])
def invoke(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Both ways to invoke a runnable."""
    if request.param == "sync":
        return lambda runnable, value="secret", call="invoke": getattr(runnable, call)(value)
    return lambda runnable, value="secret", call="invoke": asyncio.run(getattr(runnable, f"a{call}")(value))


@pytest.fixture(params=["sync", "async"])
def stream(request: pytest.FixtureRequest) -> Callable[[Any], list[Any]]:
    """Both ways to read the stream of a runnable."""

    async def read(runnable: Any) -> list[Any]:
        return [chunk async for chunk in runnable.astream("secret")]

    return (lambda runnable: list(runnable.stream("secret"))) if request.param == "sync" else lambda r: asyncio.run(read(r))


class Script:
    """A function that fails as often as it is told to."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self, value: Any) -> Any:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return value


def answering(script: Script) -> Any:
    """Return a runnable that does what a script says."""

    def answer(value: Any) -> Any:
        return script(value)

    return RunnableLambda(answer)


def backup(value: Any) -> Any:
    """Answer at once."""
    return f"backup of {value}"


def operations(telemetry: Telemetry, kind: str) -> list[Span]:
    """Return the operations of a kind."""
    return [span for span in telemetry.spans if span.name.startswith(f"{kind} ")]


def attempts(telemetry: Telemetry) -> list[Span]:
    """Return the attempts."""
    return [span for span in telemetry.spans if span.name.startswith("attempt")]


def results(telemetry: Telemetry, metric: str, attribute: str) -> dict[str, int]:
    """Return how often each result was counted."""
    return {attributes[attribute]: value for attributes, value in telemetry.metrics().get(metric, [])}


# ------------------------------------------------------------------------------------------------------------------ retry


def test_a_retry_is_counted_once(telemetry: Telemetry, invoke: Any) -> None:
    """By LangChain's instrumentor, although its loop is one of tenacity's, and under the name of the variable."""
    script = Script(ValueError("secret"), TimeoutError())
    model = answering(script).with_retry(stop_after_attempt=3, **RETRY)
    assert invoke(model) == "secret"
    (whole,) = operations(telemetry, "retry")
    assert whole["resilience.library.name"] == "langchain"
    assert whole["resilience.policy.name"].endswith(".test_a_retry_is_counted_once.model")
    assert whole["resilience.operation.outcome"] == "recovered"
    assert (whole["resilience.operation.attempt_count"], whole["resilience.operation.attempt_limit"]) == (script.calls, 3)
    assert [each.attributes.get("error.type") for each in attempts(telemetry)] == ["ValueError", "TimeoutError", None]
    assert [name for name, _ in whole.events] == ["resilience.retry.scheduled"] * 2
    assert "secret" not in repr(telemetry.spans) + repr(telemetry.logs) + repr(telemetry.metrics())


def test_the_wait_is_told(telemetry: Telemetry, invoke: Any) -> None:
    """As long as the loop slept."""
    params: Any = {"max": 0.01, "jitter": 0}
    invoke(answering(Script(ValueError())).with_retry(exponential_jitter_params=params))
    assert operations(telemetry, "retry")[0].event("resilience.retry.scheduled")["resilience.retry.delay"] == 0.01


def test_a_retry_that_is_given_up(telemetry: Telemetry, invoke: Any) -> None:
    """It is exhausted, and the last error leaves it, the same object."""
    last = KeyError()
    with pytest.raises(KeyError) as raised:
        invoke(answering(Script(ValueError(), last)).with_retry(stop_after_attempt=2, **RETRY))
    assert raised.value is last
    assert operations(telemetry, "retry")[0]["resilience.operation.outcome"] == "exhausted"


def test_an_error_that_is_not_retried(telemetry: Telemetry, invoke: Any) -> None:
    """It fails at once."""
    with pytest.raises(KeyError):
        invoke(answering(Script(KeyError())).with_retry(retry_if_exception_type=(ValueError,), **RETRY))
    (whole,) = operations(telemetry, "retry")
    assert (whole["resilience.operation.outcome"], whole["resilience.operation.attempt_count"]) == ("failed", 1)


def test_a_batch_is_one_operation(telemetry: Telemetry, invoke: Any) -> None:
    """Its attempts are those of the inputs that failed before."""
    script = Script(ValueError())
    assert invoke(answering(script).with_retry(**RETRY), ["a", "b"], "batch") == ["a", "b"]
    (whole,) = operations(telemetry, "retry")
    assert (whole["resilience.operation.outcome"], whole["resilience.operation.attempt_count"]) == ("recovered", 2)
    assert script.calls == 3


def test_a_loop_of_tenacity_inside_is_its_own(telemetry: Telemetry, invoke: Any) -> None:
    """Two layers that both retry are two operations."""
    import tenacity

    script = Script(ValueError(), ValueError(), ValueError())

    @tenacity.retry(stop=tenacity.stop_after_attempt(2), reraise=True)
    def inner(value: Any) -> Any:
        return script(value)

    invoke(RunnableLambda(inner).with_retry(stop_after_attempt=2, **RETRY))
    found = [(s["resilience.library.name"], s["resilience.operation.outcome"]) for s in operations(telemetry, "retry")]
    assert found == [("langchain", "recovered"), ("tenacity", "exhausted"), ("tenacity", "recovered")]
    assert script.calls == 4


def test_a_retry_that_is_cancelled(telemetry: Telemetry) -> None:
    """While it sleeps between two attempts."""
    params: Any = {"jitter": 0}

    async def main() -> None:
        failing = answering(Script(*[ValueError()] * 3)).with_retry(exponential_jitter_params=params)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(failing.ainvoke("x"), 0.05)

    asyncio.run(main())
    assert operations(telemetry, "retry")[0]["resilience.operation.outcome"] == "cancelled"


def test_a_stream_is_not_retried_and_that_is_told(telemetry: Telemetry, stream: Any) -> None:
    """LangChain passes streams through."""

    def chunks(_: Iterator[Any]) -> Iterator[str]:
        yield "a"

    async def achunks(_: AsyncIterator[Any]) -> AsyncIterator[str]:
        yield "a"

    assert stream(RunnableGenerator(chunks, achunks).with_retry()) == ["a"]
    assert [(each.kind, each.library) for each in misuses()] == [("retry_on_generator", "langchain")]
    assert telemetry.spans == []


# --------------------------------------------------------------------------------------------------------------- failover


def test_a_fallback_is_a_hop(telemetry: Telemetry, invoke: Any) -> None:
    """From the candidate that failed, with its error, to the one that answered."""
    chain = answering(Script(TimeoutError("secret"))).with_fallbacks([RunnableLambda(backup)])
    assert invoke(chain) == "backup of secret"
    (whole,) = operations(telemetry, "failover")
    assert whole["resilience.operation.outcome"] == "recovered"
    assert whole["resilience.library.name"] == "langchain"
    assert whole["resilience.policy.name"].endswith(".test_a_fallback_is_a_hop.chain")
    hop = whole.event("resilience.failover.hop")
    assert str(hop["resilience.failover.from"]).endswith("answering.answer")
    assert str(hop["resilience.failover.to"]).endswith("backup")
    assert hop["error.type"] == "TimeoutError"
    assert [each["resilience.attempt.outcome"] for each in attempts(telemetry)] == ["error", "success"]
    assert "secret" not in repr(telemetry.spans) + repr(telemetry.logs) + repr(telemetry.metrics())


def test_when_every_candidate_fails(telemetry: Telemetry, invoke: Any) -> None:
    """It is exhausted; LangChain raises the first error."""
    first = KeyError()
    with pytest.raises(KeyError) as raised:
        invoke(answering(Script(first)).with_fallbacks([answering(Script(ValueError()))]))
    assert raised.value is first
    (whole,) = operations(telemetry, "failover")
    assert (whole["resilience.operation.outcome"], whole["resilience.operation.attempt_count"]) == ("exhausted", 2)


def test_an_error_that_is_not_handled(telemetry: Telemetry, invoke: Any) -> None:
    """No other candidate is asked."""
    with pytest.raises(KeyError):
        invoke(answering(Script(KeyError())).with_fallbacks([RunnableLambda(backup)], exceptions_to_handle=(ValueError,)))
    (whole,) = operations(telemetry, "failover")
    assert (whole["resilience.operation.outcome"], whole["resilience.operation.attempt_count"]) == ("failed", 1)


def test_a_failover_of_a_batch_is_one_operation(telemetry: Telemetry, invoke: Any) -> None:
    """The second candidate answers what the first did not."""
    chain = answering(Script(ValueError())).with_fallbacks([RunnableLambda(backup)])
    assert sorted(invoke(chain, ["a", "a"], "batch")) == ["a", "backup of a"]
    (whole,) = operations(telemetry, "failover")
    assert (whole["resilience.operation.outcome"], whole["resilience.operation.attempt_count"]) == ("recovered", 2)


def test_a_batch_that_returns_its_errors(telemetry: Telemetry) -> None:
    """The caller gets them in place of answers, so it is exhausted."""
    chain = answering(Script(*[ValueError()] * 2)).with_fallbacks([answering(Script(*[ValueError()] * 2))])
    assert [type(each) for each in chain.batch(["a", "b"], return_exceptions=True)] == [ValueError, ValueError]
    assert operations(telemetry, "failover")[0]["resilience.operation.outcome"] == "exhausted"


def streaming(*chunks: str, error: BaseException | None = None) -> Any:
    """Return a runnable that streams these chunks, and then fails if it has an error."""

    def emit(_: Iterator[Any]) -> Iterator[str]:
        yield from chunks
        if error is not None:
            raise error

    async def aemit(_: AsyncIterator[Any]) -> AsyncIterator[str]:
        for chunk in chunks:
            yield chunk
        if error is not None:
            raise error

    return RunnableGenerator(emit, aemit)


def test_a_stream_falls_back_before_its_first_chunk(telemetry: Telemetry, stream: Any) -> None:
    """The attempt that answers lasts as long as its stream."""
    assert stream(streaming(error=ValueError()).with_fallbacks([streaming("a", "b")])) == ["a", "b"]
    (whole,) = operations(telemetry, "failover")
    assert whole["resilience.operation.outcome"] == "recovered"
    assert [each["resilience.attempt.outcome"] for each in attempts(telemetry)] == ["error", "success"]


def test_a_stream_that_breaks_later_fails(telemetry: Telemetry, stream: Any) -> None:
    """LangChain asks nobody else then."""
    with pytest.raises(KeyError):
        stream(streaming("a", error=KeyError()).with_fallbacks([streaming("b")]))
    (whole,) = operations(telemetry, "failover")
    assert (whole["resilience.operation.outcome"], whole["resilience.operation.attempt_count"]) == ("failed", 1)


def test_a_stream_that_is_left(telemetry: Telemetry) -> None:
    """Whoever reads it stops: nothing went wrong."""
    reading = streaming("a", "b").with_fallbacks([streaming("c")]).stream("x")
    assert next(reading) == "a"
    reading.close()
    (whole,) = operations(telemetry, "failover")
    assert (whole["resilience.operation.outcome"], whole.status) == ("cancelled", "UNSET")


def test_outside_of_a_run_the_candidates_are_the_programs_own(telemetry: Telemetry) -> None:
    """`runnables` is public: who reads it gets what is in it."""
    first, second = RunnableLambda(backup), RunnableLambda(backup)
    assert [each is given for each, given in zip(first.with_fallbacks([second]).runnables, (first, second), strict=True)]


def chat(*messages: Any, **options: Any) -> Any:
    """Return one of LangChain's own fake models."""
    return GenericFakeChatModel(messages=iter(messages), **options)


def message(text: str = "secret") -> Any:
    """Return an answer that tells what it used."""
    return AIMessage(text, usage_metadata=USAGE, response_metadata={"model_name": "gpt-5.2", "model_provider": "openai"})


def test_what_an_answer_used_is_read_from_the_message(telemetry: Telemetry, invoke: Any) -> None:
    """Where nobody else counts it."""
    invoke(answering(Script(ValueError())).with_fallbacks([chat(message())]))
    points = telemetry.metrics()["resilience.token.usage"]
    found = {(a["resilience.token.type"], a["resilience.token.disposition"]): value for a, value in points}
    assert found == {("input", "useful"): 10, ("output", "useful"): 5}
    assert attempts(telemetry)[1]["resilience.failover.candidate"].endswith("GenericFakeChatModel")


# ------------------------------------------------------------------------------------------------------ limiter and cache


def test_waits_for_the_limiter_are_counted(telemetry: Telemetry, invoke: Any) -> None:
    """Under the name of its variable; one that is not to block may be refused."""
    limiter = InMemoryRateLimiter(requests_per_second=1000, check_every_n_seconds=0.001)
    empty = InMemoryRateLimiter(requests_per_second=0.001)
    invoke(chat(message(), rate_limiter=limiter))
    assert empty.acquire(blocking=False) is False
    points = telemetry.metrics()["resilience.rate_limiter.requests"]
    found = {a["resilience.policy.name"].rpartition(".")[2]: a["resilience.rate_limiter.result"] for a, _ in points}
    assert found.pop("limiter") in ("acquired", "delayed")
    assert found == {"empty": "rejected"}


def test_lookups_in_a_cache_are_counted(telemetry: Telemetry, invoke: Any) -> None:
    """Of any cache, under the name of its class or of one that it is made from; an answer from it costs nothing."""

    class Redis(InMemoryCache):
        """Somebody's own."""

    model = chat(message(), message(), cache=Redis())
    retried = model.with_retry(**RETRY)
    assert [invoke(retried).content for _ in range(2)] == ["secret", "secret"]
    metrics = telemetry.metrics()
    points = metrics["resilience.cache.lookups"]
    assert {a["resilience.cache.result"]: value for a, value in points} == {"miss": 1, "hit": 1}
    assert {a["resilience.library.name"] for a, _ in points} == {"langchain"}
    assert {a["resilience.policy.name"] for a, _ in points} == {"langchain_core.caches.InMemoryCache"}
    assert sum(value for _, value in metrics["resilience.token.usage"]) == 15
    assert "secret" not in repr(metrics)


def test_without_a_cache_nothing_is_looked_up(telemetry: Telemetry, invoke: Any) -> None:
    """There is none by default, and a model may go without."""
    invoke(chat(message(), cache=False))
    invoke(chat(message()))
    assert "resilience.cache.lookups" not in telemetry.metrics()


# ----------------------------------------------------------------------------------------------------------------- agents


class Flaky(GenericFakeChatModel):
    """A fake model that fails before it answers."""

    errors: list[Any] = []
    name_of_model: str = "gpt-5.2"

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        return super()._generate(*args, **kwargs)

    def bind_tools(self, *_args: Any, **_kwargs: Any) -> Any:
        return self

    def _get_ls_params(self, *_args: Any, **_kwargs: Any) -> Any:
        return {"ls_provider": "openai", "ls_model_name": self.name_of_model}


def flaky(*errors: BaseException, model: str = "gpt-5.2", messages: tuple[Any, ...] = ()) -> Any:
    """Return a model that fails so, and then answers."""
    return Flaky(messages=iter(messages or [message()]), errors=list(errors), name_of_model=model)


def agent(model: Any, *middleware: Any, tools: tuple[Any, ...] = ()) -> Any:
    """Return an agent with these middlewares."""
    agents = pytest.importorskip("langchain.agents")
    return agents.create_agent(model, list(tools), middleware=list(middleware))


QUESTION: Any = {"messages": [("user", "secret")]}


def test_the_retries_of_an_agents_model(telemetry: Telemetry, invoke: Any) -> None:
    """Each call of the handler is an attempt, and each delay is told."""
    from langchain.agents.middleware import ModelRetryMiddleware

    retry = ModelRetryMiddleware(initial_delay=0.001, jitter=False)
    invoke(agent(flaky(ValueError("secret"), TimeoutError()), retry), QUESTION)
    (whole,) = operations(telemetry, "retry")
    assert whole["resilience.policy.name"].endswith(".retry")
    assert (whole["resilience.operation.outcome"], whole["resilience.operation.attempt_count"]) == ("recovered", 3)
    delays = [attributes["resilience.retry.delay"] for _, attributes in whole.events]
    assert delays == [0.001, 0.002]
    assert [each.attributes.get("error.type") for each in attempts(telemetry)] == ["ValueError", "TimeoutError", None]
    assert sum(value for _, value in telemetry.metrics()["resilience.token.usage"]) == 15
    assert "secret" not in repr(telemetry.spans) + repr(telemetry.logs)


def test_an_agents_model_falls_back(telemetry: Telemetry, invoke: Any) -> None:
    """The candidates are models."""
    from langchain.agents.middleware import ModelFallbackMiddleware

    fallback = ModelFallbackMiddleware(flaky(model="claude-sonnet-4-5"))
    invoke(agent(flaky(ValueError()), fallback), QUESTION)
    (whole,) = operations(telemetry, "failover")
    assert whole["resilience.policy.name"].endswith(".fallback")
    assert whole["resilience.operation.outcome"] == "recovered"
    hop = whole.event("resilience.failover.hop")
    assert (hop["resilience.failover.from"], hop["resilience.failover.to"]) == ("gpt-5.2", "claude-sonnet-4-5")


def test_a_fallback_outside_of_a_retry_that_swallows_the_error(telemetry: Telemetry, invoke: Any) -> None:
    """The retry's default makes a message of the last error, and the fallback never fires."""
    from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware

    fallback = ModelFallbackMiddleware(flaky())
    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0)
    invoke(agent(flaky(ValueError(), ValueError()), fallback, retry), QUESTION)
    ((kind, policy, name, library),) = misuses()
    assert (kind, policy, library) == ("fallback_never_used", "failover", "langchain")
    assert name.endswith(".fallback")
    assert operations(telemetry, "retry")[0]["resilience.operation.outcome"] == "degraded"
    assert operations(telemetry, "failover")[0]["resilience.operation.attempt_count"] == 1


def test_a_retry_that_raises_lets_the_fallback_fire(telemetry: Telemetry, invoke: Any) -> None:
    """With ``on_failure="error"`` all is well."""
    from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware

    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0, on_failure="error")
    invoke(agent(flaky(ValueError(), ValueError()), ModelFallbackMiddleware(flaky()), retry), QUESTION)
    assert misuses() == ()
    assert operations(telemetry, "failover")[0]["resilience.operation.outcome"] == "recovered"
    assert results(telemetry, "resilience.operation.attempts", "resilience.operation.outcome").keys() == {
        *("recovered", "exhausted", "success")
    }


def using(tool: str) -> tuple[Any, ...]:
    """Return what a model says that calls a tool, and then answers."""
    return AIMessage("", tool_calls=[{"name": tool, "args": {"query": "secret"}, "id": "1"}]), message()


def test_the_retries_of_an_agents_tool(telemetry: Telemetry, invoke: Any) -> None:
    """Named for the tool's function; given up, the model gets a message, and the operation is degraded."""
    from langchain.agents.middleware import ToolRetryMiddleware
    from langchain_core.tools import tool

    script = Script(*[ValueError("secret")] * 2)

    @tool
    def search(query: str) -> str:
        """Search."""
        return str(script(query))

    retry = ToolRetryMiddleware(max_retries=1, initial_delay=0)
    invoke(agent(flaky(messages=using("search")), retry, tools=(search,)), QUESTION)
    (whole,) = operations(telemetry, "retry")
    assert whole["resilience.policy.name"].endswith("test_the_retries_of_an_agents_tool.search")
    assert (whole["resilience.operation.outcome"], whole["resilience.operation.attempt_count"]) == ("degraded", 2)
    assert "secret" not in repr(telemetry.spans)


def test_a_tool_that_is_not_retried(telemetry: Telemetry, invoke: Any) -> None:
    """No policy is in force for it."""
    from langchain.agents.middleware import ToolRetryMiddleware
    from langchain_core.tools import tool

    @tool
    def search(query: str) -> str:
        """Search."""
        return query

    invoke(agent(flaky(messages=using("search")), ToolRetryMiddleware(tools=["other"]), tools=(search,)), QUESTION)
    assert telemetry.spans == []


def test_an_interrupt_is_no_error(telemetry: Telemetry) -> None:
    """LangGraph raises something to stop a graph until somebody has looked."""
    from langchain.agents.middleware import ToolRetryMiddleware
    from langchain_core.tools import tool
    from langgraph.types import interrupt

    @tool
    def search(query: str) -> str:
        """Search."""
        return str(interrupt(query))

    result = agent(flaky(messages=using("search")), ToolRetryMiddleware(), tools=(search,)).invoke(QUESTION)
    if "__interrupt__" not in result:
        pytest.skip("this version of LangChain takes an interrupt for an error itself")
    (span,) = [s for s in telemetry.spans if s.name.startswith("retry ")]
    assert (span["resilience.operation.outcome"], span.status) == ("cancelled", "UNSET")


# ---------------------------------------------------------------------------------------------------------------- restore


def test_uninstrument_restores_everything(telemetry: Telemetry) -> None:
    """Every function is again what it was, and what was inherited is inherited."""
    LangChainInstrumentor().uninstrument()
    assert "__init__" not in vars(RunnableRetry)
    assert "stream" not in vars(RunnableRetry)
    assert all(inspect.isfunction(vars(RunnableRetry)[name]) for name in ("_invoke", "_ainvoke", "_batch", "_abatch"))
    assert inspect.isfunction(vars(RunnableWithFallbacks)["runnables"].fget)
    assert all(inspect.isfunction(vars(InMemoryRateLimiter)[name]) for name in ("__init__", "acquire", "aacquire"))
    assert answering(Script(ValueError())).with_fallbacks([RunnableLambda(backup)]).invoke("x") == "backup of x"
    assert telemetry.spans == []
