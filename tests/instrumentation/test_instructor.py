"""instructor, the real library on the real openai SDK: repair loops, each layer that retries counted once."""

from __future__ import annotations

import asyncio
import copy
import json
import pathlib
from typing import Any

import pytest
import wire

from scripted import Fault, ScriptedProvider, cancel
from spanguard.instrumentation.instructor import InstructorInstrumentor
from spanguard.instrumentation.openai import OpenAIInstrumentor
from spanguard.instrumentation.tenacity import TenacityInstrumentor
from support import Span, Telemetry

instructor = pytest.importorskip("instructor")
openai = pytest.importorskip("openai")
pydantic = pytest.importorskip("pydantic")
tenacity = pytest.importorskip("tenacity")
pytestmark = pytest.mark.foreign
NEW = "v2" in {path.name for path in pathlib.Path(instructor.__file__).parent.iterdir()}
RETRIES = 2 if NEW else 3  # once it was the number of attempts
MESSAGES: Any = [{"role": "user", "content": "the secret"}]


class Person(pydantic.BaseModel):  # type: ignore[misc,name-defined]
    """What is asked for."""

    name: str
    age: int

    @pydantic.field_validator("age")  # type: ignore[untyped-decorator]
    @classmethod
    def _old_enough(cls, age: int) -> int:
        if age < 0:
            raise ValueError("the secret")
        return age


def answer(**fields: Any) -> dict[str, Any]:
    """Return an answer whose content is JSON of these fields."""
    body = copy.deepcopy(wire.OPENAI)
    body["choices"][0]["message"]["content"] = json.dumps(fields)
    return body


GOOD, WRONG, YOUNG = answer(name="Ada", age=36), answer(name="Ada", age="the secret"), answer(name="Ada", age=-1)
ANSWERS = (GOOD,)


@pytest.fixture(autouse=True)
def _instrumented(instrument: Any) -> None:
    for each in (OpenAIInstrumentor, TenacityInstrumentor, InstructorInstrumentor):
        instrument(each)


class Extractor:
    """Extracts a person, with the client of one kind."""

    def __init__(self, kind: str, provider: ScriptedProvider) -> None:
        self.is_async = kind == "async"
        self._url = f"{provider.url}/v1"

    def extract(self, **options: Any) -> Any:
        """Ask for a person."""
        asked = {"model": "gpt-5.2", "messages": MESSAGES, "response_model": Person, "max_retries": RETRIES, **options}
        if self.is_async:
            return asyncio.run(self._extract(asked))
        with openai.OpenAI(base_url=self._url, api_key="x") as client:
            return instructor.from_openai(client, mode=instructor.Mode.JSON).chat.completions.create(**asked)

    async def _extract(self, asked: dict[str, Any]) -> Any:
        async with openai.AsyncOpenAI(base_url=self._url, api_key="x") as client:
            return await instructor.from_openai(client, mode=instructor.Mode.JSON).chat.completions.create(**asked)


@pytest.fixture(params=["sync", "async"])
def extractor(request: pytest.FixtureRequest, provider: ScriptedProvider) -> Extractor:
    """Both kinds of client."""
    return Extractor(str(request.param), provider)


def repair(telemetry: Telemetry) -> Span:
    """Return the span of the one repair operation."""
    (found,) = [span for span in telemetry.spans if span.name.startswith("repair ")]
    return found


def tries(telemetry: Telemetry) -> list[Span]:
    """Return the attempts of the repair operation."""
    return [span for span in telemetry.spans if span.name == "attempt" and span.parent == repair(telemetry).name]


def test_a_good_answer_is_a_success(telemetry: Telemetry, extractor: Extractor) -> None:
    """One attempt, whose verdict is that it passed."""
    assert extractor.extract().age == 36
    span = repair(telemetry)
    assert span.name.endswith("Extractor._extract" if extractor.is_async else "Extractor.extract")
    assert (span["resilience.operation.outcome"], span["resilience.operation.attempt_count"]) == ("success", 1)
    assert span["resilience.library.name"] == "instructor"
    (attempt,) = tries(telemetry)
    assert attempt.event("gen_ai.evaluation.result")["resilience.validation.result"] == "pass"


def test_a_repaired_answer_says_what_the_refused_ones_cost(
    telemetry: Telemetry, extractor: Extractor, provider: ScriptedProvider
) -> None:
    """Each verdict has the kind of complaint as its rule: pydantic's own, or that of a validator of the program."""
    provider.bodies = [WRONG, YOUNG]
    assert extractor.extract().age == 36
    span = repair(telemetry)
    assert (span["resilience.operation.outcome"], span["resilience.operation.attempt_limit"]) == ("recovered", 3)
    assert (span["resilience.usage.wasted.input_tokens"], span["resilience.usage.useful.input_tokens"]) == (40, 20)
    verdicts = [each.event("gen_ai.evaluation.result") for each in tries(telemetry)]
    assert [each.get("resilience.validation.rule") for each in verdicts] == ["int_type", "value_error", None]
    assert [each.get("resilience.validation.action") for each in verdicts] == ["retried", "retried", None]
    assert [each["resilience.attempt.outcome"] for each in tries(telemetry)] == ["invalid", "invalid", "success"]


def test_a_loop_in_vain_is_exhausted(telemetry: Telemetry, extractor: Extractor, provider: ScriptedProvider) -> None:
    """Everything was wasted, and the library's error passes."""
    provider.body = WRONG
    with pytest.raises(Exception) as raised:
        extractor.extract()
    assert type(raised.value).__name__ == "InstructorRetryException"
    span = repair(telemetry)
    assert (span.status, span["resilience.operation.outcome"]) == ("ERROR", "exhausted")
    assert span["resilience.usage.wasted.output_tokens"] == 6 * len(provider.ledger)
    assert tries(telemetry)[-1].event("gen_ai.evaluation.result")["resilience.validation.action"] == "blocked"


def test_each_layer_that_retries_is_counted_once(
    telemetry: Telemetry, extractor: Extractor, provider: ScriptedProvider
) -> None:
    """A repair by instructor, a retry by the SDK, and nothing of tenacity's, on which instructor's loop runs."""
    provider.script, provider.bodies = [Fault(429)], [WRONG]
    extractor.extract()
    metrics: Any = telemetry.metrics()
    attempts = [(by["resilience.library.name"], value) for by, value in metrics["resilience.operation.attempts"]]
    assert sorted(attempts) == [("instructor", (1, 2)), ("openai", (1, 1)), ("openai", (1, 2))]
    assert provider.statuses == [429, 200, 200]


def test_a_loop_of_the_program_around_it_is_a_third_layer(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """The program by tenacity, instructor (on tenacity too) and the SDK: each counts what it tried again itself."""
    provider.script, provider.body = [Fault(429)], WRONG
    extractor = Extractor("sync", provider)

    @tenacity.retry(stop=tenacity.stop_after_attempt(2), reraise=True)
    def extract() -> Any:
        if len(provider.ledger) > 2:
            provider.body = GOOD
        return extractor.extract(max_retries=RETRIES - 1)

    assert extract().age == 36
    assert provider.statuses == [429, 200, 200, 200]
    metrics: Any = telemetry.metrics()
    made: dict[str, list[int]] = {}
    for by, (count, attempts) in metrics["resilience.operation.attempts"]:
        total = made.setdefault(by["resilience.library.name"], [0, 0])
        total[:] = [total[0] + count, total[1] + int(attempts)]
    assert made == {"tenacity": [1, 2], "instructor": [2, 3], "openai": [3, 4]}
    used = {
        (by["resilience.token.type"], by["resilience.token.disposition"]): n for by, n in metrics["resilience.token.usage"]
    }
    assert (used["input", "wasted"], used["input", "useful"]) == (40, 20)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_another_providers_sdk_may_be_below(telemetry: Telemetry, kind: str) -> None:
    """Here anthropic's, whose own span stays the only one of the call."""
    anthropic = pytest.importorskip("anthropic")
    refused = {**wire.ANTHROPIC, "content": [{"type": "text", "text": json.dumps({"name": "Ada", "age": -1})}]}
    running = ScriptedProvider(
        {**wire.ANTHROPIC, "content": [{"type": "text", "text": json.dumps({"name": "Ada", "age": 36})}]}
    )
    running.bodies = [refused]
    asked = {
        "model": "claude-opus-4-5",
        "max_tokens": 9,
        "messages": MESSAGES,
        "response_model": Person,
        "max_retries": RETRIES,
    }

    def made(cls: Any) -> Any:
        client = cls(base_url=running.url, api_key="x")
        return instructor.from_anthropic(client, mode=instructor.Mode.JSON)

    async def extract() -> Any:
        return await made(anthropic.AsyncAnthropic).create(**asked)

    person = asyncio.run(extract()) if kind == "async" else made(anthropic.Anthropic).create(**asked)
    running.close()
    assert person.age == 36
    assert repair(telemetry)["resilience.operation.outcome"] == "recovered"
    assert (repair(telemetry)["resilience.usage.wasted.output_tokens"]) == 6
    assert [span for span in telemetry.spans if span.scope == "spanguard.genai"] == []


def test_an_error_of_the_provider_is_a_failure(
    telemetry: Telemetry, extractor: Extractor, provider: ScriptedProvider
) -> None:
    """It is not repaired: one attempt that failed."""
    provider.script = [Fault(400)] * 3
    with pytest.raises(Exception) as raised:
        extractor.extract()
    assert raised.value is not None
    assert repair(telemetry)["resilience.operation.outcome"] == "failed"
    assert tries(telemetry)[0]["resilience.attempt.outcome"] == "error"


def test_a_cancelled_loop_is_cancelled(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """While it waits for an answer."""
    provider.hangs = True

    async def main() -> None:
        await cancel(Extractor("async", provider)._extract(ASKED), provider.asked.is_set)

    asyncio.run(main())
    assert repair(telemetry)["resilience.operation.outcome"] == "cancelled"


ASKED: Any = {"model": "gpt-5.2", "messages": MESSAGES, "response_model": Person}


def test_without_a_response_model_there_is_nothing_to_repair(telemetry: Telemetry, extractor: Extractor) -> None:
    """The call alone."""
    extractor.extract(response_model=None)
    assert [span.name for span in telemetry.spans if span.name != "POST"] == ["chat gpt-5.2"]


def test_a_stream_of_partial_objects_is_followed(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """Its usage is that of the one attempt."""
    text = json.dumps({"name": "Ada", "age": 36})
    chunk = wire.openai_chunk(0)
    provider.events = [
        (None, {**chunk, "choices": [{**chunk["choices"][0], "delta": {"content": text}}]}),
        (None, wire.openai_chunk(0, "stop")),
        (None, wire.openai_chunk(usage=wire.OPENAI_USAGE)),
        (None, "[DONE]"),
    ]
    with openai.OpenAI(base_url=f"{provider.url}/v1", api_key="x") as client:
        made = instructor.from_openai(client, mode=instructor.Mode.JSON).chat.completions
        partial = list(made.create_partial(model="gpt-5.2", messages=MESSAGES, response_model=Person))
    assert partial[-1].age == 36
    assert repair(telemetry)["resilience.operation.outcome"] == "success"
    assert telemetry.span("chat gpt-5.2")["gen_ai.usage.output_tokens"] == 6


def test_usage_is_read_where_nobody_counts_it(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """Whichever provider's library is below."""
    OpenAIInstrumentor().uninstrument()
    provider.bodies = [WRONG]
    Extractor("sync", provider).extract()
    span = repair(telemetry)
    assert (span["resilience.usage.wasted.input_tokens"], span["resilience.usage.useful.input_tokens"]) == (20, 20)


def test_nothing_that_was_said_is_recorded(telemetry: Telemetry, extractor: Extractor, provider: ScriptedProvider) -> None:
    """Neither an answer, nor what pydantic says about it."""
    provider.body = YOUNG
    with pytest.raises(Exception) as raised:
        extractor.extract()
    assert "secret" in str(raised.value)
    assert "secret" not in repr([(span.name, span.attributes, span.events, span.description) for span in telemetry.spans])


def test_uninstrument_restores_everything(telemetry: Telemetry, extractor: Extractor) -> None:
    """And tenacity's loop is no longer claimed."""
    kept = dict(vars(tenacity.AttemptManager))
    InstructorInstrumentor().uninstrument()
    assert vars(tenacity.AttemptManager)["__exit__"] is not kept["__exit__"]
    extractor.extract()
    (operation,) = [
        by for by, _ in telemetry.metrics()["resilience.operation.attempts"] if by["resilience.library.name"] != "openai"
    ]
    assert operation["resilience.policy.type"] == "retry"
    assert not [span for span in telemetry.spans if span.name.startswith("repair ")]
