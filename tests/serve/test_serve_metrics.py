"""What a scrape gets."""

from __future__ import annotations

import re

from spanguard.slo.indicators import INDICATORS

LINE = re.compile(r'[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_][a-zA-Z0-9_]*="(\\.|[^"\\])*",?)*\})? (NaN|[+-]Inf|[-+.e0-9]+)')


def samples(text: str) -> dict[str, float]:
    """Return each sample's value by its name and labels."""
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value.replace("Inf", "inf")) for name, _, value in lines}


def test_every_line_is_of_the_format(site) -> None:
    """In Prometheus' own text, and in OpenMetrics if it is asked for."""
    plain = site.ask("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert all(LINE.fullmatch(line) for line in plain.text.splitlines() if not line.startswith("#"))
    opened = site.ask("/metrics", accept="application/openmetrics-text; version=1.0.0,text/plain;q=0.5")
    assert opened.headers["content-type"].startswith("application/openmetrics-text")
    assert opened.text.endswith("# EOF\n")
    assert "# TYPE resilience_cache_lookups counter" in opened.text
    assert "# TYPE resilience_cache_lookups_total counter" in plain.text


def test_no_sample_is_there_twice(site) -> None:
    """A scrape with two would be refused whole."""
    lines = [line.rpartition(" ")[0] for line in site.ask("/metrics").text.splitlines() if not line.startswith("#")]
    assert len(lines) == len(set(lines))
    types = re.findall(r"^# TYPE (\S+)", site.ask("/metrics").text, re.MULTILINE)
    assert len(types) == len(set(types))


def test_every_sli_is_there(site) -> None:
    """Of the last five minutes and of the last hour, where it is known."""
    found = samples(site.ask("/metrics").text)
    for name in INDICATORS:
        assert f'spanguard_sli_sample{{sli="{name}",window="1h"}}' in found
    assert 0 < found['spanguard_sli{sli="error_rate",window="1h"}'] < 1


def test_histograms_are_whole(site) -> None:
    """Buckets grow, and the last is the count."""
    found = samples(site.ask("/metrics").text)
    head = "resilience_operation_duration_seconds"
    series = {re.sub(r',?le="[^"]*"', "", name).replace("_bucket", "") for name in found if name.startswith(f"{head}_bucket")}
    assert series
    for each in series:
        labels = each.removeprefix(head).strip("{}")
        buckets = [v for name, v in found.items() if name.startswith(f"{head}_bucket{{{labels},le=")]
        assert buckets == sorted(buckets)
        assert buckets[-1] == found[f"{head}_count{{{labels}}}"] > 0


def test_a_service_is_the_job(site) -> None:
    """As it is where metrics come to Prometheus by OTLP."""
    assert 'job="shop"' in site.ask("/metrics").text
