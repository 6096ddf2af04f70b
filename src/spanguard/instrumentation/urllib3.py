"""urllib3 2.0 to 2.8, and with it the adapters of requests.

What is seen: each request that urllib3 may send again (its `Retry` allows it), as an operation `retry` with an attempt for
each time it was sent, what came of it (a status, an error), how long urllib3 waited, and who chose the wait. A redirect is
no attempt. requests does not retry unless a session's adapter is given a `Retry`; nothing is told of it then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from spanguard._core import clock
from spanguard._core.border import quiet
from spanguard._core.errors import from_status
from spanguard._core.gate import SECOND
from spanguard.instrumentation import _misuse, _names
from spanguard.instrumentation._adapter import (
    Args,
    Instrumentor,
    Kwargs,
    Outcome,
    Patch,
    after,
    argument,
    module_of,
)
from spanguard.instrumentation._tries import Tries, running

_LIBRARY: Final = "urllib3"


class Request(Tries):
    """One request, however often it is sent."""

    def __init__(self, pool: object, name: str, limit: int | None) -> None:
        super().__init__("retry", name, limit, _LIBRARY)
        self.owner = pool
        self.name = name
        self._gave_up = False

    @quiet
    def failed(self, status: int | None, error: BaseException | None, *, gave_up: bool) -> None:
        """Hear that what was sent came to nothing."""
        self._gave_up = gave_up
        if self.trying is not None and error is None and status is not None:
            self.trying.error = from_status(status)
        self.leave(error)

    def _tried_all(self) -> bool:
        return self._gave_up


@quiet
def _open(pool: Any, args: Args, kwargs: Kwargs) -> Request | None:
    """Return the operation of a request that may be sent again, or None if it may not, or is one already."""
    known = running(Request, pool)
    if known is not None:
        if known.trying is None:
            known.again()
        return None
    retries = argument(args, kwargs, 4, "retries")
    retry = module_of("urllib3.util.retry").Retry
    if not isinstance(retries, retry):
        retries = retry.from_int(retries, redirect=argument(args, kwargs, 5, "redirect"), default=pool.retries)
    total = retries.total
    if not any(_allowed(each) for each in ((total,) if total is not None else _counts(retries))):
        return None
    name = _names.known("retry", _names.caller_name("urllib3", "requests", "opentelemetry"), _LIBRARY)
    request = Request(pool, name, total and total + 1)
    request.start()
    return request if request.started else None


def _counts(retries: Any) -> tuple[object, ...]:
    return retries.connect, retries.read, retries.status, retries.other


def _allowed(count: object) -> bool:
    """Whether it lets a request be sent once more; None sets no limit, False is none at all."""
    return count is None or (isinstance(count, int) and not isinstance(count, bool) and count > 0)


def _urlopen(wrapped: Callable[..., Any], pool: Any, args: Args, kwargs: Kwargs) -> Any:
    request = _open(pool, args, kwargs)
    if request is None:
        return wrapped(*args, **kwargs)
    request.resume()
    request.again()
    try:
        response = wrapped(*args, **kwargs)
    except BaseException as error:
        request.finish(error)
        raise
    else:
        request.finish(None)
        return response
    finally:
        request.suspend()


def _increment(_retry: Any, args: Args, kwargs: Kwargs, outcome: Outcome) -> None:
    response, error = argument(args, kwargs, 2, "response"), argument(args, kwargs, 3, "error")
    request = running(Request, argument(args, kwargs, 4, "_pool"))
    redirected = error is None and response is not None and bool(response.get_redirect_location())
    if request is None or redirected:
        return
    exhausted = isinstance(outcome.error, module_of("urllib3.exceptions").MaxRetryError)
    request.failed(None if response is None else response.status, error, gave_up=exhausted)


def _sleep(wrapped: Callable[..., Any], retry: Any, args: Args, kwargs: Kwargs) -> Any:
    began = clock.ticks()
    result = wrapped(*args, **kwargs)
    _slept(retry, argument(args, kwargs, 0, "response"), clock.ticks() - began)
    return result


@quiet
def _slept(retry: Any, response: Any, elapsed: int) -> None:
    request = running(Request)
    if request is not None:
        asked = response is not None and retry.respect_retry_after_header and bool(response.headers.get("Retry-After"))
        request.scheduled(elapsed / SECOND, source="retry_after" if asked else "backoff")


def _may_retry(retry: Any, args: Args, kwargs: Kwargs, outcome: Outcome) -> None:
    request = running(Request)
    method, status = argument(args, kwargs, 0, "method"), argument(args, kwargs, 1, "status_code")
    if request is None or outcome.result or not retry.status_forcelist or status not in retry.status_forcelist:
        return
    if retry.allowed_methods and str(method).upper() not in retry.allowed_methods:
        _misuse.detected("retry_excludes_method", policy="retry", name=request.name, library=_LIBRARY)


class Urllib3Instrumentor(Instrumentor):
    """Shows the retries of urllib3."""

    library = _LIBRARY
    requires: ClassVar[tuple[str, ...]] = ("urllib3 >= 2, < 3",)
    patches: ClassVar[tuple[Patch, ...]] = (
        Patch("urllib3.connectionpool", "HTTPConnectionPool.urlopen", _urlopen),
        Patch("urllib3.util.retry", "Retry.increment", after(_increment)),
        Patch("urllib3.util.retry", "Retry.sleep", _sleep),
        Patch("urllib3.util.retry", "Retry.is_retry", after(_may_retry)),
    )
