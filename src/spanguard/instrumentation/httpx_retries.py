"""httpx-retries 0.5 to 0.6, sync and async.

What is seen: each request that its transport may send again, as an operation `retry` with an attempt for each time it was
sent, what came of it (a status, an error, an answer that ``validate_response`` refused), how long the transport waits, and
who chose the wait. Its name is the function that makes the request. POST is not among the methods that are retried by
default, so that no call of a model is: that is told when such a request fails with what would else have been retried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final, cast

from spanguard._core.border import quiet
from spanguard._core.errors import from_status
from spanguard.instrumentation import _misuse, _names
from spanguard.instrumentation._adapter import Args, Foreign, Instrumentor, Kwargs, Outcome, Patch, after, argument
from spanguard.instrumentation._tries import Tries, run, running

_LIBRARY: Final = "httpx-retries"
_TRANSPORT: Final = "httpx_retries.transport"


class Request(Tries):
    """One request, however often it is sent."""

    def __init__(self, retry: Any) -> None:
        self.retry = retry
        self._another = False
        super().__init__("retry", _name(), retry.total + 1, _LIBRARY)

    @quiet
    def send(self) -> None:
        """Begin an attempt; that one follows says that an answer was refused."""
        if self.trying is not None:
            self.trying.refuse()
        self.again()

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Enclose the time in which it is sent once."""
        self.send()
        try:
            yield
        except BaseException as error:
            self.failed(error)
            raise

    @quiet
    def answered(self, response: Foreign) -> None:
        """Hear of an answer; whether it is one to be used is told by what follows."""
        attempt, status = self.trying, response.status_code
        if attempt is None:
            return
        attempt.stop()
        attempt.suspend()
        self._another = self.retry.is_retryable_status_code(status)
        if self._another:
            attempt.error = from_status(status)
            self.leave(None)

    @quiet
    def failed(self, error: BaseException) -> None:
        """Hear that no answer came."""
        self._another = isinstance(error, Exception) and self.retry.is_retryable_exception(error)
        self.leave(error)

    def _tried_all(self) -> bool:
        return self._another and bool(self.retry.is_exhausted())


def _name() -> str:
    return _names.known("retry", _names.caller_name("httpx_retries", "httpx", "opentelemetry"), _LIBRARY)


@quiet
def _open(transport: Any, args: Args, kwargs: Kwargs) -> Request | None:
    retry = argument(args, kwargs, 2, "retry")
    request = Request(_retry_of(transport, argument(args, kwargs, 0, "request")) if retry is None else retry)
    request.start()
    return request if request.started else None


def _retry_of(transport: Any, request: Any) -> Any:
    return request.extensions.get("retry", transport.retry)


def _sending(request: Request, send: Callable[..., Any]) -> Callable[..., Any]:
    def _send(*args: Any, **kwargs: Any) -> Any:
        with request.sending():
            response = send(*args, **kwargs)
        request.answered(response)
        return response

    return _send


def _asending(request: Request, send: Callable[..., Any]) -> Callable[..., Any]:
    async def _send(*args: Any, **kwargs: Any) -> Any:
        with request.sending():
            response = await send(*args, **kwargs)
        request.answered(response)
        return response

    return _send


def _retrying(sending: Callable[[Request, Callable[..., Any]], Callable[..., Any]]) -> Callable[..., Any]:
    def _hook(wrapped: Callable[..., Any], transport: Any, args: Args, kwargs: Kwargs) -> Any:
        request = _open(transport, args, kwargs)
        if request is None:
            return wrapped(*args, **kwargs)
        if len(args) > 1:
            args = (args[0], sending(request, args[1]), *args[2:])
        else:
            kwargs = {**kwargs, "send_method": sending(request, kwargs["send_method"])}
        return run(request, wrapped, args, kwargs)

    return _hook


def _waits(retry: Any, args: Args, kwargs: Kwargs, outcome: Outcome) -> None:
    request = running(Request)
    if request is None or not isinstance(outcome.result, (int, float)):
        return
    request.retry = retry
    headers = argument(args, kwargs, 0, "headers")
    asked = retry.respect_retry_after_header and bool(headers.get("Retry-After"))
    request.scheduled(float(outcome.result), source="retry_after" if asked and outcome.result else "backoff")


@quiet
def _told(transport: Any, args: Args, kwargs: Kwargs, outcome: Outcome) -> None:
    request, error = argument(args, kwargs, 0, "request"), outcome.error
    retry, response = _retry_of(transport, request), cast("Any", outcome.result)
    if retry.total <= 0 or retry.is_retryable_method(request.method):
        return
    if retry.is_retryable_exception(error) if error is not None else retry.is_retryable_status_code(response.status_code):
        _misuse.detected("retry_excludes_method", policy="retry", name=_name(), library=_LIBRARY)


async def _handled(wrapped: Callable[..., Any], transport: Any, args: Args, kwargs: Kwargs) -> Any:
    try:
        response = await wrapped(*args, **kwargs)
    except Exception as error:
        _told(transport, args, kwargs, Outcome(error=error))
        raise
    _told(transport, args, kwargs, Outcome(response))
    return response


class HttpxRetriesInstrumentor(Instrumentor):
    """Shows the retries of httpx-retries."""

    library = _LIBRARY
    requires: ClassVar[tuple[str, ...]] = ("httpx-retries >= 0.5, < 1",)
    patches: ClassVar[tuple[Patch, ...]] = (
        *(
            Patch(_TRANSPORT, f"{owner}_retry_operation{kind}", _retrying(sending), versions=versions)
            for owner, versions in (("RetryTransport.", "< 0.6"), ("", ">= 0.6"))
            for kind, sending in (("", _sending), ("_async", _asending))
        ),
        Patch("httpx_retries.retry", "Retry._calculate_sleep", after(_waits)),
        Patch(_TRANSPORT, "RetryTransport.handle_request", after(_told)),
        Patch(_TRANSPORT, "RetryTransport.handle_async_request", _handled),
    )
