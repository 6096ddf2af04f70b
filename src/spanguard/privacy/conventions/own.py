"""Our own attributes, each by the class of privacy that `spanguard.semconv` gives it."""

from __future__ import annotations

from typing import Final

from spanguard import semconv
from spanguard.privacy.conventions.kinds import COST, COUNT, FLAG, SECONDS, SHARE, STATUS, TOKENS, Table
from spanguard.privacy.conventions.known import ERROR, FINISH, HOST, MODEL, PACKAGE, PROVIDER
from spanguard.privacy.rules import Bucket, Each, Rule, amount, count, identity, name, one_of
from spanguard.vocabulary.declared import NAMES

_KNOWN: Final[Table] = {
    semconv.DEPENDENCIES: PACKAGE,
    semconv.SERVER_ADDRESS: HOST,
    semconv.SCHEMA: one_of(semconv.SCHEMA_VERSION),
    semconv.ERROR_TYPE: ERROR,
    semconv.GEN_AI_PROVIDER: PROVIDER,
    semconv.GEN_AI_MODEL: MODEL,
    semconv.GEN_AI_RESPONSE_MODEL: MODEL,
    semconv.GEN_AI_FINISH: FINISH,
}
_RANGES: Final[Table] = {
    semconv.HTTP_STATUS: STATUS,
    semconv.CONTENT_LENGTH: Bucket(),
    semconv.GEN_AI_TEMPERATURE: amount(2),
    semconv.GEN_AI_TOP_P: SHARE,
    semconv.GEN_AI_TOP_K: amount(999_999),
    semconv.GEN_AI_FREQUENCY: amount(2, -2),
    semconv.GEN_AI_PRESENCE: amount(2, -2),
    semconv.GEN_AI_SEED: count(99_999),
}
_METHODS: Final = one_of(*semconv.HTTP_METHODS, otherwise=semconv.OTHER)


def _rule(attribute: semconv.Attribute) -> Rule:
    rule = _of_class(attribute)
    return Each(rule) if attribute.type == "string[]" else rule


def _of_class(attribute: semconv.Attribute) -> Rule:
    privacy = attribute.privacy
    if privacy == "number":
        return _RANGES.get(attribute.name) or _range(attribute)
    if privacy == "enum":
        return _METHODS if attribute.name == semconv.HTTP_METHOD else one_of(*attribute.values)
    if privacy == "known":
        return _KNOWN[attribute.name]
    if privacy == "pseudonym":
        return identity(attribute.name)
    # An id that spanguard draws is declared by who draws it: hex digits alone could be anybody's secret.
    return FLAG if privacy == "flag" else name(NAMES if privacy == "name" else attribute.name)


def _range(attribute: semconv.Attribute) -> Rule:
    last = attribute.name.rpartition(".")[2]
    if last == "cost":
        return COST
    if last.endswith(("tokens", "length")):
        return TOKENS
    return COUNT if attribute.type == "int" else SECONDS


TABLE: Final[Table] = {attribute.name: _rule(attribute) for attribute in semconv.ATTRIBUTES.values()}
BELOW: Final[Table] = {}
