"""Every shape of response that is read without its library: mappings as providers send them, and objects that look alike."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanguard._core.readers import stream
from spanguard._core.readers.reading import Reading
from spanguard._core.readers.response import read
from spanguard._core.readers.stream import StreamReader
from spanguard._core.usage import NOTHING, Usage
from spanguard.semconv import TokenKind

counts = st.integers(0, 10_000)


def alike(value: Any) -> Any:
    """Return an object with the mapping's keys as attributes, all the way down."""
    if isinstance(value, dict):
        return SimpleNamespace(**{key: alike(each) for key, each in value.items()})
    return [alike(each) for each in value] if isinstance(value, list) else value


def taken(chunks: Iterable[object], *, one_answer: bool = False) -> StreamReader:
    """Return a reader that has taken these chunks."""
    reader = StreamReader(one_answer=one_answer)
    take = reader.taker()
    for each in chunks:
        take(each)
    return reader


def streamed(chunks: Sequence[object]) -> Reading:
    """Read chunks as a stream."""
    reader = taken(chunks)
    reading = reader.read()
    assert reader.count == len(chunks)
    return reading


@pytest.fixture(params=["mapping", "object"])
def form(request: pytest.FixtureRequest) -> Any:
    """Each response as a mapping, and as an object of whatever class."""
    return alike if request.param == "object" else lambda value: value


# ------------------------------------------------------------------------------------------------------------- anthropic


def anthropic(sent: int, read: int | None, written: int | None, received: int) -> dict[str, Any]:
    """Return a message of Anthropic's."""
    usage = {"input_tokens": sent, "output_tokens": received}
    cached = {"cache_read_input_tokens": read, "cache_creation_input_tokens": written}
    message = {"id": "msg_01", "type": "message", "model": "claude-opus-4-5", "stop_reason": "tool_use"}
    return {**message, "usage": {**usage, **cached}}


@given(counts, counts, counts, counts)
def test_anthropics_input_is_made_to_include_cached_tokens(sent: int, cached: int, written: int, received: int) -> None:
    """The conventions' input includes what was read from and written to the cache; Anthropic's excludes it."""
    usage = read(anthropic(sent, cached, written, received)).usage
    assert (usage.input, usage.output) == (sent + cached + written, received)
    assert (usage.cache_read, usage.cache_write) == (cached, written)


def test_a_message_tells_who_answered(form: Any) -> None:
    """Model, id, finish reason and the provider; an unknown count of cached tokens stays unknown."""
    reading = read(form(anthropic(10, None, None, 5)))
    assert reading == Reading(Usage(10, 5), "claude-opus-4-5", "msg_01", ("tool_use",), "anthropic")


@pytest.mark.parametrize(("prefix", "provider"), [("msg_bdrk_", "aws.bedrock"), ("msg_vrtx_", "gcp.vertex_ai")])
def test_the_id_tells_the_cloud(prefix: str, provider: str) -> None:
    """The same message can come from three clouds."""
    assert read({**anthropic(1, None, None, 1), "id": prefix + "01"}).provider == provider


@pytest.mark.parametrize("last", [{}, {"input_tokens": 10}, {"input_tokens": 10, "cache_read_input_tokens": 7}])
def test_a_message_delta_completes_what_message_start_said(last: dict[str, int], form: Any) -> None:
    """Whatever part of the input the last event repeats."""
    begin = {**anthropic(10, 7, 3, 1), "stop_reason": None}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 40, **last}}
    text = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "the secret"}}
    events = [{"type": "message_start", "message": begin}, *[text] * 200, end, {"type": "message_stop"}]
    reading = streamed([form(event) for event in events])
    assert reading == Reading(Usage(20, 40, 7, 3), "claude-opus-4-5", "msg_01", ("end_turn",), "anthropic")


# ---------------------------------------------------------------------------------------------------------------- google


class Reason(enum.Enum):
    """A finish reason as google-genai has it."""

    STOP = "STOP"
    FINISH_REASON_UNSPECIFIED = "FINISH_REASON_UNSPECIFIED"
    INVENTED = "INVENTED"


@given(counts, counts, counts, counts)
def test_googles_output_includes_thoughts(prompt: int, tools: int, candidates: int, thoughts: int) -> None:
    """What tools answered counts as input; input and output add up to Google's total."""
    usage = {"prompt_token_count": prompt, "candidates_token_count": candidates, "thoughts_token_count": thoughts}
    response = SimpleNamespace(
        usage_metadata=SimpleNamespace(**usage, tool_use_prompt_token_count=tools, cached_content_token_count=None)
    )
    reading = read(response)
    assert reading.usage == Usage(prompt + tools, candidates + thoughts, reasoning=thoughts)
    assert (reading.usage.input or 0) + (reading.usage.output or 0) == prompt + tools + candidates + thoughts


def test_googles_json_is_read_as_its_objects_are() -> None:
    """The wire has other names than the SDK; a count that is not sent is unknown, not 0."""
    candidate = {"finishReason": "MAX_TOKENS", "index": 0}
    usage = {"promptTokenCount": 9, "cachedContentTokenCount": 3, "trafficType": "ON_DEMAND"}
    sent = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-pro", "responseId": "x"}
    assert read(sent) == Reading(Usage(9, None, 3), "gemini-2.5-pro", "x", ("MAX_TOKENS",), "gcp.vertex_ai")


@pytest.mark.parametrize(
    ("reason", "told"), [("STOP", ("STOP",)), ("FINISH_REASON_UNSPECIFIED", ()), ("INVENTED", ("_OTHER",))]
)
def test_a_finish_reason_that_is_an_enum_goes_by_its_name(reason: str, told: tuple[str, ...]) -> None:
    """One that no provider documents is `_OTHER`, and one that says nothing is none."""
    candidate = SimpleNamespace(finish_reason=Reason[reason], index=0)
    assert read(SimpleNamespace(candidates=[candidate], usage_metadata=None)).finish_reasons == told


@given(st.lists(st.tuples(st.sampled_from(["TEXT", "IMAGE", "AUDIO", "VIDEO"]), counts), max_size=6), counts)
def test_parts_by_modality_add_up_to_the_whole(parts: list[tuple[str, int]], whole: int) -> None:
    """What no part tells is `unknown`, and so is all of it where the parts are more than the whole."""
    details = [{"modality": modality, "tokenCount": count} for modality, count in parts]
    usage = read({"usageMetadata": {"promptTokenCount": whole, "promptTokensDetails": details}}).usage
    found = usage.by_modality("input")
    assert sum(found.values()) == whole
    assert found.keys() <= {"text", "image", "audio", "unknown"}


# ---------------------------------------------------------------------------------------------------------------- openai


def chunk(index: int, finish: str | None = None) -> dict[str, Any]:
    """Return a chunk of one choice."""
    choice = {"index": index, "delta": {"content": "the secret"}, "finish_reason": finish}
    return {"id": "chatcmpl-1", "model": "gpt-5.2", "choices": [choice], "usage": None}


def test_choices_that_end_in_different_chunks_each_have_their_reason(form: Any) -> None:
    """However far apart they end, in the order of their index."""
    body = [chunk(index) for _ in range(5) for index in (0, 1, 2)]
    ends = [chunk(1, "length"), *[chunk(2)] * 300, chunk(0, "stop"), *[chunk(2)] * 100, chunk(2, "content_filter")]
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 400}}
    reading = streamed([form(each) for each in (*body, *ends, usage)])
    assert reading.finish_reasons == ("stop", "length", "content_filter")
    assert (reading.usage, reading.id) == (Usage(3, 400), "chatcmpl-1")


def test_a_choice_that_broke_off_among_others_is_an_error() -> None:
    """As the conventions ask; a stream of which no choice ended says nothing."""
    assert streamed([chunk(0), chunk(1), chunk(1, "stop")]).finish_reasons == ("error", "stop")
    assert streamed([chunk(0)]).finish_reasons == ()


@pytest.mark.parametrize("count", [1, 7, 8, 9, 10, 16, 17, 100])
def test_a_stream_of_any_length_says_the_same(count: int, form: Any) -> None:
    """Azure begins with a chunk of no choice; model and id come first, the finish reason and usage last."""
    first = {"id": "", "model": "", "choices": [], "prompt_filter_results": []}
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    chunks = [*[chunk(0)] * (count - 1), chunk(0, "stop"), usage]
    assert streamed([form(each) for each in chunks]) == Reading(Usage(3, 4), "gpt-5.2", "chatcmpl-1", ("stop",))
    reading = streamed([form(each) for each in (first, *chunks)])
    assert (reading.usage, reading.finish_reasons) == (Usage(3, 4), ("stop",))


def test_a_reason_that_comes_early_is_not_forgotten(form: Any) -> None:
    """Some servers go on sending chunks when they have told why the answer ended."""
    assert streamed([form(each) for each in (chunk(0), chunk(0, "length"), *[chunk(0)] * 100)]).finish_reasons == ("length",)


def test_a_choice_that_comes_alone_in_its_chunk_counts_from_any_chunk_at_the_begin(form: Any) -> None:
    """The second choice shows in the eighth chunk, and ends far from both ends."""
    chunks = [*[chunk(0)] * 7, chunk(1), *[chunk(0)] * 50, chunk(1, "length"), *[chunk(0)] * 50, chunk(0, "stop")]
    assert streamed([form(each) for each in chunks]).finish_reasons == ("stop", "length")


_CHOICES = st.lists(
    st.builds(
        lambda index, finish: {"index": index, "finish_reason": finish},
        st.sampled_from([0, 0, 0, 0, 0, 1, None]),
        st.sampled_from([None, None, None, None, "stop", "length"]),
    ),
    max_size=2,
)
_CHUNKS = st.lists(
    st.builds(
        lambda choices, model, usage: {"id": "chatcmpl-1", "choices": choices, "model": model, "usage": usage},
        st.one_of(st.just([{"index": 0, "finish_reason": None}]), st.just([{"index": 0, "finish_reason": "stop"}]), _CHOICES),
        st.sampled_from(["gpt-5.2", "gpt-5.2", "gpt-5.2", None]),
        st.sampled_from([None, None, None, None, {"prompt_tokens": 3, "completion_tokens": 4}, {"completion_tokens": 5}]),
    ),
    min_size=1,
    max_size=30,
)


@given(_CHUNKS, st.sampled_from([0, 7, 40]), st.booleans())
def test_a_stream_read_from_its_end_says_what_all_that_is_held_says_together(
    chunks: list[dict[str, Any]], more: int, azure: bool
) -> None:
    """The quick way is a way to the same reading, whatever servers mix."""
    chunks[0] = {**chunks[0], "prompt_filter_results": [] if azure else None}
    chunks = [*chunks[: len(chunks) // 2], *[chunk(0)] * more, *chunks[len(chunks) // 2 :]]
    quick = streamed(chunks)
    with patch.object(stream, "_from_the_end", lambda *_, **__: None):
        assert streamed(chunks) == quick


_OPENAI = (
    [chunk(0)],
    [
        chunk(0, "stop"),
        chunk(0),
        chunk(0),
        {**chunk(0), "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}},
    ],
)
_AZURE = ([{"id": "", "model": "", "choices": [], "prompt_filter_results": []}, chunk(0)], _OPENAI[1])
_ANTHROPIC = (
    [{"type": "message_start", "message": {**anthropic(10, 7, 3, 1), "stop_reason": None}}],
    [
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 40}},
        {"type": "message_stop"},
    ],
)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, 8, 9, 100])
@pytest.mark.parametrize("sent", [_OPENAI, _AZURE, _ANTHROPIC])
def test_a_stream_that_is_known_to_be_of_one_answer_says_the_same(sent: Any, count: int, form: Any) -> None:
    """As a provider's API sends it, nothing in between need be looked at."""
    begin, end = sent
    between = {"type": "content_block_delta", "delta": {"text": "secret"}} if sent is _ANTHROPIC else chunk(0)
    chunks = [form(each) for each in (*begin, *[between] * count, *end)]
    quick = taken(chunks, one_answer=True)
    reading = quick.read()
    assert reading == streamed(chunks)
    assert (quick.count, None not in (reading.usage.input, reading.usage.output, reading.model)) == (len(chunks), True)
    assert reading.finish_reasons != ()


def test_events_of_the_stream_managers_are_read(form: Any) -> None:
    """`chat.completions.stream` wraps chunks in events; `responses.stream` carries the response so far."""
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    text = {"type": "content.delta", "delta": "the", "snapshot": "the secret"}
    chunks = [chunk(0), *[chunk(0)] * 90, chunk(0, "stop"), usage]
    events = [event for each in chunks for event in ({"type": "chunk", "chunk": each, "snapshot": {}}, text)]
    done = {"type": "content.done", "content": "the secret"}
    assert streamed([form(each) for each in (*events, *[done] * 3)]) == Reading(
        Usage(3, 4), "gpt-5.2", "chatcmpl-1", ("stop",)
    )
    response = {"object": "response", "id": "resp_1", "model": "gpt-5.2", "status": "in_progress", "usage": None}
    ended = {**response, "status": "completed", "usage": {"input_tokens": 3, "output_tokens": 4}}
    created = {"type": "response.created", "response": response}
    text = {"type": "response.output_text.delta", "delta": "the secret"}
    completed = {"type": "response.completed", "response": ended}
    reading = streamed([form(each) for each in (created, *[text] * 90, completed)])
    assert reading == Reading(Usage(3, 4), "gpt-5.2", "resp_1", ("completed",))


def test_a_stream_that_was_cancelled_has_a_model_and_no_usage(form: Any) -> None:
    """Usage comes last; what did not come is unknown, not 0."""
    response = {"object": "response", "id": "resp_1", "model": "gpt-5.2", "status": "in_progress", "usage": None}
    assert streamed([form({"type": "response.created", "response": response})]) == Reading(NOTHING, "gpt-5.2", "resp_1")
    assert streamed([form(chunk(0))]) == Reading(NOTHING, "gpt-5.2", "chatcmpl-1")


def test_embeddings_and_completions_have_what_they_have() -> None:
    """Embeddings have no output at all."""
    usage = {"prompt_tokens": 8, "total_tokens": 8}
    embedding = openai.types.CreateEmbeddingResponse.model_validate(
        {"object": "list", "model": "text-embedding-3-small", "data": [], "usage": usage}
    )
    assert read(embedding) == Reading(Usage(8), "text-embedding-3-small", provider="openai")
    choice = {"index": 0, "text": "the secret", "finish_reason": "length"}
    completion = {"id": "cmpl-1", "object": "text_completion", "model": "davinci-002", "choices": [choice]}
    assert read(completion) == Reading(NOTHING, "davinci-002", "cmpl-1", ("length",))


def test_azure_is_told_by_its_content_filter() -> None:
    """OpenAI's classes serve Azure too."""
    sent = {**chunk(0, "stop"), "object": "chat.completion.chunk", "created": 1, "prompt_filter_results": []}
    assert read(openai.types.chat.ChatCompletionChunk.model_validate(sent)).provider == "azure.ai.openai"


@given(counts, counts, counts, counts)
def test_openais_cached_and_reasoning_tokens_are_parts(sent: int, received: int, cached: int, reasoning: int) -> None:
    """They are not added to the input and the output, which include them; total tokens are input and output."""
    usage = {"prompt_tokens": sent, "completion_tokens": received, "total_tokens": sent + received}
    more = {"prompt_tokens_details": {"cached_tokens": cached}, "completion_tokens_details": {"reasoning_tokens": reasoning}}
    found = read({"choices": [], "usage": {**usage, **more}}).usage
    assert found == Usage(sent, received, cached, None, reasoning)


def test_no_audio_tokens_say_nothing_of_modality() -> None:
    """OpenAI states 0 audio tokens of every answer."""
    details = {"audio_tokens": 0, "cached_tokens": 0}
    assert read({"choices": [], "usage": {"prompt_tokens": 3, "prompt_tokens_details": details}}).usage == Usage(3, None, 0)
    audio = {"prompt_tokens": 9, "completion_tokens": 0, "prompt_tokens_details": {"audio_tokens": 4, "text_tokens": 5}}
    assert read({"choices": [], "usage": audio}).usage.by_modality("input") == {"text": 5, "audio": 4}


# ------------------------------------------------------------------------------------------------------------- langchain


def message(kind: str, sent: int, received: int, **metadata: Any) -> Any:
    """Return a message of LangChain's."""
    usage = {"input_tokens": sent, "output_tokens": received, "input_token_details": {"cache_read": sent // 2}}
    return SimpleNamespace(
        type=kind, id="lc_run--1", usage_metadata=usage, response_metadata={"model_provider": "openai", **metadata}
    )


def test_a_message_of_langchain() -> None:
    """Its input includes cached tokens already; its own id is not the provider's."""
    found = read(message("ai", 10, 5, model_name="gpt-5.2", finish_reason="stop", id="chatcmpl-1"))
    assert found == Reading(Usage(10, 5, 5), "gpt-5.2", "chatcmpl-1", ("stop",), "openai")
    assert read(message("ai", 10, 5)).id is None


@given(st.lists(st.tuples(counts, counts), min_size=1, max_size=150))
def test_chunks_of_langchain_add_up(parts: list[tuple[int, int]]) -> None:
    """Each chunk counts its own, however many there are."""
    usage = streamed([message("AIMessageChunk", *part) for part in parts]).usage
    assert usage == Usage(sum(sent for sent, _ in parts), sum(got for _, got in parts), sum(sent // 2 for sent, _ in parts))


@pytest.mark.parametrize("before", [1, 2, 7])
@pytest.mark.parametrize("count", [1, 5, 9, 40])
def test_chunks_of_langchain_add_up_behind_other_chunks(before: int, count: int) -> None:
    """Each counts once, also those that were held when it was seen that they are to be added up."""
    usage = streamed([*["text"] * before, *[message("AIMessageChunk", 2, 1)] * count]).usage
    assert usage == Usage(2 * count, count, count)


def test_tokens_of_langchain_by_kind() -> None:
    """Parts of the cache by how long they are kept, and counts of a service tier."""
    kept = {"cache_creation": 0, "ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3, "priority_cache_read": 4}
    usage = {"input_tokens": 20, "output_tokens": 9, "input_token_details": kept, "output_token_details": {"reasoning": 1}}
    assert read({"response_metadata": {}, "usage_metadata": usage}).usage == Usage(20, 9, 4, 5, 1)


# ------------------------------------------------------------------------------------------------- flat, strange, unknown


def test_a_flat_mapping_will_do() -> None:
    """For a provider of one's own."""
    flat = {"model": "llama-4", "input_tokens": 9, "output_tokens": 4, "cache_read_tokens": 3, "cache_write_tokens": 2}
    more = {"reasoning_tokens": 1, "cost": Decimal("0.25"), "finish_reason": "stop", "provider": "groq"}
    assert read({**flat, **more}) == Reading(Usage(9, 4, 3, 2, 1, 0.25), "llama-4", None, ("stop",), "groq")


def test_the_total_of_a_list_of_costs_is_taken() -> None:
    """Perplexity sends a list."""
    assert read({"choices": [], "usage": {"cost": {"input_tokens_cost": 0.1, "total_cost": 0.3}}}).usage.cost == 0.3


class Missing:
    """An object that has no attributes that anybody asks for."""

    __slots__ = ()


STRANGE: list[object] = [
    *(None, "text", b"bytes", 1, 2.5, [], (), {}, object(), Missing(), type, enum, alike),
    *({"choices": 5}, {"usage": "x"}, {"choices": [None, 3, "x"]}, {"type": "message_delta"}, {"response": 3}),
    *({"usage_metadata": 7}, {"candidates": {}}, {"raw": 1}, {"http_response": 2}),
]


@pytest.mark.parametrize("strange", STRANGE, ids=lambda each: type(each).__name__)
def test_what_is_no_response_tells_nothing(strange: object) -> None:
    """Whole or as a chunk; nothing is raised and nothing is 0."""
    for reading in (read(strange), streamed([strange] * 70)):
        assert (reading.usage, reading.model, reading.finish_reasons) == (NOTHING, None, ())


def test_a_mock_counts_no_tokens() -> None:
    """A `MagicMock` would pass for the number 1."""
    from unittest.mock import MagicMock

    assert read(MagicMock()).usage == NOTHING


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "usage",
                        "choices",
                        "type",
                        "response",
                        "message",
                        "delta",
                        "usage_metadata",
                        "usageMetadata",
                        "candidates",
                    ),
                    *(
                        "input_tokens",
                        "prompt_tokens",
                        "prompt_tokens_details",
                        "promptTokensDetails",
                        "index",
                        "finish_reason",
                    ),
                    *(
                        "response_metadata",
                        "raw",
                        "http_response",
                        "input_token_details",
                        "cost",
                        "model",
                        "chunk",
                        "modality",
                    ),
                ]
            ),
            inner
            | st.sampled_from(["message", "message_start", "message_delta", "chunk", "AIMessageChunk", "response.completed"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(values, min_size=1, max_size=5))
def test_nothing_strange_raises(chunks: list[Any]) -> None:
    """Whatever stands where a provider would have put something else."""
    for each in chunks:
        read(each)
        read(alike(each))
    streamed(chunks * 20)


def test_a_chunk_that_raises_costs_the_reading_and_not_the_stream() -> None:
    """Chunks are looked at while the stream runs, too."""

    class Hostile:
        @property
        def choices(self) -> Iterator[Any]:
            raise RuntimeError("secret")

    reader = taken(Hostile() for _ in range(200))
    with pytest.raises(RuntimeError):
        reader.read()
    assert reader.count == 200


@pytest.mark.parametrize("one_answer", [True, False])
@given(number=st.integers(1, 400))
def test_the_first_chunks_are_timed_and_then_one_in_each_third(number: int, *, one_answer: bool) -> None:
    """Enough for the mean time between them, which is all that is told of it."""
    reader = taken([chunk(0)] * number, one_answer=one_answer)
    timed, at = reader.timed
    assert timed == number if number <= 3 else max(number / 3, number - 96) <= timed <= number
    assert reader.first is not None
    assert reader.first <= at


def test_what_a_class_computes_is_read_too() -> None:
    """Objects that keep all they have in their ``__dict__`` are read there; others are asked, whatever their class does."""

    @dataclass
    class Kept:
        usage: object
        model: str = "gpt-5.2"

    class Computed(Kept):
        @property
        def id(self) -> str:
            return "resp-1"

    class Asked:
        def __getattr__(self, name: str) -> object:
            return {"usage": USED, "model": "gpt-5.2"}.get(name)

    class Slotted:
        __slots__ = ("model", "usage")

    slotted = Slotted()
    slotted.usage, slotted.model = USED, "gpt-5.2"
    for response in (Kept(USED), Computed(USED), Asked(), slotted, SimpleNamespace(usage=USED, model="gpt-5.2")):
        reading = read(response)
        assert (reading.usage.input, reading.usage.output, reading.model) == (9, 4, "gpt-5.2")
    assert (read(Kept(USED)).id, read(Computed(USED)).id) == (None, "resp-1")


USED = {"prompt_tokens": 9, "completion_tokens": 4}


@given(*[st.builds(Usage, *[st.none() | counts] * 5)] * 2)
def test_a_sum_knows_what_either_knows(left: Usage, right: Usage) -> None:
    """Unknown plus something is something; unknown plus unknown is unknown."""
    kinds: tuple[TokenKind, ...] = ("input", "output", "cache_read", "cache_write", "reasoning")
    for kind in kinds:
        known = [count for count in (getattr(left, kind), getattr(right, kind)) if count is not None]
        assert getattr(left.plus(right), kind) == (sum(known) if known else None)
