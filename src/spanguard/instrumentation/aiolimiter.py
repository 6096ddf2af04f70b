"""aiolimiter 1.0 to 1.3.

What is seen: each wait for capacity (``async with limiter``, ``acquire``), how long it took, and whether it was in vain. A
limiter's name is the variable that it is assigned to.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from spanguard._core.limiter import Wait
from spanguard.instrumentation import _names
from spanguard.instrumentation._adapter import Args, Clearable, Instrumentor, Kwargs, Patch, around, before

_LIBRARY: Final = "aiolimiter"
_names_of: Final = _names.Made("rate_limiter", _LIBRARY)


def _made(limiter: Any, _args: Args, _kwargs: Kwargs) -> None:
    _names_of.heard(limiter)


def _wait(args: Args, _kwargs: Kwargs) -> Wait:
    wait = Wait(_names_of.name(args[0]), None, _LIBRARY)
    wait.start()
    return wait


class AioLimiterInstrumentor(Instrumentor):
    """Shows the rate limiters of aiolimiter."""

    library = _LIBRARY
    requires: ClassVar[tuple[str, ...]] = ("aiolimiter >= 1, < 2",)
    known: ClassVar[tuple[Clearable, ...]] = (_names_of,)
    patches: ClassVar[tuple[Patch, ...]] = (
        Patch("aiolimiter.leakybucket", "AsyncLimiter.__init__", before(_made), always=True),
        Patch("aiolimiter.leakybucket", "AsyncLimiter.acquire", around(_wait)),
    )
