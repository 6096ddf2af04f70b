"""Every name that spanguard puts on the wire: attributes, metrics, events, span names and closed lists of values.

One table, read by the emitters, by the store, by the documentation generator and by the conformance tests. A name that is
not here is not emitted. ``gen_ai.*`` is in Development upstream and moves, so its metrics stand in one table per
convention generation (`GENERATIONS`); everything else is the same in each.

Sources: OpenTelemetry semantic conventions 1.37 (``gen_ai``, ``error``, ``server``), the main branch of
``semantic-conventions-genai`` as of October 2026 (``dev-2026-10``). ``resilience.*`` is ours, close to
semantic-conventions#2355 and to the meter of Polly v8.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from spanguard.semconv.values import *  # noqa: F403 - one vocabulary in two files

# A table reads best with one row a line.
# fmt: off

SCOPE: Final = "spanguard"
SCOPE_GENAI: Final = "spanguard.genai"
VERSION: Final = "0.1.0"
SCHEMA_VERSION: Final = "1"
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"

# ----------------------------------------------------------------------------------------------------------- attributes

ValueType = Literal["string", "int", "double", "boolean", "string[]"]
Privacy = Literal["enum", "known", "name", "pseudonym", "number", "flag", "id"]
"""Which finite set a value comes from.

``enum``: a closed list in `values`. ``known``: a vocabulary (providers, models, error types, versions). ``name``: clear
when it is a literal of the program or was passed to `spanguard.declare`, otherwise a keyed pseudonym. ``pseudonym``: always
``h:`` and 16 hex digits. ``number`` and ``flag``: no text. ``id``: random, made by spanguard or OpenTelemetry.
"""


class Attribute(NamedTuple):
    """One attribute: its name, the type of its value, its privacy class, one sentence, and its values if they are closed."""

    name: str
    type: ValueType
    privacy: Privacy
    brief: str
    values: tuple[str, ...] = ()


ATTRIBUTES: dict[str, Attribute] = {}


def _attribute(name: str, type: ValueType, privacy: Privacy, brief: str, values: tuple[str, ...] = ()) -> str:
    ATTRIBUTES[name] = Attribute(name, type, privacy, brief, values)
    return name


_a = _attribute
POLICY_TYPE: Final = _a("resilience.policy.type", "string", "enum", "The kind of policy that decided.", POLICIES)
POLICY_NAME: Final = _a("resilience.policy.name", "string", "name", "The name the program gave the policy.")
LIBRARY: Final = _a("resilience.library.name", "string", "enum", "The library whose policy it is; absent for the program's own.", LIBRARIES)
MISUSE: Final = _a("resilience.misuse.kind", "string", "enum", "In which way a policy is in force and without effect.", MISUSES)
OUTCOME: Final = _a("resilience.operation.outcome", "string", "enum", "How the whole operation ended.", OUTCOMES)
ATTEMPT_COUNT: Final = _a("resilience.operation.attempt_count", "int", "number", "How many attempts were made.")
ATTEMPT_LIMIT: Final = _a("resilience.operation.attempt_limit", "int", "number", "How many attempts were allowed.")
ATTEMPT_NUMBER: Final = _a("resilience.attempt.number", "int", "number", "Which attempt this is, counted from 1.")
ATTEMPT_OUTCOME: Final = _a("resilience.attempt.outcome", "string", "enum", "How one attempt ended.", ATTEMPT_OUTCOMES)
ERROR_CATEGORY: Final = _a("resilience.error.category", "string", "enum", "What kind of error it was, whichever library raised it.", ERROR_CATEGORIES)
ERROR_RECOVERABLE: Final = _a("resilience.error.recoverable", "boolean", "flag", "Whether another attempt can help.")
RETRY_DELAY: Final = _a("resilience.retry.delay", "double", "number", "Seconds to wait before the next attempt.")
DELAY_SOURCE: Final = _a("resilience.retry.delay.source", "string", "enum", "Who chose the delay: our backoff or the server's Retry-After.", DELAY_SOURCES)
DISPOSITION: Final = _a("resilience.token.disposition", "string", "enum", "Whether the answer that the tokens paid for was used.", DISPOSITIONS)
TOKEN_TYPE: Final = _a("resilience.token.type", "string", "enum", "Whether the tokens were sent or received.", TOKEN_TYPES)
USEFUL_INPUT: Final = _a("resilience.usage.useful.input_tokens", "int", "number", "Input tokens of the attempt whose answer was used.")
USEFUL_OUTPUT: Final = _a("resilience.usage.useful.output_tokens", "int", "number", "Output tokens of the attempt whose answer was used.")
WASTED_INPUT: Final = _a("resilience.usage.wasted.input_tokens", "int", "number", "Input tokens of all other attempts.")
WASTED_OUTPUT: Final = _a("resilience.usage.wasted.output_tokens", "int", "number", "Output tokens of all other attempts.")
USEFUL_COST: Final = _a("resilience.usage.useful.cost", "double", "number", "Cost in USD of the attempt whose answer was used.")
WASTED_COST: Final = _a("resilience.usage.wasted.cost", "double", "number", "Cost in USD of all other attempts.")
CALL_COST: Final = _a("resilience.usage.cost", "double", "number", "Cost in USD of this call.")
COST_SOURCE: Final = _a("resilience.usage.cost.source", "string", "enum", "Who said what the call cost: the provider's response, the caller, or the list of prices.", COST_SOURCES)
USAGE_SOURCE: Final = _a("resilience.usage.source", "string", "enum", "Who counted the tokens, told where it was not the provider's response but the `caller`.", USAGE_SOURCES)
CHUNKS: Final = _a("resilience.stream.chunks", "int", "number", "How many chunks of the stream were consumed.")
CLOSED_EARLY: Final = _a("resilience.stream.closed_early", "boolean", "flag", "The stream did not come to its end: its consumer stopped reading, or nobody closed it (`error.type` `stream_abandoned`).")
VALIDATION_RULE: Final = _a("resilience.validation.rule", "string", "name", "The rule that was checked.")
VALIDATION_STAGE: Final = _a("resilience.validation.stage", "string", "enum", "What was checked: input, output or a tool call.", VALIDATION_STAGES)
VALIDATION_ACTION: Final = _a("resilience.validation.action", "string", "enum", "What was done about the verdict.", ACTIONS)
VALIDATION_RESULT: Final = _a("resilience.validation.result", "string", "enum", "The verdict.", ("pass", "fail"))
RISK_LEVEL: Final = _a("resilience.validation.risk_level", "string", "enum", "How dangerous a safety validator found it.", RISK_LEVELS)
PATTERN_CATEGORY: Final = _a("resilience.validation.pattern_category", "string", "enum", "What kind of danger a safety validator found.", PATTERN_CATEGORIES)
BREAKER_STATE: Final = _a("resilience.circuit_breaker.state", "string", "enum", "State of the circuit breaker.", BREAKER_STATES)
BREAKER_RESULT: Final = _a("resilience.circuit_breaker.result", "string", "enum", "What the breaker made of a call; a rejected one was never attempted.", BREAKER_RESULTS)
BREAKER_FROM: Final = _a("resilience.circuit_breaker.from", "string", "enum", "State before a transition.", BREAKER_STATES)
BREAKER_TO: Final = _a("resilience.circuit_breaker.to", "string", "enum", "State after a transition.", BREAKER_STATES)
BREAKER_FAILURES: Final = _a("resilience.circuit_breaker.failures", "int", "number", "Failures that led to a transition.")
BREAKER_RESET: Final = _a("resilience.circuit_breaker.reset_timeout", "double", "number", "Seconds that the breaker stays open.")
BREAKER_SCOPE: Final = _a("resilience.circuit_breaker.scope", "string", "name", "What the breaker protects, such as a host or a model.")
FAILOVER_CANDIDATE: Final = _a("resilience.failover.candidate", "string", "name", "The candidate that was tried.")
FAILOVER_FROM: Final = _a("resilience.failover.from", "string", "name", "The candidate that failed.")
FAILOVER_TO: Final = _a("resilience.failover.to", "string", "name", "The candidate that was tried instead.")
FAILOVER_TIER: Final = _a("resilience.failover.tier", "int", "number", "Rank of the candidate, counted from 1.")
FAILOVER_SOURCE: Final = _a("resilience.failover.source", "string", "name", "Where the candidate comes from, such as a mirror.")
WORK_ID: Final = _a("resilience.work.id", "string", "pseudonym", "The piece of work that is tried.")
ARTIFACT_ID: Final = _a("resilience.artifact.id", "string", "pseudonym", "The artifact that is fetched or made.")
LIMITER_RESULT: Final = _a("resilience.rate_limiter.result", "string", "enum", "How a request for a permit ended.", LIMITER_RESULTS)
LIMITER_ACTION: Final = _a("resilience.rate_limiter.action", "string", "enum", "What the limiter did: let pass, delay, block, or not asked at all.", LIMITER_ACTIONS)
LIMITER_DELAY: Final = _a("resilience.rate_limiter.delay", "double", "number", "Seconds waited for a permit.")
LIMITER_MAX_DELAY: Final = _a("resilience.rate_limiter.max_delay", "double", "number", "Longest wait that is allowed, in seconds.")
CACHE_RESULT: Final = _a("resilience.cache.result", "string", "enum", "What the lookup found.", CACHE_RESULTS)
CACHE_KIND: Final = _a("resilience.cache.kind", "string", "name", "What kind of cache it is, such as exact or semantic.")
CACHE_NAME: Final = _a("resilience.cache.name", "string", "name", "The cache that was asked.")
FROM_CACHE: Final = _a("resilience.http.from_cache", "boolean", "flag", "The response came from an HTTP cache.")
REVALIDATED: Final = _a("resilience.http.revalidated", "boolean", "flag", "The cached response was confirmed by the server.")
STALE: Final = _a("resilience.http.stale", "boolean", "flag", "The cached response was stale.")
RETRY_AFTER: Final = _a("resilience.http.retry_after", "double", "number", "Seconds that the server asked to wait.")
URL_ID: Final = _a("resilience.url.id", "string", "pseudonym", "The URL of the request.")
INPUT_LENGTH: Final = _a("resilience.generation.input_length", "int", "number", "Length of the input in characters.")
OUTPUT_LENGTH: Final = _a("resilience.generation.output_length", "int", "number", "Length of the output in characters.")
DEPENDENCIES: Final = _a("resilience.generation.dependencies", "string[]", "known", "Packages that generated code tried to use.")
HTTP_METHOD: Final = _a("http.request.method", "string", "enum", "Method of the HTTP request.", HTTP_METHODS)
HTTP_STATUS: Final = _a("http.response.status_code", "int", "number", "Status of the HTTP response.")
HTTP_RESEND: Final = _a("http.request.resend_count", "int", "number", "How often the HTTP request was sent before.")
SERVER_ADDRESS: Final = _a("server.address", "string", "known", "Host of the server, if it is a known provider's or declared.")
RUN_ID: Final = _a("resilience.run.id", "string", "name", "The run: one per process start unless SPANGUARD_RUN or association(run=) gives it.")
SESSION: Final = _a("resilience.session.id", "string", "id", "Anonymous id of one process that called configure(), random; a forked child has its own.")
SCHEMA: Final = _a("resilience.schema.version", "string", "known", "Version of this table.")
SPACE: Final = _a("resilience.space.id", "string", "pseudonym", "The space (workspace, channel) the work belongs to.")
TENANT: Final = _a("resilience.tenant.id", "string", "pseudonym", "The tenant the work belongs to.")
PROJECT: Final = _a("resilience.project.id", "string", "pseudonym", "The project the work belongs to.")
VARIANT: Final = _a("resilience.variant", "string", "name", "The variant of an experiment.")
ROLE: Final = _a("resilience.role", "string", "name", "The part this work plays, such as planner or critic.")
USER: Final = _a("user.id", "string", "pseudonym", "The user the work is done for.")
USER_SESSION: Final = _a("session.id", "string", "pseudonym", "The user's session the work belongs to.")
ERROR_TYPE: Final = _a("error.type", "string", "known", "The class of the exception, or the error code of the provider.")
PRIVACY_MODE: Final = _a("resilience.privacy.mode", "string", "enum", "The guard's mode, on the resource where it is not strict.", PRIVACY_MODES)
PRIVACY_SIGNAL: Final = _a("resilience.privacy.signal", "string", "enum", "What kind of telemetry something was removed from.", PRIVACY_SIGNALS)
PRIVACY_FIELD: Final = _a("resilience.privacy.field", "string", "enum", "Which part of it was removed or replaced.", PRIVACY_FIELDS)
DROP_SIGNAL: Final = _a("resilience.telemetry.signal", "string", "enum", "What kind of telemetry was lost.", SIGNALS)
DROP_REASON: Final = _a("resilience.telemetry.drop_reason", "string", "enum", "Why it was lost: the queue or the spool was full, the endpoint refused or rejected it, the spool was damaged, the local store could not be written, or it was neither sent nor kept at the end.", DROP_REASONS)
PRIVACY_REASON: Final = _a("resilience.privacy.reason", "string", "enum", "Why it was removed, or that a pseudonym took its place.", PRIVACY_REASONS)
CONTENT_LENGTH: Final = _a("resilience.privacy.content.length", "int", "number", "Characters of content that the guard removed here, rounded up to a power of two.")
CONTENT_FIELDS: Final = _a("resilience.privacy.content.fields", "int", "number", "How many attributes or bodies that held content the guard removed here.")

GEN_AI_OPERATION: Final = _a("gen_ai.operation.name", "string", "enum", "What was asked of the model.", OPERATIONS)
GEN_AI_PROVIDER: Final = _a("gen_ai.provider.name", "string", "known", "Who served the model.")
GEN_AI_MODEL: Final = _a("gen_ai.request.model", "string", "known", "The model that was asked for.")
GEN_AI_TEMPERATURE: Final = _a("gen_ai.request.temperature", "double", "number", "Sampling temperature asked for.")
GEN_AI_TOP_P: Final = _a("gen_ai.request.top_p", "double", "number", "Nucleus sampling threshold asked for.")
GEN_AI_TOP_K: Final = _a("gen_ai.request.top_k", "int", "number", "Top-k asked for; in generation 1.37 a double.")
GEN_AI_MAX_TOKENS: Final = _a("gen_ai.request.max_tokens", "int", "number", "Most output tokens allowed.")
GEN_AI_FREQUENCY: Final = _a("gen_ai.request.frequency_penalty", "double", "number", "Frequency penalty asked for.")
GEN_AI_PRESENCE: Final = _a("gen_ai.request.presence_penalty", "double", "number", "Presence penalty asked for.")
GEN_AI_SEED: Final = _a("gen_ai.request.seed", "int", "number", "Seed asked for.")
GEN_AI_CHOICES: Final = _a("gen_ai.request.choice.count", "int", "number", "How many choices were asked for, if not one.")
GEN_AI_STREAM: Final = _a("gen_ai.request.stream", "boolean", "flag", "The answer was asked for as a stream.")
GEN_AI_RESPONSE_MODEL: Final = _a("gen_ai.response.model", "string", "known", "The model that answered.")
GEN_AI_RESPONSE_ID: Final = _a("gen_ai.response.id", "string", "pseudonym", "The provider's id of the answer.")
GEN_AI_FINISH: Final = _a("gen_ai.response.finish_reasons", "string[]", "known", "Why each choice ended.")
GEN_AI_FIRST_CHUNK: Final = _a("gen_ai.response.time_to_first_chunk", "double", "number", "Seconds until the first chunk.")
GEN_AI_INPUT: Final = _a("gen_ai.usage.input_tokens", "int", "number", "Tokens sent, cached ones included.")
GEN_AI_OUTPUT: Final = _a("gen_ai.usage.output_tokens", "int", "number", "Tokens received, reasoning included.")
GEN_AI_CACHE_READ: Final = _a("gen_ai.usage.cache_read.input_tokens", "int", "number", "Input tokens served from the provider's cache.")
GEN_AI_CACHE_CREATION: Final = _a("gen_ai.usage.cache_creation.input_tokens", "int", "number", "Input tokens written to the provider's cache (generation 1.37).")
GEN_AI_CACHE_WRITE: Final = _a("gen_ai.usage.cache_write.input_tokens", "int", "number", "Input tokens written to the provider's cache (generation dev-2026-10).")
GEN_AI_REASONING: Final = _a("gen_ai.usage.reasoning.output_tokens", "int", "number", "Output tokens spent on reasoning.")
GEN_AI_CONVERSATION: Final = _a("gen_ai.conversation.id", "string", "pseudonym", "The conversation the call belongs to.")
GEN_AI_TOKEN_TYPE: Final = _a("gen_ai.token.type", "string", "enum", "Whether the tokens were sent or received (generation 1.37).", TOKEN_TYPES)
GEN_AI_MODALITY: Final = _a("gen_ai.token.modality", "string", "enum", "What the tokens encode (generation dev-2026-10).", MODALITIES)
EVALUATION_NAME: Final = _a("gen_ai.evaluation.name", "string", "name", "The evaluation that was made.")
EVALUATION_LABEL: Final = _a("gen_ai.evaluation.score.label", "string", "enum", "The verdict of the evaluation.", ("pass", "fail"))

# --------------------------------------------------------------------------------------------------------------- events

Severity = Literal["INFO", "WARN", "ERROR"]


class Event(NamedTuple):
    """One event: its name, its severity as a log record, one sentence, and the attributes it may carry."""

    name: str
    severity: Severity
    brief: str
    attributes: tuple[str, ...]


_VERDICT = (VALIDATION_RULE, VALIDATION_STAGE, VALIDATION_ACTION, VALIDATION_RESULT, RISK_LEVEL, PATTERN_CATEGORY, POLICY_TYPE, POLICY_NAME, LIBRARY, ATTEMPT_NUMBER)
EVALUATION: Final = Event("gen_ai.evaluation.result", "INFO", "A validator judged an answer of the model.", (EVALUATION_NAME, EVALUATION_LABEL, *_VERDICT))
VALIDATION_FAILED: Final = Event("resilience.validation.failed", "WARN", "A check of an input or a tool call failed.", (EVALUATION_NAME, *_VERDICT))
_RETRY = (POLICY_TYPE, POLICY_NAME, LIBRARY, ATTEMPT_NUMBER, ERROR_TYPE)
RETRY_SCHEDULED: Final = Event("resilience.retry.scheduled", "WARN", "Another attempt will follow after a delay.", (*_RETRY, RETRY_DELAY, DELAY_SOURCE))
RETRY_EXHAUSTED: Final = Event("resilience.retry.exhausted", "ERROR", "The last allowed attempt failed.", _RETRY)
RETRY_REFUSED: Final = Event("resilience.retry.refused", "WARN", "Another attempt was possible, but was not allowed.", _RETRY)
_GATE = (POLICY_TYPE, POLICY_NAME, LIBRARY)
OPERATION_STARTED: Final = Event("resilience.operation.started", "INFO", "An operation began; told only with SPANGUARD_STARTED, as a log record.", _GATE)
FAILOVER_HOP: Final = Event("resilience.failover.hop", "WARN", "A candidate failed and the next one is tried.", (*_GATE, ATTEMPT_NUMBER, FAILOVER_FROM, FAILOVER_TO, ERROR_TYPE))
BREAKER_TRANSITION: Final = Event("resilience.circuit_breaker.transition", "INFO", "A circuit breaker changed its state; ERROR when it opens, WARN when it half-opens.", (*_GATE, BREAKER_FROM, BREAKER_TO, BREAKER_FAILURES, BREAKER_RESET, BREAKER_SCOPE))
LIMITER_REJECTED: Final = Event("resilience.rate_limiter.rejected", "WARN", "A limiter refused a permit.", (*_GATE, LIMITER_RESULT, LIMITER_DELAY, LIMITER_MAX_DELAY))
MISUSE_DETECTED: Final = Event("resilience.misuse.detected", "WARN", "A policy is in force and without effect; a log record, once for each place in a process.", (MISUSE, *_GATE))
_EVENTS = (OPERATION_STARTED, EVALUATION, VALIDATION_FAILED, RETRY_SCHEDULED, RETRY_EXHAUSTED, RETRY_REFUSED, FAILOVER_HOP, BREAKER_TRANSITION, LIMITER_REJECTED, MISUSE_DETECTED)
EVENTS: Final = {e.name: e for e in _EVENTS}

# -------------------------------------------------------------------------------------------------------------- metrics

MetricKind = Literal["histogram", "counter", "up_down_counter", "observable_counter", "observable_up_down_counter"]


class Metric(NamedTuple):
    """One instrument: its name, kind, unit, one sentence, the attributes it may carry, and its bucket boundaries."""

    name: str
    kind: MetricKind
    unit: str
    brief: str
    attributes: tuple[str, ...]
    boundaries: tuple[float, ...] = ()


DURATION_BOUNDARIES: Final = tuple(0.01 * 2**i for i in range(16))
WAIT_BOUNDARIES: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
ATTEMPT_BOUNDARIES: Final = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0)
GEN_AI_DURATION_BOUNDARIES: Final = tuple(0.01 * 2**i for i in range(14))
GEN_AI_TOKEN_BOUNDARIES: Final = tuple(float(4**i) for i in range(14))

HTTP_BOUNDARIES: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
LOOKUP_BOUNDARIES: Final = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)

_BY = (POLICY_TYPE, POLICY_NAME, LIBRARY)
OPERATION_DURATION: Final = Metric("resilience.operation.duration", "histogram", "s", "How long operations took, all attempts and waits included.", (*_BY, OUTCOME, ERROR_TYPE, GEN_AI_PROVIDER, GEN_AI_MODEL), DURATION_BOUNDARIES)
OPERATION_ATTEMPTS: Final = Metric("resilience.operation.attempts", "histogram", "{attempt}", "How many attempts operations made.", (*_BY, OUTCOME), ATTEMPT_BOUNDARIES)
ATTEMPT_DURATION: Final = Metric("resilience.attempt.duration", "histogram", "s", "How long single attempts took.", (*_BY, ATTEMPT_OUTCOME, ERROR_TYPE, GEN_AI_PROVIDER, GEN_AI_MODEL), DURATION_BOUNDARIES)
RETRY_DELAYS: Final = Metric("resilience.retry.delay", "histogram", "s", "How long operations waited between attempts.", (*_BY, DELAY_SOURCE), WAIT_BOUNDARIES)
TOKEN_USAGE: Final = Metric("resilience.token.usage", "counter", "{token}", "Tokens of attempts, by whether their answer was used.", (*_BY, TOKEN_TYPE, DISPOSITION, GEN_AI_PROVIDER, GEN_AI_MODEL))
COST: Final = Metric("resilience.cost", "counter", "{USD}", "Cost of attempts, by whether their answer was used.", (*_BY, DISPOSITION, GEN_AI_MODEL))
VALIDATIONS: Final = Metric("resilience.validation.results", "counter", "{result}", "Verdicts of validators.", (*_BY, VALIDATION_RULE, VALIDATION_STAGE, VALIDATION_RESULT, VALIDATION_ACTION, RISK_LEVEL))
VALIDATION_DURATION: Final = Metric("resilience.validation.duration", "histogram", "s", "How long validators took.", (*_BY, VALIDATION_STAGE, VALIDATION_RESULT), LOOKUP_BOUNDARIES)
FAILOVER_HOPS: Final = Metric("resilience.failover.hops", "counter", "{hop}", "How often a candidate failed and the next one was tried.", (*_BY, FAILOVER_FROM, FAILOVER_TO, ERROR_TYPE))
BREAKER_CALLS: Final = Metric("resilience.circuit_breaker.calls", "counter", "{call}", "Calls through circuit breakers, and those they rejected.", (*_BY, BREAKER_RESULT))
BREAKER_TRANSITIONS: Final = Metric("resilience.circuit_breaker.transitions", "counter", "{transition}", "Changes of state of circuit breakers.", (*_BY, BREAKER_FROM, BREAKER_TO))
BREAKER_STATE_NOW: Final = Metric("resilience.circuit_breaker.state", "observable_up_down_counter", "{breaker}", "State of circuit breakers: 1 for the state they are in, 0 for the others.", (*_BY, BREAKER_STATE))
BREAKER_OPEN: Final = Metric("resilience.circuit_breaker.open.duration", "observable_counter", "s", "How long circuit breakers have been open.", _BY)
LIMITER_REQUESTS: Final = Metric("resilience.rate_limiter.requests", "counter", "{request}", "Requests for permits of limiters.", (*_BY, LIMITER_RESULT))
LIMITER_WAIT: Final = Metric("resilience.rate_limiter.wait.duration", "histogram", "s", "How long requests waited for permits.", (*_BY, LIMITER_RESULT), WAIT_BOUNDARIES)
LIMITER_QUEUED: Final = Metric("resilience.rate_limiter.queued_requests", "up_down_counter", "{request}", "Requests that are waiting for a permit.", _BY)
CACHE_LOOKUPS: Final = Metric("resilience.cache.lookups", "counter", "{lookup}", "Lookups in caches.", (*_BY, CACHE_RESULT, CACHE_KIND))
CACHE_DURATION: Final = Metric("resilience.cache.lookup.duration", "histogram", "s", "How long lookups in caches took.", (*_BY, CACHE_RESULT, CACHE_KIND), LOOKUP_BOUNDARIES)
HTTP_DURATION: Final = Metric("http.client.request.duration", "histogram", "s", "How long HTTP requests took that `attempt.http` told of, where no HTTP instrumentation measures them.", (HTTP_METHOD, HTTP_STATUS, SERVER_ADDRESS, ERROR_TYPE), HTTP_BOUNDARIES)
REDACTIONS: Final = Metric("resilience.privacy.redactions", "observable_counter", "{redaction}", "What the guard removed or replaced, never what it was.", (PRIVACY_SIGNAL, PRIVACY_FIELD, PRIVACY_REASON))
METRICS: Final = (
    *(OPERATION_DURATION, OPERATION_ATTEMPTS, ATTEMPT_DURATION, RETRY_DELAYS, TOKEN_USAGE, COST, VALIDATIONS),
    *(VALIDATION_DURATION, FAILOVER_HOPS, BREAKER_CALLS, BREAKER_TRANSITIONS, BREAKER_STATE_NOW, BREAKER_OPEN),
    *(LIMITER_REQUESTS, LIMITER_WAIT, LIMITER_QUEUED, CACHE_LOOKUPS, CACHE_DURATION, HTTP_DURATION),
)
DROPPED: Final = Metric("resilience.telemetry.dropped", "observable_counter", "{item}", "Spans, metric points and log records that were lost on their way out of the process.", (DROP_SIGNAL, DROP_REASON))
KEEPER_METRICS: Final = (REDACTIONS, DROPPED)
"""Those of the guard and of the pipeline."""

# --------------------------------------------------------------------------------------- gen_ai, one table a generation

TokenKind = Literal["input", "output", "cache_read", "cache_write", "reasoning"]
_MODAL_KINDS: Final[dict[TokenKind, tuple[str, str]]] = {
    "input": ("input_tokens", "Tokens sent"),
    "output": ("output_tokens", "Tokens received"),
    "cache_read": ("cache_read.input_tokens", "Input tokens served from the provider's cache"),
}
GEN_AI_MODAL: Final[dict[tuple[TokenKind, str], str]] = {
    (kind, modality): _attribute(f"gen_ai.usage.{modality}.{name}", "int", "number", f"{what} that encode {modality} (generation dev-2026-10).")
    for kind, (name, what) in _MODAL_KINDS.items()
    for modality in MODALITIES[:3]
}


class TokenMetric(NamedTuple):
    """One instrument that token counts go to: which kind of token it takes, and the attributes that say so.

    Without such attributes, not even none, each modality is counted apart. One that tells percentiles alone is recorded only
    if the settings ask for it.
    """

    metric: Metric
    kind: TokenKind
    fixed: dict[str, str] | None = None
    percentiles: bool = False


class Generation(NamedTuple):
    """What one generation of the GenAI conventions calls things: schema URL, span attributes that moved, metrics."""

    name: str
    schema_url: str
    top_k: type[int | float]
    usage: tuple[str, ...]
    """Span attributes of input, output, cached (read, written) and reasoning tokens, and of the cost."""
    modal: dict[tuple[TokenKind, str], str]
    duration: Metric
    first_chunk: Metric
    per_chunk: Metric
    tokens: tuple[TokenMetric, ...]


_CALL = (GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_MODEL, GEN_AI_RESPONSE_MODEL)


def _seconds(name: str, brief: str, *more: str) -> Metric:
    return Metric(name, "histogram", "s", brief, (*_CALL, *more), GEN_AI_DURATION_BOUNDARIES)


def _modal(name: str, kind: TokenKind, brief: str) -> TokenMetric:
    counter = Metric(name, "counter", "{token}", brief, (*_CALL, GEN_AI_MODALITY))
    return TokenMetric(counter, kind)


def _per_call(name: str, kind: TokenKind, brief: str) -> TokenMetric:
    return TokenMetric(Metric(name, "histogram", "{token}", brief, _CALL, GEN_AI_TOKEN_BOUNDARIES), kind, {}, percentiles=True)


_USAGE = Metric("gen_ai.client.token.usage", "histogram", "{token}", "Tokens used by a call.", (*_CALL, GEN_AI_TOKEN_TYPE), GEN_AI_TOKEN_BOUNDARIES)
_dev = "gen_ai.client.inference."
GENERATIONS: Final = {
    "1.37": Generation(
        "1.37", "https://opentelemetry.io/schemas/1.37.0", float,
        (GEN_AI_INPUT, GEN_AI_OUTPUT, GEN_AI_CACHE_READ, GEN_AI_CACHE_CREATION, GEN_AI_REASONING, CALL_COST),
        {},
        _seconds("gen_ai.client.operation.duration", "How long calls took.", ERROR_TYPE),
        _seconds("gen_ai.client.operation.time_to_first_chunk", "How long streams took to their first chunk."),
        _seconds("gen_ai.client.operation.time_per_output_chunk", "Mean time between the chunks of a stream; of more than three up to one behind their first third."),
        tuple(TokenMetric(_USAGE, kind, {GEN_AI_TOKEN_TYPE: kind}) for kind in TOKEN_TYPES),
    ),
    "dev-2026-10": Generation(
        "dev-2026-10", "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev", int,
        (GEN_AI_INPUT, GEN_AI_OUTPUT, GEN_AI_CACHE_READ, GEN_AI_CACHE_WRITE, GEN_AI_REASONING, CALL_COST),
        GEN_AI_MODAL,
        _seconds(_dev + "duration", "How long calls took.", ERROR_TYPE),
        _seconds(_dev + "time_to_first_chunk", "How long streams took to their first chunk."),
        _seconds(_dev + "time_per_output_chunk", "Mean time between the chunks of a stream; of more than three up to one behind their first third."),
        (
            _modal(_dev + "usage.input_tokens", "input", "Tokens sent."),
            _modal(_dev + "usage.output_tokens", "output", "Tokens received."),
            _modal(_dev + "usage.cache_read.input_tokens", "cache_read", "Tokens read from the provider's cache."),
            _modal(_dev + "usage.cache_write.input_tokens", "cache_write", "Tokens written to the provider's cache."),
            _modal(_dev + "usage.reasoning.output_tokens", "reasoning", "Tokens spent on reasoning."),
            _per_call(_dev + "operation.input_tokens", "input", "Tokens sent by a call; only with SPANGUARD_TOKEN_HISTOGRAMS."),
            _per_call(_dev + "operation.output_tokens", "output", "Tokens received by a call; only with SPANGUARD_TOKEN_HISTOGRAMS."),
        ),
    ),
}
DEFAULT_GENERATION: Final = "1.37"
del _a, _dev
