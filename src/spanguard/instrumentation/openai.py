"""openai 2.0 to 3.52, sync, async and Azure.

What is seen: each call of a model (chat completions, completions, responses, embeddings), whole or streamed, as a CLIENT
span with its usage, unless another instrumentation makes one or the program calls within `spanguard.traced_llm_call`: then
the usage alone is counted, for the attempt that the call serves. Inside it the SDK's retries, of all other requests too: an
operation `retry` named for the API, an attempt for each time that it was sent, its status or error, and each wait, with who
chose it. A request that succeeds at once is told on the span of its call, where that is ours. With ``max_retries=0`` there is
no such operation.

Of ``with_raw_response`` and ``with_streaming_response`` a stream is followed, and a body read, when the program parses it.
"""

from __future__ import annotations

from typing import ClassVar, Final

from spanguard.instrumentation._adapter import Clearable, Instrumentor, Patch
from spanguard.instrumentation._stainless import Sdk, patches

_APIS: Final = {
    "chat/completions": ("chat.completions", "chat"),
    "completions": ("completions", "text_completion"),
    "responses": ("responses", "chat"),
    "embeddings": ("embeddings", "embeddings"),
    **{
        name: (name, None)
        for name in (
            *("assistants", "audio", "batches", "chat", "containers", "conversations", "evals", "files", "fine_tuning"),
            *("images", "models", "moderations", "realtime", "threads", "uploads", "vector_stores", "videos"),
        )
    },
}
# Who speaks like OpenAI, by the host that documents it.
_PROVIDERS: Final = {
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.moonshot.ai": "moonshot_ai",
    "api.perplexity.ai": "perplexity",
    "api.x.ai": "x_ai",
}


def _provider(kind: type, host: str) -> str:
    return "azure.ai.openai" if kind.__name__.endswith("AzureOpenAI") else _PROVIDERS.get(host, "openai")


_SDK: Final = Sdk("openai", _APIS, _provider)


class OpenAIInstrumentor(Instrumentor):
    """Shows the calls and the retries of the openai SDK."""

    library = "openai"
    requires: ClassVar[tuple[str, ...]] = ("openai >= 2, < 4",)
    patches: ClassVar[tuple[Patch, ...]] = patches(_SDK, "request", "_legacy_response.LegacyAPIResponse")
    known: ClassVar[tuple[Clearable, ...]] = (_SDK,)
