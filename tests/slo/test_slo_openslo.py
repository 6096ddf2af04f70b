"""Files of OpenSLO: what is read from good ones, and what is said of bad ones."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo.slo_files import ratio, source, threshold
from spanguard.slo.document import SloError
from spanguard.slo.evaluate import seconds_of
from spanguard.slo.indicators import INDICATORS
from spanguard.slo.openslo import Named, Query, RatioMetric, ThresholdMetric, load, loads

UTC = timezone.utc


def read(*documents):
    """Read documents as JSON."""
    return loads(json.dumps(list(documents)), is_json=True)


def changed(document, path, value):
    """Return a document with another value somewhere; `...` takes it away."""
    made = copy.deepcopy(document)
    *way, last = path
    place = made
    for step in way:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return made


def test_a_share_of_good_things():
    """Good and total are one of our SLIs; the target is of the whole window."""
    (slo,) = read(ratio("success", 0.95, policy="invoice"))
    assert isinstance(slo.metric, RatioMetric)
    assert isinstance(slo.metric.good, Named)
    assert (slo.metric.good.indicator.name, slo.metric.good.filters.policy) == ("success", "invoice")
    assert (slo.objectives[0].target, slo.window.seconds, slo.minimum, slo.missing) == (0.95, 86_400, 1, "unknown")


def test_percent_is_a_share():
    """`targetPercent` says the same as `target`."""
    (slo,) = read(changed(ratio("success", 0.9), ("spec", "objectives"), [{"targetPercent": 99.5}]))
    assert slo.objectives[0].target == 0.995


def test_a_limit():
    """A thresholdMetric has an operator and a value."""
    (slo,) = read(threshold("latency_p95", "lte", 2.5, model="gpt-5.2"))
    assert isinstance(slo.metric, ThresholdMetric)
    assert (slo.objectives[0].op, slo.objectives[0].value) == ("lte", 2.5)


def test_an_sli_and_a_data_source_of_their_own():
    """Objects refer to each other by name, whatever their order."""
    slo = ratio("success", 0.9)
    slo["spec"]["indicatorRef"] = "asked"
    slo["spec"] = {key: value for key, value in slo["spec"].items() if key != "indicator"}
    query = {"metricSource": {"metricSourceRef": "here", "spec": {"query": "sum(up)"}}}
    spec = {"thresholdMetric": query}
    slo["spec"]["objectives"] = [{"op": "gt", "value": 0, "target": 0.9}]
    sli = {"apiVersion": "openslo/v1", "kind": "SLI", "metadata": {"name": "asked"}, "spec": spec}
    place = {"apiVersion": "openslo/v1", "kind": "DataSource", "metadata": {"name": "here"}, "spec": {"type": "Prometheus"}}
    (found,) = read(slo, sli, place)
    assert found.metric == ThresholdMetric(Query("sum(up)"))


def test_alert_policies_are_read():
    """Conditions of kind burnrate, in place or by reference."""
    head = {"apiVersion": "openslo/v1", "metadata": {"name": "fast"}}
    burn = {"kind": "burnrate", "op": "gte", "threshold": 2, "lookbackWindow": "1h", "alertAfter": "5m"}
    condition = {**head, "kind": "AlertCondition", "spec": {"severity": "page", "condition": burn}}
    policy = {**head, "kind": "AlertPolicy", "spec": {"conditions": [{"conditionRef": "fast"}]}}
    slo = changed(ratio("success", 0.9), ("spec", "alertPolicies"), [{"alertPolicyRef": "fast"}])
    (found,) = read(slo, policy, condition)
    (made,) = found.burns
    assert (made.severity, made.op, made.threshold, made.window, made.after) == ("page", "gte", 2, 3600, 300)


BAD = [
    (("apiVersion",), "openslo/v2alpha", "apiVersion: expected one of openslo/v1"),
    (("kind",), "Slo", "kind: expected one of SLO, SLI"),
    (("metadata", "name"), "Big Name", "metadata.name: expected a name of small letters"),
    (("metadata", "annotations"), {"spanguard/min-sample": "3"}, "annotations.spanguard/min-sample: is not known"),
    (("metadata", "annotations"), {"spanguard/missing-data": "ok"}, "expected one of unknown, fail, pass"),
    (("spec", "service"), ..., "spec.service: is missing"),
    (("spec", "objective"), [], "spec.objective: is not known here"),
    (("spec", "budgetingMethod"), "Ocurrences", "spec.budgetingMethod: expected one of Occurrences, Timeslices"),
    (("spec", "budgetingMethod"), "Timeslices", "spec.objectives[0].timeSliceWindow: is missing"),
    (("spec", "timeWindow"), [], "spec.timeWindow: expected 1 item"),
    (("spec", "timeWindow", 0, "duration"), "1 day", "spec.timeWindow[0].duration: expected a duration such as"),
    (("spec", "objectives"), [], "spec.objectives: expected at least 1 items"),
    (("spec", "objectives", 0, "target"), 95, "spec.objectives[0].target: expected a number from 0 to 1"),
    (("spec", "objectives", 0, "target"), True, "expected a number from 0 to 1"),
    (("spec", "objectives", 0, "targetPercent"), 95, "spec.objectives[0]: expected either target or targetPercent"),
    (("spec", "indicator"), ..., "spec: expected either indicator or indicatorRef"),
    (("spec", "indicatorRef"), "x", "spec: expected either indicator or indicatorRef"),
    (
        ("spec", "indicator", "spec", "ratioMetric", "good", "metricSource", "spec", "sli"),
        "sucess",
        "spec.indicator.spec.ratioMetric.good.metricSource.spec.sli: expected one of success",
    ),
    (
        ("spec", "indicator", "spec", "ratioMetric", "good", "metricSource", "spec", "model"),
        "gpt",
        "total: expected the same type of metricSource and the same filters",
    ),
    (("spec", "indicator", "spec", "ratioMetric", "good"), source("error_rate"), "error_rate cannot stand here"),
    (("spec", "indicator", "spec", "ratioMetric", "good"), source("latency_p95"), "latency_p95 is no share of a whole"),
    (("spec", "indicator", "spec", "ratioMetric", "bad"), source("error_rate"), "expected good and total, bad and total"),
]


@pytest.mark.parametrize(
    ("path", "value", "said"), BAD, ids=lambda each: ".".join(map(str, each)) if isinstance(each, tuple) else None
)
def test_what_is_wrong_is_named(path, value, said):
    """File, document, field, and what is allowed there."""
    with pytest.raises(SloError) as error:
        loads(
            json.dumps([ratio("success", 0.9), changed(ratio("success", 0.9, name="b"), path, value)]), "a.json", is_json=True
        )
    assert str(error.value).startswith("a.json, document 2: ")
    assert said in str(error.value)


@pytest.mark.parametrize("filters", [{"model": "x"}, {"provider": "y"}])
def test_a_filter_that_the_metrics_lack_is_refused(filters):
    """Else it would find nothing, or everything."""
    with pytest.raises(SloError, match="retry_amplification cannot be narrowed down by it; allowed are run, service, policy"):
        read(threshold("retry_amplification", "lte", 2, **filters))


def test_two_objects_of_one_name_are_refused():
    """As nobody would know which is meant."""
    with pytest.raises(SloError, match="two objects of kind SLO with the name answers"):
        read(ratio("success", 0.9), ratio("success", 0.8))


def test_a_file_without_an_slo_is_refused(tmp_path):
    """It would otherwise be met, whatever happens."""
    file = tmp_path / "a.json"
    file.write_text('{"apiVersion": "openslo/v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {}}')
    with pytest.raises(SloError, match="there is no SLO in it"):
        load(file)


@pytest.mark.parametrize("text", ["{", "[1,", '{"a": 1, "a": 2}', "", "null", "3", "[" * 100_000])
def test_what_is_not_a_file_of_service_levels(text):
    """Is an error that says so."""
    with pytest.raises(SloError):
        loads(text, is_json=True)


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
)
def test_arbitrary_values_never_crash_it(value):
    """Whatever stands there, it is read or refused."""
    document = changed(ratio("success", 0.9), ("spec",), value)
    for text in (json.dumps(value), json.dumps(document), json.dumps(changed(document, ("metadata",), value))):
        with suppress(SloError):
            loads(text, is_json=True)


@given(st.text(alphabet=st.sampled_from("-:?[]{}&*!|>'\"%@`#, \n\tab01.~<"), max_size=60))
def test_arbitrary_yaml_never_crashes_it(text):
    """The same for YAML with all its signs."""
    pytest.importorskip("yaml")
    with suppress(SloError):
        loads(text)


def test_yaml_is_read_as_it_looks():
    """Dates and `12:30` are texts, keys stand once, aliases are no bomb."""
    pytest.importorskip("yaml")
    with pytest.raises(SloError, match="line 2: the key 'a' stands twice"):
        loads("a: 1\na: 2\n")
    with pytest.raises(SloError, match="is nested too deeply"):
        loads("a: &x [*x]\n")
    bomb = "a: &a [x, x]\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(24))
    with pytest.raises(SloError, match="a: is not known here"):
        loads(bomb)
    with pytest.raises(SloError, match="apiVersion: expected one of openslo/v1"):
        loads("apiVersion: 2026-01-01\nkind: SLO\nmetadata: {name: a}\nspec: {}\n")


CALENDARS = [
    ("1M", "2026-01-01 00:00:00", "2026-11-21T06:00:00", 20 * 86_400 + 6 * 3600),
    ("1Q", "2026-01-01 00:00:00", "2026-11-21T00:00:00", 51 * 86_400),
    ("1Y", "2025-03-01 00:00:00", "2026-03-02T00:00:00", 86_400),
    ("1M", "2026-01-31 00:00:00", "2026-03-01T00:00:00", 86_400),
    ("1w", "2026-01-05 00:00:00", "2026-11-21T00:00:00", 5 * 86_400),
    ("1d", "2026-01-05 12:00:00", "2026-11-21T13:00:00", 3600),
]


@pytest.mark.parametrize(("duration", "start", "now", "seconds"), CALENDARS)
def test_a_calendar_begins_where_it_says(duration, start, now, seconds):
    """The window goes back to the last begin of a month, quarter, year, week or day."""
    window = {"duration": duration, "isRolling": False, "calendar": {"startTime": start, "timeZone": "UTC"}}
    (slo,) = read(changed(ratio("success", 0.9), ("spec", "timeWindow"), [window]))
    assert seconds_of(slo.window, datetime.fromisoformat(now).replace(tzinfo=UTC)) == seconds


def test_every_sli_can_be_named():
    """In a file, with its filters."""
    for name, each in INDICATORS.items():
        filters = dict.fromkeys(each.filters, "x")
        (slo,) = read(threshold(name, "lte", 1, **filters))
        assert isinstance(slo.metric, ThresholdMetric)
