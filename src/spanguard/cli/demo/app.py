"""The program that `spanguard demo` runs: a bookkeeping assistant, written as a user of spanguard would write it.

It reads invoices (asking again until the answer is valid), sorts tickets (trying again after errors), sums up a letter
(as a stream) and drafts replies (with a fallback). What is spanguard's is `configure`, `declare` and the four verbs; the
rest is what such a program needs anyway. Client and store are told by the environment: OPENAI_BASE_URL, SPANGUARD_STORE.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeVar

from openai import APITimeoutError, InternalServerError, OpenAI, OpenAIError, RateLimitError
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, ValidationError

from spanguard import association, configure, declare, traced_llm_call, traced_repair, traced_retry

MODEL = "gpt-5.2"
PAUSES = (0.1, 0.2)
"""Seconds between tries, unless the server says how long to wait."""

T = TypeVar("T")
declare("is_json", "fits_schema", "ask_reader", "sort_ticket", "sum_up")  # computed names; a literal is clear by itself

INVOICES = {
    f"invoice-{number}": f"Invoice {number} of {supplier}, for {goods}, payable within {days} days: {total} EUR in all."
    for number, supplier, goods, days, total in (
        (1, "Nordlicht GmbH", "1 desk lamp", 14, 89),
        (2, "Papyrus & Sons", "40 reams of paper", 30, 212),
        (3, "Atelier Blanc", "a set of shelves and their delivery", 30, 1480),
        (4, "Kaffeekontor", "12 kg of coffee", 14, 174),
        (5, "Hafen Logistik", "storage in October", 30, 560),
        (6, "Druckerei Vogt", "500 brochures", 21, 733),
        (7, "Grünwerk", "the care of 18 plants", 14, 96),
        (8, "Elektro Sander", "2 screens and 2 arms", 30, 1122),
    )
}
TICKETS = {
    "ticket-1": "My parcel has not arrived.",
    "ticket-2": "How do I change my address?",
    "ticket-3": "I was charged twice for order 4711.",
    "ticket-4": "The lamp flickers.",
    "ticket-5": "Please delete my account.",
    "ticket-6": "Do you ship to Norway?",
}
LETTERS = {
    "letter-1": "Dear all, the delivery of the shelves moves to the twelfth, because the carrier is short of drivers.",
    "letter-2": "Dear customer, our prices for storage rise by three per cent from January; contracts stay as they are.",
}
COMPLAINTS = {
    "reply-1": "The second screen has a scratch. What now?",
    "reply-2": "This is the third broken lamp, and I am furious.",
}


class Invoice(BaseModel):
    """What is asked of the model."""

    number: int
    supplier: str
    currency: str
    total: float


class Assistant:
    """Four kinds of work, each with the model behind a given client."""

    def __init__(self, client: OpenAI) -> None:
        self._client = client

    @traced_llm_call(provider="openai", model=MODEL)
    def chat(self, job: str, messages: list[ChatCompletionMessageParam]) -> ChatCompletion:
        """Ask by Chat Completions."""
        return self._client.chat.completions.create(model=MODEL, messages=messages, metadata={"job": job})

    @traced_llm_call(provider="openai", model=MODEL)
    def respond(self, job: str, prompt: str) -> Response:
        """Ask by Responses, and be quick: somebody is waiting."""
        return self._client.responses.create(model=MODEL, input=prompt, metadata={"job": job}, timeout=1)

    @traced_llm_call(provider="openai", model=MODEL)
    def stream(self, job: str, prompt: str) -> Iterator[ResponseStreamEvent]:
        """Ask by Responses, and pass the answer on as it comes."""
        yield from self._client.responses.create(model=MODEL, input=prompt, metadata={"job": job}, stream=True)

    def extract_invoice(self, job: str, document: str) -> Invoice | None:
        """Read an invoice; tell the model what was wrong with its answer, at most twice."""
        messages: list[ChatCompletionMessageParam] = [
            {"role": "system", "content": f"Answer with JSON only, by this schema: {Invoice.model_json_schema()}"},
            {"role": "user", "content": document},
        ]
        with traced_repair("extract_invoice") as repair:
            for attempt in repair.attempts(3):
                with attempt:
                    answer = persist("ask_reader", lambda: self.chat(job, messages)).choices[0].message.content or ""
                    invoice, broken = check(answer)
                    attempt.validated("invoice_schema", passed=broken is None, rule=broken, action="retried")
                    if invoice is not None:
                        return invoice
                    messages.append({"role": "assistant", "content": answer})
                    messages.append({"role": "user", "content": f"Your answer breaks the rule {broken}. Try again."})
        return None

    def sort_ticket(self, job: str, ticket: str) -> str:
        """Find the department that a ticket belongs to."""
        return persist("sort_ticket", lambda: self.respond(job, f"Which department? {ticket}")).output_text

    def sum_up(self, job: str, letter: str) -> str:
        """Sum a letter up, chunk by chunk."""

        def read() -> str:
            events = self.stream(job, f"Sum up in one sentence: {letter}")
            return "".join(event.delta for event in events if event.type == "response.output_text.delta")

        return persist("sum_up", read)

    def draft_reply(self, job: str, complaint: str) -> str:
        """Draft a reply; if the provider's filter stops it twice, take a stock phrase."""
        prompt: list[ChatCompletionMessageParam] = [{"role": "user", "content": f"Draft a kind reply: {complaint}"}]
        with traced_repair("draft_reply") as repair:
            for attempt in repair.attempts(2):
                with attempt:
                    choice = self.chat(job, prompt).choices[0]
                    allowed = choice.finish_reason != "content_filter"
                    attempt.validated("content_policy", passed=allowed, rule="not_filtered", action="blocked")
                    if allowed:
                        return choice.message.content or ""
            repair.degraded()
        return "Thank you for writing; somebody will call you today."


def check(answer: str) -> tuple[Invoice | None, str | None]:
    """Return the invoice, or else the rule that the answer breaks."""
    try:
        return Invoice.model_validate_json(answer), None
    except ValidationError as error:
        return None, "is_json" if error.errors()[0]["type"] == "json_invalid" else "fits_schema"


def persist(name: str, ask: Callable[[], T]) -> T:
    """Ask, and ask again after an error that may pass; the last try's error is the caller's."""
    with traced_retry(name) as retry:
        attempts = retry.attempts(len(PAUSES) + 1)
        for pause in PAUSES:
            try:
                with next(attempts):
                    return ask()
            except (RateLimitError, InternalServerError, APITimeoutError) as error:
                asked = error.response.headers.get("retry-after-ms") if isinstance(error, RateLimitError) else None
                delay = float(asked) / 1000 if asked else pause
                retry.scheduled(delay, source="retry_after" if asked else "backoff")
                time.sleep(delay)
        with next(attempts):
            return ask()


def work(assistant: Assistant) -> None:
    """Do all the work; a ticket that cannot be sorted now is left for later."""
    with association(role="reader"):
        for job, document in INVOICES.items():
            assistant.extract_invoice(job, document)
    with association(role="clerk"):
        for job, ticket in TICKETS.items():
            with suppress(OpenAIError):
                assistant.sort_ticket(job, ticket)
        for job, letter in LETTERS.items():
            assistant.sum_up(job, letter)
        for job, complaint in COMPLAINTS.items():
            assistant.draft_reply(job, complaint)


def main() -> None:
    """Do the work, and see that what was recorded is kept."""
    pipeline = configure()
    try:
        work(Assistant(OpenAI(max_retries=0, timeout=5)))
    finally:
        pipeline.shutdown()


if __name__ == "__main__":
    main()
