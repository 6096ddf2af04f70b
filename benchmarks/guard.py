"""What cleaning costs: twelve typical attributes of a call, against a plain copy of their dictionary, in one run.

    python benchmarks/guard.py [--chunks 300] [--queued 100000] [--json]

The least processor time of this thread over many short chunks of interleaved cases: machines are shared and noisy, and a
chunk that was not disturbed is the truth. Cases: `copy` (of the dictionary), `known` (values seen before, the usual case),
`rules` (the same, asking the rule of each key), `fresh` (texts that no dictionary has hashed yet),
`pseudonyms` (two ids that are never the same), `unknown` (three keys more that no convention knows).

Of whole spans with these attributes: `span` (started and ended by the SDK, nothing exported), `guarded` (the same under the
process guard: the difference is what the caller pays), `view` (cleaned in the export thread), `encode` (to protobuf, after
that). At the end the memory of spans that wait in a queue, as they are, as views, and as views that were looked at.
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Tracer

from spanguard.privacy import process
from spanguard.privacy.attributes import clean_attributes
from spanguard.privacy.conventions import rule_of
from spanguard.privacy.rules import DROPPED
from spanguard.privacy.spans import clean_span

Attributes = dict[str, object]

CALLS = 200

TYPICAL: dict[str, object] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.request.temperature": 0.7,
    "gen_ai.request.max_tokens": 256,
    "gen_ai.usage.input_tokens": 57,
    "gen_ai.usage.output_tokens": 93,
    "server.address": "api.openai.com",
    "server.port": 443,
    "http.response.status_code": 200,
}


def by_rules(attributes: Attributes) -> dict[str, object]:
    """Return what may leave of the attributes, asking the rule of each key, as the guard does where something is new."""
    kept: dict[str, object] = {}
    for key, value in attributes.items():
        rule = rule_of(key)
        if rule is not None:
            cleaned = rule.clean(value)
            if cleaned is not DROPPED:
                kept[key] = cleaned
    return kept


def by_guard(attributes: Attributes) -> object:
    """Return what may leave of the attributes, as the guard finds it."""
    return clean_attributes(attributes, "span")


def fresh() -> list[Attributes]:
    """Return spans with texts of their own, which nobody has hashed yet."""
    return [{key: "".join([*text]) if isinstance(text, str) else text for key, text in TYPICAL.items()} for _ in range(CALLS)]


def pseudonyms() -> list[Attributes]:
    """Return spans with two ids that are never the same."""
    base = dict(list(TYPICAL.items())[:10])
    return [{**base, "gen_ai.response.id": f"chatcmpl-{number:029}", "user.id": f"user-{number}"} for number in range(CALLS)]


def unknown() -> list[Attributes]:
    """Return spans with three keys that no convention knows."""
    return [{**TYPICAL, "acme.order": "4711", "acme.customer": "Alice", "note": "call back"}] * CALLS


CASES: dict[str, tuple[Callable[[Attributes], object], Callable[[], list[Attributes]]]] = {
    "copy": (dict, lambda: [TYPICAL] * CALLS),
    "known": (by_guard, lambda: [TYPICAL] * CALLS),
    "rules": (by_rules, lambda: [TYPICAL] * CALLS),
    "fresh": (by_guard, fresh),
    "pseudonyms": (by_guard, pseudonyms),
    "unknown": (by_guard, unknown),
}


def chunk(function: Callable[[Attributes], object], spans: list[Attributes]) -> float:
    """Return the seconds that one of the spans takes, of this thread's processor time."""
    began = time.thread_time()
    for span in spans:
        function(span)
    return (time.thread_time() - began) / len(spans)


def measure(chunks: int) -> dict[str, float]:
    """Return the seconds that one span takes in each case, in the chunk that was disturbed least."""
    least = dict.fromkeys(CASES, float("inf"))
    for _ in range(chunks):
        for name, (function, spans) in CASES.items():
            least[name] = min(least[name], chunk(function, spans()))
    return least


# --------------------------------------------------------------------------------------------------------- whole spans


class Nowhere(SpanExporter):
    """Looks at nothing, or keeps what it gets."""

    def __init__(self, kept: list[ReadableSpan] | None = None) -> None:
        self.kept = kept

    def export(self, spans: Any) -> Any:
        """Keep the spans, or do not."""
        if self.kept is not None:
            self.kept += spans


def tracer_to(exporter: SpanExporter) -> Tracer:
    """Return a tracer whose spans go to the exporter as soon as they end."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("spanguard.genai")


def traced(tracer: Tracer, number: int = CALLS) -> None:
    """Start and end so many spans."""
    for _ in range(number):
        tracer.start_span("chat gpt-4o-mini", kind=SpanKind.CLIENT, attributes=TYPICAL).end()  # type: ignore[arg-type]


def timed(work: Callable[[], object]) -> float:
    """Return the seconds of this thread's processor time that one of the spans takes."""
    began = time.thread_time()
    work()
    return (time.thread_time() - began) / CALLS


def measure_spans(chunks: int) -> dict[str, float]:
    """Return the seconds that one whole span takes in each case, in the chunk that was disturbed least."""
    least = dict.fromkeys(("span", "guarded", "view", "encode"), float("inf"))
    raw: list[ReadableSpan] = []
    traced(tracer_to(Nowhere(raw)))
    tracer = tracer_to(Nowhere())
    for _ in range(chunks):
        least["span"] = min(least["span"], timed(lambda: traced(tracer)))
        process.switch_on()
        least["guarded"] = min(least["guarded"], timed(lambda: traced(tracer)))
        process.switch_off()
        views = list(map(clean_span, raw))
        [view.name for view in views]
        least["view"] = min(least["view"], timed(lambda: [clean_span(span).name for span in raw]))
        least["encode"] = min(least["encode"], timed(lambda: encode_spans(views)))  # noqa: B023
    return least


def memory(queued: int) -> dict[str, float]:
    """Return the mebibytes that so many spans take: raw, under views, and once the views are clean and the raw ones gone."""
    raw: list[ReadableSpan] = []
    tracer = tracer_to(Nowhere(raw))
    traced(tracer, 1)
    raw.clear()
    tracemalloc.start()
    traced(tracer, queued)
    sizes = {"raw": tracemalloc.get_traced_memory()[0]}
    views = list(map(clean_span, raw))
    sizes["views"] = tracemalloc.get_traced_memory()[0]
    raw.clear()
    for view in views:
        view.name  # noqa: B018
    sizes["clean"] = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return {name: size / 2**20 for name, size in sizes.items()}


def main() -> None:
    """Measure every case and print microseconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=300)
    parser.add_argument("--queued", type=int, default=100_000)
    parser.add_argument("--json", action="store_true", help="microseconds and mebibytes as JSON")
    asked = parser.parse_args()
    measured, spans = measure(asked.chunks), measure_spans(asked.chunks)
    waiting = memory(asked.queued)
    if asked.json:
        print(json.dumps({**{name: seconds * 1e6 for name, seconds in {**measured, **spans}.items()}, **waiting}))
        return
    for name, seconds in measured.items():
        print(f"{name:12}{seconds * 1e6:8.2f} us{seconds / measured['copy']:8.1f} x")
    for name, seconds in spans.items():
        print(f"{name:12}{seconds * 1e6:8.2f} us")
    print(f"the caller pays {(spans['guarded'] - spans['span']) * 1e6:.2f} us for a span")
    print(f"the export thread pays {spans['view'] * 1e6:.2f} us, {spans['view'] / spans['encode']:.2f} x its encoding")
    print(f"{asked.queued:,} spans that wait: " + ", ".join(f"{name} {size:.0f} MiB" for name, size in waiting.items()))


if __name__ == "__main__":
    main()
