"""spanguard in the yardstick of peers: the decorator in both generations, without a meter provider, and ``with``.

Belongs into the ``contestants`` folder of a yardstick whose ``common`` has the workload: its arguments ``KW`` and, for each
contestant, a ``ctx`` with the functions to trace and with providers. Needs an environment of the name in ``VENV``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

VENV, CASES = "spanguard", ("full", "dev", "span", "with")

sync_call: Callable[[], object]
async_call: Callable[[], object]
stream_call: Callable[[int], None]
astream_call: Callable[[int], object]


def setup(ctx: Any) -> None:
    """Trace the workload in one of the cases."""
    global sync_call, async_call, stream_call, astream_call

    from common import KW  # type: ignore[import-not-found]  # the yardstick's

    from spanguard import settings, traced_llm_call

    settings.use(settings.Settings(semconv="dev-2026-10" if ctx.case == "dev" else "1.37"))
    ctx.tracer_provider(set_global=True)
    if ctx.case != "span":
        ctx.meter_provider(set_global=True)
    verb = traced_llm_call(provider="openai")
    chat, achat, stream, astream = (verb(each) for each in (ctx.chat, ctx.achat, ctx.chat_stream, ctx.achat_stream))
    within = traced_llm_call(provider="openai", model=KW["model"])

    def with_call() -> object:
        with within as call:
            answer = ctx.chat(**KW)
            call.record_response(answer)
            return answer

    def sync_call() -> object:
        return chat(**KW)

    async def async_call() -> object:
        return await achat(**KW)

    def stream_call(n: int) -> None:
        for _ in stream(n=n, **KW):
            pass

    async def astream_call(n: int) -> None:
        async for _ in astream(n=n, **KW):
            pass

    if ctx.case == "with":
        sync_call = with_call
