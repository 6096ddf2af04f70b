"""What breakers, limiters, caches and validators have in common: a call must pass, and mostly it passes unseen."""

from __future__ import annotations

from typing import ClassVar, Final

from opentelemetry.trace import get_current_span

from spanguard._core.border import quiet
from spanguard._core.errors import Failure
from spanguard._core.recorder import on
from spanguard._core.scope import Scope, policy_attributes
from spanguard._core.writers import Attributes
from spanguard.semconv import Event

SECOND: Final = 1e9
SHORT: Final = 10_000_000
"""Nanoseconds up to which a wait or a check makes no span: it would tell less than it costs."""


class Gate(Scope):
    """One passage of a call through a gate. It has a span only when there is something to see: refusal, or a long wait."""

    policy: ClassVar[str]

    def __init__(self, name: str, library: str | None = None) -> None:
        super().__init__()
        self._name = name
        self.by: Attributes = policy_attributes(self.policy, name, library)

    @quiet
    def start(self, before: int = 0) -> None:
        """Begin the passage, ``before`` nanoseconds ago."""
        if not on():
            return
        self.begin(before)

    def show(self, elapsed: int, attributes: Attributes, error: Failure | None = None) -> None:
        """Make the span of this passage, backdated to its begin, and end it; an error makes it ERROR."""
        self.open_span(f"{self.policy} {self._name}", {**self.by, **attributes})
        self.end_span(elapsed, {}, error, failed=error is not None)

    def tell(self, event: Event, attributes: Attributes) -> None:
        """Tell an event of this passage, on the span that is current around it."""
        self.recorder.event(event, attributes, span=get_current_span(self.outer), within=self.outer)

    def note(self, attributes: Attributes) -> None:
        """Put attributes on the span that is current around the passage."""
        span = get_current_span(self.outer)
        if span.is_recording():
            span.set_attributes(attributes)
