"""One try to send a serialised OTLP request, by the connection of an exporter of the SDK.

The exporter has read the environment: endpoint, headers, compression, certificates, credentials, timeout. What it does not
tell is what this is about: whether another try may succeed, and when. And it tries again by itself, for as long as its
timeout, holding up the thread that it was called in.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final, Protocol, cast

from spanguard.pipeline.spooling_answer import Answer, Exporter, Post, bounded
from spanguard.pipeline.spooling_partial import rejected

# As the OTLP specification has them; everything else that is no success must not be tried again.
_LATER_HTTP: Final = frozenset({408, 429, 502, 503, 504})


class _Response(Protocol):
    status_code: int | None
    headers: Mapping[str, str] | Callable[[], Mapping[str, str]]
    content: bytes | Callable[[], bytes]


class _Client(Protocol):
    """What exporters over HTTP have since 1.45; before that they are it themselves."""

    _timeout: float

    def _compress(self, serialized_data: bytes) -> bytes: ...
    def _submit(self, data: bytes, timeout: float) -> _Response: ...


class _Older(Exporter, Protocol):
    _timeout: float

    def _export(self, serialized_data: bytes, timeout_sec: float) -> _Response: ...


def post(exporter: object, signal: str, make: Callable[[], object]) -> Post | None:
    """Find the way that an exporter has to its endpoint; None if it is of a kind that is not known here.

    ``make`` makes another such exporter.
    """
    if not isinstance(getattr(exporter, "_endpoint", None), str):
        return None
    if hasattr(exporter, "_channel"):
        from spanguard.pipeline.spooling_grpc import GrpcPost  # brings gRPC, which takes a while

        return GrpcPost(cast("Exporter", exporter), signal, cast("Callable[[], Exporter]", make))
    client = getattr(exporter, "_client", None)
    if hasattr(client, "_submit") and hasattr(client, "_compress"):
        return HttpPost(cast("Exporter", exporter), signal, *_of_client(cast("_Client", client)))
    if hasattr(exporter, "_session") and hasattr(exporter, "_export"):
        older = cast("_Older", exporter)
        return HttpPost(older, signal, older._export, older._timeout)
    return None


def _of_client(client: _Client) -> tuple[Callable[[bytes, float], _Response], float]:
    return lambda body, timeout: client._submit(client._compress(body), timeout), client._timeout


class HttpPost:
    """By OTLP over HTTP."""

    def __init__(self, exporter: Exporter, signal: str, submit: Callable[[bytes, float], _Response], timeout: float) -> None:
        self.endpoint: str = exporter._endpoint
        self._signal = signal
        self.timeout: float = bounded(timeout)
        self._exporter = exporter
        self._submit = submit

    def __call__(self, body: bytes, timeout: float) -> Answer:
        """Try once to send."""
        try:
            response = self._submit(body, timeout)
        except Exception as error:  # before 1.45; whatever keeps a request from being made may be put right
            return Answer("later", said=type(error).__name__)
        status = response.status_code
        if status is None:  # its `error` says why
            return Answer("later", said=type(getattr(response, "error", None)).__name__)
        headers = response.headers() if callable(response.headers) else response.headers
        if 200 <= status < 300:
            content = response.content() if callable(response.content) else response.content
            return Answer(
                "taken", rejected=rejected(self._signal, content, is_json="json" in _header(headers, "content-type"))
            )
        said = f"HTTP {status}"
        return Answer("later", retry_after(headers), said) if status in _LATER_HTTP else Answer("refused", said=said)

    def close(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a response asks to wait; None if it does not say, or not so that it can be understood."""
    value = _header(headers, "retry-after")
    with contextlib.suppress(ValueError):
        seconds = float(value)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    with contextlib.suppress(ValueError, TypeError):  # TypeError before Python 3.10
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    return None


def _header(headers: Mapping[str, str], wanted: str) -> str:
    return next((value.strip() for name, value in headers.items() if name.lower() == wanted), "")
