"""One HTTP try, told by hand or read from a response object of whichever library."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

from opentelemetry.trace import Status, StatusCode

from spanguard import semconv
from spanguard._core import clock
from spanguard._core.border import report
from spanguard._core.usage import amount
from spanguard._core.writers import Attributes, Value
from spanguard.vocabulary import declared, pseudonyms
from spanguard.vocabulary.hosts import host_name
from spanguard.vocabulary.pseudonyms import pseudonym

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from spanguard._core.held import Held, Series
    from spanguard._core.scope import Scope

_WHERE: Final = "http"
_SECOND: Final = 1e9
_MOST: Final = 500
_LONGEST: Final = 500
_ERROR: Final = Status(StatusCode.ERROR)
_INSTRUMENTATIONS: Final = tuple(
    f"opentelemetry.instrumentation.{name}" for name in ("httpx", "requests", "urllib3", "aiohttp_client", "urllib")
)


class HttpFacts(NamedTuple):
    """What is known of one HTTP try; None means unknown."""

    status: int | None = None
    host: str | None = None
    method: str | None = None
    url: str | None = None
    from_cache: bool | None = None
    revalidated: bool | None = None
    stale: bool | None = None
    retry_after: float | None = None
    limiter_delay: float | None = None
    breaker_state: str | None = None
    breaker_result: str | None = None

    def over(self, other: HttpFacts) -> HttpFacts:
        """Return these facts, completed from the others where these are unknown."""
        if self == _NOTHING:
            return other
        known = {name: value for name, value in self._asdict().items() if value is not None}
        return other._replace(**known)


_NOTHING: Final = HttpFacts()
_NO_DETAILS: Final = _NOTHING[4:]
_OK: Final = range(200, 300)


def instrumented() -> bool:
    """Whether an HTTP instrumentation of OpenTelemetry is loaded, which makes the CLIENT spans itself."""
    return not sys.modules.keys().isdisjoint(_INSTRUMENTATIONS)


def read_http(response: object) -> HttpFacts:
    """Read a response of httpx, requests, aiohttp or urllib3 by its shape; what it does not tell stays unknown."""
    request = getattr(response, "request", None) or getattr(response, "request_info", None)
    url = str(getattr(request, "url", None) or getattr(response, "url", None) or "")
    caching = getattr(response, "extensions", None)
    cached = caching.get("caching") if isinstance(caching, Mapping) else None
    found = cached if isinstance(cached, Mapping) else {}
    status: object = getattr(response, "status_code", None)
    if status is None:
        status = getattr(response, "status", None)
    method: object = getattr(request, "method", None) or getattr(response, "method", None)
    return HttpFacts(
        status=status if isinstance(status, int) else None,
        host=urlsplit(url).hostname,
        method=method if isinstance(method, str) else None,
        url=url or None,
        from_cache=_flag(found.get("from_cache", getattr(response, "from_cache", None))),
        revalidated=_flag(found.get("revalidated", getattr(response, "revalidated", None))),
        # Nobody waits after an answer that came, and looking headers up costs as much as all the rest.
        retry_after=None if status in _OK else _retry_after(getattr(response, "headers", None)),
    )


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _retry_after(headers: object) -> float | None:
    """Return the seconds that the server asks to wait, of ``retry-after-ms`` or ``retry-after`` (seconds or a date)."""
    get = getattr(headers, "get", None)
    if not callable(get):
        return None
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = get(name)
        if isinstance(text, str):
            try:
                return float(text) / unit
            except ValueError:
                return _until(text)
    return None


def _until(date: str) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - clock.now() / 1e9)
    except (ValueError, TypeError):
        return None


class HttpTry:
    """What is told of all tries that are alike."""

    __slots__ = ("_series", "attributes", "editions", "error", "measured", "method")

    def __init__(self, attributes: Attributes, editions: tuple[int, int]) -> None:
        status = attributes.get(semconv.HTTP_STATUS)
        self.method: Final = str(attributes.get(semconv.HTTP_METHOD, "HTTP"))
        self.error: Final[Attributes] = {semconv.ERROR_TYPE: str(status)} if isinstance(status, int) and status >= 400 else {}
        self.attributes: Final = attributes
        self.editions: Final = editions
        """Of the declared names and of the key at the time."""
        known: Attributes = {key: attributes[key] for key in semconv.HTTP_DURATION.attributes if key in attributes}
        sent = not attributes.get(semconv.FROM_CACHE) or bool(attributes.get(semconv.REVALIDATED))
        self.measured: Final = {**known, **self.error} if sent else None
        """What its metric carries; None for what a cache answered without asking the server."""
        self._series: tuple[Held, Series] | None = None

    def has_measured(self, held: Held) -> bool:
        """Whether one of them has been recorded already, so that its series has begun, or none ever is."""
        return self.measured is None or (self._series is not None and self._series[0] is held)

    def measure(self, held: Held, seconds: float, within: Context) -> None:
        """Record how long one of them took, unless no server was asked."""
        if self.measured is None:
            return
        series = self._series
        if series is None or series[0] is not held:
            series = self._series = held, held.series(semconv.HTTP_DURATION, self.measured)
        held.put(series[1], seconds, within)


_Plain = tuple[object, str, int, int]
_tries: Final[dict[_Plain, HttpTry]] = {}


def of_response(response: object, resent: int) -> HttpTry:
    """Return what is told of a try that was sent ``resent`` times before and got this response."""
    plain = _plain(response, resent)
    found = _tries.get(plain) if plain is not None else None
    if found is None or found.editions != (declared.edition, pseudonyms.edition):
        facts = read_http(response)
        found = described(facts, resent)
        if plain is not None and len(facts.url or "") <= _LONGEST:
            if len(_tries) >= _MOST:
                _tries.clear()
            _tries[plain] = found
    return found


def _plain(response: Any, resent: int) -> _Plain | None:
    """Return what tells apart the successes of which no more is to be told than what was asked of whom; None for all else."""
    try:
        request, status, extensions = response.request, response.status_code, response.extensions
        method, url = request.method, request.url
    except AttributeError:  # none of httpx
        return None
    if type(status) is not int or status not in _OK or type(method) is not str or type(extensions) is not dict:
        return None
    if "caching" in extensions or hasattr(response, "from_cache") or hasattr(response, "revalidated"):
        return None
    # A URL of httpx makes its text anew each time; it keeps a tuple of its parts.
    return getattr(url, "_uri_reference", None) or str(url), method, status, resent


def described(facts: HttpFacts, resent: int) -> HttpTry:
    """Return what is told of a try that was sent ``resent`` times before."""
    editions = declared.edition, pseudonyms.edition
    method = facts.method.upper() if isinstance(cast("object", facts.method), str) and facts.method else None
    known: tuple[tuple[str, Value | None], ...] = (
        (semconv.HTTP_METHOD, method if method is None or method in semconv.HTTP_METHODS else semconv.OTHER),
        (semconv.HTTP_STATUS, _status(facts.status)),
        (semconv.HTTP_RESEND, resent or None),
        (semconv.SERVER_ADDRESS, host_name(facts.host)),
        (semconv.URL_ID, _url_id(facts.url)),
    )
    if facts[4:] != _NO_DETAILS:
        known += _details(facts)
    return HttpTry({key: value for key, value in known if value is not None}, editions)


def _details(facts: HttpFacts) -> tuple[tuple[str, Value | None], ...]:
    return (
        (semconv.FROM_CACHE, _flag(facts.from_cache)),
        (semconv.REVALIDATED, _flag(facts.revalidated)),
        (semconv.STALE, _flag(facts.stale)),
        (semconv.RETRY_AFTER, _seconds(facts.retry_after)),
        (semconv.LIMITER_DELAY, _seconds(facts.limiter_delay)),
        (semconv.BREAKER_STATE, _one_of(semconv.BREAKER_STATES, facts.breaker_state)),
        (semconv.BREAKER_RESULT, _one_of(semconv.BREAKER_RESULTS, facts.breaker_result)),
    )


def _url_id(url: object) -> str | None:
    return pseudonym(url, semconv.URL_ID) if isinstance(url, str) and url else None


def _status(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599:
        return int(value)
    report(_WHERE, "status is not one of HTTP's, left out")
    return None


def _seconds(value: object) -> float | None:
    seconds = amount(_WHERE, value)
    return seconds if seconds is None or math.isfinite(seconds) else None


def _one_of(allowed: tuple[str, ...], value: object) -> str | None:
    if value is None or (isinstance(value, str) and value in allowed):
        return value
    report(_WHERE, f"expected one of {', '.join(allowed)}, left out")
    return None


def tell(scope: Scope, told: HttpTry, before: int) -> int:
    """Tell of one try, made since ``before``: as a CLIENT span, unless an instrumentation of OpenTelemetry makes it.

    From status 400 on the span is an ERROR with the status as its type, as in the conventions. Both ``before`` and what is
    returned, when the try has ended, are nanoseconds since the begin of the scope.
    """
    if instrumented():
        if scope.span.is_recording():
            scope.span.set_attributes(told.attributes)
        return before
    recorder, within, now = scope.recorder, scope.inner, scope.elapsed()
    attributes = {**scope.inherited, **told.attributes, **told.error}
    span = recorder.start(told.method, attributes, within, scope._start_ns + before, client=True)
    scope.child_started(span.get_span_context())
    if told.error:
        span.set_status(_ERROR)
    span.end(scope._start_ns + now)
    told.measure(recorder.held, (now - before) / _SECOND, within)
    return now
