"""Who serves models: the names that the conventions and the libraries in use give to providers."""

from __future__ import annotations

from typing import Final

from spanguard.semconv import PROVIDERS

# The conventions' names, older names of theirs, litellm's, LangChain's, OpenLLMetry's, OpenInference's, pydantic-ai's.
_KNOWN: Final = frozenset(
    """
    a2a ai21 aim aiml alephalpha aleph_alpha alibaba aliyun amazon amazon_bedrock amazon_nova anthropic anthropic_text
    anyscale arize assemblyai aws aws.bedrock aws.sagemaker aws_polly az.ai.inference az.ai.openai azure
    azure.ai.inference azure.ai.openai azure_ai azure_openai azure_text baidu baseten bedrock bedrock_converse
    bytedance bytez cerebras chutes clarifai clova cloudflare codestral cohere cohere_chat cometapi compactifai
    crusoe custom dashscope databricks databricks_model_serving datarobot deepgram deepinfra deepseek docker
    docker_model_runner elevenlabs embedded empower fal_ai featherless_ai fireworks fireworks_ai friendliai galadriel
    gcp gcp.gemini gcp.gen_ai gcp.vertex_ai gemini gigachat github github_copilot github_models google google-gla
    google-vertex google_anthropic_vertex google_genai google_palm google_vertexai gradient_ai groq helicone heroku
    hosted_vllm hugging_face huggingface hume hyperbolic ibm ibm.watsonx.ai infinity inception jina_ai lambda_ai langgraph
    lemonade litellm litellm_proxy llama_cpp llamacpp llamafile lm_studio lmstudio manus maritalk marqo meta meta_llama
    mistral mistral_ai mistralai mlflow modal modelscope moonshot moonshot_ai moonshotai morph nebius nlp_cloud novita
    nscale nvidia nvidia_nim oci ollama ollama_chat oobabooga openai openai_like openrouter outlines ovhcloud oxen
    palm parallel_ai perplexity petals pg_vector predibase publicai qdrant qwen recraft replicate runwayml sagemaker
    sagemaker_chat sambanova sap snowflake stability static stepfun tencent text-completion-codestral
    text-completion-openai together together_ai togetherai topaz triton upstage v0 vercel vercel_ai_gateway vertex_ai
    vertex_ai_beta vertexai vllm volcengine voyage voyageai wandb watsonx watsonx_text writer x_ai xai xiaomi_mimo
    xinference yandex zai zhipu zhipuai
    """.split()
) | frozenset(PROVIDERS)


def is_provider(name: str) -> bool:
    """Whether the name is one that a convention or a library gives to a provider of models."""
    return name in _KNOWN
