"""What all verbs have in common: a span that starts whole, is current while its work runs, and finishes once.

Scopes form a chain through OpenTelemetry's context, so that a call knows the attempt it serves and an attempt the
operation it belongs to, in threads and tasks alike, wherever the context goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Token
from typing import TYPE_CHECKING, ClassVar, Final

from opentelemetry.context import Context, create_key, set_value
from opentelemetry.trace import INVALID_SPAN, Span, SpanContext, Status, StatusCode, set_span_in_context

from spanguard._core import clock
from spanguard._core.errors import Failure
from spanguard._core.recorder import Recorder, recorder
from spanguard._core.switch import SPAN_KEY, switch
from spanguard._core.usage import Spent
from spanguard._core.writers import Attributes
from spanguard.semconv import ERROR_CATEGORY, ERROR_RECOVERABLE, ERROR_TYPE, LIBRARY, POLICY_NAME, POLICY_TYPE, Event

if TYPE_CHECKING:
    from spanguard._core.readers.stream import StreamReader

_KEY: Final = create_key("spanguard-scope")
_ERROR: Final = Status(StatusCode.ERROR)  # never with a description: it would be the exception's message
_current, _put, _back = switch()
NO_ATTRIBUTES: Final[Mapping[str, str]] = {}


class Scope:
    """One stretch of work between a start and a finish, with or without a span of its own."""

    gen_ai: ClassVar[bool] = False
    recorder: Recorder  # from the begin on
    # What a scope starts with stands here once, and not in each: most scopes change few of it.
    span: Span = INVALID_SPAN
    parent: Scope | None = None
    inherited: Mapping[str, str] = NO_ATTRIBUTES
    started: bool = False
    done: bool = False
    _outer: Context | None = None
    _inner: Context | None = None
    _attached: Context | None = None
    _token: Token[Context] | None = None
    _start_ns: int = 0
    _start_ticks: int = 0
    _stop_ticks: int | None = None

    # ----------------------------------------------------------------------------------------------- start and finish

    def begin(self, before: int = 0) -> None:
        """Take the place in the chain and the time (``before`` nanoseconds ago), and make no span."""
        self.recorder = recorder()
        self._outer = outer = _current()
        parent: Scope | None = outer.get(_KEY)  # type: ignore[assignment]  # nobody else has the key
        if parent is not None:
            self.parent = parent
            self.inherited = parent.inherited
        self.started = True
        self._start_ns = clock.now() - before
        self._start_ticks = clock.ticks() - before

    def open_span(self, name: str, attributes: Attributes, parent: Context | None = None) -> None:
        """Start the span of this scope, backdated to the begin."""
        if self.inherited:
            attributes = {**self.inherited, **attributes}
        within = self._outer if parent is None else parent
        self.span = span = self.recorder.start(name, attributes, within, self._start_ns, gen_ai=self.gen_ai)
        self.enclose(span)
        if self.parent is not None:
            self.parent.child_started(span.get_span_context())

    def enclose(self, span: Span) -> None:
        """Make the span the one that what happens in this scope from now on belongs to."""
        # As `set_value(_KEY, self, set_span_in_context(span, outer))`, which copies twice.
        self._inner = Context({**(self._outer or NO_ATTRIBUTES), SPAN_KEY: span, _KEY: self})

    def elapsed(self) -> int:
        """Nanoseconds since the begin, by the monotonic clock; until the stop, if there was one."""
        return (clock.ticks() if self._stop_ticks is None else self._stop_ticks) - self._start_ticks

    def stop(self) -> None:
        """Take the time of the end now, where it is told only later how it ended."""
        self._stop_ticks = clock.ticks()

    def end_span(self, elapsed: int, attributes: Attributes, error: Failure | None, *, failed: bool) -> None:
        """End the span with what was learnt; an error sets the status only where the scope itself failed."""
        span = self.span
        if span.is_recording() and not self.recorder.inherited:
            if error is not None:
                attributes.update(error_attributes(error))
            if attributes:
                span.set_attributes(attributes)
            if failed:
                span.set_status(_ERROR)
            span.end(self._start_ns + elapsed)
        self._inner = None  # it leads back here: without it no garbage collector is needed

    def finish(self, error: BaseException | None = None) -> None:
        """End the work; the exception is the one that leaves it. Only the first time counts."""

    def follow(self) -> StreamReader | None:
        """Hear that the work goes on as a stream; return what reads its chunks, if anything does."""
        return None

    def returned(self, value: object) -> None:
        """Hear what the work returned."""

    def stopped_early(self, error: BaseException) -> None:
        """End the work because the consumer of its stream stopped reading."""
        self.finish(error)

    def mark(self, key: str, value: object) -> None:
        """Leave a value in the context of this scope for those who know the key."""
        inner = self.inner
        if inner.get(key, 0) != value:
            self._inner = set_value(key, value, inner)

    # -------------------------------------------------------------------------------------------------------- current

    @property
    def outer(self) -> Context:
        """The context in which the scope began."""
        return self._outer if self._outer is not None else _current()

    @property
    def inner(self) -> Context:
        """The context in which the scope's work runs."""
        if not self.started:
            return _current()
        if self._inner is None:
            if self.done:
                return set_span_in_context(self.span, self._outer)
            self._inner = Context({**self.outer, _KEY: self})
        return self._inner

    def resume(self) -> None:
        """Make the scope current, here and now."""
        if self.started:
            self._attached = inner = self._inner or self.inner
            self._token = _put(inner)

    def suspend(self) -> None:
        """Make the scope no longer current.

        Where something else is current (a `with` inside somebody's generator, closed from elsewhere), nothing is
        detached: OpenTelemetry would log a "Failed to detach context" that nobody can act on.
        """
        token, self._token = self._token, None
        if token is not None:
            attached, self._attached = self._attached, None
            if attached is not None and _current() is attached:
                try:  # noqa: SIM105 - `suppress` costs ten times as much
                    _back(token)
                except (ValueError, RuntimeError):  # entered elsewhere, where it stays set
                    pass

    # ------------------------------------------------------------------------------------------ what flows up the chain

    def child_started(self, span: SpanContext) -> None:
        """Hear of a span that a scope inside this one started; the attempt it runs in remembers the first."""
        if self.parent is not None:
            self.parent.child_started(span)

    def spend(self, spent: list[Spent]) -> None:
        """Hear what calls inside this scope used; a scope that does not keep a book passes it on."""
        if self.parent is not None:
            self.parent.spend(spent)

    def waste(self, spent: list[Spent]) -> None:
        """Hear what calls inside this scope wasted, already counted; a scope that does not keep a book passes it on."""
        if self.parent is not None:
            self.parent.waste(spent)

    def was_counted(self, responses: list[object]) -> None:
        """Hear of responses whose usage a call inside this scope has counted."""
        if self.parent is not None:
            self.parent.was_counted(responses)

    def serves(self) -> Attributes:
        """Return the attributes that tell a call inside this scope which policy and attempt it serves."""
        return self.parent.serves() if self.parent is not None else {}

    def tell(self, event: Event, attributes: Attributes) -> None:
        """Tell an event of this scope."""
        self.recorder.event(event, attributes, span=self.span, within=self.inner)


SILENT: Final = Scope()
"""A scope that never starts, for a call that is not traced."""


def current_scope() -> Scope | None:
    """Return the innermost scope that is current here, if any."""
    return _current().get(_KEY)  # type: ignore[return-value]


def policy_attributes(kind: str, name: str, library: str | None) -> Attributes:
    """Return the attributes that tell which policy it is, and of which library if it is not the program's own."""
    by: Attributes = {POLICY_TYPE: kind, POLICY_NAME: name}
    if library is not None:
        by[LIBRARY] = library
    return by


def error_attributes(error: Failure) -> Attributes:
    """Return the three attributes that tell of an error."""
    return {ERROR_TYPE: error.type, ERROR_CATEGORY: error.category, ERROR_RECOVERABLE: error.recoverable}
