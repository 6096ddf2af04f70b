"""The closed lists of values that an attribute may have, and the few values with a meaning of their own."""

from __future__ import annotations

from typing import Final

# A table reads best with one row a line.
# fmt: off

POLICIES: Final = ("retry", "repair", "failover", "circuit_breaker", "rate_limiter", "cache", "validator")
OUTCOMES: Final = ("success", "recovered", "exhausted", "failed", "degraded", "rejected", "cancelled")
ATTEMPT_OUTCOMES: Final = ("success", "error", "invalid", "cancelled")
DISPOSITIONS: Final = ("useful", "wasted")
TOKEN_TYPES: Final = ("input", "output")
DELAY_SOURCES: Final = ("backoff", "retry_after")
VALIDATION_STAGES: Final = ("input", "output", "tool")
ACTIONS: Final = ("allowed", "warned", "blocked", "fixed", "retried")
RISK_LEVELS: Final = ("low", "medium", "high", "critical")
PATTERN_CATEGORIES: Final = (
    *("destructive_rm", "pipe_to_shell", "privilege_escalation", "data_exfiltration", "recursive_operations"),
    *("prompt_injection", "secret", "personal_data", "other"),
)
BREAKER_STATES: Final = ("closed", "half_open", "open")
BREAKER_RESULTS: Final = ("success", "failure", "ignored", "rejected")
LIMITER_RESULTS: Final = ("acquired", "delayed", "rejected", "timeout", "cancelled")
LIMITER_ACTIONS: Final = ("acquire", "delay", "block", "skip")
CACHE_RESULTS: Final = ("hit", "miss", "stale", "bypass", "error")
HTTP_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY", "_OTHER")
USAGE_SOURCES: Final = ("provider", "caller")
COST_SOURCES: Final = ("provider", "caller", "prices")
LIBRARIES: Final = ("tenacity", "stamina", "google-genai", "openai", "anthropic", "instructor", "pydantic-ai", "litellm", "langchain", "pybreaker", "circuitbreaker", "aiolimiter", "pyrate-limiter", "guardrails-ai", "urllib3", "httpx-retries")
MISUSES: Final = ("retry_on_generator", "retry_on_coroutine", "retry_excludes_method", "retry_not_configured", "retry_after_too_long", "breaker_on_coroutine", "breaker_never_blocks", "fallback_never_used")
MODALITIES: Final = ("text", "image", "audio", "unknown")
PRIVACY_MODES: Final = ("strict", "balanced", "off")
PRIVACY_SIGNALS: Final = ("span", "event", "link", "log", "metric", "exemplar", "resource", "scope")
PRIVACY_FIELDS: Final = ("attribute", "name", "status", "trace_state", "body", "version", "schema_url", "number", "description", "whole")
PRIVACY_REASONS: Final = ("content", "unknown_key", "not_in_vocabulary", "pseudonym", "out_of_range", "wrong_type", "free_text", "internal_error")
SIGNALS: Final = ("traces", "metrics", "logs")
DROP_REASONS: Final = ("queue_full", "spool_full", "refused", "rejected", "damaged", "not_written", "unsent")
UNRECOVERABLE: Final = frozenset(
    {"authentication", "bad_request", "not_found", "model_load_failed", "out_of_memory", "context_length"}
)
ERROR_CATEGORIES: Final = (
    *("timeout", "rate_limited", "overloaded", "connection", "authentication", "bad_request", "not_found", "content_filtered", "context_length"),
    *("parse_error", "validation_error", "backend_error", "inference_failed", "model_load_failed", "out_of_memory", "circuit_open", "cancelled", "other"),
)
# Each is a `gen_ai.operation.name` of the conventions; a custom value is left out and reported once.
OPERATIONS: Final = (
    *("chat", "generate_content", "text_completion", "embeddings", "retrieval", "fetch_response", "create_agent"),
    *("invoke_agent", "invoke_workflow", "plan", "execute_tool", "create_memory", "create_memory_store"),
    *("update_memory", "upsert_memory", "search_memory", "delete_memory", "delete_memory_store"),
)
# The conventions' list; `static` and `embedded` are our names for answers that come from the program itself.
PROVIDERS: Final = (
    *("anthropic", "aws.bedrock", "azure.ai.inference", "azure.ai.openai", "cohere", "deepseek", "gcp.gemini"),
    *("gcp.gen_ai", "gcp.vertex_ai", "groq", "ibm.watsonx.ai", "mistral_ai", "moonshot_ai", "openai", "perplexity"),
    *("x_ai", "static", "embedded"),
)
# What providers and servers of models document; a value outside the list is reported as `_OTHER`.
_REASONS: Final = """
    stop length content_filter tool_calls function_call error completed incomplete failed cancelled max_output_tokens end_turn
    max_tokens stop_sequence tool_use refusal pause_turn model_context_window_exceeded safety recitation language blocklist
    prohibited_content spii malformed_function_call image_safety other image_prohibited_content image_other no_image
    image_recitation unexpected_tool_call too_many_tool_calls missing_thought_signature malformed_response escalation
    pup_limited_disabled continuation model_armor compaction guardrail_intervened content_filtered malformed_model_output
    malformed_tool_use complete tool_call eos_token eos eot stop_token model_length max_length max_len context_length timeout
    error_toxic error_limit user_cancel finish_reason_unspecified unspecified unknown none null finish finished not_finished
    success canceled abort aborted content_policy_violation sensitive network_error repetition repetition_detected
    max_completion_tokens token_limit time_limit reason_stop reason_max_len reason_max_context reason_time_limit
    stop_criteria_met interrupted pause paused queued requires_action expired in_progress insufficient_system_resource jailbreak
    load unload endoftext normal server_stop user_aborted final_answer rate_limit content_blocked blocked reason_tool_calls
    reason_end_turn
""".split()
_LIMITS: Final = (
    *(f"max_{each}" for each in ("turns", "steps", "iterations", "rounds", "new_tokens", "time", "context", "tool_calls")),
    *(f"{each}_limit" for each in ("length", "context", "output", "turn", "step", "iteration", "budget", "cost", "recursion")),
    *(f"stop_{each}" for each in ("sequences", "word", "words", "tokens", "string", "str", "id", "criteria")),
)
FINISH_REASONS: Final = frozenset(
    form
    for reason in (*_REASONS, *_LIMITS)
    for form in (reason, reason.upper(), reason.replace("_", "-"), reason.title().replace("_", ""), reason.capitalize())
)
"""Why a model ended, as providers spell it: ``tool_use``, ``TOOL_USE``, ``tool-use``, ``ToolUse``."""
OTHER: Final = "_OTHER"
RESENT: Final = "spanguard-resent"
"""Key in OpenTelemetry's context: how often the innermost retry has tried before. Both wings know it."""
OVERFLOW: Final = "_other"
