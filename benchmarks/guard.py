"""What cleaning costs: twelve typical attributes of a call, against a plain copy of their dictionary, in one run.

    python benchmarks/guard.py [--chunks 300] [--json]

The least processor time of this thread over many short chunks of interleaved cases: machines are shared and noisy, and a
chunk that was not disturbed is the truth. Cases: `copy` (of the dictionary), `known` (values seen before, the usual case),
`rules` (the same, asking the rule of each key), `fresh` (texts that no dictionary has hashed yet),
`pseudonyms` (two ids that are never the same), `unknown` (three keys more that no convention knows).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

from spanguard.privacy.attributes import clean_attributes
from spanguard.privacy.conventions import rule_of
from spanguard.privacy.rules import DROPPED

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


def main() -> None:
    """Measure every case and print microseconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=300)
    parser.add_argument("--json", action="store_true", help="microseconds as JSON")
    asked = parser.parse_args()
    measured = measure(asked.chunks)
    if asked.json:
        print(json.dumps({name: seconds * 1e6 for name, seconds in measured.items()}))
        return
    for name, seconds in measured.items():
        print(f"{name:12}{seconds * 1e6:8.2f} us{seconds / measured['copy']:8.1f} x")


if __name__ == "__main__":
    main()
