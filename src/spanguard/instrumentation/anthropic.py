"""anthropic 2.0 to 2.12, sync and async, also for Bedrock and Vertex AI.

What is seen: under the span that the SDK itself makes of each call, its retries: an operation `retry` named for the API, an
attempt for each time that the request was sent, its status or error, and each wait, with who chose it. What the call used
is counted for the attempt that it serves. Where the SDK makes no span (``ANTHROPIC_OPEN_TELEMETRY=false``) and nobody else
does, the call has one of ours, with its usage. With ``max_retries=0`` there is no operation.
"""

from __future__ import annotations

from typing import ClassVar, Final

from spanguard.instrumentation._adapter import Clearable, Instrumentor, Patch
from spanguard.instrumentation._stainless import Sdk, patches

_APIS: Final = {
    "v1/messages": ("messages", "chat"),
    "v1/complete": ("completions", "text_completion"),
    **{name: (name, None) for name in ("agents", "environments", "files", "messages", "models", "sessions", "skills")},
}


def _provider(kind: type, _host: str) -> str:
    name = kind.__name__
    if "Bedrock" in name:
        return "aws.bedrock"
    return "gcp.vertex_ai" if "Vertex" in name else "anthropic"


_SDK: Final = Sdk("anthropic", _APIS, _provider)


class AnthropicInstrumentor(Instrumentor):
    """Shows the retries of the anthropic SDK."""

    library = "anthropic"
    requires: ClassVar[tuple[str, ...]] = ("anthropic >= 2, < 3",)
    patches: ClassVar[tuple[Patch, ...]] = patches(_SDK, "_request")
    known: ClassVar[tuple[Clearable, ...]] = (_SDK,)
