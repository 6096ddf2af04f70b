"""Measurements that wait for the collection: nobody can tell from the metrics, whatever happens meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackT, Histogram, NoOpMeter, NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData

from spanguard import semconv, settings, traced_llm_call, traced_repair
from spanguard._core import held
from spanguard._core.recorder import recorder
from spanguard.settings import GENERATIONS, Settings
from support import Clock, Telemetry, completion, quick_switches
from test_providers import CALLS, ask, counted, no_providers


@pytest.fixture
def reader() -> Iterator[InMemoryMetricReader]:
    """The reader of a provider that is new."""
    with no_providers():
        made = InMemoryMetricReader()
        metrics.set_meter_provider(MeterProvider([made], shutdown_on_exit=False))
        yield made


def points(data: MetricsData | None, name: str = CALLS) -> list[Any]:
    """Return the points of a metric."""
    return [
        point
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
    ]


def waiting() -> int:
    """Return how many values wait, once nothing is put off any more."""
    for each in held._living():
        each.catch_up()
    return sum(len(series.values) for each in held._living() for series in each._series.values())


def test_a_measurement_waits_and_every_collection_has_all_that_was_measured_before(reader: InMemoryMetricReader) -> None:
    """The first of its kind is written at once; the second waits until the metrics are collected."""
    seen = []
    for _ in range(3):
        ask()
        ask()
        assert waiting() > 0
        seen.append(counted(reader.get_metrics_data()))
        assert waiting() == 0
    assert seen == [2, 4, 6]


def test_a_series_begins_when_its_first_value_was_measured(reader: InMemoryMetricReader) -> None:
    """And not when it was collected first, or every rate over the first interval would be too high."""
    before = time.time_ns()
    ask()
    after = time.time_ns()
    ask()
    (point,) = points(reader.get_metrics_data())
    assert before <= point.start_time_unix_nano <= after
    assert point.count == 2


def test_a_kind_of_tokens_that_is_new_begins_at_once(reader: InMemoryMetricReader) -> None:
    """Calls that are alike are put off; the first that tells more than those before is not."""
    settings.use(Settings(semconv="dev-2026-10"))
    ask()
    ask()
    before = time.time_ns()
    with traced_llm_call(provider="openai", model="gpt-5.2") as call:
        call.record_usage(input_tokens=9, output_tokens=1, cache_read_tokens=4)
    after = time.time_ns()
    cached = next(each.metric.name for each in semconv.GENERATIONS["dev-2026-10"].tokens if each.kind == "cache_read")
    (point,) = points(reader.get_metrics_data(), cached)
    assert before <= point.start_time_unix_nano <= after


def test_what_is_put_off_is_bounded(reader: InMemoryMetricReader) -> None:
    """It is done together once there is enough of it, by who comes then."""
    of, most = recorder().held, 0
    for _ in range(1000):
        ask()
        most = max(most, len(of._put_off))
    assert most == held._BATCH - 1
    assert counted(reader.get_metrics_data()) == 1000


def test_a_collection_in_the_middle_of_what_was_put_off_ends(reader: InMemoryMetricReader) -> None:
    """As a signal's handler asks for it, in the thread that it interrupts; the next collection has the rest."""
    of, seen = recorder().held, []
    ask()
    ask()
    of.later(lambda: seen.append(counted(reader.get_metrics_data())))
    ask()
    of.catch_up()
    assert seen == [2]
    assert counted(reader.get_metrics_data()) == 3


def test_threads_lose_nothing_of_what_is_put_off(reader: InMemoryMetricReader) -> None:
    """Whoever does it, it is done once."""
    ask()

    def many() -> None:
        for _ in range(500):
            ask()

    with quick_switches():
        working = [threading.Thread(target=many) for _ in range(8)]
        for each in working:
            each.start()
        seen = [counted(reader.get_metrics_data()) for _ in range(20)]
        for each in working:
            each.join()
    assert counted(reader.get_metrics_data()) == 4001
    assert seen == sorted(seen)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_value_is_an_exemplar_in_its_bucket_with_the_span_it_belongs_to(
    telemetry: Telemetry, clock: Clock, generation: str
) -> None:
    """A slow call among many quick ones keeps its exemplar, which is why one looks at exemplars."""
    settings.use(Settings(semconv=generation))

    @traced_llm_call(provider="openai")
    def takes(seconds: float) -> dict[str, Any]:
        clock.move(seconds)
        return completion() | {"span": trace.get_current_span().get_span_context().span_id}

    of = {takes(seconds)["span"]: seconds for seconds in (0.1, 0.1, 7.0, *[0.1] * 50)}
    (point,) = points(telemetry.metrics_data(), semconv.GENERATIONS[generation].duration.name)
    assert {exemplar.value for exemplar in point.exemplars} == {0.1, 7.0}
    assert all(of[exemplar.span_id] == exemplar.value for exemplar in point.exemplars)


def test_a_counter_gets_the_sum_with_one_exemplar(telemetry: Telemetry) -> None:
    """The first value that waits keeps its span, so that the sum leads to a trace."""
    of_attempts = set()
    with traced_repair("invoice") as repair:
        for attempt in repair.attempts(3):
            with attempt:
                of_attempts.add(attempt.span.get_span_context().span_id)
                attempt.validated("schema", passed=attempt.number == 3)
    found = points(telemetry.metrics_data(), "resilience.validation.results")
    assert sum(point.value for point in found) == 3
    assert {exemplar.span_id for point in found for exemplar in point.exemplars} <= of_attempts


@pytest.mark.parametrize("most", [0, 1, 7])
def test_what_finds_too_many_waiting_is_written_at_once(
    reader: InMemoryMetricReader, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """The bound is on memory, not on what is counted."""
    monkeypatch.setattr(held, "MOST", most)
    for _ in range(20):
        ask()
        assert waiting() <= most
    assert counted(reader.get_metrics_data()) == 20


def test_what_a_collection_has_no_time_to_write_is_in_the_next_one(reader: InMemoryMetricReader) -> None:
    """A reader throws a collection away whose callbacks take too long: so many values never take it that far."""
    for _ in range(500):
        ask()
    of_ours = [each for each in held._living() if each._most]
    for each in of_ours:
        each.settle(until=0)
    assert waiting() >= 499
    assert sum(each._most - each._free for each in of_ours) == waiting()
    assert counted(reader.get_metrics_data()) == 500
    assert waiting() == 0


@pytest.mark.parametrize("threads", [1, 8])
def test_a_counter_waits_as_its_sum(reader: InMemoryMetricReader, threads: int) -> None:
    """However many values there were, a few wait, and none is lost or counted twice."""
    of = recorder().held
    series = of.series(semconv.VALIDATIONS, {})

    def add() -> None:
        for _ in range(5000):
            of.put(series, 1, held.APART)

    working = [threading.Thread(target=add) for _ in range(threads)]
    for each in working:
        each.start()
    for each in working:
        each.join()
    assert len(series.values) < 5000
    (point,) = points(reader.get_metrics_data(), semconv.VALIDATIONS.name)
    assert point.value == 5000 * threads


def test_what_waits_is_what_was_measured(reader: InMemoryMetricReader) -> None:
    """A cost is a fraction of a dollar, a duration one of a second, and a count of attempts or tokens is whole."""
    of, wait = recorder().held, 3
    told = {semconv.COST: 0.0001, semconv.OPERATION_DURATION: 0.25, semconv.OPERATION_ATTEMPTS: 2, semconv.TOKEN_USAGE: 7}
    for metric, value in told.items():
        for _ in range(wait):
            of.put(of.series(metric, {}), value, held.APART)
    data = reader.get_metrics_data()
    for metric, value in told.items():
        (point,) = points(data, metric.name)
        total = point.sum if metric.kind == "histogram" else point.value
        assert total == pytest.approx(wait * value)
        assert type(total) is type(value)


def test_kinds_beyond_the_most_are_written_at_once(reader: InMemoryMetricReader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the second time."""
    monkeypatch.setattr(held, "MOST_SERIES", 4)
    for _ in range(3):
        for number in range(5):
            ask(model=f"gpt-{number}")
    assert counted(reader.get_metrics_data()) == 15


def test_new_settings_lose_nothing_that_waits(reader: InMemoryMetricReader) -> None:
    """They make other instruments, in another generation even."""
    for _ in range(2):
        for generation in GENERATIONS:
            settings.use(Settings(semconv=generation))
            ask()
            ask()
    data = reader.get_metrics_data()
    assert [counted(data, each.duration.name) for each in semconv.GENERATIONS.values()] == [4, 4]


def test_a_provider_gets_what_was_measured_for_it() -> None:
    """Though another one has taken its place before it was collected."""
    readers = [InMemoryMetricReader(), InMemoryMetricReader()]
    for times, reader in zip((3, 5), readers, strict=True):
        with no_providers():
            metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
            for _ in range(times):
                ask()
    assert [counted(reader.get_metrics_data()) for reader in readers] == [3, 5]


def test_the_last_collection_of_a_provider_has_all() -> None:
    """`shutdown` collects once more, which is how a program ends."""
    with no_providers():
        reader = InMemoryMetricReader()
        provider = MeterProvider([reader], shutdown_on_exit=False)
        metrics.set_meter_provider(provider)
        ask()
        ask()
        kept: list[int] = []
        reader._receive_metrics = lambda data, **_: kept.append(counted(data))  # type: ignore[method-assign]
        reader.collect()
        provider.shutdown()
    assert kept == [2]


class Written(NoOpMeter):
    """The meter of somebody else's provider: it writes down what it gets and never calls back."""

    def __init__(self) -> None:
        super().__init__("somebody's")
        self.values: list[float] = []

    def create_histogram(self, name: str, unit: str = "", description: str = "", **_: object) -> Histogram:
        """Make an instrument that tells the meter."""
        made = super().create_histogram(name, unit, description)
        made.record = lambda value, *_: self.values.append(value) if name == CALLS else None  # type: ignore[method-assign]
        return made

    def create_observable_gauge(
        self, name: str, callbacks: Sequence[CallbackT] | None = None, unit: str = "", description: str = ""
    ) -> Any:
        """Nothing is to be collected here."""
        raise AssertionError(name)


def test_another_provider_than_the_sdks_is_written_to_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it would ever call back is not known."""
    meter = Written()
    with no_providers():
        provider = NoOpMeterProvider()
        monkeypatch.setattr(provider, "get_meter", lambda *_, **__: meter)
        metrics.set_meter_provider(provider)
        ask()
        ask()
    assert len(meter.values) == 2


def test_nothing_shows_of_the_instrument_that_calls_back(reader: InMemoryMetricReader) -> None:
    """It has no values, so it is no metric."""
    ask()
    data = reader.get_metrics_data()
    assert data is not None
    shown = [metric.name for each in data.resource_metrics for scope in each.scope_metrics for metric in scope.metrics]
    assert CALLS in shown
    assert "spanguard.held" not in shown
