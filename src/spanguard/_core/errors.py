"""What an exception means, told from its class and its status code, never from its message.

Sources: the status codes and error codes that OpenAI, Anthropic and Google document; RFC 9110 for the rest.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from spanguard.semconv import OTHER, UNRECOVERABLE
from spanguard.vocabulary.errors import error_type


class Failure(NamedTuple):
    """An error as telemetry tells it: type (class name or code), category, and whether another attempt can help."""

    type: str
    category: str

    @property
    def recoverable(self) -> bool:
        """Whether another attempt can help."""
        return self.category not in UNRECOVERABLE


REFUSED: Final = Failure("validation_error", "validation_error")
"""An answer came, and validation refused it."""

UNKNOWN: Final = Failure(OTHER, "other")
"""The program says that an attempt failed, and not how."""

ABANDONED: Final = Failure("stream_abandoned", "cancelled")
"""Nobody closed the stream: it fell to the garbage collector, the event loop or the interpreter's exit."""

_BY_STATUS: Final = {
    400: "bad_request",
    401: "authentication",
    403: "authentication",
    404: "not_found",
    408: "timeout",
    413: "context_length",
    422: "bad_request",
    429: "rate_limited",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_BY_CODE: Final = {
    "context_length_exceeded": "context_length",
    "content_filter": "content_filtered",
    "content_policy_violation": "content_filtered",
    "insufficient_quota": "rate_limited",
    "invalid_api_key": "authentication",
    "model_not_found": "not_found",
}
# Words of class names, the first that occurs in the class or one of its bases decides.
_BY_WORD: Final = (
    ("ratelimit", "rate_limited"),
    ("timeout", "timeout"),
    ("deadlineexceeded", "timeout"),
    ("circuitbreaker", "circuit_open"),
    ("authentication", "authentication"),
    ("permissiondenied", "authentication"),
    ("contextwindow", "context_length"),
    ("contentfilter", "content_filtered"),
    ("contentpolicy", "content_filtered"),
    ("overloaded", "overloaded"),
    ("connect", "connection"),
    ("network", "connection"),
    ("transport", "connection"),
    ("protocolerror", "connection"),
    ("jsondecode", "parse_error"),
    ("parseerror", "parse_error"),
    ("validationerror", "validation_error"),
    ("badrequest", "bad_request"),
    ("notfound", "not_found"),
    ("memoryerror", "out_of_memory"),
    ("outofmemory", "out_of_memory"),
    ("internalserver", "backend_error"),
)


# Exceptions that say that somebody stopped the work: those of Python, asyncio and concurrent.futures, trio, and gevent.
_STOPS: Final = frozenset({"KeyboardInterrupt", "SystemExit", "GeneratorExit", "CancelledError", "Cancelled", "GreenletExit"})
_MOST_LEAVES: Final = 1000


class StreamAbandoned(GeneratorExit):
    """Ends a stream that nobody closed, in place of the exception that nobody saw."""


def failure(error: BaseException) -> Failure:
    """Tell what an exception is. Reads its class, status and code, never calls ``str`` or ``repr`` on it, never raises."""
    if type(error) is StreamAbandoned:
        return ABANDONED
    return Failure(type_name(type(error)), _category(error))


def from_status(status: int) -> Failure:
    """Tell what an HTTP response is that was taken for a failure: its status is the type, as in the HTTP conventions."""
    return Failure(str(status), _by_status(status) if 400 <= status < 600 else "other")


def type_name(cls: type) -> str:
    """Return the name of an exception class as ``error.type`` shows it: qualified, without ``builtins``.

    A class that is neither a well-known library's nor found under its name in a loaded module is ``_OTHER``: a class can be
    made at run time, under any name.
    """
    module, name = _attribute(cls, "__module__"), _attribute(cls, "__qualname__")
    if not (isinstance(module, str) and isinstance(name, str)):
        return OTHER
    return error_type(name if module in ("builtins", "__main__") else f"{module}.{name}")


def is_cancellation(error: BaseException) -> bool:
    """Whether the error says that somebody stopped the work, rather than that the work went wrong."""
    return _category(error) == "cancelled"


def _category(error: BaseException) -> str:
    """Return the category of an error, or of a group the one that all its leaves share."""
    found: set[str] = set()
    left, seen = [error], 0
    while left and seen < _MOST_LEAVES and len(found) < 2:
        each = left.pop()
        seen += 1
        inner = _attribute(each, "exceptions") if _is_group(each) else None
        if isinstance(inner, tuple) and inner:
            left += inner
        else:
            found.add(_of_one(each))
    return found.pop() if len(found) == 1 and not left else "other"


def _is_group(error: BaseException) -> bool:
    # By name: Python 3.10 has no groups of its own, and those of the package `exceptiongroup`.
    return any(cls.__name__ == "BaseExceptionGroup" for cls in type(error).__mro__)


def _of_one(error: BaseException) -> str:
    names = [cls.__name__ for cls in type(error).__mro__]
    if not _STOPS.isdisjoint(names):
        return "cancelled"
    code = _attribute(error, "code")
    if isinstance(code, str) and (known := _BY_CODE.get(str.__str__(code))):
        return known
    for status in (_attribute(error, "status_code"), _attribute(error, "status"), code, _answered(error)):
        if isinstance(status, int) and 400 <= (number := int.__int__(status)) < 600:
            return _by_status(number)
    lowered = [name.lower() for name in names]
    for word, category in _BY_WORD:
        if any(word in name for name in lowered):
            return category
    return "other"


def _by_status(status: int) -> str:
    return _BY_STATUS.get(status) or ("backend_error" if status >= 500 else "bad_request")


def _answered(error: BaseException) -> object:
    """Return the status of the response that httpx's and requests' errors carry."""
    response = _attribute(error, "response")
    return None if response is None else _attribute(response, "status_code")


def _attribute(owner: object, name: str) -> object:
    try:
        value: object = getattr(owner, name, None)
        isinstance(value, str)  # asks for its class, which an object may refuse to tell
    except Exception:  # somebody's property that raises
        return None
    return value
