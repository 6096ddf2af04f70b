"""`attempt.http(...)`: HTTP tries told by hand, or read from a response of any library."""

from __future__ import annotations

import re
import sys
from types import ModuleType, SimpleNamespace

import pytest

from spanguard import traced_repair, traced_retry
from spanguard._core import http
from support import Clock, Telemetry


@pytest.fixture(autouse=True)
def _no_instrumentation(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.startswith("opentelemetry.instrumentation."):
            monkeypatch.delitem(sys.modules, name)


def test_a_try_told_by_hand_is_a_client_span(telemetry: Telemetry, clock: Clock) -> None:
    """Where no HTTP instrumentation is loaded; its resend count comes from the attempt, its URL is a pseudonym."""
    with traced_retry("download") as retry:
        for attempt in retry.attempts(2):
            with attempt:
                clock.move(1)
                if attempt.number == 1:
                    attempt.http(status=503, host="api.openai.com", method="get", url="https://x/secret", retry_after=2.0)
                    attempt.fail(ConnectionError())
                else:
                    attempt.http(status=200, host="files.example.org", from_cache=True, revalidated=False, stale=False)
    first, second = [span for span in telemetry.spans if span.kind == "CLIENT"]
    assert (first.name, first.parent, first.status, first.start, first.end) == ("GET", "attempt", "ERROR", 0.0, 1.0)
    assert re.fullmatch("h:[0-9a-f]{16}", first.attributes.pop("resilience.url.id"))
    assert first.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 503,
        "server.address": "api.openai.com",
        "resilience.http.retry_after": 2.0,
        "error.type": "503",
    }
    assert second["http.request.resend_count"] == 1
    assert second["resilience.http.from_cache"] is True
    assert second["server.address"].startswith("h:")


def test_a_response_is_read_by_its_shape(telemetry: Telemetry) -> None:
    """Status, method, host, Retry-After and what HTTP caches say; what is given by hand beats it."""
    response = SimpleNamespace(
        status_code=429,
        request=SimpleNamespace(method="POST", url="https://api.anthropic.com/v1/messages?key=secret"),
        headers={"retry-after": "7"},
        extensions={"caching": {"from_cache": False}},
    )
    with traced_retry("download") as retry:
        for attempt in retry.attempts(1):
            with attempt:
                attempt.http(response, limiter_delay=0.5, breaker_state="closed", breaker_result="failure", stale=True)
    span = telemetry.span("POST")
    assert (
        span.attributes.items()
        >= {
            "http.response.status_code": 429,
            "server.address": "api.anthropic.com",
            "resilience.http.retry_after": 7.0,
            "resilience.http.from_cache": False,
            "resilience.http.stale": True,
            "resilience.rate_limiter.delay": 0.5,
            "resilience.circuit_breaker.state": "closed",
            "resilience.circuit_breaker.result": "failure",
        }.items()
    )
    assert "secret" not in repr(telemetry.spans)


def test_where_an_instrumentation_makes_the_spans_the_attempt_tells_the_facts(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No second CLIENT span for the same request."""
    name = "opentelemetry.instrumentation.httpx"
    monkeypatch.setitem(sys.modules, name, ModuleType(name))
    with traced_retry("download") as retry:
        for attempt in retry.attempts(1):
            with attempt:
                attempt.http(status=200)
    assert [span.kind for span in telemetry.spans] == ["INTERNAL", "INTERNAL"]
    assert telemetry.span("attempt")["http.response.status_code"] == 200


def test_bad_facts_are_left_out(telemetry: Telemetry, caplog: pytest.LogCaptureFixture) -> None:
    """Each is reported once; the others stay."""
    with traced_retry("download") as retry:
        for attempt in retry.attempts(1):
            with attempt:
                attempt.http(status=7, method="BREW", retry_after=float("nan"), breaker_state="ajar", host="localhost")
    (span,) = [span for span in telemetry.spans if span.kind == "CLIENT"]
    assert span.attributes == {"http.request.method": "_OTHER", "server.address": "localhost"}
    assert len(caplog.records) == 3


def test_attempts_can_be_told_after_the_fact(telemetry: Telemetry) -> None:
    """`on_attempt` is a callback for components that know nothing of telemetry; spans are backdated by the duration."""
    with traced_retry("download") as retry:
        retry.on_attempt(TimeoutError("secret"), duration=2.0)
        retry.on_attempt(duration=0.5)
    first, second = [span for span in telemetry.spans if span.name == "attempt"]
    assert (first.end - first.start, first["error.type"]) == (2.0, "TimeoutError")
    assert (second.end - second.start, second["resilience.attempt.outcome"]) == (0.5, "success")
    assert telemetry.span("retry download")["resilience.operation.outcome"] == "recovered"


def test_a_first_attempt_links_to_its_http_try(telemetry: Telemetry) -> None:
    """Inside another span the first attempt has no span yet; when it gets one, it links to what ran in it."""
    with traced_repair("invoice"), traced_retry("download") as retry:
        for attempt in retry.attempts(2):
            with attempt:
                attempt.http(status=500, method="GET")
                if attempt.number == 1:
                    attempt.fail(OSError())
    first, second = [span for span in telemetry.spans if span.name == "attempt"]
    assert (first.links, second.links) == (["GET"], [])
    assert [span.parent for span in telemetry.spans if span.name == "GET"] == ["repair invoice", "attempt"]


def test_attempts_told_after_the_fact_exhaust_a_limit(telemetry: Telemetry) -> None:
    """`limit=` says how many are allowed where `attempts` does not."""
    with pytest.raises(OSError), traced_retry("download", limit=2) as retry:  # noqa: PT012
        retry.on_attempt(TimeoutError())
        retry.on_attempt(TimeoutError())
        raise OSError
    span = telemetry.span("retry download")
    assert span["resilience.operation.outcome"] == "exhausted"
    assert span.event("resilience.retry.exhausted")["error.type"] == "TimeoutError"


def test_a_generation_tells_lengths_and_dependencies(telemetry: Telemetry) -> None:
    """Packages of the standard library and well-known ones are named; what somebody made up is a pseudonym."""
    with traced_retry("generate") as repair:
        repair.generated(input_length=120, output_length=900, dependencies=["json", "numpy.linalg", "acme_secret"])
    span = telemetry.span("retry generate")
    assert (span["resilience.generation.input_length"], span["resilience.generation.output_length"]) == (120, 900)
    *known, made_up = span["resilience.generation.dependencies"]
    assert (known, made_up[:2]) == (["json", "numpy"], "h:")


def response(
    status: object = 200, method: object = "POST", url: object = "https://x.example/a", **more: object
) -> SimpleNamespace:
    """Return a response in the shape of httpx."""
    return SimpleNamespace(
        **{"status_code": status, "request": SimpleNamespace(method=method, url=url), "extensions": {}, "headers": {}, **more}
    )


@pytest.mark.parametrize("resent", [0, 1])
def test_what_is_remembered_of_a_response_is_what_it_tells(resent: int) -> None:
    """Whichever came before it, and however much it is like it."""
    alike = (
        *(response(status) for status in (200, 201, 404, True, None, "200", 200.0, 99)),
        *(response(method=method) for method in ("post", "GET", "BREW", None, 7, ["GET"])),
        *(response(url=url) for url in ("https://x.example/b", "http://x.example/a", "https://localhost/a", "", None)),
        *(response(extensions={"caching": {"from_cache": True, "revalidated": each}}) for each in (True, False)),
        *(response(**{name: each}) for name in ("from_cache", "revalidated") for each in (True, False)),
        response(extensions=None),
        *(response(503, headers={"retry-after": each}) for each in ("7", "8")),
        SimpleNamespace(status_code=200, url="https://x.example/a"),
    )
    for each in (*alike, *reversed(alike)):
        told, anew = http.of_response(each, resent), http.described(http.read_http(each), resent)
        assert (told.method, told.attributes, told.error, told.measured) == (
            anew.method,
            anew.attributes,
            anew.error,
            anew.measured,
        )
    assert http.of_response(response(), 0) is http.of_response(response(), 0)


def test_not_more_than_some_is_remembered_of_responses(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing of long URLs, which may carry anything."""
    kept: dict[object, object] = {}
    monkeypatch.setattr(http, "_tries", kept)
    monkeypatch.setattr(http, "_MOST", 3)
    for number in range(10):
        http.of_response(response(url=f"https://x.example/{number}"), 0)
        assert 0 < len(kept) <= 3
    kept.clear()
    http.of_response(response(url="https://x.example/" + "a" * 1000), 0)
    assert not kept
