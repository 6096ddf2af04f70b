"""The demo's server, asked by the real `openai` SDK: both APIs, whole and streamed, every fault, and the ledger."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import openai
import pytest
from openai import OpenAI

from spanguard.cli.demo.server import DemoServer, Script, Step

ANSWER = json.dumps({"number": "A-1", "currency": "EUR", "total": 42})
PROMPT = "Read this invoice, please."


class World:
    """A server with a script, and clients for it."""

    def __init__(self, script: Script) -> None:
        self.server = DemoServer(script)
        self.client = OpenAI(base_url=self.server.base_url, api_key="demo", max_retries=0, timeout=5)

    def chat(self, job: str = "job", **more):
        """Ask by Chat Completions."""
        messages = [{"role": "user", "content": PROMPT}]
        return self.client.chat.completions.create(model="gpt-5.2", messages=messages, metadata={"job": job}, **more)

    def respond(self, job: str = "job", **more):
        """Ask by Responses."""
        return self.client.responses.create(model="gpt-5.2", input=PROMPT, metadata={"job": job}, **more)

    @property
    def totals(self):
        """The ledger when everything is over."""
        self.server.close()
        return self.server.ledger.totals()


@pytest.fixture
def world() -> Iterator[Callable[..., World]]:
    """Start a server whose one job is given these steps."""
    worlds: list[World] = []

    def start(*steps: Step, **jobs: list[Step]) -> World:
        worlds.append(World({"job": steps, **jobs}))
        return worlds[-1]

    yield start
    for each in worlds:
        each.client.close()
        if not each.server.stopping.is_set():
            each.server.close()


def good(**more) -> Step:
    """Return a step that answers, at once."""
    return Step(ANSWER, delay=0, **more)


def test_a_chat_completion_brings_the_answer_and_states_its_cost(world) -> None:
    """`usage.cost` is no field of the SDK's class, but reaches the caller as OpenRouter's does."""
    reply = world(good()).chat()
    assert reply.choices[0].message.content == ANSWER
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply.usage.cost > 0


def test_a_response_brings_the_answer_and_states_its_cost(world) -> None:
    """The Responses API has other names for the same facts."""
    reply = world(good()).respond()
    assert reply.output_text == ANSWER
    assert reply.status == "completed"
    assert reply.usage.cost > 0


def test_a_streamed_chat_completion_ends_with_the_usage_if_asked(world) -> None:
    """With `include_usage` the last chunk has no choices, only the usage."""
    chunks = list(world(good()).chat(stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == ANSWER
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices == []
    assert chunks[-1].usage.cost > 0


def test_a_streamed_chat_completion_keeps_the_usage_to_itself_if_not_asked(world) -> None:
    """The ledger counts the tokens all the same, as a provider's bill does."""
    started = world(good())
    assert all(chunk.usage is None for chunk in started.chat(stream=True))
    assert started.totals["answered"]["output_tokens"] > 0


def test_a_streamed_response_ends_with_the_whole_response(world) -> None:
    """Events are numbered, deltas add up to the text, and the last event holds status and usage."""
    events = list(world(good()).respond(stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == ANSWER
    assert events[-1].type == "response.completed"
    assert events[-1].response.usage.cost > 0


def test_the_sdk_s_own_stream_helpers_understand_the_streams(world) -> None:
    """`stream()` of both APIs checks the order of events more strictly than a plain loop does."""
    started = world(good(), good())
    with started.client.responses.stream(model="gpt-5.2", input=PROMPT, metadata={"job": "job"}) as stream:
        assert stream.get_final_response().output_text == ANSWER
    with started.client.chat.completions.stream(
        model="gpt-5.2", messages=[{"role": "user", "content": PROMPT}], metadata={"job": "job"}
    ) as stream:
        assert stream.get_final_completion().choices[0].message.content == ANSWER


def test_a_slow_stream_is_whole(world) -> None:
    """Chunks come one by one, and none is lost."""
    events = world(good(fault="slow_stream", pause=0.001)).respond(stream=True)
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == ANSWER


def test_async_clients_are_served_alike(world) -> None:
    """The server does not see who asks."""
    started = world(good())

    async def ask() -> str:
        async with openai.AsyncOpenAI(base_url=started.server.base_url, api_key="demo", max_retries=0) as client:
            reply = await client.responses.create(model="gpt-5.2", input=PROMPT, metadata={"job": "job"})
        return reply.output_text

    assert asyncio.run(ask()) == ANSWER


def test_a_rate_limit_says_when_to_come_back(world) -> None:
    """Both headers that the SDK reads are there: milliseconds, and whole seconds for others."""
    with pytest.raises(openai.RateLimitError) as caught:
        world(good(fault="rate_limited", retry_after=0.3)).chat()
    assert caught.value.response.headers["retry-after-ms"] == "300"
    assert caught.value.response.headers["retry-after"] == "1"


def test_the_sdk_s_own_retry_obeys_the_rate_limit(world) -> None:
    """The second request of the same job is given the second step."""
    started = world(good(fault="rate_limited", retry_after=0.001), good())
    assert started.client.with_options(max_retries=1).responses.create(model="gpt-5.2", input=PROMPT, metadata={"job": "job"})
    assert started.totals["failures"] == {"429": 1}


def test_a_server_error_is_a_500(world) -> None:
    """The SDK raises its own class for it."""
    with pytest.raises(openai.InternalServerError):
        world(good(fault="server_error")).respond()


def test_a_hang_outlasts_the_client(world) -> None:
    """The client gives up, and the ledger says that it left without an answer."""
    started = world(good(fault="hang"))
    with pytest.raises(openai.APITimeoutError):
        started.chat(timeout=0.1)
    assert started.totals["failures"] == {"abandoned": 1}


def test_closing_sends_a_hanging_client_away(world) -> None:
    """`close` does not wait for the end of the hang."""
    started = world(good(fault="hang"))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(started.chat)
        while not started.server.numbered:
            pass
        started.server.close()
        with pytest.raises(openai.APIConnectionError):
            asked.result()


def test_invalid_json_is_an_answer_cut_short(world) -> None:
    """The HTTP answer is fine; what the assistant says is not JSON."""
    content = world(good(fault="invalid_json")).chat().choices[0].message.content
    with pytest.raises(json.JSONDecodeError):
        json.loads(content)


def test_a_schema_violation_is_json_without_its_last_field(world) -> None:
    """It parses, but something that was asked for is missing."""
    content = world(good(fault="schema_violation")).chat().choices[0].message.content
    assert json.loads(content) == {"number": "A-1", "currency": "EUR"}


def test_a_content_filter_stops_a_chat_completion(world) -> None:
    """Nothing is said, and the finish reason tells why."""
    choice = world(good(fault="content_filter")).chat().choices[0]
    assert choice.finish_reason == "content_filter"
    assert choice.message.content is None


def test_a_content_filter_makes_a_response_incomplete(world) -> None:
    """The stream's last event is `response.incomplete`, with the reason."""
    last = list(world(good(fault="content_filter")).respond(stream=True))[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details.reason == "content_filter"


def test_a_job_that_is_not_in_the_script_is_refused(world) -> None:
    """So is a job whose script has ended: the demo would rather fail than invent an answer."""
    started = world()
    with pytest.raises(openai.BadRequestError):
        started.chat()
    with pytest.raises(openai.BadRequestError):
        started.respond("unknown")
    assert started.totals["failures"] == {"400": 2}


def test_another_path_is_not_found(world) -> None:
    """The server has two endpoints."""
    with pytest.raises(openai.NotFoundError):
        world().client.completions.create(model="gpt-5.2", prompt=PROMPT)


def test_the_ledger_counts_what_the_client_was_told(world) -> None:
    """Tokens and cost of the ledger are those of the answers, whichever API brought them."""
    started = world(good(), good(), good(fault="server_error"))
    chat, response = started.chat(), started.respond()
    with pytest.raises(openai.InternalServerError):
        started.chat()
    answered = started.totals["answered"]
    assert started.totals["requests"] == 3
    assert answered["answers"] == 2
    assert answered["input_tokens"] == chat.usage.prompt_tokens + response.usage.input_tokens
    assert answered["output_tokens"] == chat.usage.completion_tokens + response.usage.output_tokens
    assert answered["cost"] == pytest.approx(chat.usage.cost + response.usage.cost, abs=1e-9)


def test_the_ledger_knows_what_was_spoiled(world) -> None:
    """The server spoiled the answer itself, so it knows which tokens were wasted."""
    started = world(good(fault="invalid_json"), good())
    bad, _ = started.chat(), started.chat()
    totals = started.totals
    assert totals["faults"] == {"invalid_json": 1}
    assert totals["spoiled"] == {
        "answers": 1,
        "input_tokens": bad.usage.prompt_tokens,
        "output_tokens": bad.usage.completion_tokens,
        "cost": bad.usage.cost,
    }


def test_jobs_at_the_same_time_keep_to_their_own_scripts(world) -> None:
    """What a job meets does not depend on who else asks."""
    jobs = {f"job-{number}": [good(fault="server_error"), Step(f"answer {number}", delay=0.01)] for number in range(8)}
    started = world(**jobs)

    def work(job: str) -> str:
        with pytest.raises(openai.InternalServerError):
            started.respond(job)
        return started.respond(job).output_text

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, jobs)) == [f"answer {number}" for number in range(8)]
    assert started.totals["requests"] == 16


def test_a_longer_prompt_has_more_tokens(world) -> None:
    """The server measures what it was sent."""
    started = world(good(), good())
    short = started.client.responses.create(model="gpt-5.2", input="Hi", metadata={"job": "job"})
    long = started.client.responses.create(
        model="gpt-5.2", input=[{"role": "user", "content": "Hi " * 100}], metadata={"job": "job"}
    )
    assert long.usage.input_tokens > short.usage.input_tokens + 50


def test_the_server_listens_on_loopback_only() -> None:
    """Nobody else on the network can ask."""
    with closing(DemoServer({})) as server:
        assert server.base_url.startswith("http://127.0.0.1:")
