"""The smallest program that shows what spanguard is for; it needs no account and no network.

    python examples/quickstart.py && spanguard show

A "model" that answers badly at first is asked again until its answer is valid, and the trace tells what that cost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import spanguard
from spanguard import traced_llm_call, traced_repair

ANSWERS: Iterator[str] = iter(["Certainly! Here is the JSON:", '{"city": 7}', '{"city": "Paris"}'])


@traced_llm_call(provider="embedded", model="llama-4")
def ask(prompt: str) -> dict[str, object]:
    """Stand in for a provider; what it returns has the shape of a provider's answer."""
    text = next(ANSWERS)
    return {"model": "llama-4", "text": text, "input_tokens": len(prompt.split()), "output_tokens": len(text.split())}


def fault(text: str) -> str | None:
    """Return the rule that an answer breaks, if any."""
    try:
        answer = json.loads(text)
    except ValueError:
        return "is_json"
    return None if isinstance(answer.get("city"), str) else "city_is_text"


def find_city(text: str) -> str | None:
    """Ask for the city in a text, at most three times."""
    with traced_repair("find_city") as repair:
        for attempt in repair.attempts(3):
            with attempt:
                answer = str(ask(f"Which city is this about? Answer in JSON. {text}")["text"])
                broken = fault(answer)
                # A rule that is computed is shown as a pseudonym, unless it is declared (see main).
                attempt.validated("city_schema", passed=broken is None, rule=broken)
                if broken is None:
                    return str(json.loads(answer)["city"])
    return None


def main() -> None:
    """Configure, and do the work."""
    spanguard.configure(service_name="quickstart")
    spanguard.declare("is_json", "city_is_text")
    print(find_city("We met near the Eiffel Tower."))


if __name__ == "__main__":
    main()
