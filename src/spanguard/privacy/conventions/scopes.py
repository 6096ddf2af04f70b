"""Names of events and of instrumentation scopes, and schema URLs, as they may be shown."""

from __future__ import annotations

from typing import Final

from spanguard import semconv
from spanguard.privacy.conventions.installed import is_distribution, is_public_module
from spanguard.privacy.rules import LONGEST

_EVENTS: Final = frozenset(semconv.EVENTS) | frozenset(
    """
    exception message log event gen_ai.system.message gen_ai.user.message gen_ai.assistant.message gen_ai.tool.message
    gen_ai.choice gen_ai.content.prompt gen_ai.content.completion gen_ai.client.inference.operation.details
    gen_ai.client.operation.exception gen_ai.evaluation.result gen_ai.server.inference.operation.details
    feature_flag.evaluation feature_flag rpc.message session.start session.end app.crash app.jank app.screen.click
    app.widget.click browser.web_vital device.app.lifecycle device.crash az.resource.log llm.content.completion.chunk
    db.client.operation.exception http.client.request.exception http.server.request.exception
    rpc.client.call.exception rpc.server.call.exception messaging.client.operation.exception faas.invocation.exception
    k8s.pod.event process.runtime.gc cicd.pipeline.run retry evaluation First_Token_Stream_Event
    """.split()
)
_SCOPES: Final = frozenset(
    """
    spanguard spanguard.genai logfire langfuse langfuse-sdk pydantic-ai pydantic_ai openai anthropic traceloop
    traceloop.tracer openlit openinference litellm haystack crewai agno mlflow lmnr agentops opik autogen smolagents
    ai gcp.vertex.agent google.adk llama_index llama-index langchain langgraph mcp opentelemetry.util.genai.handler
    opentelemetry.sdk opentelemetry.sdk.trace opentelemetry.sdk.metrics opentelemetry.sdk._logs
    opentelemetry.exporter.otlp semantic_kernel agent_framework Microsoft.SemanticKernel azure.core.tracing azure-core
    strands.telemetry.tracer agents openai.agents openai_agents logfire.openai logfire.anthropic logfire.pydantic
    logfire.litellm logfire.system_metrics
    """.split()
)
_INSTRUMENTED: Final = frozenset(
    """
    aio_pika aiohttp_client aiohttp_server aiokafka aiopg asgi asyncclick asyncio asyncpg auto_instrumentation
    aws_lambda boto boto3sqs botocore cassandra celery click confluent_kafka dbapi django elasticsearch exceptions
    falcon fastapi flask grpc httpx httpx2 jinja2 kafka kafka_python logging mysql mysqlclient openai_v2 pika psycopg
    psycopg2 pymemcache pymongo pymssql pymysql pyramid redis remoulade requests sqlalchemy sqlite3 starlette
    structlog system_metrics threading tornado tortoiseorm urllib urllib3 vertexai wsgi google_genai openai_agents_v2
    anthropic genai_openai openai_agents langchain weaviate claude_agent_sdk agno alephalpha bedrock chromadb cohere
    crewai google_generativeai groq haystack lancedb llamaindex marqo mcp milvus mistralai ollama openai pinecone
    qdrant replicate sagemaker together transformers vertexai voyageai watsonx writer instructor litellm dspy
    guardrails autogen autogen_agentchat beeai google_adk pydantic_ai smolagents portkey pipecat strands llama_index
    openllmetry openlit promptflow
    """.split()
)
_FAMILIES: Final = ("opentelemetry.instrumentation.", "openinference.instrumentation.")
_SCHEMAS: Final = "https://opentelemetry.io/schemas/"
_OURS: Final = frozenset({semconv.SCHEMA_URL, *(generation.schema_url for generation in semconv.GENERATIONS.values())})
_MOST_KEPT: Final = 1000

_kept: set[str] = set()


def is_event(name: str) -> bool:
    """Whether the name is that of an event of the conventions, of a known library, or of ours."""
    return type(name) is str and name in _EVENTS


def is_scope(name: str) -> bool:
    """Whether the name is that of a known instrumentation, or of a package or module that is installed for everyone.

    Modules of the application itself are none: their names are its own.
    """
    if type(name) is not str or len(name) > LONGEST:
        return False
    if name in _kept:
        return True
    if name in _SCOPES or _is_instrumentation(name) or is_distribution(name) or is_public_module(name):
        if len(_kept) < _MOST_KEPT:
            _kept.add(name)
        return True
    return False


def _is_instrumentation(name: str) -> bool:
    for family in _FAMILIES:
        if name.startswith(family):
            return name.removeprefix(family) in _INSTRUMENTED
    return False


def is_schema_url(url: str) -> bool:
    """Whether the URL is that of a schema of OpenTelemetry's, 1.0.0 to 1.199.9, or of ours."""
    if type(url) is not str or len(url) > LONGEST:
        return False
    return url in _OURS or (url.startswith(_SCHEMAS) and _is_version(url.removeprefix(_SCHEMAS)))


def _is_version(text: str) -> bool:
    parts = text.split(".")
    if len(parts) != 3 or not text.isascii() or not all(part.isdecimal() and str(int(part[:4])) == part for part in parts):
        return False
    major, minor, patch = map(int, parts)
    return major == 1 and minor < 200 and patch < 10
