"""Attempts that begin and end where a library calls a hook, rather than in a block; and chains of candidates."""

from __future__ import annotations

from typing import Final, TypeVar

from spanguard import semconv
from spanguard._core.attempt import Attempt
from spanguard._core.border import quiet
from spanguard._core.failover import Failover
from spanguard._core.operation import Operation
from spanguard._core.readers.response import read
from spanguard._core.scope import current_scope, policy_attributes
from spanguard._core.usage import NOTHING, Spent
from spanguard.vocabulary.models import model_name

T = TypeVar("T", bound="Tries")

_ANY: Final = object()


class Tries(Operation):
    """An operation of a library, of which one attempt runs at a time."""

    trying: Attempt | None = None
    owner: object = None

    def enter(self, attempt: Attempt) -> None:
        """Begin an attempt, and make it current."""
        self.trying = attempt
        attempt.start()
        attempt.resume()

    @quiet
    def again(self) -> None:
        """Begin the next attempt."""
        self.leave(None)
        self.enter(self.attempt())

    @quiet
    def leave(self, error: BaseException | None) -> None:
        """End the attempt that runs, if one does."""
        attempt, self.trying = self.trying, None
        if attempt is not None:
            attempt.suspend()
            attempt.finish(error)

    @quiet
    def used(self, response: object) -> None:
        """Count what an answer has used, unless a call inside the attempt has told of it already."""
        attempt = self.trying
        if attempt is None or attempt.seen is not None:
            return
        reading = read(response)
        if reading.usage is not NOTHING:
            attempt.spend([Spent(reading.usage, reading.provider, model_name(reading.model) if reading.model else None)])

    @quiet
    def finish(self, error: BaseException | None = None) -> None:
        """End the operation, and the attempt that runs."""
        self.leave(error)
        super().finish(error)


class Chain(Tries, Failover):
    """One candidate after the other, as a library tries them."""

    def __init__(self, name: str, library: str) -> None:
        Failover.__init__(self, name, None, None)
        self._policy = policy_attributes("failover", name, library)
        self.name = name
        self.library = library

    @quiet
    def turn(self, candidate: str, model: str | None = None) -> None:
        """Begin the attempt with a candidate, whose name is one that may be shown."""
        self.leave(None)
        about: dict[str, str] = {semconv.FAILOVER_CANDIDATE: candidate}
        if model:
            about[semconv.GEN_AI_MODEL] = model_name(model)
        attempt = Attempt(self, self, f"attempt {candidate}", {**about})
        attempt.candidate = candidate
        self.enter(attempt)


def running(kind: type[T], owner: object = _ANY) -> T | None:
    """Return the innermost operation of a kind that runs here and now, for one owner if it is given."""
    scope = current_scope()
    while scope is not None:
        if isinstance(scope, kind) and not scope.done and (owner is _ANY or owner is scope.owner):
            return scope
        scope = scope.parent
    return None
