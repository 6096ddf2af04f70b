"""Bring your own provider: four ways to say what a call has used when nobody knows the shape of the answer.

    python examples/own_provider.py && spanguard show

`Oracle` stands for an SDK that spanguard has never seen: its own answers, its own stream, and a bill in credits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import spanguard
from spanguard import current_call, declare, traced_llm_call

USD_PER_CREDIT = 0.0005


# ------------------------------------------------------------------------------------------------------- somebody's SDK


@dataclass(frozen=True)
class Bill:
    """What an answer cost, in the words of this provider."""

    heard: int
    spoken: int
    credits: float


@dataclass(frozen=True)
class Saying:
    """An answer."""

    words: str
    engine: str
    bill: Bill


class Whisper:
    """An answer that comes word by word; its bill is known once the last word is out."""

    def __init__(self, saying: Saying) -> None:
        self._saying = saying
        self.bill: Bill | None = None

    def __iter__(self) -> Iterator[str]:
        yield from self._saying.words.split()
        self.bill = self._saying.bill


class Oracle:
    """The client."""

    def consult(self, question: str) -> Saying:
        """Answer at once."""
        words = "You will go you will return not in the battle you will perish"
        return Saying(words, "delphi-2-large", Bill(len(question.split()), len(words.split()), 1.5))

    def whisper(self, question: str) -> Whisper:
        """Answer slowly."""
        return Whisper(self.consult(question))


# ---------------------------------------------------------------------------------------------------------- our program

ORACLE = Oracle()


def usage(saying: Saying) -> dict[str, object]:
    """Say what there is in an answer, in words that spanguard knows."""
    bill = saying.bill
    cost = bill.credits * USD_PER_CREDIT
    return {"model": saying.engine, "input_tokens": bill.heard, "output_tokens": bill.spoken, "cost": cost}


# The function returns the provider's answer: a reader translates it.
@traced_llm_call(provider="oracle", model="delphi-2", reader=usage)
def consult(question: str) -> Saying:
    """Ask, and get the whole answer."""
    return ORACLE.consult(question)


# The function returns something else: hand the translated answer over before it is gone.
@traced_llm_call(provider="oracle", model="delphi-2")
def wisdom(question: str) -> str:
    """Ask, and get the words alone."""
    saying = ORACLE.consult(question)
    current_call().record_response(usage(saying))
    return saying.words


# A stream of its own: the call lasts until its last word, and learns at the end what it has used.
@traced_llm_call(provider="oracle", model="delphi-2")
def listen(question: str) -> Iterator[str]:
    """Ask, and pass the answer on as it comes."""
    whisper = ORACLE.whisper(question)
    yield from whisper
    call = current_call()
    if whisper.bill is not None:
        cost = whisper.bill.credits * USD_PER_CREDIT
        call.record_usage(input_tokens=whisper.bill.heard, output_tokens=whisper.bill.spoken, cost=cost)
    call.record_finish_reason("stop")


def embed(texts: list[str]) -> list[list[float]]:
    """Turn texts into vectors. Without a function of its own, a call is a `with` block."""
    with traced_llm_call(operation="embeddings", provider="oracle", model="delphi-embed") as call:
        vectors = [[float(len(text)), float(text.count(" "))] for text in texts]
        call.record_usage(input_tokens=sum(len(text.split()) for text in texts), cost=0.0)  # it is free, which is not unknown
        return vectors


def main() -> None:
    """Configure, and ask in all four ways."""
    spanguard.configure(service_name="own_provider")
    declare("delphi-2-large")  # the provider says it, not our code
    question = "Shall I go to war?"
    print(consult(question).words)
    print(wisdom(question))
    print(*listen(question))
    print(embed([question, "No."]))


if __name__ == "__main__":
    main()
