"""Alert policies of OpenSLO: how fast an error budget may burn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from spanguard.slo.document import Field
from spanguard.slo.objects import OPERATORS, Object, Objects, Operator, duration, metadata, referred

_SPEC: Final = (*("description", "alertWhenNoData", "alertWhenResolved", "alertWhenBreaching", "notificationTargets"),)


@dataclass(frozen=True)
class Burn:
    """One condition of an alert: the budget burns so many times too fast over a window, and does so for a while.

    ``window`` and ``after`` are in seconds.
    """

    name: str
    severity: str
    op: Operator
    threshold: float
    window: int
    after: int


def policy(field: Field, known: Objects) -> list[Burn]:
    """Read a policy that stands in an SLO, or that it refers to."""
    if isinstance(field.value, dict) and "alertPolicyRef" in field.value:
        return of_policy(referred("AlertPolicy", field.fields(("alertPolicyRef",))["alertPolicyRef"], known), known)
    if isinstance(field.value, str):
        return of_policy(referred("AlertPolicy", field, known), known)
    return of_policy(_inline("AlertPolicy", field), known)


def of_policy(made: Object, known: Objects) -> list[Burn]:
    """Read the conditions of a policy."""
    fields = made.spec.fields(("conditions",), _SPEC)
    for name in ("alertWhenNoData", "alertWhenResolved", "alertWhenBreaching"):
        if name in fields:
            fields[name].flag()
    for target in fields["notificationTargets"].items() if "notificationTargets" in fields else ():
        _target(target, known)
    return [_condition(each, known) for each in fields["conditions"].items(1)]


def of_condition(made: Object, known: Objects) -> Burn:  # noqa: ARG001 - one shape for all kinds
    """Read a condition: `burnrate` is the one kind that OpenSLO knows."""
    fields = made.spec.fields(("severity", "condition"), ("description",))
    severity, condition = fields["severity"].text(), fields["condition"]
    parts = condition.fields(("kind", "op", "threshold", "lookbackWindow"), ("alertAfter",))
    parts["kind"].one_of("burnrate")
    after = duration(parts["alertAfter"]) if "alertAfter" in parts else 0
    operator = cast("Operator", parts["op"].one_of(*OPERATORS))
    return Burn(made.name, severity, operator, parts["threshold"].number(0), duration(parts["lookbackWindow"]), after)


def of_target(made: Object, known: Objects) -> None:  # noqa: ARG001
    """Read whom to notify; that is Alertmanager's to know, and nothing here needs it."""
    made.spec.fields(("target",), ("description",))["target"].text()


def _condition(field: Field, known: Objects) -> Burn:
    if isinstance(field.value, dict) and "conditionRef" in field.value:
        return of_condition(referred("AlertCondition", field.fields(("conditionRef",))["conditionRef"], known), known)
    return of_condition(_inline("AlertCondition", field), known)


def _target(field: Field, known: Objects) -> None:
    if isinstance(field.value, dict) and "targetRef" in field.value:
        referred("AlertNotificationTarget", field.fields(("targetRef",))["targetRef"], known)
    else:
        of_target(_inline("AlertNotificationTarget", field), known)


def _inline(kind: str, field: Field) -> Object:
    fields = field.fields(("kind", "spec"), ("metadata", "apiVersion"))
    fields["kind"].one_of(kind)
    name = metadata(fields["metadata"])[0] if "metadata" in fields else kind.lower()
    return Object(kind, name, fields["spec"], {})
