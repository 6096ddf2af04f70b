"""The shape of the GenAI conventions, in both generations: their own tables as data, and what we emit against them.

Sources, read in November 2026: for ``1.37`` the tables of open-telemetry/semantic-conventions v1.37.0 (docs/gen-ai) and what
was added there until `gen_ai` moved out, as in the package opentelemetry-semantic-conventions; for ``dev-2026-10`` the main
branch of open-telemetry/semantic-conventions-genai of 9 October 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler, SamplingResult
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics

from spanguard import association, semconv, settings, traced_llm_call, traced_repair
from spanguard._core.recorder import recorder
from spanguard.settings import Settings
from support import Telemetry, completion

OLD, NEW = "1.37", "dev-2026-10"
BOTH = (OLD, NEW)
STRING, INT, DOUBLE, BOOL, STRINGS = str, int, float, bool, tuple


class Row(NamedTuple):
    """One attribute of an inference span: its requirement level, its type, and the generations that have it."""

    level: str
    type: type
    generations: tuple[str, ...] = BOTH


MODAL = [
    f"gen_ai.usage.{m}.{k}"
    for m in ("text", "image", "audio")
    for k in ("input_tokens", "output_tokens", "cache_read.input_tokens")
]
INFERENCE_SPAN = {
    "gen_ai.operation.name": Row("required", STRING),
    "gen_ai.provider.name": Row("required", STRING),
    "error.type": Row("if it failed", STRING),
    "gen_ai.conversation.id": Row("if known", STRING),
    "gen_ai.output.type": Row("if asked for", STRING),
    "gen_ai.prompt.name": Row("if a prompt has one", STRING, (NEW,)),
    "gen_ai.prompt.version": Row("if a prompt has one", STRING, (NEW,)),
    "gen_ai.request.choice.count": Row("if not 1", INT),
    "gen_ai.request.model": Row("if known", STRING),
    "gen_ai.request.seed": Row("if asked for", INT),
    "gen_ai.request.stream": Row("if streaming", BOOL),
    "server.port": Row("if server.address", INT),
    "gen_ai.conversation.compacted": Row("recommended", BOOL, (NEW,)),
    "gen_ai.request.frequency_penalty": Row("recommended", DOUBLE),
    "gen_ai.request.presence_penalty": Row("recommended", DOUBLE),
    "gen_ai.request.max_tokens": Row("recommended", INT),
    "gen_ai.request.temperature": Row("recommended", DOUBLE),
    "gen_ai.request.top_p": Row("recommended", DOUBLE),
    "gen_ai.request.stop_sequences": Row("recommended", STRINGS),
    "gen_ai.request.reasoning.level": Row("recommended", STRING, (NEW,)),
    "gen_ai.request.previous_response.id": Row("recommended", STRING, (NEW,)),
    "gen_ai.response.id": Row("recommended", STRING),
    "gen_ai.response.model": Row("recommended", STRING),
    "gen_ai.response.finish_reasons": Row("recommended", STRINGS),
    "gen_ai.response.time_to_first_chunk": Row("recommended", DOUBLE),
    "gen_ai.usage.input_tokens": Row("recommended", INT),
    "gen_ai.usage.output_tokens": Row("recommended", INT),
    "gen_ai.usage.cache_read.input_tokens": Row("recommended", INT),
    "gen_ai.usage.cache_creation.input_tokens": Row("recommended", INT, (OLD,)),
    "gen_ai.usage.cache_write.input_tokens": Row("recommended", INT, (NEW,)),
    "gen_ai.usage.reasoning.output_tokens": Row("recommended", INT),
    "server.address": Row("recommended", STRING),
    **{name: Row("recommended", INT, (NEW,)) for name in MODAL},
}
# The one attribute whose type differs.
TOP_K = {OLD: Row("recommended", DOUBLE), NEW: Row("if asked for", INT)}
NOT_EMITTED = {
    "gen_ai.output.type": "a verb sees arguments by name; response formats differ from library to library",
    "gen_ai.prompt.name": "prompts are content; their names too, until somebody asks for them",
    "gen_ai.prompt.version": "as its name",
    "gen_ai.conversation.compacted": "not told by any response",
    "gen_ai.request.stop_sequences": "content",
    "gen_ai.request.reasoning.level": "its values are open upstream",
    "gen_ai.request.previous_response.id": "an argument that somebody else's system made",
    "server.address": "a decorated function does not tell it; the HTTP span below does",
    "server.port": "required only with server.address",
}
DURATIONS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
BASE = {
    "gen_ai.operation.name": "required",
    "gen_ai.provider.name": "required",
    "gen_ai.request.model": "if known",
    "gen_ai.response.model": "recommended",
}


class Instrument(NamedTuple):
    """One metric: its kind, unit, boundaries, and the attributes that it has besides those of every call."""

    kind: str
    unit: str
    boundaries: tuple[float, ...]
    more: dict[str, str]


def _durations(prefix: str, name: str) -> dict[str, Instrument]:
    return {
        f"{prefix}.{name}": Instrument("histogram", "s", DURATIONS, {"error.type": "if it failed"}),
        f"{prefix}.time_to_first_chunk": Instrument("histogram", "s", DURATIONS, {}),
        f"{prefix}.time_per_output_chunk": Instrument("histogram", "s", DURATIONS, {}),
    }


_TOKENS = ("input_tokens", "output_tokens", "cache_read.input_tokens", "cache_write.input_tokens", "reasoning.output_tokens")
_MODALITY = {"gen_ai.token.modality": "required"}
METRICS: dict[str, dict[str, Instrument]] = {
    OLD: {
        **_durations("gen_ai.client.operation", "duration"),
        "gen_ai.client.token.usage": Instrument("histogram", "{token}", TOKENS, {"gen_ai.token.type": "required"}),
    },
    NEW: {
        **_durations("gen_ai.client.inference", "duration"),
        **{f"gen_ai.client.inference.usage.{name}": Instrument("counter", "{token}", (), _MODALITY) for name in _TOKENS},
        **{
            f"gen_ai.client.inference.operation.{name}": Instrument("histogram", "{token}", TOKENS, {})
            for name in _TOKENS[:2]
        },
    },
}
OPERATIONS = {
    *("chat", "generate_content", "text_completion", "embeddings", "retrieval", "fetch_response", "create_agent"),
    *("invoke_agent", "invoke_workflow", "plan", "execute_tool", "create_memory", "create_memory_store", "update_memory"),
    *("upsert_memory", "search_memory", "delete_memory", "delete_memory_store"),
}
PROVIDERS = {
    *("anthropic", "aws.bedrock", "azure.ai.inference", "azure.ai.openai", "cohere", "deepseek", "gcp.gemini", "gcp.gen_ai"),
    *("gcp.vertex_ai", "groq", "ibm.watsonx.ai", "mistral_ai", "moonshot_ai", "openai", "perplexity", "x_ai"),
}
OUR_PROVIDERS = {"static", "embedded"}


@pytest.fixture(params=BOTH)
def generation(request: pytest.FixtureRequest, telemetry: Telemetry) -> str:
    """Each generation."""
    settings.use(Settings(semconv=request.param, token_histograms=True))
    return str(request.param)


REQUEST = {
    "model": "gpt-5.2",
    "temperature": 1,
    "top_p": 1,
    "top_k": 3,
    "max_tokens": 9,
    "seed": 1,
    "n": 2,
    "stream": True,
    "frequency_penalty": 1,
    "presence_penalty": 1,
}


def response() -> dict[str, Any]:
    """Return an answer that tells all there is."""
    modal = {"text_tokens": 1, "image_tokens": 1, "audio_tokens": 1}
    details = {"cached_tokens": 4, "cache_write_tokens": 3, "cached_tokens_details": modal, **modal}
    usage = {"prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": details}
    return {**completion(), "usage": {**usage, "completion_tokens_details": {"reasoning_tokens": 2, **modal}}}


@traced_llm_call(provider="openai")
def ask(outcome: Callable[[], Any], **request: Any) -> Any:
    """Ask for all that can be asked for."""
    return outcome()


@traced_llm_call(provider="openai")
def stream(model: str) -> Iterator[Any]:
    """Answer in chunks."""
    for _ in range(3):
        yield {**completion(), "usage": None}
    yield response()


def fails() -> None:
    """Fail."""
    raise TimeoutError


def everything(telemetry: Telemetry) -> None:
    """Make calls of every kind, with all that is known."""
    with association(conversation="c-1"):
        ask(response, **REQUEST)
        list(stream("gpt-5.2"))
        with pytest.raises(TimeoutError):
            ask(fails, **REQUEST)


def row(name: str, generation: str) -> Row | None:
    """Return the convention's row of an attribute, if the generation has it."""
    if name == semconv.GEN_AI_TOP_K:
        return TOP_K[generation]
    found = INFERENCE_SPAN.get(name)
    return found if found is not None and generation in found.generations else None


def test_attributes_of_calls_are_those_of_the_generation_with_its_types(telemetry: Telemetry, generation: str) -> None:
    """No name of the other generation, none of our own invention under `gen_ai`, and a double is no int."""
    everything(telemetry)
    seen = set()
    for span in telemetry.spans:
        for name, value in span.attributes.items():
            if name.startswith("resilience."):
                continue
            found = row(name, generation)
            assert found is not None, name
            assert isinstance(value, found.type), (name, value)
            assert found.type is BOOL or not isinstance(value, bool), (name, value)
            seen.add(name)
    wanted = {name for name in (*INFERENCE_SPAN, semconv.GEN_AI_TOP_K) if row(name, generation)}
    assert seen == wanted - NOT_EMITTED.keys()


def test_required_and_conditional_attributes_are_there(telemetry: Telemetry, generation: str) -> None:
    """Required on each call; conditional ones when, and only when, their condition holds."""
    everything(telemetry)
    full, chunks, failed = telemetry.spans
    for span in (full, chunks, failed):
        assert {"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model"} <= span.attributes.keys()
        assert ("error.type" in span.attributes) == (span is failed) == (span.status == "ERROR")
        assert span["gen_ai.conversation.id"].startswith("h:")
    for name in ("gen_ai.request.choice.count", "gen_ai.request.seed", "gen_ai.request.top_k"):
        assert name in full.attributes
        assert name not in chunks.attributes
    assert full["gen_ai.request.stream"] is chunks["gen_ai.request.stream"] is True
    telemetry.clear()
    ask(completion, model="gpt-5.2", n=1, stream=False)
    assert (
        telemetry.spans[0].attributes.keys()
        & {
            *(
                "gen_ai.request.choice.count",
                "gen_ai.request.stream",
                "gen_ai.request.seed",
                "error.type",
                "gen_ai.conversation.id",
            )
        }
        == set()
    )


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_the_span_has_the_name_and_the_kind_of_the_conventions(telemetry: Telemetry, generation: str, operation: str) -> None:
    """`{operation} {model}`, or the operation alone where the model is not known, and CLIENT."""
    traced_llm_call(operation=operation, model="gpt-5.2")(lambda: None)()
    traced_llm_call(operation=operation)(lambda: None)()
    assert [(span.name, span.kind) for span in telemetry.spans] == [(f"{operation} gpt-5.2", "CLIENT"), (operation, "CLIENT")]
    assert [span["gen_ai.operation.name"] for span in telemetry.spans] == [operation] * 2


def test_a_sampler_is_told_what_the_conventions_say_it_must_be(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Operation, provider and model stand on the span when it starts."""
    told: list[dict[str, Any]] = []

    class Asking(Sampler):
        def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
            told.append(dict(kwargs.get("attributes") or args[4] or {}))
            return ALWAYS_ON.should_sample(*args, **kwargs)

        def get_description(self) -> str:
            return "asking"

    monkeypatch.setattr(recorder()._gen_ai, "sampler", Asking())
    ask(completion, model="gpt-5.2")
    expected = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5.2"}
    assert expected.items() <= told[0].items()


def test_metrics_have_the_kind_unit_and_boundaries_of_the_conventions(generation: str) -> None:
    """In the table that instruments are made from."""
    table = semconv.GENERATIONS[generation]
    ours = {
        each.name: each for each in (table.duration, table.first_chunk, table.per_chunk, *(t.metric for t in table.tokens))
    }
    assert ours.keys() == METRICS[generation].keys()
    for name, wanted in METRICS[generation].items():
        metric = ours[name]
        assert (metric.kind, metric.unit, tuple(metric.boundaries)) == (wanted.kind, wanted.unit, wanted.boundaries), name
        assert set(metric.attributes) == {*BASE, *wanted.more}, name


def test_points_have_the_attributes_of_the_conventions(telemetry: Telemetry, generation: str) -> None:
    """Required ones on each point, error.type on failed ones alone, and boundaries as the SDK has taken them."""
    everything(telemetry)
    data = telemetry._reader.get_metrics_data()
    assert data is not None
    seen = set()
    for metric in (m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics):
        wanted = METRICS[generation].get(metric.name)
        if wanted is None:
            continue
        seen.add(metric.name)
        assert metric.unit == wanted.unit
        for point in metric.data.data_points:
            attributes = set(point.attributes or {})
            assert attributes >= {name for name, level in {**BASE, **wanted.more}.items() if level == "required"}
            assert attributes <= {*BASE, *wanted.more}
            assert not wanted.boundaries or tuple(point.explicit_bounds) == wanted.boundaries
        failed = [point for point in metric.data.data_points if "error.type" in (point.attributes or {})]
        assert len(failed) == ("error.type" in wanted.more)
    assert seen == METRICS[generation].keys()


def test_the_schema_url_is_the_generations(telemetry: Telemetry, generation: str) -> None:
    """On the scope of `gen_ai.*`, which is a scope of its own."""
    ask(completion)
    assert (telemetry.spans[0].scope, telemetry.spans[0].schema) == (
        "spanguard.genai",
        semconv.GENERATIONS[generation].schema_url,
    )


def test_enums_are_those_of_the_conventions() -> None:
    """All of their values and no others, but for two providers of ours; the installed package knows no more."""
    assert set(semconv.OPERATIONS) == OPERATIONS
    assert set(semconv.PROVIDERS) == PROVIDERS | OUR_PROVIDERS
    assert {each.value for each in gen_ai_attributes.GenAiOperationNameValues} <= OPERATIONS
    assert {each.value for each in gen_ai_attributes.GenAiProviderNameValues} <= PROVIDERS
    assert {each.value for each in gen_ai_attributes.GenAiTokenTypeValues} == set(semconv.TOKEN_TYPES)
    assert {"text", "image", "audio", "unknown"} == set(semconv.MODALITIES)


def test_the_installed_package_agrees_with_the_older_table() -> None:
    """Names, units and kinds of its metrics, as far as it knows them."""
    made: dict[str, tuple[str, str]] = {}

    class Meter:
        def create_histogram(self, name: str, description: str, unit: str) -> None:
            made[name] = ("histogram", unit)

    for name, create in vars(gen_ai_metrics).items():
        if name.startswith("create_gen_ai_client"):
            create(Meter())
    for name, (kind, unit) in made.items():
        known = METRICS[OLD][name]
        assert (known.kind, known.unit) == (kind, unit)


def test_an_evaluation_has_the_shape_of_the_conventions(telemetry: Telemetry) -> None:
    """The name is required, and a label where there is no score; it stands on the attempt that was judged."""
    with traced_repair("invoice") as repair:
        for attempt in repair.attempts(1):
            with attempt:
                attempt.validated("schema", passed=True)
    evaluation = telemetry.span("attempt").event("gen_ai.evaluation.result")
    assert (evaluation["gen_ai.evaluation.name"], evaluation["gen_ai.evaluation.score.label"]) == ("schema", "pass")
