"""`http.request.resend_count` on the spans of OpenTelemetry's own HTTP instrumentations, inside retry loops of tenacity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from spanguard.instrumentation.tenacity import TenacityInstrumentor
from support import Telemetry

tenacity = pytest.importorskip("tenacity")
pytestmark = pytest.mark.foreign


@pytest.fixture(params=["httpx", "requests"])
def get(request: pytest.FixtureRequest, instrument: Any) -> Iterator[Any]:
    """Get a URL with each client, instrumented by OpenTelemetry."""
    library = pytest.importorskip(request.param)
    module = pytest.importorskip(f"opentelemetry.instrumentation.{request.param}")
    instrumentor = getattr(module, {"httpx": "HTTPXClientInstrumentor", "requests": "RequestsInstrumentor"}[request.param])()
    instrumentor.instrument()
    instrument(TenacityInstrumentor)
    if request.param == "httpx":
        client = library.Client(trust_env=False)
    else:
        client = library.Session()
        client.trust_env = False
    yield client.get
    client.close()
    instrumentor.uninstrument()


def test_what_a_retry_sends_again_is_counted(telemetry: Telemetry, server: Any, get: Any) -> None:
    """Nothing on the first request, 1 and 2 on those that were sent again, each inside its attempt."""
    server.script = [(503, {}), (503, {})]

    @tenacity.retry(stop=tenacity.stop_after_attempt(3))
    def ask() -> None:
        get(server.url).raise_for_status()

    ask()
    sent = [span for span in telemetry.spans if span.kind == "CLIENT"]
    assert [span.attributes.get("http.request.resend_count") for span in sent] == [None, 1, 2]
    assert [span.parent for span in sent] == ["attempt"] * 3
