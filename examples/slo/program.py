"""What a gate judges: eight questions, some of which need a second or a third attempt.

SPANGUARD_RUN=try python program.py && spanguard slo check slo.yaml --run try
"""

from __future__ import annotations

import spanguard
from spanguard import traced_llm_call, traced_repair


@traced_llm_call(provider="embedded", model="llama-4")
def ask(question: str, attempt: int) -> dict[str, object]:
    """Stand in for a provider, whose first answer to some questions is no good."""
    good = attempt > len(question) % 3
    return {"text": "42" if good else "forty-two", "input_tokens": 20, "output_tokens": 2}


def answer(question: str) -> str | None:
    """Ask until the answer is a number, at most three times."""
    with traced_repair("answer") as repair:
        for attempt in repair.attempts(3):
            with attempt:
                text = str(ask(question, attempt.number)["text"])
                attempt.validated("is_number", passed=text.isdigit())
                if text.isdigit():
                    return text
    return None


def main() -> None:
    """Configure, and ask."""
    spanguard.configure(service_name="assistant")
    for question in ("six", "nine", "three", "twelve", "ninety", "sixteen", "forty-two", "one"):
        print(question, answer(question))


if __name__ == "__main__":
    main()
