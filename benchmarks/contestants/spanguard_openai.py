"""spanguard in the yardstick of peers: the openai SDK instrumented, with no retries and with the SDK's own default of two.

Belongs into the ``auto`` folder of a yardstick. Where retries are allowed, ours tells of the operation, of each attempt and
of each HTTP request besides.
"""

from __future__ import annotations

from typing import Any

VENV, CASES = "spanguard", ("off", "retries")

_case = "off"


def setup(ctx: Any) -> None:
    """Instrument the SDK."""
    global _case

    from spanguard.instrumentation.openai import OpenAIInstrumentor

    _case = ctx.case
    ctx.tracer_provider(set_global=True)
    ctx.meter_provider(set_global=True)
    OpenAIInstrumentor().instrument()


def client(openai: Any, url: str) -> Any:
    """Return the client that is measured."""
    return openai.OpenAI(api_key="x", base_url=url, max_retries=2 if _case == "retries" else 0)
