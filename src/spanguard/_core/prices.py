"""What a call costs by the prices of genai-prices: only where it is installed and switched on, and nobody stated a cost.

The package brings its prices with it and fetches newer ones only if the program itself starts its ``UpdatePrices``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from spanguard._core.border import report
from spanguard._core.usage import Usage

_IDS: Final = {
    "aws.bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "x_ai": "x-ai",
}
_FIELDS: Final = {
    ("input", "audio"): "input_audio_tokens",
    ("output", "audio"): "output_audio_tokens",
    ("cache_read", "audio"): "cache_audio_read_tokens",
}
_MOST_UNKNOWN: Final = 1000

_unknown: set[tuple[str | None, str]] = set()
_library: tuple[Callable[..., Any], Callable[..., Any]] | None = None
_absent = False


def price(provider: str | None, model: str, usage: Usage) -> float | None:
    """Return what these tokens cost in USD, or None where their price is not known."""
    known = _load() if usage.counted else None
    if known is None or (provider, model) in _unknown:
        return None
    calculate, count = known
    try:
        found = calculate(count(**_counts(usage)), model, provider_id=_IDS.get(provider, provider) if provider else None)
    except LookupError:
        if len(_unknown) < _MOST_UNKNOWN:  # looking a model up in vain takes milliseconds
            _unknown.add((provider, model))
        report("prices", "genai-prices has no price for a model, its cost is left out")
        return None
    return float(found.total_price)


def _counts(usage: Usage) -> dict[str, int]:
    counts = {
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write,
    }
    for kind, modality, count in usage.modal or ():
        if (kind, modality) in _FIELDS:
            counts[_FIELDS[kind, modality]] = count
    return {name: count for name, count in counts.items() if count is not None}


def _load() -> tuple[Callable[..., Any], Callable[..., Any]] | None:
    # Once, when the first call wants a price: it takes a third of a second.
    global _library, _absent
    if _library is None and not _absent:
        try:
            import genai_prices  # type: ignore[import-not-found, unused-ignore]  # pyright: ignore[reportMissingImports]
        except ImportError:
            _absent = True
            report("prices", "SPANGUARD_PRICES is set, but genai-prices is not installed (pip install spanguard[prices])")
        else:
            _library = genai_prices.calc_price, genai_prices.Usage
    return _library
