"""What libraries have in common that drive their own retries and failovers: an attempt for each call that they make."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from spanguard._core.attempt import Attempt
from spanguard._core.border import quiet
from spanguard._core.failover import Failover
from spanguard._core.operation import Operation
from spanguard._core.readers.providers import known_as
from spanguard._core.recorder import Attributes
from spanguard._core.scope import Scope
from spanguard._core.stream import conclude
from spanguard.instrumentation._adapter import Args, Kwargs
from spanguard.instrumentation._tries import spent
from spanguard.vocabulary.declared import LONGEST, declare


class Try(Attempt):
    """An attempt whose answer may be all that is known of what it used."""

    def __init__(self, operation: Operation, label: str = "attempt", about: Attributes | None = None) -> None:
        super().__init__(operation, operation, label, about)

    @quiet
    def returned(self, value: object) -> None:
        """Hear what the call returned: of several at once, one that failed is a failure of the attempt."""
        answers = _answers(value)
        self.used(value)
        error = next((each for each in answers if isinstance(each, Exception)), None)
        if error is not None:
            self.finish(error)

    @quiet
    def used(self, value: object) -> None:
        """Hear of the answer; what it used is counted if no call inside the attempt has told of any."""
        if not self.started or self.seen is not None:
            return
        for told in (spent(each) for each in _answers(value) if not _cached(each)):
            if told:
                self.spend(told)

    def finish(self, error: BaseException | None = None) -> None:
        """End the attempt; the exception is the one that leaves it. Only the first time counts."""
        super().finish(_meant(error))


class Loop(Operation):
    """A retry that a library drives."""

    def __init__(self, name: str, limit: int | None, library: str) -> None:
        super().__init__("retry", name, limit, library)

    def attempt(self) -> Try:
        """Return the next attempt."""
        return Try(self)

    def finish(self, error: BaseException | None = None) -> None:
        """End the operation; the exception is the one that leaves it. Only the first time counts."""
        super().finish(_meant(error))


class Chain(Failover):
    """A failover that a library drives."""

    def __init__(self, name: str, limit: int | None, library: str) -> None:
        super().__init__(name, None, None, library)
        self._limit = limit
        self.name = name

    def next(self, name: str, *, provider: object = None, model: object = None) -> Try:
        """Return the attempt with the next candidate; a name that was not declared is shown as a pseudonym."""
        known = known_as(provider)
        if known is not None:
            declare(known)
        made = self.candidate(name, provider=known, model=model if isinstance(model, str) else None, tier=self._count + 1)
        return Try(self, made._label, made.about)

    def finish(self, error: BaseException | None = None) -> None:
        """End the operation; the exception is the one that leaves it. Only the first time counts."""
        super().finish(_meant(error))


def _answers(value: object) -> Sequence[object]:
    """Return the answers to a batch, the messages of an agent's model, or the one answer."""
    several = getattr(value, "result", None) if not isinstance(value, list) else value
    return several if isinstance(several, list) else [value]


def _cached(answer: object) -> bool:
    """Whether a message comes from LangChain's cache, which leaves the tokens in and says that they cost nothing."""
    usage = getattr(answer, "usage_metadata", None)
    return isinstance(usage, dict) and "total_cost" in usage


def _meant(error: BaseException | None) -> BaseException | None:
    """Return what an exception is: those by which LangGraph interrupts a graph stop the work, which has not gone wrong."""
    if error is not None and any(cls.__name__ == "GraphBubbleUp" for cls in type(error).__mro__):
        return GeneratorExit()
    return error


def run(scope: Scope, call: Callable[..., Any], args: Args, kwargs: Kwargs) -> Any:
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
def begun(make: Callable[[], Attempt]) -> Attempt:
    """Return an attempt that has started."""
    attempt = make()
    attempt.start()
    return attempt


def tried(make: Callable[[], Attempt], call: Callable[..., Any], args: Args, kwargs: Kwargs) -> Any:
    """Make a call as an attempt."""
    attempt = begun(make)
    return call(*args, **kwargs) if attempt is None else run(attempt, call, args, kwargs)


def class_name(kind: type, otherwise: str) -> str:
    """Return the name of a class, or of the first of its bases, that stands under this name in a loaded module."""
    for each in kind.__mro__:
        name = f"{each.__module__}.{each.__qualname__}"
        if getattr(sys.modules.get(each.__module__), each.__qualname__, None) is each and len(name) <= LONGEST:
            return name
    return otherwise
