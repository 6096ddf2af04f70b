"""What a try to send can come to, whatever way it went."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, Protocol

Verdict = Literal["taken", "later", "refused"]

LONGEST_TRY: Final = 30.0
"""Seconds that one try takes at most, whatever ``OTEL_EXPORTER_OTLP_TIMEOUT`` says."""


class Answer(NamedTuple):
    """What came of a try: the verdict, the seconds that the endpoint asks to wait, and what it said in a word or two.

    ``rejected`` are the items of a batch that it took without them; they must not be sent again.
    """

    verdict: Verdict
    wait: float | None = None
    said: str = ""
    rejected: int = 0


class Post(Protocol):
    """A way to an endpoint."""

    endpoint: str
    timeout: float

    def __call__(self, body: bytes, timeout: float) -> Answer:
        """Try once to send, for so many seconds at most."""
        ...

    def close(self) -> None:
        """Close the connection."""


class Exporter(Protocol):
    """What is used of the SDK's OTLP exporters besides what each version has of its own."""

    _endpoint: str

    def shutdown(self) -> None:
        """Close its connection."""


def bounded(timeout: float) -> float:
    """Return the seconds that a try may take; Python's exporters read seconds where the specification means milliseconds."""
    return timeout if 0 < timeout < LONGEST_TRY else LONGEST_TRY
