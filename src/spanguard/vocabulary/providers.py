"""Who serves models: the names that the conventions and the libraries in use give to providers."""

from __future__ import annotations

from typing import Final

from spanguard.semconv import PROVIDERS

LONGEST: Final = 40
_MOST_SIGNS: Final = 4
_SIGNS: Final = str.maketrans("", "", "-_. ")
# The conventions' names, older names of theirs, litellm's, LangChain's, OpenLLMetry's, OpenInference's, pydantic-ai's, the AI
# SDK's, those of models.dev, OpenRouter, LLM Gateway and of twenty libraries; in lower case, with _ for signs between words.
_KNOWN: Final = frozenset(
    """
    01_ai 01ai 360ai a2a a2a_agent abacus abacus_ai abliteration adobe adobe_firefly ag2 agent_framework agentica
    agno ai2 ai21 ai21_chat ai21_labs ai_gateway ai_horde aiand aibadgr aihubmix aim aiml aimlapi aiohttp_openai
    aion_labs aiping aiproxy akash akashchat akashml aleph_alpha aleph_alpha_ai alephalpha alibaba alibaba_cloud
    alibaba_cn alibaba_coding_plan aliyun allenai amazon amazon_bedrock amazon_bedrock_converse amazon_nova
    amazon_polly amazon_q amazon_q_developer amazon_transcribe amd anthropic anthropic_bedrock anthropic_text
    anthropic_vertex anyscale anythingllm apertis api_route apple apple_foundation_models apple_intelligence arcee
    arcee_ai arize assembly_ai assemblyai astra_db astradb atlas_cloud atlascloud atoma atria auto_router avian aws
    aws.bedrock aws.sagemaker aws_bedrock aws_comprehend aws_mantle aws_polly aws_rekognition aws_sagemaker
    aws_textract aws_transcribe az.ai.inference az.ai.openai azure azure.ai.inference azure.ai.openai azure_ai
    azure_ai_foundry azure_ai_inference azure_ai_openai azure_anthropic azure_cognitive azure_cognitive_services
    azure_foundry azure_openai azure_openai_responses azure_responses azure_speech azure_text baai baichuan baidu
    baidu_qianfan bailian bailing baseten bedrock bedrock_converse bedrock_mantle bentoml berget bespoke bfl bigmodel
    bilibili black_forest_labs black_forest_labs_ai blackforestlabs braintrust brave bria bria_ai browser_ai
    browser_use browserbase burncloud bytedance bytedance_seed byteplus bytez canopywave cartesia cartesia_ai cascadia
    cent_ml centml cerebras cerebras_ai charity_engine chatanthropic chatbox chatglm chatgpt chatopenai cherry_studio
    chroma chromadb chrome_ai chutes cirrascale cirrascale_ai clarifai claude claude_agent_sdk claude_cli claude_code
    clf_ai_gateway cline cloudflare cloudflare_ai cloudflare_ai_gateway cloudflare_workers_ai cloudgpu clova
    clova_studio codeium codestral codex cognition cognitive cohere cohere_ai cohere_chat cometapi compactifai
    consensusprotocol controlflow copilot coralbricks cortecs couchbase coze crawl4ai crewai crof crofai crusoe crynux
    ctransformers ctranslate2 cursor cursor_ai custom custom_llm custom_openai darkbloom dashscope dashscope_intl
    databricks databricks_agent databricks_ai databricks_model_serving databricks_mosaic datacrunch datarobot
    deep_gram deep_infra deep_seek deepcogito deepgram deepgram_ai deepinfra deeplake deepseek dekallm dify
    digitalocean docker docker_model_runner dotprompt doubao doubleword dspy dynamiq eden_ai edenai edge_tts elastic
    elasticsearch eleutherai eleven_labs elevenlabs elevenlabs_ai embedded embercloud empiriolabs empower enfer ernie
    essentialai eu_jev evroc exa exaone exllama exllamav2 factory factory_ai faiss fal fal_ai fashn fastembed
    fastrouter featherless featherless_ai firecrawl fireworks fireworks_ai fireworksai firmware fish_audio flexai
    flowise foundry_local freepik friendli friendli_ai friendliai function_gemma galadriel gateway gcp gcp.gemini
    gcp.gen_ai gcp.vertex_ai gcp_vertex_agent gdc gemini gemini_api gemini_cli gemini_code_assist gemini_ix getimg
    gigachat gigachat_ai gigachat_sber giskard gitee gitee_ai giteeai github github_copilot github_models gladia glama
    gmi gmicloud gnani gnani_ai gonka24 google google-gla google-vertex google_adk google_ai google_ai_studio
    google_anthropic_vertex google_cloud google_gemini google_genai google_genai_vertex google_generative_ai
    google_palm google_speech google_stt google_tts google_vertex_ai google_vertex_anthropic google_vertex_express
    google_vertexai googleai googleoai gopomelo gpt4all gpt_oss gptme gpustack gradient gradient_ai greenpt griptape
    groq groqcloud gryphe hailuo hailuo_ai haystack heabsy hedra helicone heroku heygen hf hf_endpoint hf_hub
    hf_inference higgsfield higress hosted_vllm hostinger_router huawei huawei_cloud hugging_face hugging_face_hub
    huggingface huggingface_endpoint huggingface_hub huggingface_inference huggingface_local huggingface_tei humanloop
    hume hume_ai hunyuan hyperbolic hyperbolic_ai hyperbolic_labs hyperclova ibm ibm.watson.ai ibm.watsonx.ai
    ibm_watson ibm_watsonx ibm_watsonx_ai ideogram ideogram_ai iflowcn iflytek iflytek_ai iflytek_spark imagineart
    inception inception_labs inceptionlabs inceptron inclusionai inference inference.net inference_net inferenceapis
    inferencenet infermatic infini_ai infiniai infinity infinity_emb inflection inflection_ai instructor interfaze
    internlm inworld inworld_ai io_intelligence io_net ionos ionos_cloud isaacus jan_ai jetbrains jetbrains_ai jiekou
    jina jina_ai jinaai julep kakao kenari kilo kilocode kimi kimi_coding kimi_for_coding kingsoft kiro klingai
    kluster kluster_ai kobold koboldai koboldcpp kong_ai konko krea krea_ai krutrim kserve kuae_cloud_coding_plan
    kuaishou kwaipilot kyma lambda lambda_ai lambda_labs lamini lancedb langchain langdb langflow langfuse langgraph
    langsmith laya lemonade leonardo leonardo_ai lepton lepton_ai letta lg_ai lgai libertai librechat lightning_ai
    lightonai liner lingyi lingyiwanwu linkup liquid liquid_ai litellm litellm_agent litellm_gateway litellm_proxy
    livekit llama llama_api llama_cpp llama_cpp_python llama_index llama_stack llamaapi llamacpp llamafile llamagate
    llamaindex llm_gateway llm_proxy llmgateway llmman lm_studio lmdeploy lmnt lmnt_ai lmstudio lobechat lobehub local
    localai localai_io longcat lucidquery luma luma_ai lumalabs lyria magnific mancer manus marengo maritalk marqo
    martian mcp meganova meituan meituan_longcat mem0 meta meta_ai meta_ai_studio meta_contributor meta_llama
    meta_llama_api microsoft microsoft_365_copilot microsoft_foundry midjourney milvus mimo minimax minimax_ai
    minimax_cn minimax_coding_plan mirascope mistral mistral_ai mistral_codestral mistral_vibe mistralai mixed_bread
    mixedbread mixlayer mlc mlc_llm mlflow mlx mlx_lm moark modal modelbest modelrun modelscope modelslab modular
    mongodb moonshot moonshot_ai moonshot_ai_cn moonshotai moonshotai_cn morph morphllm mosaicml msty mts_ai multion
    murf n1n nace nano_gpt nanogpt naver ncompass near_ai nebius nebius_ai nemo neosantara netease netlify netmind
    neuphonic neuralwatt neversleep new_api newapi nextbit nineteen nlp_cloud nlpcloud nomic nomic_ai not_diamond
    notdiamond nous nous_research nousresearch novita novita.ai novita_ai nscale nvidia nvidia_ai nvidia_ai_endpoints
    nvidia_nim nvidia_riva nvidia_triton oci oci_genai oci_generative_ai octoai ollama ollama_chat ollama_cloud omlx
    one_api oneapi oobabooga open_ai open_inference open_router open_webui openai openai_agents openai_chat
    openai_codex openai_codex_cli openai_compatible openai_embedding openai_like openai_realtime openai_resp
    openai_response openai_responses openai_text openai_v2 openbmb opencode opencode_go openinfer openinference
    openrouter opensearch openvino openvino_model_server openwebui opper oracle oracle_ai oracle_cloud orcarouter orq
    orq_ai otari outlines ovh ovh_cloud ovhai ovhcloud oxen palm pangu parallel_ai parasail parasail_ai perplexity
    petals pg_vector pgvector phala phi_silica phind photoroom pi pika pika_labs pinecone pinstripes pixverse play_ht
    playai playht poe poe_ai poolside portkey portkey_ai postgres ppio predibase predictionguard premai
    prime_intellect primeintellect prism privatemode privatemode_ai prodia promptfoo publicai pydantic_ai qdrant
    qianfan qianwen qihang_ai qihoo qihoo360 qiniu qiniu_ai qnap qwen qwen_ai qwen_ai_platform qwen_code qwencloud
    ragflow ranoai ray_serve recraft redis rednote reducto refuseless reka reka_ai relace replicate replicate_ai
    replit requesty rerank resemble resemble_ai rev_ai reve rime rime_ai runcrate runpod runware runway runwayml
    runwayml_ai s3_vectors sagemaker sagemaker_chat sagemaker_jumpstart sagemaker_nova sail_ai sakana sakana_ai
    salesforce sambanova sambanova_cloud sao10k sap sap_ai_core sapiens_ai sarvam sarvam_ai sarvam_cloud sber
    scaledown scaleway scaleway_ai scx_ai segmind self_hosted semantic_kernel sense_nova sensenova sensetime
    sentence_transformers serper servicenow sesame sglang shanghai_ai_lab silicon_flow siliconflow siliconflow_cn
    siliconflow_com sionic skt skywork smallest smallest_ai smolagents snowflake snowflake_arctic snowflake_cortex
    soniox sourceful sourcegraph speechify speechmatics stability stability.ai stability_ai stabilityai
    stackit stackit_ai static stepfun stepfun_ai stepfun_cn strands strands_agents strands_decider streamlake submodel
    suno supabase superlinked swiss_ai switchpoint synthesia synthetic synthorai t_bank tabby tabbyapi tabnine
    talkscriber targon tavily tavus tbank tei teleai telnyx tencent tencent_cloud tencent_coding_plan tencent_hunyuan
    tencent_tokenhub tencentcloud tensormesh tensorrt_llm tensorx tensorzero text-completion-codestral
    text-completion-inception text-completion-openai text_generation_inference text_generation_webui textsynth tgi
    the_grid_ai thedrummer tidb tinfoil tng tngtech together together_ai together_computer togetherai tokenhub
    tokenlab tongyi tongyi_qianwen topaz topaz_labs topazlabs traefik transcribe transformers triton
    triton_inference_server trustedrouter tuning_engines turbopuffer twelve_labs twelvelabs twilio typesafe typingmind
    ubicloud udio ultravox undi95 unify universal_sdk unknown unsloth upstage upstash v0 valkey vapi vectara venice
    venice_ai vercel vercel_ai_gateway vercel_gateway vertex vertex_ai vertex_ai_anthropic vertex_ai_beta
    vertex_ai_language_models vertex_anthropic vertex_express vertex_openai vertexai vertexai_agent_engine vidu
    vivgrid vllm vllm_openai vogent volc_engine volcano volcengine volcengine_coding_plan voyage voyage.ai voyage_ai
    voyageai vultr wandb watson watsonx watsonx_ai watsonx_text wavespeed wavespeed_ai weaviate webllm wenxin
    windows_ai workers_ai writer x_ai xai xai_grok xiaomi xiaomi_mimo xiaomi_token_plan_ams xiaomi_token_plan_cn
    xiaomi_token_plan_sgp xinference xinference_local xverse_ai yandex yandex_cloud yandexgpt yapi yi yi_ai z_ai zai
    zai_coding_plan zai_org zenmux zero_one_ai zeroentropy zerogpu zhinao zhipu zhipu_ai zhipu_glm zhipuai
    zhipuai_coding_plan zilliz zuplo zyphra
    """.split()
) | frozenset(PROVIDERS)


# What they set behind their names, or between the names of two: ``zhipuai-coding-plan``, ``azure-anthropic``.
_BESIDE: Final = frozenset(
    "ai api apis agent agents anthropic batch beta chat claude cloud cn coding com compat compatible completion completions "
    "converse embedding embeddings enterprise eu experimental gateway genai global gov gp grpc image inference intl io labs "
    "llm messages ml model models openai plan platform preview proxy realtime rerank responses router sdk server serverless "
    "speech studio text token us v1 v2 v3 video vision voice".split()
)
_MOST_WORDS: Final = 4
_SHORTEST: Final = 3


def _folded(name: str) -> str:
    return name.lower().translate(_SIGNS)


_FOLDED: Final = frozenset(map(_folded, _KNOWN))


def is_provider(name: str) -> bool:
    """Whether the name is one that a convention or a library gives to a provider of models, in any case: ``MistralAI``."""
    if name in _KNOWN:
        return True
    spelled = len(name) <= LONGEST and name.isascii() and name[:1].isalnum() and name[-1:].isalnum()
    folded = _folded(name) if spelled else ""
    return len(name) - len(folded) <= _MOST_SIGNS and (folded in _FOLDED or _is_extended(name) or _is_joined(folded))


def _is_extended(name: str) -> bool:
    """Whether a known name begins it, and known words or another known name follow: ``xiaomi-token-plan-cn``."""
    words = name.lower().replace("_", "-").replace(".", "-").split("-")
    heads = range(1, min(len(words), _MOST_WORDS))
    return len(words) <= _MOST_WORDS + 1 and any(
        "".join(words[:at]) in _FOLDED and all(word in _BESIDE for word in words[at:]) for at in heads
    )


def _is_joined(folded: str) -> bool:
    """Whether a known name and one such word are written as one: ``BedrockApi``."""
    return any(folded[:at] in _FOLDED and folded[at:] in _BESIDE for at in range(_SHORTEST, len(folded) - 1))
