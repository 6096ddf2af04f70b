"""What the openai SDK's real client costs more, instrumented by us, than with a span and metrics written by hand around it.

    python benchmarks/client.py [--rounds 30] [--json]

Needs openai 3 (`pip install -e ".[demo]"`). The client's answers come from a transport in the process: no network, no server.
Three ways: not instrumented, a wrapper written by hand that records what ours does, and instrumented by spanguard. Each of
the other two takes turns with the first, call by call, as in a program that does other things between its calls. The first
two have a client whose `request` is the SDK's own: to undo the patches for them would make the interpreter forget what it has
learnt of the SDK's code. What is printed is what each adds to the first, the ratio of the two, and the same ratio in
instructions of Python's virtual machine, which do not depend on how busy the machine is. With retries, which is the SDK's
default, ours also tells of an operation, its attempts, and each request that was sent.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx2
import openai
from overhead import instructions, set_up, timed

MODEL = "gpt-4o-mini"
ASKED: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "How are you?"}],
    "temperature": 0.7,
    "max_tokens": 50,
}
USAGE = {"prompt_tokens": 57, "completion_tokens": 93, "total_tokens": 150}


def _event(choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> bytes:
    body = {
        "id": "chatcmpl-9z",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": MODEL,
        "choices": choices,
        "usage": usage,
    }
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def _events(chunks: int) -> list[bytes]:
    one = {"index": 0, "delta": {"content": "word "}}
    told = [_event([{**one, "finish_reason": "stop" if number == chunks else None}]) for number in range(1, chunks + 1)]
    return [*told, _event([], USAGE), b"data: [DONE]\n\n"]


class Sent(httpx2.SyncByteStream):
    """The events of a stream, one at a time."""

    def __init__(self, events: list[bytes]) -> None:
        self.events = events

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.events)


class Answers(httpx2.BaseTransport):
    """Answers each request at once, with as many chunks as its `user` says."""

    def __init__(self) -> None:
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Well."}}
        body = {
            "id": "chatcmpl-9z",
            "object": "chat.completion",
            "created": 0,
            "model": MODEL,
            "choices": [choice],
            "usage": USAGE,
        }
        self.whole = json.dumps(body).encode()
        self.streams = {chunks: _events(chunks) for chunks in (1, 100)}

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        asked = json.loads(request.read())
        if not asked.get("stream"):
            return httpx2.Response(200, headers={"content-type": "application/json"}, content=self.whole)
        return httpx2.Response(
            200, headers={"content-type": "text/event-stream"}, stream=Sent(self.streams[int(asked["user"])])
        )


class Bare(openai.OpenAI):
    """A client that is not instrumented; to be defined before any is."""

    request = openai.OpenAI.request


def client(kind: type[openai.OpenAI], retries: int) -> openai.OpenAI:
    """Return a client that needs no server."""
    http = httpx2.Client(transport=Answers())
    return kind(api_key="x", base_url="http://localhost/v1", http_client=http, max_retries=retries)


class ByHand:
    """A span and three measurements around a call, as one writes them by hand."""

    def __init__(self) -> None:
        from opentelemetry import metrics, trace

        self.trace, self.tracer, meter = trace, trace.get_tracer("hand"), metrics.get_meter("hand")
        self.duration = meter.create_histogram("gen_ai.client.operation.duration", "s")
        self.tokens = meter.create_histogram("gen_ai.client.token.usage", "{token}")
        self.start = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": MODEL,
            "gen_ai.request.temperature": ASKED["temperature"],
            "gen_ai.request.max_tokens": ASKED["max_tokens"],
        }

    def finish(self, span: Any, began: float, answer: Any, reasons: list[str | None], usage: Any) -> None:
        """Tell what was learnt."""
        span.set_attributes(
            {
                "gen_ai.response.model": answer.model,
                "gen_ai.response.id": answer.id,
                "gen_ai.response.finish_reasons": reasons,
                "gen_ai.usage.input_tokens": usage.prompt_tokens,
                "gen_ai.usage.output_tokens": usage.completion_tokens,
            }
        )
        by = {key: self.start[key] for key in ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model")}
        by["gen_ai.response.model"] = answer.model
        self.duration.record(time.perf_counter() - began, by)
        self.tokens.record(usage.prompt_tokens, {**by, "gen_ai.token.type": "input"})
        self.tokens.record(usage.completion_tokens, {**by, "gen_ai.token.type": "output"})

    def whole(self, of: openai.OpenAI) -> object:
        """Trace a call."""
        kind = self.trace.SpanKind.CLIENT
        with self.tracer.start_as_current_span(f"chat {MODEL}", kind=kind, attributes=dict(self.start)) as span:
            began = time.perf_counter()
            answer = whole(of)
            self.finish(span, began, answer, [choice.finish_reason for choice in answer.choices], answer.usage)
            return answer

    def stream(self, of: openai.OpenAI, chunks: int) -> Iterator[Any]:
        """Trace a stream."""
        span = self.tracer.start_span(f"chat {MODEL}", kind=self.trace.SpanKind.CLIENT, attributes=dict(self.start))
        began, first, reason, usage, chunk = time.perf_counter(), None, None, None, None
        with self.trace.use_span(span):
            opened = stream(of, chunks)
        for chunk in opened:
            if first is None:
                first = time.perf_counter() - began
            if chunk.choices and chunk.choices[0].finish_reason:
                reason = chunk.choices[0].finish_reason
            if chunk.usage is not None:
                usage = chunk.usage
            yield chunk
        span.set_attribute("gen_ai.response.time_to_first_chunk", first)
        self.finish(span, began, chunk, [reason], usage)
        span.end()


def whole(of: openai.OpenAI) -> Any:
    """Call."""
    return of.chat.completions.create(**ASKED)


def stream(of: openai.OpenAI, chunks: int) -> Any:
    """Call for a stream."""
    return of.chat.completions.create(**ASKED, stream=True, user=str(chunks))


def consumed(open_: Callable[[], Iterator[Any]]) -> None:
    """Read a stream to its end."""
    for _ in open_():
        pass


Ways = tuple[Callable[[], object], Callable[[], object], Callable[[], object]]
"""The same call bare, by hand, and instrumented."""


def cases() -> dict[str, Ways]:
    """Return each case three ways."""
    hand = ByHand()
    made: dict[str, Ways] = {}
    for retries, allowed in ((0, ""), (2, ", 2 retries allowed")):
        bare, ours = client(Bare, retries), client(openai.OpenAI, retries)
        made[f"a call{allowed}"] = partial(whole, bare), partial(hand.whole, bare), partial(whole, ours)
        for chunks, name in ((1, "a stream of 1 chunk"), (100, "a stream of 100 chunks")):
            made[f"{name}{allowed}"] = (
                partial(consumed, partial(stream, bare, chunks)),
                partial(consumed, partial(hand.stream, bare, chunks)),
                partial(consumed, partial(stream, ours, chunks)),
            )
    return made


def added(way: Callable[[], object], bare: Callable[[], object], calls: int) -> tuple[float, float]:
    """Return the microseconds that a bare call takes, and those that a way adds to it; the two take turns."""
    took = {bare: 0.0, way: 0.0}
    for number in range(calls):
        for each in (bare, way) if number % 2 else (way, bare):
            took[each] += timed(each, 1)
    return took[bare] / calls * 1e6, (took[way] - took[bare]) / calls * 1e6


def measure(ways: Ways, rounds: int, calls: int, flush: Callable[[], object]) -> dict[str, float]:
    """Measure one case in rounds; in each the two ways come one after the other, in shuffled order."""
    counts = [instructions(way, 3) for way in ways]
    bare, *both = ways
    times: list[float] = []
    more: tuple[list[float], ...] = ([], [])
    order = random.Random(1)
    for _ in range(rounds):
        for place in order.sample(range(2), 2):
            of_bare, of_way = added(both[place], bare, calls)
            times.append(of_bare)
            more[place].append(of_way)
            flush()
    hand, ours = map(statistics.median, more)
    ratio = (counts[2] - counts[0]) / (counts[1] - counts[0])
    return {"bare_us": statistics.median(times), "hand_us": hand, "ours_us": ours, "instructions_ratio": ratio}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    flush = set_up("on")

    from spanguard.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()
    results: list[dict[str, Any]] = []
    for name, ways in cases().items():
        calls = 10 if "100" in name else 50
        results.append({"case": name, **measure(ways, asked.rounds, calls, flush)})
    if asked.json:
        json.dump(results, sys.stdout, indent=1)
        return
    print(f"Python {platform.python_version()}, openai {openai.__version__}; medians of {asked.rounds} interleaved rounds")
    print(f"{'':41}{'bare us':>9}{'hand +us':>10}{'ours +us':>10}{'ratio':>8}{'of instructions':>17}")
    for each in results:
        ratio = each["ours_us"] / each["hand_us"]
        print(
            f"{each['case']:41}{each['bare_us']:9.0f}{each['hand_us']:10.0f}{each['ours_us']:10.0f}{ratio:8.2f}"
            f"{each['instructions_ratio']:17.2f}"
        )


if __name__ == "__main__":
    main()
