"""What an exception means, told from its class and its status code, never from its message.

Sources: the status codes and error codes that OpenAI, Anthropic and Google document; RFC 9110 for the rest.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from spanguard.semconv import OTHER, UNRECOVERABLE


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

_LONGEST: Final = 200
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
    ("cancelled", "cancelled"),
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


def failure(error: BaseException) -> Failure:
    """Tell what an exception is. Reads its class, ``status_code`` and ``code``; never calls ``str`` or ``repr`` on it."""
    return Failure(type_name(type(error)), "cancelled" if is_cancellation(error) else _category(error))


def type_name(cls: type) -> str:
    """Return the name of an exception class as ``error.type`` shows it: qualified, without ``builtins``."""
    module = cls.__module__
    name = cls.__qualname__ if module in ("builtins", "__main__") else f"{module}.{cls.__qualname__}"
    plain = len(name) <= _LONGEST and all(part.isidentifier() or part == "<locals>" for part in name.split("."))
    return name if plain else OTHER  # a class can be made at run time, under any name


def is_cancellation(error: BaseException) -> bool:
    """Whether the error says that somebody stopped the work, rather than that the work went wrong."""
    if isinstance(error, Exception):
        return type(error).__name__ == "CancelledError"  # that of concurrent.futures is an Exception
    inner: tuple[BaseException, ...] | None = getattr(error, "exceptions", None)
    if inner is None:
        return True
    return all(is_cancellation(each) for each in inner)


def _category(error: BaseException) -> str:
    code = _attribute(error, "code")
    if isinstance(code, str) and code in _BY_CODE:
        return _BY_CODE[code]
    status = _attribute(error, "status_code")
    if isinstance(status, int) and status >= 400:
        return _BY_STATUS.get(status) or ("backend_error" if status >= 500 else "bad_request")
    names = [cls.__name__.lower() for cls in type(error).__mro__]
    for word, category in _BY_WORD:
        if any(word in name for name in names):
            return category
    return "other"


def _attribute(error: BaseException, name: str) -> object:
    try:
        value: object = getattr(error, name, None)
    except Exception:  # a property of somebody's exception that raises
        return None
    return value
