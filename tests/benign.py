"""Texts that telemetry should show: ids of models, routes, types of errors, versions, hosts."""

from __future__ import annotations

import gzip
from pathlib import Path

LISTED = Path(__file__).parent / "data" / "model_ids.txt.gz"
HARVESTED = LISTED.with_name("routes_and_errors.txt.gz")
FRESH = LISTED.with_name("fresh.txt.gz")
UNSEEN = LISTED.with_name("unseen_models.txt.gz")


def listed_models() -> dict[str, list[str]]:
    """Return several thousand ids of models, by the library that lists them."""
    return {name: ids for (_, name), ids in models_by_period().items()}


def models_by_period() -> dict[tuple[str, str], list[str]]:
    """Return the same by period and library: ``a`` until the end of 2025, ``b`` until summer 2026, ``c`` the newest."""
    found: dict[str, tuple[str, str]] = {}
    ids: dict[tuple[str, str], list[str]] = {}
    for line in gzip.decompress(LISTED.read_bytes()).decode().splitlines():
        if line.startswith("## "):
            letter, period, name = line[3:].split(" ", 2)
            found[letter] = (period, name)
        elif not line.startswith("#"):
            letters, _, model = line.partition(" ")
            for letter in letters:
                ids.setdefault(found[letter], []).append(model)
    return ids


def unseen_models() -> dict[str, list[str]]:
    """Return ids of models of libraries that nothing was learned from, by library."""
    return _unseen("models")


def listed_providers() -> dict[str, list[str]]:
    """Return the names that libraries give to providers of models, by library."""
    return _unseen("providers")


def _unseen(kind: str) -> dict[str, list[str]]:
    sections = gzip.decompress(UNSEEN.read_bytes()).decode().split("## ")[1:]
    parts = (section.splitlines() for section in sections)
    return {title.partition(": ")[2]: texts for title, *texts in parts if title.startswith(f"{kind}: ")}


def routes_and_errors() -> dict[str, list[str]]:
    """Return templates of routes and qualified classes of errors as some forty packages have them, by package."""
    found: dict[str, list[str]] = {}
    package = ""
    for line in gzip.decompress(HARVESTED.read_bytes()).decode().splitlines():
        if line.startswith("## "):
            package = line[3:]
        else:
            found.setdefault(package, []).append(line)
    return found


def fresh() -> dict[tuple[str, str], dict[str, list[str]]]:
    """Return routes, errors, codes, reasons and versions by half and kind, and by source.

    Which half a source belongs to was drawn by lot. The vocabulary was mended after what it refused of the ``learned`` half.
    Before anybody had looked at what it refused of the ``sealed`` one, it showed of that 96.8 % of the routes of docs, 98.5
    of SDKs', 94.0 of whole packages', 77.9 of frameworks' own tests; of classes 99.1 % of LLM libraries and clients (98.5
    qualified) and 91.3 of whole packages (61.7 qualified: many of their names are in no list); 97.9 % of AWS's codes, 97.3 of
    other codes, 95.7 of reasons, 75 of versions. Since then some rules and some two dozen words were mended after it too.
    """
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    texts: list[str] = []
    for line in gzip.decompress(FRESH.read_bytes()).decode().splitlines():
        if line.startswith("## "):
            half, kind, source = line[3:].split(" | ")
            texts = found.setdefault((half, kind), {}).setdefault(source, [])
        elif not line.startswith("# "):
            texts.append(line)
    return found


MODELS = """
gpt-4o gpt-4o-mini-2024-07-18 gpt-4.1-nano gpt-5.2 gpt-5.2-pro o1 o3-mini-2025-01-31 o4-mini gpt-3.5-turbo-0125
gpt-4-32k-0613 text-embedding-3-large text-embedding-ada-002 dall-e-3 gpt-image-1 whisper-1 tts-1-hd
omni-moderation-latest gpt-4o-realtime-preview chatgpt-4o-latest davinci-002 computer-use-preview-2025-03-11
gpt-oss-120b codex-mini-latest claude-3-5-sonnet-20241022 claude-3-7-sonnet@20250219 claude-opus-4-1-20250805
claude-sonnet-4-5 claude-haiku-4-5-20251001 claude-opus-5 claude-2.1 anthropic.claude-3-5-sonnet-20241022-v2:0
us.anthropic.claude-opus-4-20250514-v1:0 eu.amazon.nova-lite-v1:0 amazon.titan-embed-text-v2:0
meta.llama3-1-405b-instruct-v1:0 cohere.command-r-plus-v1:0 bedrock/us-east-1/mistral.mixtral-8x7b-instruct-v0:1
gemini-2.5-pro gemini-2.5-flash-preview-04-17 gemini-2.5-flash-preview-09-2025 models/gemini-2.0-flash-001
gemini-exp-1206 vertex_ai/imagen-4.0-generate-001 veo-3.1-generate-preview gemini-embedding-001 mistral-large-2411
mistral-small-latest open-mixtral-8x22b codestral-2501 ministral-8b-latest magistral-medium-2506 pixtral-12b-2409
llama-3.3-70b-versatile meta-llama/Llama-3.1-8B-Instruct meta-llama/Llama-4-Scout-17B-16E-Instruct llama3.2:3b
llama3:8b-instruct-q4_K_M accounts/fireworks/models/llama-v3p1-405b-instruct Qwen/Qwen3-235B-A22B-Instruct-2507-FP8
qwen2.5-coder:32b qwen-plus-2025-01-25 deepseek-chat deepseek-r1-0528 deepseek-ai/DeepSeek-V3.1 grok-4-0709
grok-4.20-0309-reasoning command-r-08-2024 rerank-v3.5 embed-english-v3.0 sonar-pro kimi-k2-0905-preview
moonshot-v1-128k glm-4.5-air zai-org/GLM-4.6 MiniMax-M2 phi-4-mini-instruct microsoft/Phi-3.5-mini-instruct
gemma-3-27b-it google/gemma-2-9b-it granite-3.3-8b-instruct nvidia/llama-3.1-nemotron-70b-instruct
doubao-seed-1-6-250615 ernie-4.5-turbo-128k hunyuan-t1-latest openrouter/openai/gpt-5 azure/gpt-4o-2024-08-06
groq/llama-3.1-8b-instant voyage-3-large jina-embeddings-v3 BAAI/bge-m3 nomic-embed-text intfloat/multilingual-e5-large
stable-diffusion-xl-base-1.0 flux-1.1-pro openai:gpt-5.2 anthropic:claude-sonnet-4-5 google-gla:gemini-2.5-flash
deepseek/deepseek-r1:free claude-opus-4-6[1m] gpt-7 gpt-6.3-mini claude-opus-7-20270915 gemini-5.0-flash-preview-03-2027
llama-5-400b-instruct o7-mini qwen4-72b grok-7-fast mistral-large-2703 deepseek-v6 kimi-k4 glm-6-air gemma-5-30b-it
""".split()
"""Of each family a few, dated and not, and in the last lines some that nobody has published yet."""

ROUTES = r"""
/ /health /healthz /metrics /v1/chat/completions /v1/responses /v1/messages /v1/embeddings /v1/models/{model_id}
/api/v2/users/{user_id} /items/{item_id} /items/{item_id}/reviews /files/{file_path:path} /users/<int:user_id>
/users/<int:pk>/ api/v1/users/<int:pk>/ ^api/orders/(?P<pk>\d+)/$ /orders/:id
/v1/threads/{thread_id}/runs/{run_id}/steps /v1beta/models/{model}:generateContent /docs /openapi.json /admin/login/
/auth/oauth2/callback /ws /api/search /v1/messages/batches/{message_batch_id}/results /sessions/{session_id}
^$ ^articles/(?P<year>[0-9]{4})/(?P<slug>[\w-]+)/$ ^comments/(?:page-(?P<page_number>[0-9]+)/)?$ ^media/(?P<path>.*)$ admin/
/<string(length=2):lang_code>/ /model/{modelId}/converse-stream /v1beta/{model=models/*}:generateContent
/v1/{name=projects/*/locations/*/endpoints/*}:predict /openai/deployments/{deployment-id}/chat/completions /flights/:from-:to
/photos/:id/edit(.:format) /user/:userId(\d+) /:lang(en|fr)/about /pets/{petId:[0-9]+} /orders/{orderId:guid} /blog/{**slug}
/api/v{version:apiVersion}/[controller] /posts/[slug] /dashboard/[[...params]] /files/*path /channels/{channel.id}/messages
/api/2.0/mlflow/runs/create /notifications/mark-all-read /_cluster/health /user/([0-9]+) /download/{file_id}.{ext}
""".split()

ERRORS = """
ValueError KeyError TimeoutError ConnectionResetError asyncio.CancelledError json.decoder.JSONDecodeError
openai.RateLimitError openai.APITimeoutError anthropic.OverloadedError anthropic.RateLimitError
google.genai.errors.ClientError litellm.exceptions.RateLimitError google.api_core.exceptions.ResourceExhausted
httpx.ConnectTimeout httpx.ReadTimeout httpcore.ConnectError requests.exceptions.ConnectionError
urllib3.exceptions.MaxRetryError aiohttp.client_exceptions.ClientConnectorError tenacity.RetryError
pybreaker.CircuitBreakerError pydantic_core._pydantic_core.ValidationError pydantic.ValidationError
botocore.exceptions.ClientError grpc.RpcError sqlalchemy.exc.IntegrityError psycopg.errors.UniqueViolation
psycopg2.errors.DeadlockDetected asyncpg.exceptions.UniqueViolationError sqlite3.OperationalError
pymongo.errors.ServerSelectionTimeoutError redis.exceptions.ConnectionError kafka.errors.KafkaTimeoutError
celery.exceptions.SoftTimeLimitExceeded django.http.response.Http404 django.core.exceptions.PermissionDenied
werkzeug.exceptions.NotFound starlette.exceptions.HTTPException fastapi.exceptions.RequestValidationError
ssl.SSLCertVerificationError socket.gaierror concurrent.futures._base.CancelledError RateLimitError rate_limit_exceeded
insufficient_quota overloaded_error invalid_request_error context_length_exceeded content_filter RESOURCE_EXHAUSTED
DEADLINE_EXCEEDED ThrottlingException 429 500 503 timeout rate_limited circuit_open _OTHER ExceptionGroup
stripe.error.CardError stripe._error.RateLimitError docker.errors.ImageNotFound neo4j.exceptions.ServiceUnavailable
rest_framework.exceptions.NotAuthenticated opensearchpy.exceptions.ConnectionTimeout paramiko.ssh_exception.SSHException
qdrant_client.http.exceptions.UnexpectedResponse chromadb.errors.InvalidDimensionException aiokafka.errors.KafkaError
sqlalchemy.exc.NoResultFound httpx.TooManyRedirects httpx.UnsupportedProtocol torch.cuda.OutOfMemoryError
concurrent.futures._base.TimeoutError MySQLdb.OperationalError java.net.UnknownHostException server_certificate_invalid
ModelOverloadedException TokenBudgetExceededError StreamInterruptedError tool_call_limit_reached MODEL_CAPACITY_EXCEEDED
accessNotConfigured tool_error user_rejected ResourceNotFoundException ModelTimeoutException -32602
""".split()

HOSTS = """
api.openai.com api.anthropic.com generativelanguage.googleapis.com us-central1-aiplatform.googleapis.com api.mistral.ai
openrouter.ai bedrock-runtime.us-east-1.amazonaws.com bedrock-runtime.eu-west-3.amazonaws.com localhost 127.0.0.1
pypi.org github.com huggingface.co
""".split()
