"""Anthropic's messages and the events that stream them."""

from __future__ import annotations

from typing import Final

from spanguard._core.readers import counts
from spanguard._core.readers.reading import Get, Reading, finish_reasons, getter, text
from spanguard._core.usage import Usage, tokens

# The same classes serve three clouds; the id tells which one answered.
_CLOUDS: Final = (("msg_bdrk_", "aws.bedrock"), ("msg_vrtx_", "gcp.vertex_ai"))


def message(get: Get) -> Reading:
    """Read a message. Its input excludes cached tokens; the conventions' includes them."""
    own_id = text(get("id"))
    cloud = next((name for prefix, name in _CLOUDS if own_id and own_id.startswith(prefix)), "anthropic")
    return Reading(counts.usage(get("usage")), text(get("model")), own_id, finish_reasons([get("stop_reason")]), cloud)


def delta(get: Get, before: Usage) -> Reading:
    """Read a ``message_delta``: running totals, which may leave out what ``message_start`` said of the cache."""
    usage, change = get("usage"), get("delta")
    reasons = () if change is None else finish_reasons([getter(change)("stop_reason")])
    if usage is None:
        return Reading(finish_reasons=reasons)
    now = counts.usage(usage)
    within = getter(usage)
    sent = tokens(counts.WHERE, within("input_tokens"))
    if sent is not None:
        read, written = counts.separate(within) or (None, None)
        cached = (before.cache_read if read is None else read, before.cache_write if written is None else written)
        now = now._replace(input=sent + (cached[0] or 0) + (cached[1] or 0))
    return Reading(now, finish_reasons=reasons)
