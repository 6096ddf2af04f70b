"""urllib3, the real one, alone and below requests: what was sent how often, against a server that keeps account."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from spanguard.instrumentation._misuse import misuses
from spanguard.instrumentation.urllib3 import Urllib3Instrumentor
from support import Span, Telemetry

urllib3 = pytest.importorskip("urllib3")
pytestmark = pytest.mark.foreign


@pytest.fixture(autouse=True)
def _instrumented(instrument: Any) -> None:
    instrument(Urllib3Instrumentor)


def policy(**options: Any) -> Any:
    """Return a policy that retries what the server's faults are."""
    return urllib3.Retry(**{"total": 2, "status_forcelist": (500, 503), "backoff_factor": 0, **options})


def ask(server: Any, method: str = "GET", **options: Any) -> Any:
    """Ask the server once, as far as the program knows."""
    with urllib3.PoolManager(retries=policy(**options)) as pool:
        return pool.request(method, server.url)


def operation(telemetry: Telemetry) -> Span:
    """Return the one operation."""
    (found,) = [span for span in telemetry.spans if span.name.startswith("retry ")]
    return found


def test_a_request_that_recovers(telemetry: Telemetry, server: Any) -> None:
    """One operation, an attempt for each time it was sent, a status for each that failed."""
    server.script = [(503, {}), (500, {})]
    assert ask(server).status == 200
    whole, *attempts = telemetry.spans
    assert whole["resilience.operation.outcome"] == "recovered"
    assert whole["resilience.operation.attempt_count"] == len(server.asked) == 3
    assert whole["resilience.policy.name"].endswith(".ask")
    assert whole["resilience.library.name"] == "urllib3"
    assert [each.attributes.get("error.type") for each in attempts] == ["503", "500", None]


def test_a_request_that_is_given_up(telemetry: Telemetry, server: Any) -> None:
    """It is exhausted, and the library's own error leaves it."""
    server.script = [(503, {})] * 3
    with pytest.raises(urllib3.exceptions.MaxRetryError):
        ask(server)
    assert operation(telemetry)["resilience.operation.outcome"] == "exhausted"
    assert operation(telemetry)["resilience.operation.attempt_count"] == 3


def test_the_last_answer_may_be_returned_all_the_same(telemetry: Telemetry, server: Any) -> None:
    """With `raise_on_status=False` the program gets the failure as a response."""
    server.script = [(503, {})] * 3
    assert ask(server, raise_on_status=False).status == 503
    assert operation(telemetry)["resilience.operation.outcome"] == "exhausted"


def test_the_server_says_how_long_to_wait(telemetry: Telemetry, server: Any) -> None:
    """Retry-After is told from the library's own backoff."""
    server.script = [(503, {"Retry-After": "0"}), (500, {})]
    ask(server)
    sources = [a["resilience.retry.delay.source"] for name, a in operation(telemetry).events if name.endswith("scheduled")]
    assert sources == ["retry_after", "backoff"]


def test_a_redirect_is_no_attempt(telemetry: Telemetry, server: Any) -> None:
    """The server answered; the answer was elsewhere."""
    server.script = [(302, {"Location": "/there"})]
    assert ask(server).status == 200
    assert {span["resilience.operation.outcome"] for span in telemetry.spans if span.name.startswith("retry ")} == {"success"}
    assert all(s["resilience.attempt.outcome"] == "success" for s in telemetry.spans if s.name == "attempt")


def test_an_error_of_the_connection_is_retried(telemetry: Telemetry, server: Any) -> None:
    """Nobody listens there."""
    server.url = "http://127.0.0.1:1"
    with pytest.raises(urllib3.exceptions.MaxRetryError):
        ask(server)
    assert operation(telemetry)["resilience.operation.outcome"] == "exhausted"
    attempts = [span for span in telemetry.spans if span.name == "attempt"]
    assert [each["error.type"] for each in attempts] == ["urllib3.exceptions.NewConnectionError"] * 3


def test_a_method_that_is_not_retried_is_told(telemetry: Telemetry, server: Any) -> None:
    """The status is one to retry, and POST is not among the methods."""
    server.script = [(503, {})]
    assert ask(server, "POST").status == 503
    assert [each.kind for each in misuses()] == ["retry_excludes_method"]


def test_a_policy_may_have_no_total(telemetry: Telemetry, server: Any) -> None:
    """Then another of its counts is the limit."""
    server.script = [(503, {})]
    assert ask(server, total=None, status=2).status == 200
    assert operation(telemetry)["resilience.operation.outcome"] == "recovered"
    assert "resilience.operation.attempt_limit" not in operation(telemetry).attributes


def test_a_policy_that_allows_nothing_tells_nothing(telemetry: Telemetry, server: Any) -> None:
    """Each of its counts is used up before it begins."""
    server.script = [(503, {})]
    assert ask(server, total=None, status=0, connect=0, read=0, other=0, raise_on_status=False).status == 503
    assert telemetry.spans == []


def test_requests_without_a_policy_tell_nothing(telemetry: Telemetry, server: Any) -> None:
    """`requests` does not retry, unless it is told to."""
    requests = pytest.importorskip("requests")
    with requests.Session() as session:
        session.trust_env = False
        assert session.get(server.url).status_code == 200
        assert telemetry.spans == []
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=policy()))
        server.script = [(503, {})]
        assert session.get(server.url).status_code == 200
    assert operation(telemetry)["resilience.operation.outcome"] == "recovered"


def test_uninstrument_restores_everything() -> None:
    """Every function is again what it was."""
    instrumentor = Urllib3Instrumentor()
    instrumentor.uninstrument()
    assert inspect.isfunction(vars(urllib3.HTTPConnectionPool)["urlopen"])
    for name in ("increment", "sleep", "is_retry"):
        assert inspect.isfunction(vars(urllib3.Retry)[name])
