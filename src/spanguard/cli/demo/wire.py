"""What OpenAI's two APIs, Chat Completions and Responses, look like on the wire: bodies, stream chunks, errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeAlias, cast

Json: TypeAlias = "dict[str, object]"

INPUT_PRICE: Final = 1.25e-6
OUTPUT_PRICE: Final = 10e-6
_CHARACTERS_PER_TOKEN: Final = 4
_TOKENS_PER_MESSAGE: Final = 3
_CHUNK: Final = 12


class Reply(NamedTuple):
    """An answer, whichever API asked for it; the cost is in USD.

    ``usage_chunk`` says that a stream was asked to state the usage at its end; Responses do so in any case.
    """

    number: int
    model: str
    text: str
    filtered: bool
    input_tokens: int
    output_tokens: int
    usage_chunk: bool

    @property
    def cost(self) -> float:
        """What the answer costs at the server's prices."""
        return round(self.input_tokens * INPUT_PRICE + self.output_tokens * OUTPUT_PRICE, 9)

    @property
    def pieces(self) -> list[str]:
        """The text as a stream brings it."""
        return [self.text[at : at + _CHUNK] for at in range(0, len(self.text), _CHUNK)]


def tokens(text: str) -> int:
    """Return how many tokens a text has, by the usual rule of thumb of four characters each."""
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def prompt_tokens(prompt: object) -> int:
    """Return how many tokens a prompt has: a text, a message, or a list of them."""
    if isinstance(prompt, str):
        return tokens(prompt) + _TOKENS_PER_MESSAGE
    if isinstance(prompt, list):
        return sum(prompt_tokens(each) for each in cast("list[object]", prompt))
    if isinstance(prompt, dict):
        message = cast("Json", prompt)
        return prompt_tokens(message.get("content") or message.get("text") or "")
    return 0


def error(status: int, code: str) -> Json:
    """Return the body of an answer that is an error."""
    kind = {429: "requests", 400: "invalid_request_error"}.get(status, "server_error")
    return {"error": {"message": f"The demo's script says {code}.", "type": kind, "param": None, "code": code}}


# ----------------------------------------------------------------------------------------------------- Chat Completions


def _completion(reply: Reply) -> Json:
    message: Json = {"role": "assistant", "content": reply.text or None, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": _finish(reply), "logprobs": None}
    return {**_chat(reply, "chat.completion"), "choices": [choice], "usage": _chat_usage(reply)}


def _completion_chunks(reply: Reply) -> Iterator[Json]:
    head = _chat(reply, "chat.completion.chunk")

    def chunk(delta: Json, finish: str | None = None) -> Json:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield chunk({"role": "assistant", "content": ""})
    for piece in reply.pieces:
        yield chunk({"content": piece})
    yield chunk({}, _finish(reply))
    if reply.usage_chunk:
        yield {**head, "choices": [], "usage": _chat_usage(reply)}


def _chat(reply: Reply, kind: str) -> Json:
    return {"id": f"chatcmpl-demo{reply.number}", "object": kind, "created": 0, "model": reply.model}


def _finish(reply: Reply) -> str:
    return "content_filter" if reply.filtered else "stop"


def _chat_usage(reply: Reply) -> Json:
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
        "cost": reply.cost,
    }


# ------------------------------------------------------------------------------------------------------------ Responses


def _response(reply: Reply, status: str = "") -> Json:
    status = status or ("incomplete" if reply.filtered else "completed")
    ended = status != "in_progress"
    return {
        "id": f"resp_demo{reply.number}",
        "object": "response",
        "created_at": 0,
        "status": status,
        "model": reply.model,
        "output": [_message(reply, reply.text)] if ended else [],
        "incomplete_details": {"reason": "content_filter"} if status == "incomplete" else None,
        "error": None,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": _response_usage(reply) if ended else None,
    }


def _response_events(reply: Reply) -> Iterator[Json]:
    for number, event in enumerate(_unnumbered(reply)):
        yield {**event, "sequence_number": number}


def _unnumbered(reply: Reply) -> Iterator[Json]:
    message, part = _message(reply, reply.text), _part(reply.text)
    at: Json = {"item_id": message["id"], "output_index": 0, "content_index": 0}
    yield {"type": "response.created", "response": _response(reply, "in_progress")}
    yield {"type": "response.output_item.added", "output_index": 0, "item": {**message, "content": []}}
    yield {"type": "response.content_part.added", **at, "part": _part("")}
    for piece in reply.pieces:
        yield {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **at, "text": reply.text, "logprobs": []}
    yield {"type": "response.content_part.done", **at, "part": part}
    yield {"type": "response.output_item.done", "output_index": 0, "item": message}
    last = _response(reply)
    yield {"type": f"response.{last['status']}", "response": last}


def _message(reply: Reply, text: str) -> Json:
    return {
        "id": f"msg_demo{reply.number}",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [_part(text)],
    }


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _response_usage(reply: Reply) -> Json:
    return {
        "input_tokens": reply.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": reply.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": reply.input_tokens + reply.output_tokens,
        "cost": reply.cost,
    }


class Api(NamedTuple):
    """One of the APIs: the field that holds the prompt, and how an answer looks, whole and as a stream."""

    prompt: str
    body: Callable[[Reply], Json]
    chunks: Callable[[Reply], Iterator[Json]]
    end: str
    """What a stream ends with, after the last chunk."""


APIS: Final = {
    "/v1/chat/completions": Api("messages", _completion, _completion_chunks, "data: [DONE]\n\n"),
    "/v1/responses": Api("input", _response, _response_events, ""),
}
