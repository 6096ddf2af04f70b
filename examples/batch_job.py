"""A batch job: one process, two runs, a pool of threads each, and what either run has cost.

    python examples/batch_job.py && spanguard show

The "model" stands in for a provider, and is too busy for some tickets at first.
"""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import spanguard
from spanguard import association, declare, traced_llm_call, traced_retry
from spanguard.semconv import CALL_COST, OUTCOME, RUN_ID
from spanguard.store import Database, SpanRow, newest, runs, trace, traces

RUNS = {
    "monday": ["The lamp flickers.", "Please delete my account.", "Where is my parcel?", "I was charged twice."],
    "tuesday": ["Do you ship to Norway?", "How do I change my address?", "My parcel is wet."],
}
BUSY = Counter({"Where is my parcel?": 1, "How do I change my address?": 2, "My parcel is wet.": 9})
"""How often the provider is too busy to look at a ticket."""


class BusyError(Exception):
    """The provider's way of saying 503."""

    status_code = 503


@traced_llm_call(provider="embedded", model="llama-4")
def ask(ticket: str) -> dict[str, object]:
    """Stand in for a provider; each ticket is asked about by one thread only."""
    if BUSY[ticket] > 0:
        BUSY[ticket] -= 1
        raise BusyError
    words = len(ticket.split())
    return {"model": "llama-4", "text": "shipping", "input_tokens": words, "output_tokens": 1, "cost": words * 1e-6}


@traced_retry("sort_ticket")
def sort(ticket: str) -> str | None:
    """Find the department that a ticket belongs to, in at most three tries; None leaves it to a person."""
    retry = spanguard.current_operation()
    for attempt in retry.attempts(3):
        try:
            with attempt:
                return str(ask(ticket)["text"])
        except BusyError:
            if attempt.number < 3:
                retry.scheduled(0.01)
                time.sleep(0.01)
    return None


def run(name: str, tickets: list[str]) -> None:
    """Sort all tickets of a run, three at a time."""
    with association(run=name), ThreadPoolExecutor(3) as pool:
        # A thread of a pool does not see the context it was given work in: hand it a copy, one for each piece of work.
        sorting = [pool.submit(copy_context().run, sort, ticket) for ticket in tickets]
        for each in sorting:
            each.result()


def summary(name: str, spans: list[SpanRow]) -> str:
    """Say in a line what a run did, from its spans."""
    mine = [span for span in spans if span.attributes.get(RUN_ID) == name]
    outcomes = Counter(str(span.attributes[OUTCOME]) for span in mine if span.name == "retry sort_ticket")
    cost = sum(float(str(span.attributes[CALL_COST])) for span in mine if CALL_COST in span.attributes)
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    return f"{name}: {told}; ${cost:.6f}"


def main() -> None:
    """Configure, do the runs, and look back."""
    pipeline = spanguard.configure(service_name="batch_job")
    declare(*RUNS)  # the names of our runs, which reach `association` in a variable
    for name, tickets in RUNS.items():
        run(name, tickets)
    pipeline.flush()
    store = newest()
    if store is not None:
        with Database.open(store, read_only=True) as db:
            this = runs(db)[0].run  # the store's word for one process
            spans = [span for row in traces(db, run=this, limit=100) for span in trace(db, row.trace_id)]
        for name in RUNS:
            print(summary(name, spans))


if __name__ == "__main__":
    main()
