"""Attempts that begin and end where a library calls a hook, rather than in a block; and chains of candidates."""

from __future__ import annotations

from typing import Final, TypeVar

from spanguard import semconv
from spanguard._core.attempt import Attempt
from spanguard._core.border import quiet
from spanguard._core.failover import Failover
from spanguard._core.operation import Operation
from spanguard._core.readers.response import read
from spanguard._core.scope import Scope, current_scope
from spanguard._core.usage import NOTHING, Spent
from spanguard.vocabulary.models import model_name

S = TypeVar("S", bound=Scope)
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
        if told := spent(response):
            attempt.spend(told)

    @quiet
    def finish(self, error: BaseException | None = None) -> None:
        """End the operation, and the attempt that runs."""
        self.leave(error)
        super().finish(error)


class Chain(Tries, Failover):
    """One candidate after the other, as a library tries them."""

    def __init__(self, name: str, library: str) -> None:
        Failover.__init__(self, name, None, None, library)
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


def spent(answer: object) -> list[Spent]:
    """Return what an answer says that it used; nothing if it does not say."""
    reading = read(answer)
    if reading.usage is NOTHING:
        return []
    return [Spent(reading.usage, reading.provider, model_name(reading.model) if reading.model else None)]


def nearest(kind: type[S], scope: Scope | None = None) -> S | None:
    """Return the innermost scope of a kind that has not ended, here or around another one."""
    found = current_scope() if scope is None else scope.parent
    while found is not None and not (isinstance(found, kind) and not found.done):
        found = found.parent
    return found


def running(kind: type[T], owner: object = _ANY) -> T | None:
    """Return the innermost operation of a kind that runs here and now, for one owner if it is given."""
    found = nearest(kind)
    while found is not None and owner is not _ANY and owner is not found.owner:
        found = nearest(kind, found)
    return found
