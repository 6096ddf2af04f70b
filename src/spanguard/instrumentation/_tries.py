"""What libraries have in common that drive their own retries, repairs and failovers: an attempt for each call that they make.

A library that calls a hook where an attempt begins and another where it ends is followed with `Tries.again` and
`Tries.leave`; one that is handed a function to call, with `tried`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from spanguard._core.attempt import Attempt
from spanguard._core.border import quiet
from spanguard._core.failover import Failover
from spanguard._core.http import of_response, tell
from spanguard._core.operation import Operation
from spanguard._core.readers.providers import known_as
from spanguard._core.readers.response import read
from spanguard._core.scope import Scope, current_scope
from spanguard._core.stream import conclude
from spanguard._core.usage import NOTHING, Spent
from spanguard._core.writers import Attributes
from spanguard.instrumentation._adapter import Args, Kwargs
from spanguard.vocabulary.declared import declare
from spanguard.vocabulary.models import model_name

S = TypeVar("S", bound=Scope)

_ANY: Final = object()


class Try(Attempt):
    """An attempt whose answer may be all that is known of what it used."""

    def __init__(self, operation: Operation, label: str = "attempt", about: Attributes | None = None) -> None:
        super().__init__(operation, operation, label, about)

    @quiet
    def returned(self, value: object) -> None:
        """Hear what the call returned: of several at once, one that failed is a failure of the attempt."""
        self.used(value)
        error = next((each for each in _answers(value) if isinstance(each, Exception)), None)
        if error is not None:
            self.finish(error)

    @quiet
    def sent(self, response: object) -> None:
        """Hear of the response to one HTTP try, which tells all that is known of it."""
        if self.started:
            self._sent = tell(self, of_response(response, self.number - 1), self._sent)

    @quiet
    def used(self, value: object) -> None:
        """Hear of the answer; what it used is counted if no call inside the attempt has told of any."""
        if not self.started or self.seen is not None:
            return
        for told in (_spent(each) for each in _answers(value) if not _cached(each)):
            if told:
                self.spend(told)

    def finish(self, error: BaseException | None = None) -> None:
        """End the attempt; the exception is the one that leaves it. Only the first time counts."""
        super().finish(error if error is None else _meant(error) or error)


class Tries(Operation):
    """An operation that a library drives, ``owner`` being what drives it; at most one attempt is followed by hooks."""

    owner: object = None
    trying: Try | None = None

    def attempt(self) -> Try:
        """Return the next attempt."""
        return Try(self)

    @quiet
    def again(self) -> None:
        """Begin the next attempt, and make it current."""
        self.enter(self.attempt())

    def enter(self, attempt: Try) -> None:
        """Begin an attempt, and make it current."""
        if self.trying is not None:
            self.leave(None)
        self.trying = attempt
        attempt.start()
        attempt.resume()

    @quiet
    def leave(self, error: BaseException | None) -> None:
        """End the attempt that runs, if one does."""
        attempt, self.trying = self.trying, None
        if attempt is not None:
            attempt.suspend()
            attempt.finish(error)

    def used(self, answer: object) -> None:
        """Hear of the answer that the attempt brought."""
        if self.trying is not None:
            self.trying.used(answer)

    def finish(self, error: BaseException | None = None) -> None:
        """End the operation, and the attempt that runs. Only the first time counts."""
        if self.trying is not None:
            self.leave(error)
        super().finish(error if error is None else _meant(error) or error)


class Chain(Tries, Failover):
    """One candidate after the other, as a library tries them."""

    def __init__(self, name: str, limit: int | None, library: str) -> None:
        Failover.__init__(self, name, None, None, library)
        self._limit = limit
        self.name = name

    def next(self, name: str, *, provider: object = None, model: object = None) -> Try:
        """Return the attempt with the next candidate; a name that was not declared is shown as a pseudonym."""
        known = known_as(provider)
        if known is not None:
            declare(known)
        made = self.candidate(name, provider=known, model=model if isinstance(model, str) else None, tier=self._count + 1)
        attempt = Try(self, made._label, made.about)
        attempt.candidate = name
        return attempt


def _answers(value: object) -> Sequence[object]:
    """Return the answers to a batch, the messages of an agent's model, or the one answer."""
    several = getattr(value, "result", None) if not isinstance(value, list) else value
    return several if isinstance(several, list) else [value]


def _spent(answer: object) -> list[Spent]:
    """Return what an answer says that it used; nothing if it does not say."""
    reading = read(answer)
    if reading.usage is NOTHING:
        return []
    return [Spent(reading.usage, reading.provider, model_name(reading.model) if reading.model else None)]


def _cached(answer: object) -> bool:
    """Whether a message comes from LangChain's cache, which leaves the tokens in and says that they cost nothing."""
    usage = getattr(answer, "usage_metadata", None)
    return isinstance(usage, dict) and "total_cost" in usage


@quiet  # a metaclass may raise what it likes
def _meant(error: BaseException) -> BaseException:
    """Return what an exception is: those by which LangGraph interrupts a graph stop the work, which has not gone wrong."""
    if any(cls.__name__ == "GraphBubbleUp" for cls in type(error).__mro__):
        return GeneratorExit()
    return error


# ------------------------------------------------------------------------------------------- around a call that is handed on


def run(scope: Scope, call: Callable[..., object], args: Args, kwargs: Kwargs) -> object:
    """Make a call inside a scope that has started, and end it with the call: with what it returns to await or to read."""
    scope.resume()
    try:
        return conclude(call(*args, **kwargs), scope)
    except BaseException as error:
        scope.finish(error)
        raise
    finally:
        scope.suspend()


@quiet
def _begun(make: Callable[[], Attempt]) -> Attempt:
    attempt = make()
    attempt.start()
    return attempt


def tried(make: Callable[[], Attempt], call: Callable[..., object], args: Args, kwargs: Kwargs) -> object:
    """Make a call as an attempt."""
    attempt = _begun(make)
    return call(*args, **kwargs) if attempt is None else run(attempt, call, args, kwargs)


# --------------------------------------------------------------------------------------------------------- what runs here


def nearest(kind: type[S], scope: Scope | None = None) -> S | None:
    """Return the innermost scope of a kind that has not ended, here or around another one."""
    found = current_scope() if scope is None else scope.parent
    while found is not None and not (isinstance(found, kind) and not found.done):
        found = found.parent
    return found


def running(kind: type[S], owner: object = _ANY) -> S | None:
    """Return the innermost scope of a kind that runs here and now, for one owner if it is given."""
    found = current_scope()
    while found is not None:
        if isinstance(found, kind) and not found.done and (owner is _ANY or owner is getattr(found, "owner", None)):
            return found
        found = found.parent
    return None
