"""Alerts: they fire once and resolve once, after consecutive violations, strictly; and are delivered without waiting."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanguard import semconv
from spanguard.slo.alerts import Definition, Watch, defaults, inactive, parse
from spanguard.slo.reading import StoreSource
from spanguard.slo.webhook import Webhook

START = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
VALUES = st.lists(st.none() | st.sampled_from([0.0, 0.1, 0.1000001, 0.2, 1.0]), max_size=40)


class Script:
    """A source that says one value after another, and a clock that goes on by 30 s at each check."""

    def __init__(self, values):
        self.values = values
        self.at = -1

    def now(self):
        self.at += 1
        return START + timedelta(seconds=30 * self.at)

    def source(self, now):
        return self

    def figures(self, terms, filters, seconds):
        return self, ()

    def number(self, term):
        return self.values[self.at]


def run(values, **kwargs):
    """Check a definition against values, and return the alerts by check."""
    script = Script(values)
    watch = Watch([Definition("x", "error_rate", **{"threshold": 0.1, **kwargs})], script.source, now=script.now)
    return [watch.check() for _ in values]


@given(VALUES, st.integers(1, 4))
def test_alerts_fire_once_and_resolve_once(values, consecutive):
    """Firing and resolving take turns, the two of a pair have one id, and no two pairs share it."""
    told = [alert for alerts in run(values, consecutive=consecutive) for alert in alerts]
    assert [alert.state for alert in told] == ["firing", "resolved"] * (len(told) // 2) + ["firing"] * (len(told) % 2)
    ids = [alert.id for alert in told]
    assert ids[::2][: len(ids) // 2] == ids[1::2]
    assert len(set(ids)) == (len(ids) + 1) // 2


@given(VALUES, st.integers(1, 4))
def test_an_alert_fires_at_the_last_of_its_consecutive_violations(values, consecutive):
    """Not before, and it goes on until a check finds none; the same as counting by hand."""
    row, firing = 0, False
    for value, alerts in zip(values, run(values, consecutive=consecutive), strict=True):
        row = row + 1 if value is not None and value > 0.1 else 0
        before, firing = firing, row >= consecutive
        assert [alert.state for alert in alerts] == (
            ["firing"] if firing and not before else ["resolved"] if before and not firing else []
        )


@pytest.mark.parametrize(
    ("operator", "values", "fires"), [(">", 0.1, False), (">=", 0.1, True), ("<", 0.1, False), ("<=", 0.1, True)]
)
def test_more_than_is_strict(operator, values, fires):
    """The threshold itself is no violation of `>`."""
    assert bool(run([values, values], operator=operator)[1]) is fires


def test_what_an_alert_says():
    """Id, time, metric, value, threshold, and a message for people."""
    _, (alert,) = run([0.2, 0.25])
    assert alert.to_dict() == {
        "id": alert.id,
        "state": "firing",
        "name": "x",
        "time": "2026-11-21T12:00:30+00:00",
        "metric": "error_rate",
        "value": 0.25,
        "operator": ">",
        "threshold": 0.1,
        "window": "5m",
        "message": "error_rate is 25 % (firing: > 10 % over 5m, 2 checks in a row)",
    }


def test_the_defaults():
    """Error rate over 10 %, latency over 5 s, tokens 20 % over the budget, calls 50 % over the capacity."""
    found = [(each.sli, each.threshold, each.inactive) for each in defaults(1000, 4)]
    assert found == [("error_rate", 0.1, ""), ("latency_p95", 5.0, ""), ("tokens", 1200, ""), ("request_rate", 6, "")]


def test_without_a_budget_or_a_capacity_their_alerts_say_that_they_are_inactive():
    """And are not checked."""
    assert inactive(defaults()) == [
        "token-budget is not checked: no budget of tokens is set (SPANGUARD_TOKEN_BUDGET)",
        "capacity is not checked: no capacity is set (SPANGUARD_CAPACITY)",
    ]
    script = Script([1e9, 1e9])
    watch = Watch(defaults(), script.source, now=script.now)
    assert [len(watch.check()) for _ in range(2)] == [0, 2]
    assert len(watch.active) == 2


def test_a_definition_is_read_from_text():
    """Window and number of checks have defaults."""
    assert parse("latency_p95 > 5") == Definition("latency_p95", "latency_p95", ">", 5.0, 300, 2)
    assert parse(" success<0.9 over 1h times 3 ") == Definition("success", "success", "<", 0.9, 3600, 3)


@pytest.mark.parametrize(
    "text", ["", "latency > 5", "success = 1", "success > x", "success > 1 over 5", "success > 1 times 0", "success > e"]
)
def test_what_is_no_definition_is_refused(text):
    """With what is expected."""
    with pytest.raises(ValueError, match=r"expected|there is no SLI"):
        parse(text)


def test_over_a_store_the_window_moves_on(start, read):
    """What was exported before the window no longer counts."""
    program = start()
    for _ in range(5):
        program.record(semconv.GENERATIONS["1.37"].duration, 1, {semconv.ERROR_TYPE: "TimeoutError"})
    program.export()
    db, now = read(), datetime.now(timezone.utc) + timedelta(seconds=1)
    times = iter([now, now + timedelta(seconds=30), now + timedelta(seconds=400)])
    watch = Watch(defaults(), lambda at: StoreSource(db, int(at.timestamp() * 1e9)), now=lambda: next(times))
    assert [[(each.metric, each.state) for each in watch.check()] for _ in range(3)] == [
        [],
        [("error_rate", "firing")],
        [("error_rate", "resolved")],
    ]


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[bytes], threading.Event]]:
    """An address that keeps what is posted to it; it answers when it is let."""
    posted: list[bytes] = []
    go = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            go.wait(10)
            posted.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204 if self.path == "/ok?key=secret" else 500)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", posted, go
    go.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_webhook_never_keeps_anyone_waiting(endpoint):
    """`send` returns while the server still thinks; `close` waits for what was sent."""
    url, posted, go = endpoint
    hook = Webhook(f"{url}/ok?key=secret")
    for number in range(3):
        hook.send({"number": number})
    assert posted == []
    go.set()
    hook.close()
    assert [json.loads(each) for each in posted] == [{"number": 0}, {"number": 1}, {"number": 2}]
    assert hook.lost == 0


def test_what_cannot_be_delivered_is_counted_and_the_address_not_logged(endpoint, caplog):
    """One line, with the reason alone."""
    url, _, go = endpoint
    go.set()
    hook = Webhook(f"{url}/other?key=secret")
    hook.send({})
    hook.send({})
    hook.close()
    assert hook.lost == 2
    assert [record.message for record in caplog.records] == [
        "an alert could not be delivered to the webhook (it answered 500); more of the same are not logged"
    ]


def test_an_address_of_another_kind_is_refused():
    """Without being shown."""
    with pytest.raises(ValueError, match=r"^the webhook's address must begin with http:// or https://$"):
        Webhook("file:///secret")
