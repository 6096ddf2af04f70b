"""What may stand under every key of the known conventions, and which names of events, scopes and metrics are known.

`ATTRIBUTES` and `RESOURCE` have a rule for each key. A key that stands in neither is unknown, unless `rule_of` finds that it
lies below known first words: then it holds content or is dropped, for what follows can be anybody's words.
"""

from __future__ import annotations

from typing import Final

from spanguard.privacy.conventions import clouds, data, genai, libraries, machine, own, program, web
from spanguard.privacy.conventions.metrics import MetricRule, is_bound, metric
from spanguard.privacy.conventions.scopes import is_event, is_schema_url, is_scope
from spanguard.privacy.conventions.stack import Stack
from spanguard.privacy.rules import Rule

__all__ = [
    "ATTRIBUTES",
    "RESOURCE",
    "MetricRule",
    "Stack",
    "is_bound",
    "is_event",
    "is_schema_url",
    "is_scope",
    "metric",
    "rule_of",
]

_FAMILIES: Final = (own, genai, libraries, web, data, clouds, machine, program)

ATTRIBUTES: Final[dict[str, Rule]] = {key: rule for family in _FAMILIES for key, rule in family.TABLE.items()}
"""The rules of keys on spans, events, links, log records and points of metrics."""

_ABOUT_RESOURCES: Final = frozenset(
    """
    service telemetry deployment host os process container k8s cloud faas aws azure gcp heroku cloudfoundry oci
    openshift webengine device browser app resilience vcs cicd otel user langfuse openinference
    """.split()
)
RESOURCE: Final[dict[str, Rule]] = {
    key: rule for key, rule in ATTRIBUTES.items() if key.partition(".")[0] in _ABOUT_RESOURCES
}
"""The rules of keys on resources."""

_BELOW: Final[dict[str, Rule]] = {first: rule for family in _FAMILIES for first, rule in family.BELOW.items()}
_FIRST_WORDS: Final[dict[str, tuple[str, ...]]] = {
    root: tuple(sorted((first for first in _BELOW if first.partition(".")[0] == root), key=len, reverse=True))
    for root in {first.partition(".")[0] for first in _BELOW}
}
_LONGEST_ROOT: Final = max(map(len, _FIRST_WORDS))


def rule_of(key: str) -> Rule | None:
    """Return the rule of a key, or of the known first words that it begins with; None for an unknown key."""
    if type(key) is not str:
        return None
    rule = ATTRIBUTES.get(key)
    if rule is not None:
        return rule
    words = _FIRST_WORDS.get(key[: _LONGEST_ROOT + 1].partition(".")[0], ())
    return next((_BELOW[first] for first in words if key.startswith(first)), None)
