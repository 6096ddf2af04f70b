"""Failover: one candidate after another until one answers, each an attempt, and a hop between them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import CodeType
from typing import cast

from spanguard import semconv
from spanguard._core.attempt import Attempt
from spanguard._core.border import quiet
from spanguard._core.errors import failure
from spanguard._core.names import clear
from spanguard._core.operation import Operation
from spanguard._core.usage import tokens
from spanguard._core.writers import Attributes, Value
from spanguard.vocabulary.hosts import host_name
from spanguard.vocabulary.models import model_name
from spanguard.vocabulary.pseudonyms import pseudonym

_WHERE = "candidate"


class Failover(Operation):
    """A failover operation; made by `spanguard.traced_failover`. It reports what happens and decides nothing."""

    def __init__(self, name: str, work: str | None, artifact: str | None, library: str | None = None) -> None:
        super().__init__("failover", name, library=library)
        self._told = 0
        known = (semconv.WORK_ID, work), (semconv.ARTIFACT_ID, artifact)
        self._about = {key: pseudonym(str(identity), key) for key, identity in known if identity is not None}

    def candidate(
        self,
        name: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        tier: int | None = None,
        source: str | None = None,
        host: str | None = None,
    ) -> Attempt:
        """Return the attempt with the next candidate; use it as ``with``.

        ``name`` and ``source`` (a mirror, say) are names of the program; ``tier`` is the candidate's rank, counted from 1.
        """
        return self._candidate(
            sys._getframe(1).f_code, name, provider=provider, model=model, tier=tier, source=source, host=host
        )

    def candidates(self, *names: str) -> Iterator[Attempt]:
        """Hand out an attempt for each candidate in turn, until one has succeeded; `Attempt.candidate` tells its name."""
        code = sys._getframe(1).f_code
        return self._candidates(names, code)

    def _candidates(self, names: tuple[str, ...], code: CodeType) -> Iterator[Attempt]:
        self._limit = len(names)
        for name in names:
            attempt = self._candidate(code, name)
            yield attempt
            if attempt.outcome == "success":
                return

    @quiet
    def on_failover(self, old: str, new: str, error: BaseException | None = None) -> None:
        """Report a hop after the fact; a callback for components that know nothing of telemetry."""
        code = sys._getframe(2).f_code  # past `quiet`
        names = clear("on_failover", old, code), clear("on_failover", new, code)
        if self.started and not self.done and names[0] and names[1]:
            self._told += 1
            self.fell_through()
            self._hop(names[0], names[1], failure(error).type if error is not None else None)

    def _candidate(self, code: CodeType, name: str, **facts: str | int | None) -> Attempt:
        about: Attributes = {}
        model = facts.get("model")
        known: tuple[tuple[str, Value | None], ...] = (
            (semconv.FAILOVER_CANDIDATE, clear(_WHERE, name, code)),
            (semconv.FAILOVER_SOURCE, clear(_WHERE, facts.get("source"), code)),
            (semconv.FAILOVER_TIER, tokens(_WHERE, facts.get("tier"))),
            (semconv.SERVER_ADDRESS, host_name(facts.get("host"))),
            (semconv.GEN_AI_PROVIDER, clear(_WHERE, facts.get("provider"), code)),
            (semconv.GEN_AI_MODEL, model_name(model) if isinstance(model, str) and model else None),
        )
        about.update({key: value for key, value in known if value is not None})
        shown = about.get(semconv.FAILOVER_CANDIDATE)
        attempt = Attempt(self, self, f"attempt {shown}" if shown else "attempt", about)
        attempt.candidate = name
        return attempt

    def begun(self, attempt: Attempt) -> int:
        """Hear that a candidate is tried; if the one before failed, that is a hop."""
        before = self._last
        number = super().begun(attempt)
        if self.started and before is not None and before.outcome not in ("", "success"):
            names = [str(each.about.get(semconv.FAILOVER_CANDIDATE, semconv.OTHER)) for each in (before, attempt)]
            self._hop(names[0], names[1], before.error.type if before.error is not None else None, number)
        return number

    @quiet
    def _hop(self, old: str, new: str, error: str | None, number: int | None = None) -> None:
        self.policy.measure(self.recorder, semconv.FAILOVER_HOPS, 1, (old, new, error), self.inner)
        by: Attributes = {**self.policy.attributes, semconv.FAILOVER_FROM: old, semconv.FAILOVER_TO: new}
        if error is not None:
            by[semconv.ERROR_TYPE] = error
        self.tell(semconv.FAILOVER_HOP, {**by, semconv.ATTEMPT_NUMBER: number} if number is not None else by)

    @property
    def _tries(self) -> int:
        # Hops that were told after the fact stand for candidates that were tried.
        return max(self._count, self._told + 1)

    def _tried_all(self) -> bool:
        # Without a list of candidates nobody knows how many there are: more than one was tried, and the error got out.
        return super()._tried_all() if self._limit is not None else self._count > 1

    def _served_by(self) -> tuple[str | None, ...]:
        last = self._last
        if last is None or last.outcome != "success":
            return super()._served_by()
        seen = last.seen
        provider = (seen and seen.provider) or last.about.get(semconv.GEN_AI_PROVIDER)
        model = (seen and seen.model) or last.about.get(semconv.GEN_AI_MODEL)
        return cast("str | None", provider), cast("str | None", model)
