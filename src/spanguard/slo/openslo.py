"""Service level objectives from files of the format `openslo/v1`, read strictly.

What is not understood is an error that says where it stands and what is allowed there: an objective that was written with a
typing mistake must not be taken for one that is met.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from spanguard.slo.document import Field, SloError, parse, read
from spanguard.slo.indicators import FILTER_NAMES, INDICATORS, Filters, Indicator, Ratio
from spanguard.slo.objects import OPERATORS, Object, Objects, Operator, duration, metadata, objects, referred
from spanguard.slo.policies import Burn, of_condition, of_policy, of_target, policy

METHODS: Final = ("Occurrences", "Timeslices", "RatioTimeslices")
MISSING: Final = ("unknown", "fail", "pass")
MINIMUM: Final = "spanguard/min-samples"
"""Annotation of an SLO: how many samples a verdict takes at least; 1 unless it is given."""
MISSING_DATA: Final = "spanguard/missing-data"
"""Annotation of an SLO: the verdict where there are fewer: `unknown` (the default), `fail` or `pass`."""
Method = Literal["Occurrences", "Timeslices", "RatioTimeslices"]


@dataclass(frozen=True)
class Named:
    """One of our SLIs, and what it is narrowed down to."""

    indicator: Indicator
    filters: Filters


@dataclass(frozen=True)
class Query:
    """A query in PromQL; ``{{.window}}`` in it stands for the window."""

    text: str


Source: TypeAlias = "Named | Query"


@dataclass(frozen=True)
class RatioMetric:
    """A share of good things: good or bad ones of all, or the share itself (``raw``) of successes or failures."""

    good: Source | None = None
    bad: Source | None = None
    total: Source | None = None
    raw: Source | None = None
    raw_type: Literal["success", "failure"] = "success"
    counter: bool = False


@dataclass(frozen=True)
class ThresholdMetric:
    """A value that has to keep a limit."""

    source: Source


@dataclass(frozen=True)
class Objective:
    """What is to be reached: a share of good things, or of slices of time in which a limit is kept."""

    name: str
    target: float
    op: Operator = "gte"
    value: float | None = None
    slice_seconds: int | None = None
    slice_target: float | None = None


@dataclass(frozen=True)
class Window:
    """The time that an SLO is about: the last so many seconds, or the calendar's period that began then."""

    seconds: int
    text: str
    calendar_start: datetime | None = None


@dataclass(frozen=True)
class Slo:
    """One SLO of a file."""

    name: str
    service: str
    description: str
    metric: RatioMetric | ThresholdMetric
    window: Window
    method: Method
    objectives: tuple[Objective, ...]
    burns: tuple[Burn, ...]
    minimum: int
    missing: Literal["unknown", "fail", "pass"]


def load(path: Path) -> list[Slo]:
    """Read the SLOs of a file of YAML (any number of documents) or JSON (one, or a list); raises `SloError`."""
    return _slos(read(path))


def loads(text: str, name: str = "the text", *, is_json: bool = False) -> list[Slo]:
    """Read the SLOs of a text; ``name`` is what errors call it."""
    return _slos(parse(text, name, is_json=is_json))


def _slos(documents: list[Field]) -> list[Slo]:
    known = objects(documents)
    for each in known.values():  # those too that no SLO refers to
        _CHECKS[each.kind](each, known)
    found = [_slo(each, known) for each in known.values() if each.kind == "SLO"]
    if not found:
        raise SloError(f"{documents[0].document.rpartition(',')[0]}: there is no SLO in it")
    return found


def _slo(made: Object, known: Objects) -> Slo:
    optional = ("description", "indicator", "indicatorRef", "alertPolicies")
    fields = made.spec.fields(("service", "timeWindow", "budgetingMethod", "objectives"), optional)
    metric = _indicator(made, fields, known)
    method = cast("Method", fields["budgetingMethod"].one_of(*METHODS))
    objectives = [
        _objective(each, method, place, threshold=isinstance(metric, ThresholdMetric))
        for place, each in enumerate(fields["objectives"].items(1), start=1)
    ]
    if method == "RatioTimeslices" and isinstance(metric, ThresholdMetric):
        fields["budgetingMethod"].fail("a thresholdMetric has no ratio; expected one of Occurrences, Timeslices")
    policies = fields["alertPolicies"].items() if "alertPolicies" in fields else []
    minimum, missing = made.annotations.get(MINIMUM), made.annotations.get(MISSING_DATA)
    for key, field in made.annotations.items():
        if key.startswith("spanguard/") and key not in (MINIMUM, MISSING_DATA):
            field.fail(f"is not known; allowed are {MINIMUM}, {MISSING_DATA}")
    return Slo(
        made.name,
        fields["service"].text(),
        fields["description"].text() if "description" in fields else "",
        metric,
        _window(fields["timeWindow"].items(1, 1)[0]),
        method,
        tuple(objectives),
        tuple(burn for each in policies for burn in policy(each, known)),
        int(minimum.text(r"[0-9]{1,9}", 'expected a whole number in quotes, such as "30"')) if minimum else 1,
        cast("Literal['unknown', 'fail', 'pass']", missing.one_of(*MISSING)) if missing else "unknown",
    )


def _indicator(made: Object, fields: dict[str, Field], known: Objects) -> RatioMetric | ThresholdMetric:
    if ("indicator" in fields) == ("indicatorRef" in fields):
        made.spec.fail("expected either indicator or indicatorRef")
    if "indicator" in fields:
        inline = fields["indicator"].fields(("spec",), ("metadata",))
        if "metadata" in inline:
            metadata(inline["metadata"])
        return _metric(inline["spec"], known)
    return _metric(referred("SLI", fields["indicatorRef"], known).spec, known)


def _metric(spec: Field, known: Objects) -> RatioMetric | ThresholdMetric:
    fields = spec.fields((), ("description", "ratioMetric", "thresholdMetric"))
    if ("ratioMetric" in fields) == ("thresholdMetric" in fields):
        spec.fail("expected either ratioMetric or thresholdMetric")
    if "thresholdMetric" in fields:
        return ThresholdMetric(_source(fields["thresholdMetric"], known))
    return _ratio(fields["ratioMetric"], known)


def _ratio(field: Field, known: Objects) -> RatioMetric:
    fields = field.fields((), ("counter", "good", "bad", "total", "raw", "rawType"))
    counter = fields.pop("counter").flag() if "counter" in fields else False
    if set(fields) not in ({"good", "total"}, {"bad", "total"}, {"raw", "rawType"}):
        field.fail("expected good and total, bad and total, or raw and rawType")
    if "raw" in fields:
        raw_type = cast("Literal['success', 'failure']", fields["rawType"].one_of("success", "failure"))
        raw = _source(fields["raw"], known)
        _is_share(fields["raw"], raw, "high" if raw_type == "success" else "low", "rawType says the contrary")
        return RatioMetric(raw=raw, raw_type=raw_type, counter=counter)
    side: Literal["good", "bad"] = "good" if "good" in fields else "bad"
    part, total = _source(fields[side], known), _source(fields["total"], known)
    _is_share(fields[side], part, "high" if side == "good" else "low", f"what it counts is not {side}")
    _is_share(fields["total"], total, None, "")
    if type(part) is not type(total) or (isinstance(part, Named) and part.filters != cast("Named", total).filters):
        fields["total"].fail(f"expected the same type of metricSource and the same filters as those of {side}")
    return RatioMetric(part if side == "good" else None, part if side == "bad" else None, total, counter=counter)


def _is_share(field: Field, source: Source, better: str | None, reason: str) -> None:
    if isinstance(source, Query):
        return
    if not (source.indicator.is_share and isinstance(source.indicator.formula, Ratio)):
        field.fail(f"{source.indicator.name} is no share of a whole; use a thresholdMetric")
    if better is not None and source.indicator.better != better:
        field.fail(f"{source.indicator.name} cannot stand here: {reason}")


def _source(field: Field, known: Objects) -> Source:
    outer = field.fields(("metricSource",))["metricSource"]
    fields = outer.fields(("spec",), ("metricSourceRef", "type"))
    kind = fields["type"].one_of("spanguard", "Prometheus") if "type" in fields else None
    if "metricSourceRef" in fields:
        kind = kind or _data_source(referred("DataSource", fields["metricSourceRef"], known), known)
    if kind is None:
        outer.fail("expected type (spanguard or Prometheus), or metricSourceRef")
    if kind == "Prometheus":
        return Query(fields["spec"].fields(("query",))["query"].text())
    return _named(fields["spec"])


def _named(field: Field) -> Named:
    fields = field.fields(("sli",), FILTER_NAMES)
    indicator = INDICATORS[fields.pop("sli").one_of(*INDICATORS)]
    for name, given in fields.items():
        if name not in indicator.filters:
            given.fail(f"{indicator.name} cannot be narrowed down by it; allowed are {', '.join(indicator.filters)}")
    return Named(indicator, Filters(**{name: each.text() for name, each in fields.items()}))


def _objective(field: Field, method: Method, place: int, *, threshold: bool) -> Objective:
    limits = ("op", "value") if threshold else ()
    slices = [] if method == "Occurrences" else ["timeSliceWindow"]
    slices += ["timeSliceTarget"] if method == "Timeslices" and not threshold else []
    fields = field.fields((*limits, *slices), ("displayName", "target", "targetPercent"))
    if ("target" in fields) == ("targetPercent" in fields):
        field.fail("expected either target or targetPercent")
    target = fields["target"].number(0, 1) if "target" in fields else fields["targetPercent"].number(0, 100) / 100
    slice_window = fields.get("timeSliceWindow")
    return Objective(
        fields["displayName"].text() if "displayName" in fields else f"objective-{place}",
        target,
        cast("Operator", fields["op"].one_of(*OPERATORS)) if threshold else "gte",
        fields["value"].number() if threshold else None,
        _slice(slice_window) if slice_window else None,
        fields["timeSliceTarget"].number(0, 1) if "timeSliceTarget" in fields else None,
    )


def _slice(field: Field) -> int:
    """Read the length of a slice, which may be a bare number of minutes."""
    if isinstance(field.value, int) and not isinstance(field.value, bool):
        return int(field.number(1, 44_640)) * 60
    return duration(field)


def _window(field: Field) -> Window:
    fields = field.fields(("duration",), ("isRolling", "calendar"))
    seconds, text = duration(fields["duration"]), fields["duration"].text()
    rolling = fields["isRolling"].flag() if "isRolling" in fields else "calendar" not in fields
    if rolling == ("calendar" in fields):
        field.fail("expected isRolling: true, or isRolling: false and calendar")
    return Window(seconds, text, None if rolling else _calendar(fields["calendar"]))


def _calendar(field: Field) -> datetime:
    fields = field.fields(("startTime", "timeZone"))
    expected = "expected a date and time such as 2026-01-01 00:00:00"
    start = fields["startTime"].text(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d", expected)
    zone = fields["timeZone"].text(r"[A-Za-z0-9_+/-]+", "expected a time zone such as Europe/Berlin")
    try:
        return datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone))
    except ZoneInfoNotFoundError:
        fields["timeZone"].fail("there is no such time zone here")
    except (ValueError, OSError):
        fields["startTime"].fail(expected)


def _data_source(made: Object, known: Objects) -> str:  # noqa: ARG001 - one shape for all kinds
    fields = made.spec.fields(("type",), ("description", "connectionDetails"))
    return fields["type"].one_of("spanguard", "Prometheus")


def _service(made: Object, known: Objects) -> None:  # noqa: ARG001
    made.spec.fields((), ("description",))


_CHECKS: Final[Mapping[str, Callable[[Object, Objects], object]]] = {
    "SLO": lambda *_: None,
    "SLI": lambda made, known: _metric(made.spec, known),
    "Service": _service,
    "DataSource": _data_source,
    "AlertPolicy": of_policy,
    "AlertCondition": of_condition,
    "AlertNotificationTarget": of_target,
}
