"""Pages as they are sent; how they look is for the browser's tests."""

from __future__ import annotations

import re
import urllib.parse
import xml.etree.ElementTree as ET

import pytest

from spanguard.serve import charts, words
from spanguard.serve.charts import Line

PAGES = ["/", "/traces", "/runs", "/run?run=nightly", "/compare?run=nightly&other=nightly", "/alerts", "/privacy"]


@pytest.mark.parametrize("path", PAGES)
def test_pages_need_nothing_from_elsewhere(site, path) -> None:
    """No address but those of the server, no script or style in the page."""
    text = site.ask(path).text
    assert not re.findall(r"(?:href|src|action)=\"(?!/|#)[^\"]*\"", text)
    assert not re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
    assert re.findall(r"<script[^>]*>[^<]", text) == []


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_well_formed(site, path) -> None:
    """Each element that is opened is closed, ids are there once, each page has one heading of the first level."""
    text = site.ask(path).text
    ids = re.findall(r'\sid="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    assert text.count("<h1>") == 1
    for drawn in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ET.fromstring(drawn)


def test_the_overview_tells_of_everything(site) -> None:
    """Each of its parts has what the program did."""
    text = site.ask("/").text.replace("<wbr>", "")
    parts = (
        "Service levels",
        "Error rate",
        "Average retries",
        "Opened",
        "Failover",
        "Cache",
        "Rate limiters",
        "p99",
        "wasted",
    )
    names = ("TimeoutError", "numpy", "exhausted", "total_matches", "provider", "second", "miss")
    for told in (*parts, *names):
        assert told in text, told


def test_a_waterfall_has_attempts_waits_retries_and_events(site) -> None:
    """And links from a list lead to it."""
    (path,) = re.findall(r'href="(/traces/[0-9a-f]{32})"', site.ask("/traces").text)
    text = site.ask(path).text
    for told in ("attempt 1", "attempt 2", "retry fetch", "waited", "verdict", "failover hop", "circuit breaker transition"):
        assert told in text, told


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=work", True), ("name=nothing", False), ("outcome=exhausted", True), ("outcome=success", False),
        ("error=TimeoutError", True), ("run=nightly", True), ("run=other", False), ("window=1h", True),
        ("name=&outcome=&error=&run=&window=", True),
    ],
)  # fmt: skip
def test_traces_are_filtered(site, query, found) -> None:
    """By each field of the form; empty ones do not matter."""
    text = site.ask(f"/traces?{query}").text
    assert bool(re.search(r'href="/traces/[0-9a-f]{32}"', text)) == found


def test_what_was_searched_for_is_shown_as_text(site) -> None:
    """Not as a part of the page."""
    wanted = '"><script>alert(1)</script>'
    text = site.ask(f"/traces?name={urllib.parse.quote(wanted)}").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("path", ["/?window=1y", "/traces?outcome=x", "/run?run=x", "/run", "/traces/x", "/x", "/traces?x=1"])
def test_a_page_that_is_not_there_says_so(site, path) -> None:
    """As a page."""
    answer = site.ask(path)
    assert answer.status in (400, 404)
    assert answer.headers["content-type"].startswith("text/html")


def test_the_page_hears_of_news(site) -> None:
    """From the first moment it knows what it shows."""
    import http.client

    from serve.conftest import TOKEN

    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
    connection.request("GET", "/live", headers={"authorization": f"Bearer {TOKEN}"})
    answer = connection.getresponse()
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.readline() == b"event: mark\n"
    mark = answer.readline().decode().removeprefix("data: ").strip()
    assert f'data-mark="{mark}"' in site.ask("/alerts").text
    connection.close()


def test_charts_draw_what_they_are_given() -> None:
    """Bars are stacked, lines are broken where nothing is known, and the table has the values."""
    lines = [Line("a", "one", [1, None, 3]), Line("b", "two", [1, None, None])]
    bars = charts.over_time("T", "b", [0, 60, 120], 60, lines, unit="count", shape="bars")
    assert bars.svg.count("<rect") == 3
    assert bars.top == "5"
    assert [row[1:] for row in bars.rows] == [("1", "1"), ("3", words.UNKNOWN)]
    drawn = charts.over_time("T", "b", [0, 60, 120], 60, lines, unit="s", shape="lines")
    assert drawn.svg.count('class="dots') == 2
    joined = charts.over_time("T", "b", [0, 60, 120], 60, [Line("a", "one", [1, 2, 3])], unit="s", shape="lines")
    assert joined.svg.count('class="line') == 1


def test_charts_escape_names() -> None:
    """Names come from anywhere."""
    wicked = "<script>\"'&"
    drawn = [
        charts.over_time(wicked, wicked, [0], 60, [Line(wicked, "one", [1])], unit="count", shape="bars").svg,
        charts.stack([(wicked, 1, "good")], wicked),
        charts.flow([(wicked, wicked, 1)], wicked),
        *charts.strips(wicked, wicked, [0], 60, {wicked: [wicked]}).values(),
    ]
    for each in drawn:
        ET.fromstring(each)
        assert "<script" not in each


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        *((0, "0 ms"), (0.00004, "40 µs"), (0.0041, "4.1 ms"), (0.041, "41 ms"), (0.9996, "1.00 s"), (12.34, "12.3 s")),
        *((200, "3 min 20 s"), (7500, "2 h 5 min"), (3600, "1 h"), (273_600, "3 d 4 h"), (None, words.UNKNOWN)),
    ],
)
def test_durations_read_well(seconds, shown) -> None:
    """At any length."""
    assert words.duration(seconds) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.012, "0.012"), (0.44, "0.44"), (2.5, "2.50"), (1234, "1,234"), (12_345, "12.3k"), (2_500_000, "2.5M")],
)
def test_numbers_read_well(value, shown) -> None:
    """At any size."""
    assert words.number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *((0, "0 %"), (0.0001, "< 0.1 %"), (0.123, "12.3 %"), (0.9999, "> 99.9 %"), (1, "100 %")),
        *((-4.7, "\N{MINUS SIGN}470.0 %"), (-12.34, "\N{MINUS SIGN}1234 %"), (None, words.UNKNOWN)),
    ],
)
def test_shares_read_well(value, shown) -> None:
    """What is not quite nothing or all is not said to be; a budget may be spent many times."""
    assert words.share(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "$0.00"),
        (0.0000001, "< $0.000001"),
        (0.002, "$0.002"),
        (0.004845, "$0.004845"),
        (0.25, "$0.250"),
        (1234.5, "$1,234.50"),
    ],
)
def test_costs_read_well(value, shown) -> None:
    """Without digits that say nothing."""
    assert words.money(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, words.UNKNOWN), (0, "the same"), (0.5, "+50.0 %"), (-0.5, "\N{MINUS SIGN}50.0 %"), (98.7, "100 times")],
)
def test_changes_read_well(value, shown) -> None:
    """What grew many times is said in times."""
    assert words.change(value) == shown
