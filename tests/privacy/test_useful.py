"""What OpenTelemetry's official instrumentations record stays readable in strict, under its natural keys: a broad list."""

from __future__ import annotations

import pytest

from benign import ERRORS, MODELS, ROUTES
from spanguard.privacy.attributes import clean_attributes, clean_resource_attributes
from spanguard.privacy.conventions import ATTRIBUTES, is_event, is_scope, metric

TEXTS = """
gen_ai.operation.name: chat text_completion embeddings generate_content create_agent invoke_agent execute_tool retrieval
gen_ai.provider.name: openai anthropic aws.bedrock azure.ai.inference azure.ai.openai cohere deepseek gcp.gemini gcp.gen_ai
gen_ai.provider.name: gcp.vertex_ai groq ibm.watsonx.ai mistral_ai perplexity x_ai together_ai fireworks_ai openrouter ollama
gen_ai.provider.name: voyage_ai AzureOpenAI amazon-bedrock google_genai nvidia_ai_endpoints HuggingFace TogetherAI vercel
gen_ai.system: openai anthropic az.ai.inference az.ai.openai OpenAI Anthropic AWS MistralAI VertexAI Langchain xai google-gla
gen_ai.output.type: text json image speech
gen_ai.token.type: input output
gen_ai.tool.type: function extension datastore
gen_ai.openai.request.service_tier: auto default flex priority
openai.api.type: chat_completions responses
mcp.method.name: initialize tools/call tools/list resources/read prompts/get ping notifications/initialized
mcp.protocol.version: 2025-06-18 2025-03-26 2024-11-05
error.type: ValueError KeyError TimeoutError ConnectionRefusedError ssl.SSLCertVerificationError json.decoder.JSONDecodeError
error.type: openai.RateLimitError openai.APITimeoutError anthropic.RateLimitError anthropic.OverloadedError httpx.ConnectError
error.type: httpx.ReadTimeout requests.exceptions.ConnectionError urllib3.exceptions.MaxRetryError
error.type: aiohttp.client_exceptions.ClientConnectorError sqlalchemy.exc.OperationalError sqlalchemy.exc.IntegrityError
error.type: psycopg2.errors.UniqueViolation asyncpg.exceptions.UniqueViolationError redis.exceptions.ConnectionError
error.type: pymongo.errors.DuplicateKeyError botocore.exceptions.ClientError ThrottlingException ValidationException
error.type: grpc._channel._InactiveRpcError grpc.aio._call.AioRpcError google.api_core.exceptions.ResourceExhausted
error.type: google.genai.errors.ClientError litellm.exceptions.RateLimitError pydantic_core._pydantic_core.ValidationError
error.type: 400 401 404 408 409 429 500 502 503 504 529 timeout _OTHER rate_limit_exceeded insufficient_quota overloaded_error
error.type: RESOURCE_EXHAUSTED UNAVAILABLE DEADLINE_EXCEEDED ECONNRESET ETIMEDOUT 23505 40P01 1062 max_output_tokens _Failed
exception.type: zlib.error queue.Empty struct.error authlib.oauth2.rfc6749.errors.InvalidRequestError
exception.type: mastodon.errors.MastodonAPIError
http.request.method: GET POST PUT PATCH DELETE HEAD OPTIONS TRACE CONNECT _OTHER
http.method: GET POST PUT
http.flavor: 1.0 1.1 2 3
http.route: / /health /users/{id} /users/<int:id> /users/<user_id> /items/{item_id}/reviews/{review_id} /v1/chat/completions
http.route: /api/v1/users/{user_id}/orders/{order_id} /posts/<int:year>/<int:month>/<slug:slug>/ /files/{file_path:path}
http.route: /static/<path:filename> ^admin/ /v1/threads/{thread_id}/runs /v1beta/models/{model}:streamGenerateContent
http.route: /items/{item_id:int}/<int(signed=True):offset> ^api/v1/(?P<pk>[^/.]+)/$ /run /Users/{id}
http.route: /servers/<int:sid>/<int:did> /2015-03-31/functions/{FunctionName}/invocations /v1.43/containers/{id}/json
http.route: /_ml/anomaly_detectors/{job_id}
http.scheme: http https
url.scheme: http https ws wss
network.protocol.name: http amqp mqtt grpc
network.protocol.version: 1.0 1.1 2 3
network.transport: tcp udp pipe unix quic
network.type: ipv4 ipv6
tls.protocol.version: 1.2 1.3
server.address: api.openai.com api.anthropic.com bedrock-runtime.us-east-1.amazonaws.com openrouter.ai localhost 127.0.0.1 ::1
db.system.name: postgresql mysql mariadb sqlite redis mongodb microsoft.sql_server oracle.db elasticsearch aws.dynamodb
db.system.name: azure.cosmosdb clickhouse neo4j memcached gcp.spanner other_sql
db.system: postgresql mssql oracle dynamodb cosmosdb chroma pinecone qdrant milvus weaviate snowflake redshift duckdb
db.operation.name: SELECT INSERT UPDATE DELETE CREATE BEGIN COMMIT ROLLBACK HMSET GET SET PIPELINE find findAndModify
db.operation.name: get set bulk search indices.create cluster.health create_item query_items PutItem executemany
db.response.status_code: 23505 40001 42P01 08P01 1062 1064 1213 2627 ORA-00001 ORA-17002 404
messaging.system: kafka rabbitmq aws_sqs aws.sns gcp_pubsub servicebus eventhubs activemq pulsar rocketmq celery
messaging.operation.type: create send receive process settle publish deliver
messaging.operation.name: send receive process publish ack nack settle poll
rpc.system: grpc connect_rpc jsonrpc aws-api
rpc.service: grpc.health.v1.Health S3 DynamoDB SQS
rpc.method: Check Watch Export GetItem PutObject SendMessage Converse
cloud.provider: aws gcp azure alibaba_cloud ibm_cloud oracle_cloud
cloud.platform: aws_ec2 aws_ecs aws_eks aws_lambda gcp_cloud_run gcp_kubernetes_engine azure_vm azure_aks azure.aks
cloud.region: us-east-1 eu-central-1 us-central1 europe-west1 eastus westeurope
faas.trigger: datasource http pubsub timer other
deployment.environment.name: production staging test development
telemetry.sdk.language: python
telemetry.sdk.name: opentelemetry
telemetry.sdk.version: 1.45.2 0.66b2 1.46.0.dev0
service.version: 1.2.3 v2.0.0-rc1 2026.11.15 2.4.0+cpu
os.type: linux windows darwin
host.arch: amd64 arm64
process.runtime.name: cpython pypy
otel.status_code: OK ERROR
graphql.operation.type: query mutation subscription
celery.state: SUCCESS FAILURE RETRY
asgi.event.type: http.request http.response.start http.response.body websocket.receive
cpu.mode: user system idle nice iowait
system.memory.state: used free cached buffers
disk.io.direction: read write
network.io.direction: transmit receive
db.client.connection.state: idle used
openinference.span.kind: LLM CHAIN TOOL AGENT RETRIEVER EMBEDDING RERANKER GUARDRAIL EVALUATOR
traceloop.span.kind: workflow task agent tool
llm.request.type: chat completion embedding rerank
feature_flag.result.reason: static default targeting_match split cached disabled error stale unknown
"""
FINISHED = """
stop length tool_calls content_filter function_call end_turn max_tokens stop_sequence tool_use pause_turn refusal STOP
MAX_TOKENS SAFETY RECITATION OTHER BLOCKLIST PROHIBITED_CONTENT SPII MALFORMED_FUNCTION_CALL COMPLETE ERROR ERROR_TOXIC
USER_CANCEL eos_token guardrail_intervened content_filtered FINISH_REASON_UNSPECIFIED insufficient_system_resource
tool-calls max-tokens end-turn ToolUse MaxTokens END_TURN TOOL_USE LENGTH CONTENT_FILTER malformed_tool_use STOP_SEQUENCE
stop_token not_finished max_completion_tokens REASON_MAX_LEN model_length other unknown timeout aborted
stop_word server_stop max_turns max_new_tokens rate_limit
""".split()
METRICS = """
http.server.request.duration http.server.active_requests http.server.request.body.size http.server.response.body.size
http.client.request.duration http.client.request.body.size http.client.response.body.size http.client.open_connections
http.server.duration http.client.duration http.server.request.size http.server.response.size db.client.operation.duration
db.client.response.returned_rows db.client.connection.count db.client.connections.usage rpc.client.duration
messaging.client.operation.duration messaging.client.sent.messages messaging.client.consumed.messages
messaging.process.duration gen_ai.client.token.usage gen_ai.client.operation.duration gen_ai.server.request.duration
gen_ai.server.time_per_output_token gen_ai.server.time_to_first_token process.cpu.time process.cpu.utilization
process.memory.usage process.memory.virtual process.disk.io process.network.io process.thread.count process.context_switches
process.open_file_descriptor.count process.runtime.cpython.memory process.runtime.cpython.cpu_time
process.runtime.cpython.gc_count cpython.gc.collections cpython.gc.collected_objects system.cpu.time system.cpu.utilization
system.memory.usage system.memory.utilization system.swap.usage system.disk.io system.disk.operations system.disk.time
system.network.io system.network.packets system.network.errors system.network.dropped_packets system.network.connections
system.thread_count otel.sdk.span.live otel.sdk.span.started otel.sdk.exporter.span.exported mcp.client.operation.duration
faas.invoke_duration asyncio.process.duration
""".split()
SCOPES = """
httpx fastapi requests sqlalchemy openai_v2 flask django redis psycopg2 asgi aiohttp_client botocore celery grpc logging
system_metrics urllib3 langchain anthropic google_genai vertexai
""".split()
LISTED = [
    (key, text) for line in TEXTS.strip().splitlines() for key, _, texts in [line.partition(": ")] for text in texts.split()
]


def kept(key: str, value: object) -> object:
    """Return what is left of the value, on a span or else on a resource."""
    shown = clean_attributes({key: value}, "span") if key in ATTRIBUTES else clean_resource_attributes({key: value})
    return shown.get(key)


def test_what_the_official_instrumentations_write_stays() -> None:
    """Under its natural key, as it was written."""
    assert len(LISTED) > 300
    assert [(key, text) for key, text in LISTED if kept(key, text) != text] == []


@pytest.mark.parametrize(
    ("key", "texts"),
    [
        *((key, MODELS) for key in ("gen_ai.request.model", "gen_ai.response.model")),
        *((key, ERRORS) for key in ("error.type", "exception.type")),
        ("http.route", ROUTES),
    ],
)
def test_models_errors_and_routes_stay(key: str, texts: list[str]) -> None:
    """In all the writings that providers, libraries and web frameworks have."""
    assert [text for text in texts if kept(key, text) != text] == []


@pytest.mark.parametrize("reason", FINISHED)
def test_reasons_of_every_provider_stay(reason: str) -> None:
    """As the provider spells them."""
    assert kept("gen_ai.response.finish_reasons", (reason,)) == (reason,)


def test_metrics_and_scopes_of_the_official_instrumentations_are_known() -> None:
    """So are the events of the conventions."""
    assert [name for name in METRICS if metric(name) is None] == []
    assert [name for name in SCOPES if not is_scope(f"opentelemetry.instrumentation.{name}")] == []
    assert [
        name for name in ("exception", "gen_ai.evaluation.result", "session.start", "device.crash") if not is_event(name)
    ] == []
