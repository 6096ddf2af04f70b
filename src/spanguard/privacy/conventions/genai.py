"""GenAI: the conventions of 1.37 and of later, still moving generations, those they replaced, OpenAI's and MCP's."""

from __future__ import annotations

from typing import Final

from spanguard import semconv
from spanguard.privacy.conventions.kinds import (
    COST,
    COUNT,
    FLAG,
    SECONDS,
    TOKENS,
    Table,
    contents,
    dropped,
    flags,
    identities,
    listed,
    names,
    tokens,
)
from spanguard.privacy.conventions.known import ERROR, FINISH, PROVIDER, VENDOR
from spanguard.privacy.rules import Each, amount, count, one_of

EFFORT: Final = one_of("none", "minimal", "low", "medium", "high", "xhigh", "max", "auto", "dynamic", "disabled", "enabled")
TIER: Final = one_of(
    *("auto", "default", "flex", "priority", "scale", "standard", "standard_only", "batch", "on_demand", "performance"),
    *("reserved", "optimized", "fast"),
)
SCORE: Final = amount(1000, -1000)
SEED: Final = count(99_999)
PENALTY: Final = amount(2, -2)
FORMAT: Final = one_of("text", "json", "json_object", "json_schema", "image", "speech", "audio", "video", "binary", "xml")
TOKEN_TYPES: Final = one_of(
    *(
        "input",
        "output",
        "total",
        "prompt",
        "completion",
        "reasoning",
        "cache_read",
        "cache_creation",
        "cache_write",
        "cached",
    )
)
ROLES: Final = one_of("system", "developer", "user", "assistant", "tool", "function", "model", "agent")

# What libraries say besides the conventions' own list.
_OPERATIONS: Final = (
    *("completion", "responses", "response", "embedding", "rerank", "image_generation", "image_edit", "transcription"),
    *("speech", "audio", "moderation", "moderations", "run_guardrail", "guardrail", "handoff", "workflow", "task", "agent"),
    *("handle_conversation_turn", "text_generation", "generate", "count_tokens", "batch", "ocr", "search", "evaluate"),
)
_METHODS: Final = (
    *("initialize", "ping", "tools/list", "tools/call", "resources/list", "resources/read", "resources/templates/list"),
    *("resources/subscribe", "resources/unsubscribe", "prompts/list", "prompts/get", "completion/complete", "roots/list"),
    *("sampling/createMessage", "elicitation/create", "logging/setLevel", "notifications/initialized"),
)
_MODALITIES: Final = " ".join(
    f"gen_ai.usage.{modality}.{kind}"
    for modality in ("text", "image", "audio", "video")
    for kind in ("input_tokens", "output_tokens", "cache_read.input_tokens")
)
_DETAILS: Final = " ".join(
    f"{usage}.{detail}"
    for usage in ("gen_ai.usage", "gen_ai.usage.details", "gen_ai.aggregated_usage", "gen_ai.aggregated_usage.details")
    for detail in (
        *("input_tokens", "output_tokens", "total_tokens", "prompt_tokens", "completion_tokens", "reasoning_tokens"),
        *(
            "cached_tokens",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
            "cache_read_tokens",
            "cache_write_tokens",
        ),
        *("cache_read.input_tokens", "cache_creation.input_tokens", "cache_write.input_tokens", "audio_tokens"),
        *("reasoning.output_tokens", "input_audio_tokens", "output_audio_tokens", "cache_audio_read_tokens", "requests"),
        *("accepted_prediction_tokens", "rejected_prediction_tokens", "thoughts_tokens", "tool_use_prompt_tokens"),
        *("text_prompt_tokens", "image_prompt_tokens", "audio_prompt_tokens", "text_candidates_tokens"),
        *("text_cache_tokens", "cached_content_tokens", "web_search_requests", "tool_calls"),
    )
)

TABLE: Final[Table] = {
    semconv.GEN_AI_OPERATION: one_of(*semconv.OPERATIONS, *_OPERATIONS),
    semconv.GEN_AI_TOKEN_TYPE: TOKEN_TYPES,
    "gen_ai.system": VENDOR,
    "gen_ai.framework": PROVIDER,
    "gen_ai.output.type": FORMAT,
    "gen_ai.request.encoding_formats": Each(one_of("base64", "float", "int8", "uint8", "binary", "ubinary")),
    "gen_ai.request.reasoning.level": EFFORT,
    "gen_ai.request.reasoning_effort": EFFORT,
    "gen_ai.response.reasoning_effort": EFFORT,
    "gen_ai.request.reasoning_summary": one_of("auto", "concise", "detailed", "none"),
    "gen_ai.request.repetition_penalty": PENALTY,
    "gen_ai.request.n": count(1000),
    semconv.GEN_AI_CHOICES: count(1000),
    "gen_ai.request.max_completion_tokens": TOKENS,
    "gen_ai.response.finish_reason": FINISH,
    "gen_ai.response.stop_reason": FINISH,
    "gen_ai.response.status": one_of("completed", "failed", "in_progress", "cancelled", "queued", "incomplete"),
    "gen_ai.tool.type": one_of("function", "extension", "datastore", "builtin", "mcp", "custom", "output"),
    "gen_ai.evaluation.score.value": SCORE,
    "gen_ai.embeddings.dimension.count": count(65_536),
    "gen_ai.usage.cost": COST,
    "gen_ai.usage.cost.amount": COST,
    "gen_ai.usage.cost.currency": one_of("USD", "EUR"),
    "gen_ai.usage.cost.source": one_of("provider", "local"),
    "gen_ai.usage.token_type": TOKEN_TYPES,
    "gen_ai.retrieval.top_k": COUNT,
    "gen_ai.message.role": ROLES,
    "gen_ai.task.status": one_of("success", "failure"),
    "gen_ai.task.kind": one_of("workflow", "task", "agent", "tool", "unknown"),
    "gen_ai.server.time_to_first_token": SECONDS,
    "gen_ai.server.time_per_output_token": SECONDS,
    "gen_ai.openai.request.response_format": FORMAT,
    "gen_ai.openai.request.seed": SEED,
    "gen_ai.openai.request.service_tier": TIER,
    "gen_ai.openai.response.service_tier": TIER,
    "gen_ai.openai.api_type": one_of("azure", "open_ai", "azure_ad", "azuread"),
    "gen_ai.guardrail.status": one_of("passed", "failed", "error", "pass", "fail", "success", "failure", "blocked"),
    "gen_ai.guardrail.duration": SECONDS,
    "gen_ai.guardrail.error.type": ERROR,
    "gen_ai.guardrail.guard_count": COUNT,
    "gen_ai.guardrail.failed_guard_count": COUNT,
    "gen_ai.is_streaming": FLAG,
    "openai.api.type": listed("openai.api.type", "chat_completions", "responses", "completions", "embeddings"),
    "openai.request.service_tier": TIER,
    "openai.response.service_tier": TIER,
    "mcp.method.name": listed("mcp.method.name", *_METHODS),
    "mcp.protocol.version": one_of("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"),
    "jsonrpc.protocol.version": one_of("1.0", "2.0"),
    **tokens(f"{_MODALITIES} {_DETAILS}"),
    **flags("gen_ai.conversation.compacted gen_ai.request.stream"),
    **names(
        """
        gen_ai.agent.name gen_ai.agent.version gen_ai.main_agent.name gen_ai.skill.name gen_ai.tool.name
        gen_ai.workflow.name gen_ai.prompt.name gen_ai.prompt.version gen_ai.task.name gen_ai.guardrail.name
        """
    ),
    **identities(
        """
        gen_ai.agent.id gen_ai.agent.call.id gen_ai.main_agent.id gen_ai.skill.id gen_ai.data_source.id
        gen_ai.tool.call.id gen_ai.task.id gen_ai.task.parent.id gen_ai.user gen_ai.request.id
        gen_ai.request.previous_response.id gen_ai.response_id gen_ai.system_fingerprint
        gen_ai.openai.system_fingerprint gen_ai.memory.id gen_ai.memory.store.id
        gen_ai.openai.response.system_fingerprint openai.response.system_fingerprint mcp.session.id mcp.request.id
        """
    ),
    **contents(
        """
        gen_ai.prompt gen_ai.completion gen_ai.input.messages gen_ai.output.messages gen_ai.system_instructions
        gen_ai.agent.description gen_ai.content.prompt gen_ai.content.completion gen_ai.content.completion.chunk
        gen_ai.evaluation.explanation gen_ai.request.stop_sequences gen_ai.request.structured_output_schema
        gen_ai.retrieval.documents gen_ai.retrieval.query gen_ai.retrieval.query.text gen_ai.tool.call.arguments
        gen_ai.tool.call.result gen_ai.tool.definitions gen_ai.tool.description gen_ai.tool.input gen_ai.tool.output
        gen_ai.completion.tool.arguments gen_ai.completion.tool.result gen_ai.task.input gen_ai.task.output
        gen_ai.guardrail.input gen_ai.guardrail.output gen_ai.guardrail.error.message gen_ai.memory.content
        gen_ai.workflow.nodes gen_ai.workflow.edges gen_ai.prompt.redacted gen_ai.headers gen_ai.usage.raw
        mcp.request.argument mcp.response.value mcp.resource.uri
        """
    ),
    **dropped(
        """
        gen_ai.openai.api_base gen_ai.openai.api_version gen_ai.request.stream_cursor mcp.session.init_options
        jsonrpc.request.id
        """
    ),
}
BELOW: Final[Table] = {
    **contents(
        """
        gen_ai.prompt. gen_ai.completion. gen_ai.input. gen_ai.output. gen_ai.system_instructions. gen_ai.retrieval.
        gen_ai.tool.call. gen_ai.tool.definitions. gen_ai.headers. mcp.request.argument. mcp.response.value.
        """
    )
}
"""First words of keys that continue in whatever a user, a model or a program chose."""
