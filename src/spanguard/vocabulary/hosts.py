"""Hosts as they may be shown: those of known providers, this machine, and declared ones."""

from __future__ import annotations

from typing import Final

from spanguard.semconv import SERVER_ADDRESS
from spanguard.vocabulary.clouds import is_cloud_region
from spanguard.vocabulary.declared import is_declared
from spanguard.vocabulary.pseudonyms import pseudonym

# Sources: the SDKs and documentations of the providers, and the base URLs in litellm 1.109 and pydantic-ai 2.68. Not here:
# what users choose, such as the name of an Azure resource or of a cluster.
_KNOWN: Final = frozenset(
    """
    localhost localhost.localdomain host.docker.internal 127.0.0.1 0.0.0.0 ::1 ip6-localhost api.openai.com
    eu.api.openai.com us.api.openai.com chatgpt.com api.anthropic.com claude.ai console.anthropic.com
    platform.claude.com api.mistral.ai codestral.mistral.ai api.cohere.com api.cohere.ai api.deepseek.com api.groq.com
    api.perplexity.ai api.x.ai us-east-1.api.x.ai eu-west-1.api.x.ai api.moonshot.ai api.moonshot.cn api.together.xyz
    api.together.ai api.fireworks.ai openrouter.ai gateway.ai.cloudflare.com api.cloudflare.com ai-gateway.vercel.sh
    gateway.pydantic.dev generativelanguage.googleapis.com aiplatform.googleapis.com oauth2.googleapis.com
    www.googleapis.com storage.googleapis.com accounts.google.com metadata.google.internal
    discoveryengine.googleapis.com speech.googleapis.com texttospeech.googleapis.com translation.googleapis.com
    vision.googleapis.com dashscope.aliyuncs.com dashscope-intl.aliyuncs.com dashscope-us.aliyuncs.com
    cn-hongkong.dashscope.aliyuncs.com api.replicate.com api.voyageai.com api.jina.ai deepsearch.jina.ai huggingface.co
    router.huggingface.co hf.co api-inference.huggingface.co cdn-lfs.huggingface.co datasets-server.huggingface.co
    hub.docker.com api.ai21.com api.aleph-alpha.com api.cerebras.ai api.sambanova.ai api.deepinfra.com
    api.endpoints.anyscale.com api.hyperbolic.xyz api.novita.ai api.studio.nebius.ai api.studio.nebius.com
    api.tokenfactory.nebius.com integrate.api.nvidia.com ai.api.nvidia.com api.nvcf.nvidia.com inference.api.nscale.com
    api.lambda.ai api.lambdalabs.com api.lepton.ai api.friendli.ai api.featherless.ai api.baseten.co
    inference.baseten.co app.baseten.co api.minimax.io api.minimax.chat api.minimaxi.com open.bigmodel.cn api.z.ai
    ark.cn-beijing.volces.com ark.ap-southeast.bytepluses.com api.hunyuan.cloud.tencent.com qianfan.baidubce.com
    aip.baidubce.com spark-api-open.xf-yun.com api.stepfun.com api.stepfun.ai api.baichuan-ai.com api.lingyiwanwu.com
    api.siliconflow.cn api.siliconflow.com api.sensenova.cn api.inceptionlabs.ai api.upstage.ai api.writer.com
    api.reka.ai api.inflection.ai api.arcee.ai api.venice.ai api.morphllm.com api.relace.run api.poolside.ai
    api.liquid.ai api.clarifai.com api.scaleway.ai api.ovhcloud.com oai.endpoints.kepler.ai.cloud.ovh.net
    inference.do-ai.run api.publicai.co api.aimlapi.com api.v0.dev api.githubcopilot.com models.github.ai
    models.inference.ai.azure.com management.azure.com login.microsoftonline.com graph.microsoft.com
    cognitiveservices.azure.com api.cognitive.microsoft.com api.cognitive.microsofttranslator.com
    us-south.ml.cloud.ibm.com eu-de.ml.cloud.ibm.com eu-gb.ml.cloud.ibm.com jp-tok.ml.cloud.ibm.com
    au-syd.ml.cloud.ibm.com ca-tor.ml.cloud.ibm.com iam.cloud.ibm.com api.gigachat.devices.sberbank.ru
    llm.api.cloud.yandex.net api.elevenlabs.io api.deepgram.com api.assemblyai.com api.eu.assemblyai.com api.gladia.io
    api.speechmatics.com api.cartesia.ai api.play.ht api.soniox.com api.stability.ai api.bfl.ai api.bfl.ml
    api.us1.bfl.ai api.eu1.bfl.ai api.ideogram.ai api.recraft.ai external.api.recraft.ai api.dev.runwayml.com
    api.lumalabs.ai api.klingai.com fal.run queue.fal.run rest.alpha.fal.ai api.leonardo.ai api.topazlabs.com
    api.tavily.com api.exa.ai api.search.brave.com google.serper.dev serpapi.com api.firecrawl.dev api.linkup.so
    r.jina.ai s.jina.ai api.duckduckgo.com api.you.com api.parallel.ai api.apify.com api.e2b.dev api.browserbase.com
    api.pinecone.io api.turbopuffer.com api.trychroma.com api.zilliz.com cloud.qdrant.io api.nomic.ai api-atlas.nomic.ai
    api.mixedbread.com api.mixedbread.ai api.langchain.com api.smith.langchain.com eu.api.smith.langchain.com
    cloud.langfuse.com us.cloud.langfuse.com api.braintrust.dev api.helicone.ai oai.helicone.ai api.portkey.ai
    api.galileo.ai app.phoenix.arize.com otlp.arize.com api.honeycomb.io api.eu1.honeycomb.io logfire-api.pydantic.dev
    logfire-us.pydantic.dev logfire-eu.pydantic.dev otlp.nr-data.net otlp.eu01.nr-data.net api.traceloop.com
    api.wandb.ai api.inference.wandb.ai api.comet.com api.cloud.llamaindex.ai api.composio.dev api.ollama.com ollama.com
    registry.ollama.ai api.modular.com api-inference.modelscope.cn modelscope.cn api.chutes.ai llm.chutes.ai
    api.targon.com api.kluster.ai api.parasail.io api.inference.net api.crusoe.ai api.gmi-serving.com api.nanogpt.com
    api.requesty.ai router.requesty.ai api.aihubmix.com aihubmix.com api.302.ai api.ppinfra.com api.lmstudio.ai
    api.moonshot.com api.kimi.com api.xiaomimimo.com pypi.org test.pypi.org files.pythonhosted.org upload.pypi.org
    conda.anaconda.org repo.anaconda.com registry.npmjs.org registry.yarnpkg.com crates.io static.crates.io
    index.crates.io proxy.golang.org sum.golang.org rubygems.org repo1.maven.org repo.maven.apache.org
    plugins.gradle.org packagist.org api.nuget.org registry-1.docker.io auth.docker.io index.docker.io ghcr.io quay.io
    gcr.io mcr.microsoft.com public.ecr.aws deb.debian.org archive.ubuntu.com security.ubuntu.com download.pytorch.org
    github.com api.github.com raw.githubusercontent.com objects.githubusercontent.com codeload.github.com
    gist.github.com uploads.github.com gitlab.com bitbucket.org api.bitbucket.org codeberg.org git.sr.ht dev.azure.com
    arxiv.org export.arxiv.org en.wikipedia.org www.wikidata.org api.semanticscholar.org
    """.split()
)
# What stands before and after a region of a cloud.
_REGIONAL: Final = (
    ("bedrock-runtime.", ".amazonaws.com"),
    ("bedrock-runtime-fips.", ".amazonaws.com"),
    ("bedrock-agent-runtime.", ".amazonaws.com"),
    ("bedrock-agent.", ".amazonaws.com"),
    ("bedrock-mantle.", ".api.aws"),
    ("bedrock.", ".amazonaws.com"),
    ("runtime.sagemaker.", ".amazonaws.com"),
    ("sts.", ".amazonaws.com"),
    ("s3.", ".amazonaws.com"),
    ("sqs.", ".amazonaws.com"),
    ("sns.", ".amazonaws.com"),
    ("dynamodb.", ".amazonaws.com"),
    ("lambda.", ".amazonaws.com"),
    ("secretsmanager.", ".amazonaws.com"),
    ("polly.", ".amazonaws.com"),
    ("transcribe.", ".amazonaws.com"),
    ("textract.", ".amazonaws.com"),
    ("comprehend.", ".amazonaws.com"),
    ("", "-aiplatform.googleapis.com"),
    ("aiplatform.", ".rep.googleapis.com"),
    ("", ".api.cognitive.microsoft.com"),
    ("", ".tts.speech.microsoft.com"),
    ("", ".stt.speech.microsoft.com"),
    ("inference.generativeai.", ".oci.oraclecloud.com"),
)


def is_known_host(host: str) -> bool:
    """Whether the lower-case host is that of a provider, an index of packages, a place for code, or this machine."""
    if host in _KNOWN:
        return True
    for before, after in _REGIONAL:
        if host.startswith(before) and host.endswith(after) and is_cloud_region(host[len(before) : -len(after)]):
            return True
    return False


def host_name(host: object) -> str | None:
    """Return a host in clear if it is known or declared, otherwise its pseudonym; None for what is no host."""
    if not isinstance(host, str) or not host:
        return None
    folded = host.lower()
    return folded if is_known_host(folded) or is_declared(host) else pseudonym(folded, SERVER_ADDRESS)
