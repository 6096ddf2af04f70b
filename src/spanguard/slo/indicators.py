"""Service level indicators, each defined once: what it means in words, and of which metrics it is made.

From its definition come both its value over the local store (`value`, with `spanguard.slo.reading`) and its PromQL
(`promql`), so that a laptop and a fleet give the same verdict.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from spanguard import semconv
from spanguard.semconv import Metric
from spanguard.store.figures import ANSWERED, CONTEXT, LEFT_OUT, MISSED

Part = Literal["count", "sum", "value", "points"]
"""What of a metric is added up.

``count`` and ``sum`` of a histogram, ``value`` of a counter (or of observations), ``points``: how often it was observed.
"""


@dataclass(frozen=True)
class Where:
    """Which of a metric's points are meant: those whose attribute is one of the values, or (``without``) none of them.

    ``Where(key, ("",), without=True)`` are those that have the attribute at all.
    """

    key: str
    values: tuple[str, ...]
    without: bool = False

    def takes(self, value: str) -> bool:
        """Whether points with this value are meant; the empty text is an attribute that is not there."""
        return (value in self.values) != self.without


@dataclass(frozen=True)
class Piece:
    """Points of one metric, and what of them is added up."""

    metric: Metric
    part: Part
    where: tuple[Where, ...] = ()


@dataclass(frozen=True)
class Sum:
    """Pieces added up: of metrics that go by another name in another generation of the conventions, say."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Ratio:
    """A sum as a part of another."""

    part: Sum
    whole: Sum


@dataclass(frozen=True)
class Quantile:
    """The value that a share ``q`` of all measurements does not exceed, by the histograms' buckets."""

    q: float
    of: Sum


@dataclass(frozen=True)
class Above:
    """The share of measurements above a limit, by the histograms' buckets."""

    limit: float
    of: Sum


@dataclass(frozen=True)
class Count:
    """A sum as it is, known wherever there is anything of ``among``; ``per_second`` divides it by the time."""

    of: Sum
    among: Sum
    per_second: bool = False


Formula: TypeAlias = Sum | Ratio | Quantile | Above | Count


@dataclass(frozen=True)
class Indicator:
    """One SLI.

    ``unit`` is ``share`` (0 to 1), ``s``, or what is counted; ``better`` says which way is good. ``sample`` counts what a
    value is made of, and ``sampled`` is the word for it.
    """

    name: str
    brief: str
    formula: Ratio | Quantile | Count
    unit: str
    better: Literal["high", "low"]
    sample: Sum
    sampled: str

    @property
    def filters(self) -> tuple[str, ...]:
        """What it can be narrowed down to: what all its metrics carry."""
        carried = [set(piece.metric.attributes) for piece in pieces(self.formula)]
        return ("run", "service", *(name for name, key in FILTERS.items() if all(key in keys for keys in carried)))

    @property
    def is_share(self) -> bool:
        """Whether it is a part of a whole, so that there is a budget of the rest."""
        return self.unit == "share"


FILTERS: Final = {"policy": semconv.POLICY_NAME, "provider": semconv.GEN_AI_PROVIDER, "model": semconv.GEN_AI_MODEL}
"""The filters that are attributes of points; ``run`` and ``service`` are those of the process."""
FILTER_NAMES: Final = ("run", "service", *FILTERS)


@dataclass(frozen=True)
class Filters:
    """What an SLI is narrowed down to; None is everything."""

    run: str | None = None
    service: str | None = None
    policy: str | None = None
    provider: str | None = None
    model: str | None = None

    def wheres(self) -> tuple[Where, ...]:
        """Return those that are attributes of points."""
        given = ((key, getattr(self, name)) for name, key in FILTERS.items())
        return tuple(Where(key, (value,)) for key, value in given if value is not None)


def pieces(formula: Formula) -> tuple[Piece, ...]:
    """Return all that a formula is made of."""
    if isinstance(formula, Sum):
        return formula.pieces
    if isinstance(formula, Ratio):
        return (*formula.part.pieces, *formula.whole.pieces)
    if isinstance(formula, Count):
        return (*formula.of.pieces, *formula.among.pieces)
    return formula.of.pieces


def narrowed(total: Sum, *where: Where) -> Sum:
    """Return the same sum of fewer points."""
    return Sum(tuple(replace(piece, where=(*piece.where, *where)) for piece in total.pieces))


# ---------------------------------------------------------------------------------------------------------- what is counted

_JUDGED: Final = Where(semconv.OUTCOME, LEFT_OUT, without=True)
_FAILOVER: Final = Where(semconv.POLICY_TYPE, ("failover",))
_REPAIR: Final = Where(semconv.POLICY_TYPE, ("repair",))
_MODEL: Final = Where(semconv.GEN_AI_OPERATION, (CONTEXT,), without=True)

# Metrics of HTTP instrumentations: the stable name, and the one that they use unless OTEL_SEMCONV_STABILITY_OPT_IN says
# otherwise.
HTTP: Final = semconv.HTTP_DURATION
_OLD_STATUS: Final = "http.status_code"
OLD_HTTP: Final = Metric("http.client.duration", "histogram", "ms", "", (_OLD_STATUS,))


def _one(metric: Metric, part: Part, *where: Where) -> Sum:
    return Sum((Piece(metric, part, where),))


def _each(part: Part, *metrics: Metric) -> Sum:
    return Sum(tuple(Piece(metric, part) for metric in metrics))


def _tokens() -> Sum:
    """Add tokens up: of each generation the first metric of each kind, as another one counts the same tokens again."""
    found: list[Piece] = []
    for generation in semconv.GENERATIONS.values():
        for kind in semconv.TOKEN_TYPES:
            counted = next(each for each in generation.tokens if each.kind == kind)
            where = tuple(Where(key, (value,)) for key, value in dict(counted.fixed or {}).items())
            found.append(Piece(counted.metric, "sum" if counted.metric.kind == "histogram" else "value", where))
    return Sum(tuple(found))


_CALLS: Final = _each("count", *(generation.duration for generation in semconv.GENERATIONS.values()))
_CHUNKS: Final = _each("count", *(generation.first_chunk for generation in semconv.GENERATIONS.values()))
_OPERATIONS: Final = _one(semconv.OPERATION_DURATION, "count", _JUDGED)
_DOWNLOADS: Final = narrowed(_OPERATIONS, _FAILOVER)
_FETCHED: Final = _one(semconv.OPERATION_DURATION, "count", _FAILOVER, Where(semconv.OUTCOME, ANSWERED))
_BROKEN: Final = narrowed(
    _one(semconv.OPERATION_DURATION, "count", _REPAIR),
    Where(semconv.OUTCOME, ("success", "rejected", *LEFT_OUT), without=True),
)
_WAITS: Final = _one(semconv.LIMITER_WAIT, "count")
_LOOKUPS: Final = _one(semconv.CACHE_LOOKUPS, "value", Where(semconv.CACHE_RESULT, ("bypass",), without=True))
_VERDICTS: Final = _one(semconv.VALIDATIONS, "value")
_USAGE: Final = _one(semconv.TOKEN_USAGE, "value")
_ATTEMPTED: Final = _one(semconv.OPERATION_ATTEMPTS, "count")
_OPEN: Final = Where(semconv.BREAKER_STATE, ("open",))
_OBSERVED: Final = _one(semconv.BREAKER_STATE_NOW, "points", _OPEN)
_REQUESTS: Final = _each("count", HTTP, OLD_HTTP)
_REFUSED: Final = Sum(
    (
        Piece(HTTP, "count", (Where(semconv.HTTP_STATUS, ("429",)),)),
        Piece(OLD_HTTP, "count", (Where(_OLD_STATUS, ("429",)),)),
    )
)


def _share(
    name: str, brief: str, part: Sum, whole: Sum, sampled: str, *, better: Literal["high", "low"] = "low"
) -> Indicator:
    return Indicator(name, brief, Ratio(part, whole), "share", better, whole, sampled)


def _mean(name: str, brief: str, formula: Ratio, unit: str, sampled: str) -> Indicator:
    return Indicator(name, brief, formula, unit, "low", formula.whole, sampled)


def _seconds(name: str, brief: str, q: float, of: Sum, sampled: str) -> Indicator:
    return Indicator(name, brief, Quantile(q, of), "s", "low", of, sampled)


def _latency(name: str, q: float) -> Indicator:
    brief = f"Seconds that {q:.0%} of the model's calls do not exceed, until the last byte; assembly of context is none."
    return _seconds(name, brief, q, narrowed(_CALLS, _MODEL), "calls")


def _first_success(name: str, q: float) -> Indicator:
    brief = f"Seconds within which {q:.0%} of failovers that had an answer had it, all candidates and waits included."
    return _seconds(name, brief, q, _FETCHED, "failovers that had an answer")


_INDICATORS: Final = (
    _share(
        "success",
        "Operations (repair, retry, failover) that had a real answer, whether at once or after failed attempts. A fallback "
        "value (`degraded`) is none. Operations that somebody cancelled are left out.",
        _one(semconv.OPERATION_DURATION, "count", Where(semconv.OUTCOME, ANSWERED)),
        _OPERATIONS,
        "operations",
        better="high",
    ),
    _share(
        "first_attempt_success",
        "Operations that had a real answer at the first attempt; those that somebody cancelled are left out.",
        _one(semconv.OPERATION_DURATION, "count", Where(semconv.OUTCOME, ("success",))),
        _OPERATIONS,
        "operations",
        better="high",
    ),
    _share(
        "repair_success",
        "Repairs that had an answer in the end, of those whose first attempt had none.",
        narrowed(_BROKEN, Where(semconv.OUTCOME, ("recovered",))),
        _BROKEN,
        "repairs that needed one",
        better="high",
    ),
    _mean(
        "retry_amplification",
        "Attempts that an operation makes on average: 1 is none in vain.",
        Ratio(_one(semconv.OPERATION_ATTEMPTS, "sum"), _ATTEMPTED),
        "attempts",
        "operations",
    ),
    _share(
        "wasted_token_share",
        "Tokens whose answer was not used, of all tokens of operations.",
        narrowed(_USAGE, Where(semconv.DISPOSITION, ("wasted",))),
        _USAGE,
        "tokens",
    ),
    _share(
        "breaker_open_fraction",
        "Observations of circuit breakers that found them open. Each breaker is observed whenever metrics are exported: "
        "every 5 s in the local store, every 60 s by OTLP, unless OTEL_METRIC_EXPORT_INTERVAL says otherwise.",
        _one(semconv.BREAKER_STATE_NOW, "value", _OPEN),
        _OBSERVED,
        "observations",
    ),
    _mean(
        "failover_rate",
        "How often a failover goes on to its next candidate, on average: 0 is never, and it can be above 1.",
        Ratio(_one(semconv.FAILOVER_HOPS, "value"), _DOWNLOADS),
        "hops",
        "failovers",
    ),
    _latency("latency_p50", 0.5),
    _latency("latency_p95", 0.95),
    _latency("latency_p99", 0.99),
    _seconds(
        "time_to_first_chunk_p95",
        "Seconds until the first chunk that 95% of the model's streams do not exceed.",
        0.95,
        _CHUNKS,
        "streams",
    ),
    _seconds(
        "rate_limit_wait_p95",
        "Seconds that 95% of requests for a permit of a rate limiter do not exceed, those that need not wait included.",
        0.95,
        _WAITS,
        "requests for a permit",
    ),
    _share(
        "http_429_ratio",
        "HTTP requests that were answered with 429, by the metrics of an HTTP instrumentation of OpenTelemetry; where none "
        "is loaded, by those of `attempt.http`.",
        _REFUSED,
        _REQUESTS,
        "HTTP requests",
    ),
    _share(
        "cache_hit_ratio",
        "Lookups that found what they looked for; those that were meant to bypass the cache are left out.",
        narrowed(_LOOKUPS, Where(semconv.CACHE_RESULT, ("hit",))),
        _LOOKUPS,
        "lookups",
        better="high",
    ),
    _share(
        "validation_failure_ratio",
        "Verdicts that went against what was checked.",
        narrowed(_VERDICTS, Where(semconv.VALIDATION_RESULT, ("fail",))),
        _VERDICTS,
        "verdicts",
    ),
    _share(
        "yield",
        "Failovers (artifacts of a pipeline, say) that had an answer, from whichever candidate; those that somebody "
        "cancelled are left out.",
        _FETCHED,
        _DOWNLOADS,
        "failovers",
        better="high",
    ),
    _first_success("time_to_first_success_p50", 0.5),
    _first_success("time_to_first_success_p95", 0.95),
    Indicator(
        "failed_artifacts",
        "How many failovers had no answer from any candidate.",
        Count(_one(semconv.OPERATION_DURATION, "count", _FAILOVER, Where(semconv.OUTCOME, MISSED)), _DOWNLOADS),
        "failovers",
        "low",
        _DOWNLOADS,
        "failovers",
    ),
    _share(
        "error_rate",
        "Calls of models that ended with an error.",
        Sum(
            tuple(
                Piece(generation.duration, "count", (Where(semconv.ERROR_TYPE, ("",), without=True),))
                for generation in semconv.GENERATIONS.values()
            )
        ),
        _CALLS,
        "calls",
    ),
    Indicator(
        "request_rate",
        "Calls of models a second.",
        Count(_CALLS, _CALLS, per_second=True),
        "calls/s",
        "low",
        _CALLS,
        "calls",
    ),
    Indicator(
        "tokens", "Tokens that calls of models sent and received.", Count(_tokens(), _CALLS), "tokens", "low", _CALLS, "calls"
    ),
)
INDICATORS: Final = {each.name: each for each in _INDICATORS}
"""Every SLI by name."""
PIPELINE: Final = (
    *("yield", "time_to_first_success_p50", "time_to_first_success_p95", "cache_hit_ratio", "rate_limit_wait_p95"),
    *("http_429_ratio", "failed_artifacts"),
)
"""The seven that pipelines (downloads through limiters, caches, mirrors) are judged by."""


def bad_share(indicator: Indicator, limit: float) -> tuple[Formula, float] | None:
    """Return what uses up an error budget, as a share, and the budget, if the SLI has to keep a limit.

    Of a share of good things it is the rest; of a share of bad things it is the share; of a quantile it is the share of
    measurements above the limit. Counts and averages have no budget: None.
    """
    formula = indicator.formula
    if isinstance(formula, Quantile):
        return Above(limit, formula.of), 1 - formula.q
    if indicator.is_share:
        return formula, 1 - limit if indicator.better == "high" else limit
    return None
