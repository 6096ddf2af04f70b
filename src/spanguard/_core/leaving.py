"""How a stream was left: by its consumer, or by nobody, so that it fell to the garbage collector, the event loop or the exit.

Both end the call as cancelled, for early stopping is no error, and both mark it `resilience.stream.closed_early`. They differ
in `error.type`: a consumer that calls ``close``, leaves a ``for`` loop or drops the generator sends it Python's
`GeneratorExit`; a stream that nobody closed is a failure of its own, `stream_abandoned`, because its connection stayed open
until somebody happened to sweep: it was found in a reference cycle, left to the event loop by a ``break`` out of ``async
for``, never started, never awaited, or still open when the interpreter exited. (That a generator was dropped and not closed,
CPython does not tell: it closes one that nobody refers to at once, in the same way.)
"""

from __future__ import annotations

import atexit
import gc
import sys
import threading
from collections.abc import Callable, Mapping
from contextvars import copy_context
from typing import Any, Final
from weakref import ref

from spanguard._core.errors import StreamAbandoned
from spanguard._core.readers.stream import Listening, Tally
from spanguard._core.scope import SILENT, Scope, current_scope
from spanguard._core.switch import leave, switch

_collecting: set[int] = set()


class Hold:
    """Held by whatever works on a stream, for its scope: when nobody holds it any more, the stream was abandoned."""

    __slots__ = ("__weakref__", "reader", "scope", "token", "undo")

    def __init__(self, scope: Scope, *, chunks: bool = True) -> None:
        self.scope = scope
        self.token: Any = None
        self.undo: Callable[[], None] | None = None
        """What is to be done when the stream has ended, whatever became of the scope."""
        self.reader = scope.follow() if chunks else None
        if scope.started:
            if not _open:
                watch()
            _open.add(ref(self, _open.discard))

    def listen(self, tally: Tally) -> Listening | tuple[None, None]:
        """Return what whoever has a chunk works with, if anybody is to hear of chunks; ``tally`` tells how many came."""
        return (None, None) if self.reader is None else self.reader.listen(tally)

    def release(self) -> None:
        """Hold the scope no more: it has ended, or somebody else holds it."""
        self.scope = SILENT

    def __del__(self) -> None:
        if self.undo is not None:
            self.undo()
        scope = self.scope
        if scope.started and not scope.done:
            if self.token is not None and current_scope() is scope:
                # Its body waited in a `finally` with no event loop to wait in, and Python took the frame away as it stood.
                leave(switch(), self.token, scope.inner)
            apart(scope.stopped_early, StreamAbandoned())


_open: Final[set[ref[Hold]]] = set()  # what `WeakSet` does, without its bookkeeping in Python


def collecting() -> bool:
    """Whether this thread is collecting garbage, once a stream has begun.

    Then no variable of the current context may be set. Before Python 3.12 a collection may begin in the middle of
    ``ContextVar.set``, which holds the context's old variables without owning them: to set another one frees them, and the
    interpreter crashes a little later.
    """
    return threading.get_ident() in _collecting


def apart(work: Callable[..., object], *args: object) -> None:
    """Do it here, or in a copy of the context while this thread is collecting garbage: processors of spans set variables."""
    if collecting():
        copy_context().run(work, *args)
    else:
        work(*args)


def left(error: GeneratorExit) -> GeneratorExit:
    """Return what ended a generator: the error itself, or that it was abandoned."""
    return StreamAbandoned() if collecting() else error


def aleft(error: GeneratorExit) -> GeneratorExit:
    """Return what ended an async generator: the error itself, or that it was abandoned."""
    asyncio = sys.modules.get("asyncio")
    task = asyncio.current_task() if asyncio is not None and asyncio._get_running_loop() is not None else None
    if task is None:
        # No framework runs here that could await its `aclose`: this is Python, clearing away.
        abandoned = sys.get_asyncgen_hooks().finalizer is None
    else:
        # The event loop makes a task of `aclose` itself; a consumer awaits it in the course of its own.
        abandoned = type(task.get_coro()).__name__ == "async_generator_athrow"
    return StreamAbandoned() if abandoned else error


def watch() -> None:
    """Note from now on when garbage is collected, and tell at exit of what is still open.

    Called when the first stream begins: then the providers are there, and what runs at exit runs before their own shutdown.
    """
    if _collection not in gc.callbacks:
        gc.callbacks.append(_collection)
        atexit.register(_exit)


def _collection(phase: str, _info: Mapping[str, int]) -> None:
    change = _collecting.add if phase == "start" else _collecting.discard
    change(threading.get_ident())


def _exit() -> None:
    for each in list(_open):
        hold = each()
        if hold is not None and not hold.scope.done:
            hold.scope.stopped_early(StreamAbandoned())
