"""What the breakers of different libraries have in common: they say themselves what they make of a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spanguard import semconv
from spanguard._core.border import quiet
from spanguard._core.breaker import BreakerCall
from spanguard.instrumentation._adapter import Args, Hook, Kwargs


class Call(BreakerCall):
    """A call through a breaker of a library; what it is counted as is what the breaker counts it as."""

    def __init__(
        self, breaker: object, name: str, state: str, library: str, rejections: tuple[type[BaseException], ...] = ()
    ) -> None:
        super().__init__(name, state, rejections, library)
        self.owner = breaker
        self.name = name
        self.state = state

    def decide(self, result: str) -> None:
        """State what the breaker makes of the call, one of `semconv.BREAKER_RESULTS`."""
        self._result = result

    @property
    def decided(self) -> str | None:
        """What the breaker has made of the call so far."""
        return self._result

    def goes_on(self, state: str) -> None:
        """Hear that the breaker has changed its state before it lets the call pass."""
        self.state = state
        self.inherited = {**self.inherited, semconv.BREAKER_STATE: state}


@quiet
def counted(call: Call, result: str) -> None:
    """Count a call in which nothing of ours can run."""
    call.start()
    call.decide(result)
    call.finish()


def passing(open_: Callable[[Any], Call | None], ended: Callable[[Call, object], object]) -> Hook:
    """Put the call that ``open_`` starts around a method; ``ended`` hears of its result, and finishes the call or not."""
    opened, heard = quiet(open_), quiet(ended)

    def hook(wrapped: Callable[..., object], instance: object, args: Args, kwargs: Kwargs) -> object:
        call = opened(instance)
        if call is None:
            return wrapped(*args, **kwargs)
        call.resume()
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            call.finish(error)
            raise
        finally:
            call.suspend()
        heard(call, result)
        return result

    return hook
