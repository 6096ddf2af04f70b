"""A validator's verdict: its event, and the metric that counts verdicts by rule."""

from __future__ import annotations

from types import CodeType
from typing import Final, NamedTuple

from spanguard import semconv
from spanguard._core.border import report
from spanguard._core.names import clear
from spanguard._core.scope import Scope
from spanguard._core.writers import Attributes

_HARMLESS: Final = ("allowed", "warned", "fixed")


class Verdict(NamedTuple):
    """What a validator said: of what, by which rule, and what is done about it."""

    name: str
    passed: bool
    rule: str | None = None
    stage: str = "output"
    action: str | None = None
    risk_level: str | None = None
    pattern_category: str | None = None

    @property
    def refuses(self) -> bool:
        """Whether the answer is not used because of it."""
        return not self.passed and self.action not in _HARMLESS


def tell_verdict(scope: Scope, policy: Attributes, verdict: Verdict, code: CodeType) -> None:
    """Tell the verdict as an event of the scope, and count it under the policy."""
    result = "pass" if verdict.passed else "fail"
    attributes: Attributes = {**policy, semconv.VALIDATION_RESULT: result}
    for key, name in ((semconv.EVALUATION_NAME, verdict.name), (semconv.VALIDATION_RULE, verdict.rule)):
        shown = clear("validated", name, code)
        if shown is not None:
            attributes[key] = shown
    for key, value, allowed in (
        (semconv.VALIDATION_STAGE, verdict.stage, semconv.VALIDATION_STAGES),
        (semconv.VALIDATION_ACTION, verdict.action, semconv.ACTIONS),
        (semconv.RISK_LEVEL, verdict.risk_level, semconv.RISK_LEVELS),
        (semconv.PATTERN_CATEGORY, verdict.pattern_category, semconv.PATTERN_CATEGORIES),
    ):
        if value is not None and value in allowed:
            attributes[key] = value
        elif value is not None:
            report("validated", f"{key.rpartition('.')[2]} is none of {', '.join(allowed)}, left out")
    by = {key: attributes[key] for key in semconv.VALIDATIONS.attributes if key in attributes}
    scope.recorder.measure(semconv.VALIDATIONS, 1, by, scope.inner)
    if verdict.stage not in ("input", "tool"):
        scope.tell(semconv.EVALUATION, {**attributes, semconv.EVALUATION_LABEL: result})
    elif not verdict.passed:
        scope.tell(semconv.VALIDATION_FAILED, attributes)
