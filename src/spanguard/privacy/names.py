"""The names of spans, put together again from what is known about the span: never a text that somebody else has written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from spanguard import semconv
from spanguard.privacy.conventions.data import DATABASE_OPERATIONS, MESSAGING_OPERATIONS
from spanguard.privacy.modes import in_force, may_pass
from spanguard.privacy.redactions import redacted
from spanguard.privacy.rules import LONGEST, Clean
from spanguard.vocabulary.declared import is_declared
from spanguard.vocabulary.pseudonyms import Pseudonym, pseudonym

EMPTIED: Final = "redacted"
"""Name of a span that could not be cleaned."""

WORDS: Final = frozenset(
    {
        *semconv.HTTP_METHODS,
        *semconv.OPERATIONS,
        *semconv.POLICIES,
        *DATABASE_OPERATIONS,
        *MESSAGING_OPERATIONS,
        *("HTTP", "attempt", "llm_call", EMPTIED, "connection"),
        *("request", "response", "chain", "agent", "agent run", "running tools", "running tool", "tool", "workflow"),
        *("tcp.connect", "tls.connect", "dns.lookup", "invoke", "run", "embedding", "completion", "parse"),
    }
)
"""First words of the names of spans: HTTP methods, operations of the conventions for GenAI, databases, messaging and RPC, and
our policies. What follows one must be an attribute of the same span."""
TAILS: Final = (" http send", " http receive", " websocket send", " websocket receive")
"""What ASGI's instrumentation hangs on the name of the server's span."""
_OF: Final = "span.name"


def span_name(name: object, attributes: Mapping[str, Clean]) -> str:
    """Return the name if all its parts are known or stand in the span's cleaned attributes, else one made from these."""
    if type(name) is Pseudonym:
        return name
    if type(name) is not str or not name:
        return EMPTIED
    if name in _accepted:
        return name
    if len(name) <= LONGEST and (_is_known(name, attributes) or (in_force.mode == "balanced" and may_pass(name))):
        if len(_accepted) < _MOST_KEPT and in_force.mode == "strict":
            _accepted.add(name)
        return name
    redacted("span", "name", "pseudonym")
    return _rebuilt(name, attributes) or pseudonym(name, _OF)


def _is_known(name: str, attributes: Mapping[str, Clean]) -> bool:
    if name in WORDS or is_declared(name):
        return True
    for tail in TAILS:
        name = name.removesuffix(tail)
    first, gap, rest = name.partition(" ")
    return first in WORDS and (not gap or is_declared(rest) or _stands_in(rest, attributes))


def _stands_in(rest: str, attributes: Mapping[str, Clean]) -> bool:
    return any(isinstance(value, str) and value == rest for value in attributes.values())


def _rebuilt(name: str, attributes: Mapping[str, Clean]) -> str | None:
    """Return what the conventions would call the span, by what is left of its attributes."""
    for operation, about in _NAMED_BY:
        verb = attributes.get(operation)
        if isinstance(verb, str):
            parts = [attributes.get(key) for key in about]
            return " ".join([verb, *(part for part in parts if isinstance(part, str) and type(part) is not Pseudonym)][:2])
    first = name[:_LONGEST_WORD].partition(" ")[0]
    return first if first in WORDS else None


_LONGEST_WORD: Final = 24
_MOST_KEPT: Final = 2000
# Names that were accepted: each consists of clear words and clear values, whatever span it stands on next.
_accepted: set[str] = set()
_NAMED_BY: Final = (
    (semconv.GEN_AI_OPERATION, (semconv.GEN_AI_MODEL, semconv.GEN_AI_RESPONSE_MODEL)),
    (semconv.POLICY_TYPE, (semconv.POLICY_NAME,)),
    (semconv.HTTP_METHOD, ("http.route", "url.template")),
    ("http.method", ("http.route",)),
    ("db.operation.name", ("db.system.name",)),
    ("db.operation", ("db.system",)),
    ("db.system.name", ()),
    ("db.system", ()),
    ("messaging.operation.name", ("messaging.system",)),
    ("messaging.operation", ("messaging.system",)),
    ("rpc.system.name", ()),
    ("rpc.system", ()),
)
