"""One request of a client of an SDK that Stainless generates, whose loop sends it again; `_stainless` hears of both."""

from __future__ import annotations

from typing import Any, Final, NamedTuple
from weakref import finalize

from opentelemetry.context import attach, detach
from opentelemetry.trace import INVALID_SPAN, INVALID_SPAN_CONTEXT, SpanContext

from spanguard._core import clock
from spanguard._core.border import quiet
from spanguard._core.errors import from_status
from spanguard._core.held import Held, of_span
from spanguard._core.http import HttpTry, instrumented, of_response
from spanguard._core.policies import Policy
from spanguard._core.readers.reading import Reading, getter
from spanguard._core.readers.stream import StreamReader
from spanguard._core.stream import conclude
from spanguard._core.switch import SPAN_KEY
from spanguard._core.writers import Attributes
from spanguard.instrumentation import _misuse
from spanguard.instrumentation._provider import ProviderCall
from spanguard.instrumentation._tries import Tries

_RETRIED: Final = frozenset({408, 409, 429})
_SECOND: Final = 1e9


class Api(NamedTuple):
    """What is known of all requests to one path of one server before they are made."""

    policy: Policy
    """By which they are sent again."""
    operation: str | None
    provider: str | None
    attributes: Attributes
    editions: tuple[int, int]
    """Of the declared names and of the key of pseudonyms at the time."""

    def measure_once(self, held: Held, told: HttpTry | None, tried: float, took: float, span: object) -> None:
        """Record a request that took so many seconds, of which its only try, which succeeded, took ``tried``."""
        within = of_span(span)
        self.policy.measure_once(held, tried, took, within)
        if told is not None:
            told.measure(held, tried, within)


class Sending(Tries):
    """The retries of one request."""

    _another: bool = False

    def __init__(self, policy: Policy, limit: int) -> None:
        super().__init__("retry", policy.name, limit, policy.library)

    def send(self) -> None:
        """Begin an attempt."""
        if not self.started:
            self.open()
        self.enter(self.attempt())

    def sent(self, before: int, first: SpanContext, ended: int | None) -> None:
        """Begin with an attempt that began ``before`` nanoseconds ago, with that ``first`` span, and may have succeeded."""
        self.open(before)
        attempt = self.trying = self.attempt()
        attempt.start(before)
        if first.is_valid:
            attempt.child_started(first)
        if ended is not None:
            attempt._stop_ticks = ended
            self.leave(None)

    def ended_with(self, response: object, error: BaseException | None = None) -> None:
        """Hear how the attempt ended: with a response, whatever its status, or with an error of the transport."""
        attempt = self.trying
        if attempt is None:
            return
        attempt.stop()
        status = getattr(response, "status_code", None)
        if isinstance(status, int):
            attempt.sent(response)
            if status >= 400:
                attempt.error, error = from_status(status), None
            self._another = attempt.error is not None and sent_again(response)
        else:
            self._another = True
        self.leave(error)

    def over(self, error: BaseException | None) -> None:
        """Hear that the request is over: an answer to the last attempt that nobody heard of is the error's."""
        try:
            if self.trying is not None:
                self.ended_with(getattr(error, "response", None), error)
        finally:
            self.finish(error)
        self._last = None  # it leads back here: without it no garbage collector is needed

    def misused(self) -> None:
        """Tell that the server asked for a wait that the SDK does not grant."""
        _misuse.detected("retry_after_too_long", policy="retry", name=self.policy.name, library=self.policy.library)

    def _tried_all(self) -> bool:
        return super()._tried_all() and self._another


def sent_again(response: Any) -> bool:
    """Whether the SDK would send a request again after such an answer, if it had an attempt left."""
    wanted = response.headers.get("x-should-retry")
    if wanted in ("true", "false"):
        return bool(wanted == "true")
    return response.status_code in _RETRIED or response.status_code >= 500


class SdkCall(ProviderCall):
    """One request of a client, with its retries inside.

    As long as the first try is all there is to them, they are two points in time: neither operation nor attempt is made.
    """

    sending: Sending | None = None
    _began: int | None = None
    _ended: int | None = None
    _told: HttpTry | None = None
    _first: SpanContext = INVALID_SPAN_CONTEXT
    _waits: bool = False

    def __init__(self, client: object, api: Api, model: str | None, limit: int) -> None:
        super().__init__(api.operation, api.provider, model)
        self.owner = client
        self._api = api
        self._limit = limit
        """How often it is sent at most; 0 if there is no policy to tell of, and when all is told."""

    # ------------------------------------------------------------------------------------------------------- its retries

    def send(self) -> None:
        """Hear that the request is sent, or sent again."""
        if not self._limit:
            return
        if self._began is not None or self.span is INVALID_SPAN or self.recorder.settings.started:
            self._resending().send()
        else:
            self._began = clock.ticks()

    def ended_with(self, response: object, error: BaseException | None = None) -> None:
        """Hear how a try ended: with a response, whatever its status, or with an error of the transport."""
        if not self._limit:
            return
        began, status = self._began, getattr(response, "status_code", None)
        is_first = self._ended is None and self.sending is None
        if began is not None and is_first and isinstance(status, int) and status < 300:
            self._ended = clock.ticks()
            if not instrumented():
                self._told = of_response(response, 0)
        else:
            self._resending().ended_with(response, error)

    def _resending(self) -> Sending:
        """Return the operation, made now that there is more to tell of than a first try that succeeded."""
        if self.sending is not None:
            return self.sending
        made, began = Sending(self._api.policy, self._limit), self._began
        self.sending = made
        if began is not None:
            token = attach(self.inner)
            try:
                made.sent(clock.ticks() - began, self._first, self._ended)
            finally:
                detach(token)
            if self._told is not None and self._ended is not None:
                self._told.measure(self.recorder.held, (self._ended - began) / _SECOND, self.inner)
        return made

    def _sent(self, error: BaseException | None) -> None:
        if self._limit:
            self._over(error)

    @quiet
    def _over(self, error: BaseException | None) -> None:
        """Hear that the request is over, and that no more is to be told of its retries."""
        began, ended = self._began, self._ended
        try:
            if self.sending is None and began is not None and ended is not None and error is None:
                self._measure_once((ended - began) / _SECOND, (clock.ticks() - began) / _SECOND)
            elif self.sending is not None or began is not None:
                self._resending().over(error)
        finally:
            self._limit, self.sending = 0, None

    def _measure_once(self, tried: float, took: float) -> None:
        api, told, held = self._api, self._told, self.recorder.held
        if api.policy.has_measured_once(held) and (told is None or told.has_measured(held)):
            held.later(api.measure_once, held, told, tried, took, self.inner.get(SPAN_KEY))
        else:
            api.measure_once(held, told, tried, took, self.inner.get(SPAN_KEY))

    def child_started(self, span: SpanContext) -> None:
        """Remember the first span inside the first try, for a link."""
        if self._began is not None and not self._first.is_valid:
            self._first = span
        super().child_started(span)

    def _learnt(self, reading: Reading, provider: str | None, model: str | None, attributes: Attributes) -> None:
        if self._told is not None:  # this request is all there was to it, so it has no span of its own
            attributes.update(self._told.attributes)
        super()._learnt(reading, provider, model, attributes)

    # -------------------------------------------------------------------------------------------------------- its course

    def follow(self) -> StreamReader | None:
        """Hear that the answer is a stream, which is not sent for again."""
        self._sent(None)
        return super().follow()

    def returned(self, value: object) -> None:
        """Take the answer; a response whose stream has not been asked for yet keeps the call open."""
        self._sent(None)
        if self._operation is None or value is None:
            return
        raw: Any = getter(value)("http_response")
        if raw is not None and not raw.is_closed:
            self._expect(value)
        else:
            super().returned(value)

    @quiet
    def _expect(self, value: object) -> None:
        finalize(value, opened, id(value), None).atexit = False
        waiting[id(value)] = self
        self._waits = True

    def opened(self, stream: object) -> None:
        """Hear that the stream was asked for; None if it never will be."""
        if self._waits:
            self._waits = False
            if stream is None:
                self.finish()
            else:
                conclude(stream, self)

    def finish(self, error: BaseException | None = None) -> None:
        """End the call; the exception is the one that leaves it. Only the first time counts."""
        self._sent(error)
        if not self._waits or error is not None:
            super().finish(error)


waiting: Final[dict[int, SdkCall]] = {}
"""The calls whose stream has not been asked for yet, by the identity of the response that waits for it."""


@quiet
def opened(raw: int, stream: object) -> None:
    """Hear that a response was asked for its stream, or that it is gone: then there is none."""
    call = waiting.pop(raw, None)
    if call is not None:
        call.opened(stream)
