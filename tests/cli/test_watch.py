"""`spanguard watch` as a user meets it."""

from __future__ import annotations

import json

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from spanguard import semconv
from spanguard.store import StoreMetricExporter

ONCE = ("--every", "0.01", "--checks")


@pytest.fixture
def failing(here):
    """A store in which every call failed a moment ago."""
    path = here / ".spanguard" / "telemetry.db"
    path.parent.mkdir()
    provider = MeterProvider([PeriodicExportingMetricReader(StoreMetricExporter(path))], shutdown_on_exit=False)
    metric = semconv.GENERATIONS["1.37"].duration
    histogram = provider.get_meter("x").create_histogram(metric.name, metric.unit)
    histogram.record(0.1, {semconv.ERROR_TYPE: "TimeoutError"})
    provider.force_flush()
    yield path
    provider.shutdown()


def test_an_alert_is_told_and_is_the_exit_code(run, failing):
    """After two checks in a row; as a line, or as JSON."""
    result = run("watch", *ONCE, 3)
    assert result.exit_code == 1
    assert result.stdout.count("firing") == 2  # the word, and in the message
    assert "error_rate is 100 % (firing: > 10 % over 5m, 2 checks in a row)" in result.stdout
    alert = json.loads(run("watch", *ONCE, 2, "--json").stdout)
    assert (alert["name"], alert["metric"], alert["value"]) == ("error-rate", "error_rate", 1.0)


def test_one_check_is_not_enough(run, failing):
    """Exit code 0: nothing has fired."""
    result = run("watch", *ONCE, 1)
    assert (result.exit_code, result.stdout) == (0, "")


def test_what_is_inactive_says_so(run, failing, monkeypatch):
    """Until a budget or a capacity is set."""
    assert "token-budget is not checked: no budget of tokens is set" in run("watch", *ONCE, 1).stderr
    monkeypatch.setenv("SPANGUARD_TOKEN_BUDGET", "1000")
    monkeypatch.setenv("SPANGUARD_CAPACITY", "2")
    assert run("watch", *ONCE, 1).stderr == ""


def test_alerts_of_ones_own(run, failing):
    """On any SLI, instead of the defaults or besides."""
    result = run("watch", *ONCE, 1, "--no-defaults", "--alert", "error_rate >= 1 times 1")
    assert (result.exit_code, result.stderr) == (1, "")
    assert run("watch", *ONCE, 1, "--no-defaults", "--alert", "error_rate > 1 times 1").exit_code == 0


@pytest.mark.parametrize("arguments", [["--alert", "speed > 1"], ["--no-defaults"]])
def test_what_cannot_be_watched_is_exit_code_2(run, failing, arguments):
    """With what is expected."""
    assert run("watch", *ONCE, 1, *arguments).exit_code == 2


def test_a_webhook_that_cannot_be_is_exit_code_2_and_not_shown(run, failing, monkeypatch):
    """It may hold a key."""
    monkeypatch.setenv("SPANGUARD_WEBHOOK", "ftp://secret")
    result = run("watch", *ONCE, 1)
    assert result.exit_code == 2
    assert "secret" not in result.output + result.stderr


def test_without_a_store_nobody_can_tell(run, here):
    """Exit code 2."""
    assert run("watch", *ONCE, 1).exit_code == 2
