"""The names of other packages for language models: OpenLLMetry, OpenInference, Langfuse, Logfire, Pydantic AI, LiteLLM."""

from __future__ import annotations

from typing import Final

from spanguard.privacy.conventions.genai import EFFORT, PENALTY, ROLES, SCORE, SEED, TOKEN_TYPES
from spanguard.privacy.conventions.kinds import (
    COST,
    COUNT,
    FLAG,
    MILLISECONDS,
    SECONDS,
    SHARE,
    STATUS,
    Table,
    contents,
    counts,
    dropped,
    flags,
    identities,
    names,
    tokens,
)
from spanguard.privacy.conventions.known import DEPLOYMENT, ERROR, FINISH, HOST, MODEL, PROVIDER, VENDOR
from spanguard.privacy.rules import amount, count, one_of

_MIME: Final = one_of(
    *("text/plain", "application/json", "text/html", "text/markdown", "text/event-stream", "application/pdf", "image/png"),
    *("image/jpeg", "image/webp", "image/gif", "audio/wav", "audio/mpeg", "audio/mp3", "audio/ogg", "video/mp4", "text"),
)
_ANNOTATOR: Final = one_of("LLM", "HUMAN", "CODE")
_KINDS: Final = one_of(
    *("TOOL", "CHAIN", "LLM", "RETRIEVER", "EMBEDDING", "AGENT", "RERANKER", "UNKNOWN", "GUARDRAIL", "EVALUATOR", "PROMPT"),
    *("DECISION", "workflow", "task", "agent", "tool", "unknown"),
)
_TEMPERATURE: Final = amount(2)
_VERDICT: Final = one_of("success", "failure", "pass", "fail", "passed", "failed", "error", "blocked", "masked", "not_run")

OPENINFERENCE: Final[Table] = {
    "openinference.span.kind": _KINDS,
    "llm.provider": PROVIDER,
    "llm.system": PROVIDER,
    "decision.provider": PROVIDER,
    "decision.system": PROVIDER,
    "llm.model_name": MODEL,
    "llm.request.model_name": MODEL,
    "llm.response.model_name": MODEL,
    "decision.model_name": MODEL,
    "decision.request.model_name": MODEL,
    "decision.response.model_name": MODEL,
    "embedding.model_name": MODEL,
    "reranker.model_name": MODEL,
    "reranker.top_k": COUNT,
    "llm.finish_reason": FINISH,
    "input.mime_type": _MIME,
    "output.mime_type": _MIME,
    "audio.mime_type": _MIME,
    "document.mime_type": _MIME,
    "message.role": ROLES,
    "message_content.type": one_of("text", "image", "audio", "video", "document", "file", "reasoning", "tool_use"),
    "document.score": SCORE,
    "annotation.score": SCORE,
    "annotation.annotator_kind": _ANNOTATOR,
    "evaluation.score": SCORE,
    "evaluation.annotator_kind": _ANNOTATOR,
    **dict.fromkeys(
        """
        llm.cost.total llm.cost.prompt llm.cost.prompt_details.input llm.cost.prompt_details.audio llm.cost.completion
        llm.cost.prompt_details.cache_input llm.cost.prompt_details.cache_read llm.cost.prompt_details.cache_write
        llm.cost.completion_details.output llm.cost.completion_details.reasoning llm.cost.completion_details.audio
        """.split(),
        COST,
    ),
    **tokens(
        """
        llm.token_count.total llm.token_count.prompt llm.token_count.prompt_details.audio llm.token_count.completion
        llm.token_count.prompt_details.cache_input llm.token_count.prompt_details.cache_read
        llm.token_count.prompt_details.cache_write llm.token_count.completion_details.audio
        llm.token_count.completion_details.reasoning decision.token_count.input decision.token_count.output
        """
    ),
    **names(
        """
        openinference.project.name agent.name tool.name graph.node.name prompt.vendor prompt.id annotation.name
        annotation.label evaluation.name evaluation.label llm.prompt_template.version message.function_call_name
        tool_call.function.name message.name
        """
    ),
    **identities(
        "tool.id tool_call.id message.tool_call_id document.id graph.node.id graph.node.parent_id message_content.id"
    ),
    **contents(
        """
        input.value output.value input.images output.images input.documents output.documents embedding.embeddings
        embedding.text embedding.vector embedding.invocation_parameters llm.function_call llm.invocation_parameters
        llm.input_messages llm.output_messages llm.prompts llm.completions llm.choices llm.tools
        llm.prompt_template.template llm.prompt_template.variables tool.description tool.parameters tool.json_schema
        retrieval.documents reranker.input_documents reranker.output_documents reranker.query metadata tag.tags
        message.content message.contents message.tool_calls message.function_call_arguments_json message_content.text
        message_content.image message_content.audio message_content.video message_content.document
        message_content.data image.url audio.url message_content.encrypted_content message_content.signature
        audio.transcript video.url document.content document.metadata document.url document.name
        tool_call.function.arguments tool_call.reasoning_signature prompt.text prompt.url completion.text
        annotation.explanation annotation.metadata evaluation.explanation evaluation.metadata annotations evaluations
        trace.annotations trace.evaluations session.annotations session.evaluations
        """
    ),
    **dropped(
        """
        annotation.identifier evaluation.identifier llm.token_count.prompt_details llm.cost.prompt_details
        llm.cost.completion_details
        """
    ),
}
OPENLLMETRY: Final[Table] = {
    "traceloop.span.kind": _KINDS,
    "llm.request.type": one_of("completion", "chat", "rerank", "embedding", "unknown", "acompletion", "aembedding"),
    "llm.frequency_penalty": PENALTY,
    "llm.presence_penalty": PENALTY,
    "llm.request.repetition_penalty": PENALTY,
    "llm.top_k": amount(999_999),
    "llm.top_p": SHARE,
    "llm.request.top_p": SHARE,
    "llm.temperature": _TEMPERATURE,
    "llm.request.temperature": _TEMPERATURE,
    "llm.model": MODEL,
    "llm.request.model": MODEL,
    "llm.response.model": MODEL,
    "llm.vendor": VENDOR,
    "llm.response.cost": COST,
    "llm.usage.token_type": TOKEN_TYPES,
    "llm.response.finish_reason": FINISH,
    "llm.response.stop_reason": FINISH,
    "llm.request.reasoning_effort": EFFORT,
    "llm.watsonx.decoding_method": one_of("greedy", "sample"),
    "llm.watsonx.random_seed": SEED,
    "llm.watsonx.repetition_penalty": PENALTY,
    "db.vector.query.top_k": COUNT,
    **flags("llm.is_streaming llm.stream traceloop.prompt.managed"),
    **tokens(
        """
        llm.request.max_tokens llm.max_tokens llm.usage.total_tokens llm.usage.prompt_tokens
        llm.usage.completion_tokens llm.usage.reasoning_tokens llm.usage.cache_creation_input_tokens
        llm.usage.cache_read_input_tokens llm.token.counts.total llm.token.counts.prompt llm.token.counts.completion
        llm.watsonx.max_new_tokens llm.watsonx.min_new_tokens pinecone.usage.read_units pinecone.usage.write_units
        pinecone.query.top_k
        """
    ),
    **names(
        """
        traceloop.workflow.name traceloop.entity.name traceloop.entity.path traceloop.prompt.key
        traceloop.prompt.version_name pinecone.query.namespace
        """
    ),
    **identities("llm.user llm.response.id traceloop.correlation.id traceloop.prompt.version_hash pinecone.query.id"),
    **contents(
        """
        traceloop.entity.input traceloop.entity.output traceloop.association.properties traceloop.prompt.template
        traceloop.prompt.template_variables llm.chat.stop_sequences llm.request.functions llm.headers
        llm.content.completion.chunk pinecone.query.filter pinecone.query.queries db.query.embeddings db.query.result
        db.search.embeddings db.search.result langgraph.command.goto_node langgraph.command.goto_nodes
        langgraph.command.source_node
        """
    ),
    **dropped("traceloop.entity.version traceloop.prompt.version"),
}
LANGFUSE: Final[Table] = {
    "langfuse.observation.type": one_of(
        *("span", "generation", "event", "embedding", "agent", "tool", "chain", "retriever", "guardrail", "evaluator"),
    ),
    "langfuse.observation.level": one_of("DEBUG", "DEFAULT", "WARNING", "ERROR"),
    "langfuse.observation.model.name": MODEL,
    "langfuse.environment": DEPLOYMENT,
    **flags("langfuse.trace.public langfuse.internal.as_root langfuse.internal.is_app_root"),
    **names(
        "langfuse.trace.name langfuse.observation.prompt.name langfuse.experiment.name langfuse.release langfuse.version"
    ),
    **identities(
        """
        langfuse.observation.id langfuse.experiment.id langfuse.experiment.dataset.id langfuse.experiment.item.id
        langfuse.experiment.item.root_observation_id langfuse.trace.id langfuse.session.id langfuse.user.id
        """
    ),
    **contents(
        """
        langfuse.trace.tags langfuse.trace.metadata langfuse.trace.input langfuse.trace.output
        langfuse.observation.input langfuse.observation.output langfuse.observation.metadata
        langfuse.observation.status_message langfuse.observation.model.parameters langfuse.observation.usage_details
        langfuse.observation.cost_details langfuse.experiment.description langfuse.experiment.metadata
        langfuse.experiment.item.expected_output langfuse.experiment.item.metadata
        """
    ),
    **dropped(
        """
        langfuse.observation.completion_start_time langfuse.observation.prompt.version
        langfuse.experiment.item.version
        """
    ),
}
LOGFIRE: Final[Table] = {
    "logfire.level_num": count(100),
    "logfire.span_type": one_of("log", "span", "pending_span"),
    "logfire.sample_rate": SHARE,
    "operation.cost": COST,
    **flags("logfire.null_args logfire.disable_console_log logfire.pending_span"),
    **identities("logfire.exception.fingerprint logfire.pending_parent_id"),
    **contents(
        """
        logfire.msg logfire.msg_template logfire.json_schema logfire.tags logfire.scrubbed logfire.metrics
        request_data response_data pydantic_ai.all_messages all_messages_events final_result tool_arguments
        tool_response events model_request_parameters pydantic_ai.variable_instructions code.work_dir
        """
    ),
    **dropped("logfire.logger_name logfire.metadata logfire.package_versions"),
}
PYDANTIC_AI: Final[Table] = {
    "model_name": MODEL,
    "pydantic_ai.cache.hit_ratio": SHARE,
    "pydantic_ai.batch.status": one_of("created", "in_progress", "completed", "failed", "cancelled", "expired", "ended"),
    "pydantic_ai.output.retry.cause": one_of("model_retry", "validation_error", "validator", "tool_retry", "unexpected"),
    "pydantic_ai.tool.retry.cause": one_of("model_retry", "validation_error", "validator", "tool_retry", "unexpected"),
    "pydantic_ai.tool.failure_stage": one_of("validation", "execution", "approval", "lookup"),
    "pydantic_ai.response.state": one_of("complete", "incomplete", "interrupted", "suspended"),
    "pydantic_ai.transport": one_of("http", "websocket", "sse"),
    "pydantic_ai.decision.confidence": SHARE,
    **counts(
        """
        pydantic_ai.model_request.attempt pydantic_ai.tool.retry.attempt pydantic_ai.tool.retry.max_retries
        pydantic_ai.output.retry.attempt pydantic_ai.output.retry.max_retries pydantic_ai.batch.request_count
        pydantic_ai.cache.missed_tokens pydantic_ai.cache.established_tokens pydantic_ai.cache.applied_breakpoints
        pydantic_ai.cache.requested_breakpoints pydantic_ai.new_message_index pydantic_ai.decision.usage.input_tokens
        pydantic_ai.decision.usage.output_tokens pydantic_ai.audio_chunks_dropped pydantic_ai.transcript_items_dropped
        """
    ),
    **flags("pydantic_ai.cache.collapsed pydantic_ai.durable_exec.in_durable_unit"),
    **names("agent_name pydantic_ai.tool.deferral.name pydantic_ai.workspace.provider"),
    **identities("pydantic_ai.batch.id pydantic_ai.workspace.id"),
}
LITELLM: Final[Table] = {
    "litellm.cache_hit": FLAG,
    "litellm.request.streaming": FLAG,
    "litellm.health_check": FLAG,
    "litellm.cost.guardrail": COST,
    "litellm.saved_cache_cost": COST,
    "litellm.provider.model": MODEL,
    "litellm.provider.error.llm_provider": PROVIDER,
    "litellm.provider.error.code": STATUS,
    "litellm.provider.error.type": ERROR,
    "litellm.service.target": HOST,
    "litellm.guardrail.status": _VERDICT,
    "litellm.guardrail.duration": SECONDS,
    "litellm.guardrail.risk_score": SCORE,
    "litellm.guardrail.confidence_score": SCORE,
    "litellm.guardrail.masked_entity_count": COUNT,
    "litellm.guardrail.action": one_of("allowed", "blocked", "masked", "none", "redacted"),
    "litellm.guardrail.mode": one_of("pre_call", "post_call", "during_call", "logging_only"),
    "litellm.preprocessing.duration_ms": MILLISECONDS,
    "litellm.call_type": one_of("completion", "acompletion", "embedding", "aembedding", "responses", "aresponses"),
    **names(
        "litellm.model_group litellm.service.name litellm.guardrail.name litellm.guardrail.provider litellm.mcp.server.name"
    ),
    **identities(
        """
        litellm.call_id litellm.trace_id litellm.team.id litellm.team_id litellm.team.alias litellm.team_alias
        litellm.key_alias litellm.api_key.hash litellm.end_user.id litellm.guardrail.id
        """
    ),
    **contents(
        "litellm.provider.error.stack_trace litellm.guardrail.response litellm.team.metadata litellm.request.tools.declared"
    ),
}

TABLE: Final[Table] = {**OPENINFERENCE, **OPENLLMETRY, **LANGFUSE, **LOGFIRE, **PYDANTIC_AI, **LITELLM}
BELOW: Final[Table] = {
    **contents(
        """
        llm.input_messages. llm.output_messages. llm.prompts. llm.completions. llm.choices. llm.tools. llm.headers.
        llm.request.functions. llm.prompt_template.variables. llm.invocation_parameters. retrieval.documents.
        metadata. embedding.embeddings. reranker.input_documents. reranker.output_documents. input.images.
        output.images. input.documents. output.documents. message. message_content. tool_call.
        traceloop.association.properties. traceloop.prompt.template_variables. traceloop.prompt.
        langfuse.trace.metadata. langfuse.observation.metadata. langfuse.experiment.metadata.
        langfuse.experiment.item.metadata. langfuse.trace.compat. litellm.metadata. litellm.team.metadata.
        db.query.result. db.search.result. db.query.embeddings. db.search.embeddings. pydantic_ai.decision.
        annotations. evaluations. logfire.
        """
    )
}
