"""The metrics of the conventions and ours: their units, kinds, and the largest value that one measurement can have."""

from __future__ import annotations

import math
from functools import lru_cache
from importlib import import_module
from typing import Any, Final, NamedTuple

from spanguard import semconv
from spanguard.privacy.rules import LARGEST, LARGEST_SIZE, LONGEST


class MetricRule(NamedTuple):
    """What is known about a metric: its unit, its kind, and the largest value that one measurement of it can have.

    The sum of a counter or of a histogram can be as many times larger as there are measurements.
    """

    unit: str
    kind: str
    largest: float

    def shown(self, value: float) -> float | None:
        """Return the measured value as it may be shown: above 9,999,999 three digits of it; None if it cannot be."""
        if not -self.largest <= value <= self.largest:  # NaN neither
            return None
        if -LARGEST <= value <= LARGEST:
            return value
        return _roughly(value)

    def total(self, value: float, nanoseconds: int) -> float:
        """Return what a counter has come to, after so long, as it may be shown.

        Nobody tells of how many measurements it is made, and one may be a number of somebody's. Beyond what can have come
        together at 9,999,999 a minute three digits of it are shown; of bytes and the like, above 9,999,999, whole mebibytes.
        """
        if -LARGEST <= value <= LARGEST:
            return value
        if self.largest == LARGEST_SIZE:
            return _rounded(value, 1 << 20)
        if abs(value) <= LARGEST * max(1.0, nanoseconds / _MINUTE):
            return value
        return _roughly(value)


def is_bound(value: float) -> bool:
    """Whether a bound of a bucket is no number of somebody's: above 9,999,999 a power of two, or round."""
    return -LARGEST <= value <= LARGEST or value % 100_000 == 0 or math.frexp(value)[0] == _POWER_OF_TWO


def _roughly(value: float) -> float:
    return _rounded(value, 10 ** (len(str(int(abs(value)))) - _DIGITS))


def _rounded(value: float, step: int) -> float:
    return type(value)(round(value / step) * step)


_DIGITS: Final = 3
_POWER_OF_TWO: Final = 0.5  # what `frexp` says of each
_MINUTE: Final = 60 * 10**9
# Bytes, and what a machine counts as long as it runs.
_VAST: Final = frozenset(
    {"By", "bytes", "{packet}", "{operation}", "{fault}", "{context_switch}", "ns", "Hz", "By/s", "bit/s"}
)
_SUMS: Final = frozenset({"counter", "observable_counter"})


def _rule(unit: str, kind: str) -> MetricRule:
    if unit == "s" and kind not in _SUMS:
        return MetricRule(unit, kind, 86_400.0)
    return MetricRule(unit, kind, float(LARGEST_SIZE if unit in _VAST else LARGEST))


def metric(name: str) -> MetricRule | None:
    """Return what is known about the metric, None for one that no convention knows."""
    if type(name) is not str or len(name) > LONGEST:
        return None
    return _KNOWN.get(name) or (_family(root) if (root := name.partition(".")[0]) in _ROOTS else {}).get(name)


# ------------------------------------------------------------------------------------------ from OpenTelemetry's own package

_ROOTS: Final = frozenset(
    """
    azure cicd container cpu cpython db dns faas gen_ai http hw k8s mcp messaging nfs openshift otel process rpc
    system vcs
    """.split()
)
_FACTORIES: Final = {
    "create_histogram": "histogram",
    "create_counter": "counter",
    "create_up_down_counter": "up_down_counter",
    "create_observable_counter": "observable_counter",
    "create_observable_up_down_counter": "observable_up_down_counter",
    "create_observable_gauge": "observable_gauge",
    "create_gauge": "gauge",
}


class _Reader:
    """A meter that makes no instrument, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.found: dict[str, MetricRule] = {}

    def __getattr__(self, factory: str) -> Any:
        kind = _FACTORIES[factory]

        def remember(name: str, unit: str = "", **_: object) -> None:
            self.found[name] = _rule(unit, kind)

        return remember


@lru_cache(maxsize=len(_ROOTS))
def _family(root: str) -> dict[str, MetricRule]:
    """Return the metrics whose names begin with this word, as OpenTelemetry's package makes them."""
    reader = _Reader()
    for place in ("_incubating.", ""):
        try:
            module = import_module(f"opentelemetry.semconv.{place}metrics.{root}_metrics")
        except ImportError:
            continue
        for attribute, make in list(vars(module).items()):
            if attribute.startswith("create_"):
                _read(make, reader)
    return reader.found


def _read(make: Any, reader: _Reader) -> None:
    plain = getattr(make, "__wrapped__", make)  # what is deprecated warns when it is called
    names = plain.__code__.co_varnames[: plain.__code__.co_argcount]
    plain(reader, *((None,) * (len(names) - 1)))


# ---------------------------------------------------------------------------------------------------------- ours and others'

# Names of instrumentations in use that the conventions do not have, or no longer: unit, kind, names.
_OTHERS: Final = """
ms histogram http.client.duration http.server.duration rpc.client.duration rpc.server.duration faas.server.duration
s histogram gen_ai.client.operation.time_to_first_chunk gen_ai.client.operation.time_per_output_chunk
s histogram gen_ai.client.response.duration gen_ai.server.request.duration gen_ai.server.time_per_output_token
s histogram gen_ai.server.time_to_first_token gen_ai.invoke_agent.duration gen_ai.invoke_workflow.duration
s histogram gen_ai.execute_tool.duration gen_ai.workflow.duration gen_ai.client.embeddings.duration
s histogram gen_ai.client.operation.duration gen_ai.invocation.duration llm.chat_completions.streaming_time_to_generate
s histogram db.client.query.duration db.pinecone.query.duration llm.watsonx.completions.duration asyncio.process.duration
s histogram mcp.client.operation.duration mcp.server.operation.duration mcp.client.session.duration
s histogram mcp.server.session.duration flower.task.runtime.seconds celery.task.duration
{token} histogram gen_ai.client.token.usage gen_ai.client.embeddings.operation.input_tokens
{call} histogram gen_ai.invoke_agent.inference_calls gen_ai.invoke_agent.tool_calls
{choice} counter gen_ai.client.generation.choices
{USD} counter operation.cost gen_ai.usage.cost
{element} counter llm.openai.embeddings.vector_size
{time} counter llm.openai.chat_completions.exceptions llm.openai.embeddings.exceptions llm.anthropic.completion.exceptions
{time} counter llm.openai.image_generations.exceptions llm.watsonx.completions.exceptions llm.watsonx.completions.responses
{token} counter llm.watsonx.completions.tokens
1 histogram db.pinecone.query.scores db.client.search.distance
{unit} counter db.pinecone.usage.read_units db.pinecone.usage_write_units db.client.usage.insert_units
{unit} counter db.client.usage.upsert_units db.client.usage.delete_units
{process} counter asyncio.process.created
{request} up_down_counter http.client.active_requests http.server.active_requests
By histogram http.server.request.size http.server.response.size http.client.request.size http.client.response.size
{connection} up_down_counter db.client.connections.usage db.client.connection.count
{gc} observable_counter process.runtime.cpython.gc_count process.runtime.pypy.gc_count
By observable_up_down_counter process.runtime.cpython.memory process.runtime.pypy.memory process.memory
s observable_counter process.runtime.cpython.cpu_time process.runtime.pypy.cpu_time
1 observable_gauge process.runtime.cpython.cpu.utilization process.runtime.pypy.cpu.utilization
{thread} observable_up_down_counter process.runtime.cpython.thread_count process.runtime.pypy.thread_count
{context_switch} observable_counter process.runtime.cpython.context_switches process.runtime.pypy.context_switches
{thread} observable_up_down_counter system.thread_count
By observable_gauge system.memory.usage system.swap.usage
1 observable_gauge process.cpu.core_utilization system.memory.utilization system.swap.utilization system.cpu.utilization
{operation} observable_counter system.disk.operations
s observable_counter system.disk.time
{process} observable_up_down_counter system.processes.count
{packet} observable_counter system.network.dropped.packets system.network.dropped_packets system.network.packets
{error} observable_counter system.network.errors
1 counter http_requests_total http_requests http_responses_total http_request_errors_total http_exceptions_total
1 counter flask_http_request_total flask_http_request_exceptions_total starlette_requests_total fastapi_requests_total
1 counter django_http_requests_total_by_method_total django_http_responses_total_by_status_total grpc_server_handled_total
1 counter grpc_server_started_total grpc_client_handled_total celery_tasks_total celery_task_failed_total
1 counter python_gc_objects_collected_total python_gc_objects_uncollectable_total python_gc_collections_total
1 counter vllm:prompt_tokens_total vllm:generation_tokens_total vllm:request_success_total litellm_requests_metric
1 counter litellm_total_tokens_metric litellm_input_tokens_metric litellm_output_tokens_metric litellm_spend_metric
s histogram http_request_duration_seconds flask_http_request_duration_seconds starlette_request_duration_seconds
s histogram django_http_requests_latency_seconds_by_view_method grpc_server_handling_seconds celery_task_runtime_seconds
s histogram vllm:time_to_first_token_seconds vllm:time_per_output_token_seconds vllm:e2e_request_latency_seconds
s histogram litellm_request_total_latency_metric litellm_llm_api_latency_metric
By histogram http_request_size_bytes http_response_size_bytes
s counter process_cpu_seconds_total
By gauge process_resident_memory_bytes process_virtual_memory_bytes
1 gauge process_open_fds process_max_fds python_info http_requests_in_progress gunicorn_workers
1 gauge vllm:num_requests_running vllm:num_requests_waiting vllm:gpu_cache_usage_perc vllm:kv_cache_usage_perc
"""


def _known() -> dict[str, MetricRule]:
    found: dict[str, MetricRule] = {}
    for line in _OTHERS.strip().splitlines():
        unit, kind, *names = line.split()
        found |= {name: _rule(unit, kind) for name in names}
    ours = [each for each in vars(semconv).values() if isinstance(each, semconv.Metric)]
    for generation in semconv.GENERATIONS.values():
        ours += [generation.duration, generation.first_chunk, generation.per_chunk]
        ours += [token.metric for token in generation.tokens]
    return found | {each.name: _rule(each.unit, each.kind) for each in ours}


_KNOWN: Final = _known()
