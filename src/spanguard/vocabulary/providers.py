"""Who serves models: the names that the conventions and the libraries in use give to providers."""

from __future__ import annotations

from typing import Final

from spanguard.semconv import PROVIDERS

LONGEST: Final = 40
_MOST_SIGNS: Final = 4
_SIGNS: Final = str.maketrans("", "", "-_. ")
# The conventions' names, older names of theirs, litellm's, LangChain's, OpenLLMetry's, OpenInference's, pydantic-ai's, the AI
# SDK's; in lower case, with _ for every sign between words.
_KNOWN: Final = frozenset(
    """
    a2a abacus ai21 ai_gateway ai_horde aibadgr aihubmix aim aiml aleph_alpha alephalpha alibaba alibaba_cloud
    alibaba_cn aliyun amazon amazon_bedrock amazon_bedrock_converse amazon_nova anthropic anthropic_bedrock
    anthropic_text anthropic_vertex anyscale apertis apple arcee arcee_ai arize assemblyai avian aws aws.bedrock
    aws.sagemaker aws_bedrock aws_comprehend aws_polly aws_rekognition aws_sagemaker aws_textract az.ai.inference
    az.ai.openai azure azure.ai.inference azure.ai.openai azure_ai azure_ai_foundry azure_ai_inference azure_ai_openai
    azure_cognitive_services azure_foundry azure_openai azure_openai_responses azure_responses azure_text baichuan
    baidu baidu_qianfan bailian baseten bedrock bedrock_converse bfl black_forest_labs blackforestlabs brave bria
    browserbase bytedance byteplus bytez cartesia cerebras cerebras_ai chatanthropic chatglm chatgpt chatopenai chroma
    chromadb chutes clarifai claude_code cline cloudflare cloudflare_ai cloudflare_workers_ai clova clova_studio
    codestral codex cognitive cohere cohere_ai cohere_chat cometapi compactifai coze crewai crusoe ctransformers
    cursor custom dashscope dashscope_intl databricks databricks_ai databricks_model_serving datacrunch datarobot
    deep_gram deep_infra deep_seek deepgram deepinfra deepseek dify digitalocean docker docker_model_runner dspy
    edenai edge_tts eleven_labs elevenlabs elevenlabs_ai embedded empower exa factory faiss fal fal_ai fastembed
    featherless featherless_ai firecrawl fireworks fireworks_ai fireworksai fish_audio flowise friendli friendliai
    galadriel gateway gcp gcp.gemini gcp.gen_ai gcp.vertex_ai gcp_vertex_agent gemini gemini_api gigachat
    gigachat_ai github github_copilot github_models gladia gmi gnani google google-gla google-vertex google_ai
    google_ai_studio google_anthropic_vertex google_cloud google_gemini google_genai google_genai_vertex
    google_generative_ai google_palm google_vertex_ai google_vertex_anthropic google_vertexai googleai gpt4all
    gpustack gradient gradient_ai greenpt griptape groq groqcloud haystack helicone heroku hf hf_inference hosted_vllm
    hugging_face hugging_face_hub huggingface huggingface_hub huggingface_inference hume hunyuan hyperbolic
    hyperbolic_ai ibm ibm.watsonx.ai ibm_watson ibm_watsonx ibm_watsonx_ai iflytek iflytek_spark inception
    inception_labs inceptionlabs inferencenet infermatic infinity inflection instructor inworld io_net jina jina_ai
    jinaai kilo kilocode kimi kluster kobold koboldcpp konko lambda lambda_ai lambda_labs lamini lancedb langchain
    langflow langgraph langsmith lemonade leonardo lepton lepton_ai letta lightning_ai lingyi linkup litellm
    litellm_proxy livekit llama llama_api llama_cpp llama_cpp_python llama_index llama_stack llamaapi llamacpp
    llamafile llamagate llamaindex llmgateway lm_studio lmdeploy lmnt lmstudio localai luma lyria manus maritalk
    marqo mcp meta meta_ai meta_llama meta_llama_api microsoft microsoft_foundry milvus minimax mirascope mistral
    mistral_ai mistral_vibe mistralai mixedbread mlflow mlx mlx_lm modal modelscope moonshot moonshot_ai
    moonshot_ai_cn moonshotai morph morphllm mosaicml murf nanogpt nebius nebius_ai nemo nextbit nlp_cloud nlpcloud
    nous nous_research novita novita_ai nscale nvidia nvidia_ai nvidia_ai_endpoints nvidia_nim nvidia_triton oci
    oci_genai oci_generative_ai octoai ollama ollama_chat ollama_cloud oobabooga open_ai open_router openai
    openai_agents openai_chat openai_codex openai_compatible openai_embedding openai_like openai_realtime
    openai_responses openai_text openai_v2 opencode openinference openrouter opper oracle oracle_cloud outlines ovh
    ovhcloud oxen palm parallel_ai parasail perplexity petals pg_vector phind pi pinecone playht poolside portkey
    portkey_ai predibase predictionguard privatemode promptfoo publicai pydantic_ai qdrant qianfan qnap qwen qwen_ai
    recraft redis reka reka_ai relace replicate replicate_ai requesty rerank resemble rev_ai rime runpod runway
    runwayml sagemaker sagemaker_chat sagemaker_jumpstart sakana sambanova sambanova_cloud sap sap_ai_core sarvam
    sarvam_ai scaleway_ai self_hosted semantic_kernel sensenova serper sglang silicon_flow siliconflow smallest
    smolagents snowflake snowflake_cortex soniox speechmatics stability stability_ai stabilityai static stepfun
    stepfun_ai strands strands_agents submodel synthetic targon tavily tei tencent tencent_cloud tencent_hunyuan
    tensorrt_llm text-completion-codestral text-completion-openai text_generation_inference textsynth tgi tinfoil tng
    together together_ai together_computer togetherai tokenhub topaz topaz_labs triton triton_inference_server
    twelvelabs unify universal_sdk unknown unsloth upstage v0 vectara venice venice_ai vercel vercel_ai_gateway
    vercel_gateway vertex vertex_ai vertex_ai_anthropic vertex_ai_beta vertex_ai_language_models vertexai
    vertexai_agent_engine vllm volc_engine volcano volcengine voyage voyage_ai voyageai wandb watson watsonx
    watsonx_ai watsonx_text weaviate webllm workers_ai writer x_ai xai xai_grok xiaomi xiaomi_mimo xinference
    xinference_local yandex z_ai zai zai_org zero_one_ai zeroentropy zhipu zhipu_ai zhipuai zilliz zyphra
    """.split()
) | frozenset(PROVIDERS)


def _folded(name: str) -> str:
    return name.lower().translate(_SIGNS)


_FOLDED: Final = frozenset(map(_folded, _KNOWN))


def is_provider(name: str) -> bool:
    """Whether the name is one that a convention or a library gives to a provider of models, in any case: ``MistralAI``."""
    if name in _KNOWN:
        return True
    spelled = len(name) <= LONGEST and name.isascii() and name[:1].isalnum() and name[-1:].isalnum()
    folded = _folded(name) if spelled else ""
    return folded in _FOLDED and len(name) - len(folded) <= _MOST_SIGNS
