"""The rules of the vocabularies: models, providers, hosts, kinds of errors, packages, versions, stages of deployment."""

from __future__ import annotations

from typing import Final

from spanguard import semconv
from spanguard.privacy.conventions.installed import is_public_module
from spanguard.privacy.conventions.kinds import chosen
from spanguard.privacy.conventions.scopes import is_event, is_schema_url, is_scope
from spanguard.privacy.rules import LONGEST, Size, Text, either, known, one_of
from spanguard.vocabulary.errors import error_type, is_error_type, is_loaded_error
from spanguard.vocabulary.hosts import host_name, is_known_host
from spanguard.vocabulary.models import is_published, model_name
from spanguard.vocabulary.packages import package_name
from spanguard.vocabulary.providers import is_provider
from spanguard.vocabulary.pseudonyms import pseudonym
from spanguard.vocabulary.routes import is_route
from spanguard.vocabulary.versions import is_version


def _shown_host(text: str) -> str:
    if len(text) > LONGEST:  # not folded, which takes a while for ten million characters
        return pseudonym(text, semconv.SERVER_ADDRESS)
    return host_name(text) or ""


MODEL: Final = Text(is_published, model_name)
PROVIDER: Final = known(is_provider, semconv.GEN_AI_PROVIDER)
# As OpenLLMetry writes them.
VENDOR: Final = known(
    either(
        """
        OpenAI Anthropic Google Cohere AWS MistralAI Ollama Groq HuggingFace Langchain LangChain TogetherAI Replicate
        VertexAI Watsonx AlephAlpha Writer Azure Bedrock OpenRouter Gemini LlamaIndex Sagemaker
        """.split(),
        is_provider,
    ),
    "gen_ai.system",
)
HOST: Final = Text(is_known_host, _shown_host)
ERROR: Final = Text(lambda text: is_error_type(text) or is_loaded_error(text), error_type, numbers=True)
FINISH: Final = one_of(*semconv.FINISH_REASONS, otherwise=semconv.OTHER)
PACKAGE: Final = known(lambda package: package_name(package) == package, semconv.DEPENDENCIES)
VERSION: Final = known(is_version)
EVENT: Final = known(is_event, "event.name")
SCOPE: Final = known(is_scope, "otel.scope.name")
MODULE: Final = known(is_public_module, "code.namespace")
SCHEMA_URL: Final = known(is_schema_url)
SIZE: Final = Size()

_LOOPBACKS: Final = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::")  # noqa: S104  (compared, never bound to)
ADDRESS: Final = known(frozenset(_LOOPBACKS).__contains__, "network.peer.address")
"""An address of the network: this machine in clear, any other as a pseudonym."""

DEPLOYMENT: Final = chosen(
    "deployment.environment.name",
    *("production", "prod", "staging", "stage", "test", "testing", "qa", "uat", "development", "dev", "local", "ci"),
    *("sandbox", "preview", "demo", "default", "canary", "integration"),
)
ROUTE: Final = known(is_route, "http.route")
