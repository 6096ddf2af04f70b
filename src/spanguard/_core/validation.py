"""Validators as verbs: a check of an input, an answer or a tool call, its verdict, and how long it took."""

from __future__ import annotations

import sys
from types import CodeType
from typing import ClassVar

from spanguard import semconv
from spanguard._core.attempt import Attempt
from spanguard._core.border import ask, quiet
from spanguard._core.errors import is_cancellation
from spanguard._core.gate import SECOND, SHORT, Gate
from spanguard._core.verdict import Verdict, tell_verdict
from spanguard._core.writers import Attributes


class Validation(Gate):
    """One check by a validator; ``with traced_validation("invoice_schema") as check`` gives it.

    It passes unless `failed` is called or an exception leaves the block.
    """

    policy: ClassVar[str] = "validator"

    def __init__(self, name: str, stage: str, code: CodeType) -> None:
        super().__init__(name)
        self._stage = stage
        self._code = code
        self._verdict: Verdict | None = None

    def passed(self, *, rule: str | None = None, action: str | None = None) -> None:
        """Say that it passed, by which rule, and what is done (``action``, such as ``allowed``)."""
        self.decide(sys._getframe(1).f_code, passed=True, rule=rule, action=action)

    def failed(
        self,
        *,
        rule: str | None = None,
        action: str | None = None,
        risk_level: str | None = None,
        pattern_category: str | None = None,
    ) -> None:
        """Say that it failed: by which rule, and what is done about it.

        ``action`` is ``allowed``, ``warned``, ``blocked``, ``fixed`` or ``retried``; a safety validator adds ``risk_level``
        (``low`` to ``critical``) and ``pattern_category`` (as in docs/telemetry.md). Never pass the validator's message.
        """
        code = sys._getframe(1).f_code
        self.decide(code, passed=False, rule=rule, action=action, risk_level=risk_level, pattern_category=pattern_category)

    def decide(
        self,
        code: CodeType,
        *,
        passed: bool,
        rule: str | None = None,
        action: str | None = None,
        risk_level: str | None = None,
        pattern_category: str | None = None,
    ) -> None:
        """State the verdict; ``code`` is the code that says so, whose literals are names."""
        holds = ask("validation", lambda: bool(passed))
        if holds is not None:
            self._code = code
            self._verdict = Verdict(self._name, holds, rule, self._stage, action, risk_level, pattern_category)

    @quiet
    def returned(self, value: object) -> None:
        """Take what a decorated validator returned: False is a failure, everything else passes."""
        if self._verdict is None:
            self._verdict = Verdict(self._name, passed=value is not False, stage=self._stage)

    @quiet
    def finish(self, error: BaseException | None = None) -> None:
        """Tell and count the verdict; a check that took long is a span."""
        if not self.started or self.done:
            return
        self.done = True
        elapsed = self.elapsed()
        if error is not None and is_cancellation(error):
            return
        verdict = self._verdict or Verdict(self._name, passed=error is None, stage=self._stage)
        if error is not None and verdict.passed:
            verdict = verdict._replace(passed=False)
        if verdict.refuses:
            self._refuse()
        tell_verdict(self, self.by, verdict, self._code)
        by: Attributes = {**self.by, semconv.VALIDATION_RESULT: "pass" if verdict.passed else "fail"}
        if verdict.stage in semconv.VALIDATION_STAGES:
            by[semconv.VALIDATION_STAGE] = verdict.stage
        self.recorder.measure(semconv.VALIDATION_DURATION, elapsed / SECOND, by, self.outer)
        if elapsed >= SHORT:
            self.show(elapsed, by)

    def _refuse(self) -> None:
        """Tell the attempt around, if any, that its answer is refused."""
        scope = self.parent
        while scope is not None and not isinstance(scope, Attempt):
            scope = scope.parent
        if scope is not None:
            scope.refuse()
