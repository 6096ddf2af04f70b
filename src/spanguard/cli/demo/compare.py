"""The store against the ledger: two accounts of the same calls, made by two processes that know nothing of each other."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from spanguard.cli.demo.ledger import Totals
from spanguard.store.summary import Summary

_CENT: Final = 1e-9
"""Two costs in USD are the same if they differ by no more; what remains is the rounding of floating point."""
_ERRORS: Final = {
    "openai.RateLimitError": "429",
    "openai.InternalServerError": "500",
    "openai.APITimeoutError": "abandoned",
}
"""What the program calls the failures that the ledger counts by status."""
_REFUSED: Final = "validation_error"


def compare(summary: Summary, totals: Totals) -> list[str]:
    """Return a sentence for each figure that is not the same on both sides; none if all are."""
    return [
        f"{name}: the store has {stored}, the ledger has {kept}"
        for name, stored, kept in _pairs(summary, totals)
        if not _same(stored, kept)
    ]


def _pairs(summary: Summary, totals: Totals) -> Iterable[tuple[str, float | None, float]]:
    calls, answered, spoiled = summary.calls, totals["answered"], totals["spoiled"]
    yield "requests", calls.requests, totals["requests"]
    yield "failed requests", calls.errors, sum(totals["failures"].values())
    yield "input tokens", calls.input_tokens, answered["input_tokens"]
    yield "output tokens", calls.output_tokens, answered["output_tokens"]
    all_tokens, wasted_tokens = (used["input_tokens"] + used["output_tokens"] for used in (answered, spoiled))
    yield "useful tokens", summary.tokens.useful, all_tokens - wasted_tokens
    yield "wasted tokens", summary.tokens.wasted, wasted_tokens
    yield "useful cost", summary.cost.useful, answered["cost"] - spoiled["cost"]
    yield "wasted cost", summary.cost.wasted, spoiled["cost"]
    for error, status in _ERRORS.items():
        yield error, summary.errors.get(error, 0), totals["failures"].get(status, 0)
    yield "refused answers", summary.errors.get(_REFUSED, 0), spoiled["answers"]
    yield "other errors", sum(n for error, n in summary.errors.items() if error not in (*_ERRORS, _REFUSED)), 0
    yield "rows that could not be written", summary.drops, 0


def _same(stored: float | None, kept: float) -> bool:
    return stored is not None and math.isclose(stored, kept, rel_tol=0, abs_tol=_CENT)
