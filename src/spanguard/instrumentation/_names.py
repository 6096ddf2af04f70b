"""Names of other people's policies: from code, which is a finite set, or literal, or declared; else a pseudonym."""

from __future__ import annotations

import dis
import functools
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Final

from spanguard._core.errors import type_name
from spanguard._core.names import policy_name
from spanguard.semconv import OTHER
from spanguard.vocabulary.declared import LONGEST, declare, is_declared

_OURS: Final = ("spanguard", "wrapt")
_STORES: Final = frozenset({"STORE_NAME", "STORE_GLOBAL", "STORE_FAST", "STORE_DEREF", "STORE_ATTR"})
_LOADS: Final = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_DEREF", "NOP", "CACHE"})
_MOST_WRAPPERS: Final = 20
MOST: Final = 10_000
"""How many objects are known at the same time, before all are forgotten."""


def function_name(function: object) -> str | None:
    """Return ``module.function`` of a function, as its code says; of another callable object the class; None for None.

    Of a function that somebody's decorator stands around it is the function that the program wrote.
    """
    if function is None:
        return None
    inner: Any = function
    for _ in range(_MOST_WRAPPERS):
        around = inner.func if isinstance(inner, functools.partial) else getattr(inner, "__wrapped__", None)
        if around is None:
            break
        inner = around
    inner = getattr(inner, "__func__", inner)
    if not hasattr(inner, "__code__") and not isinstance(inner, type):
        inner = getattr(type(inner), "__call__", inner)  # noqa: B004 - its code, not whether there is some
    code = getattr(inner, "__code__", None)
    if isinstance(code, CodeType):
        return _in_code(getattr(inner, "__globals__", {}), code)
    name = type_name(inner if isinstance(inner, type) else type(inner))
    return None if name == OTHER else name


def class_name(kind: type, otherwise: str) -> str:
    """Return the name of a class, or of the first of its bases, that stands under this name in a loaded module."""
    for each in kind.__mro__:
        name = f"{each.__module__}.{each.__qualname__}"
        if getattr(sys.modules.get(each.__module__), each.__qualname__, None) is each and len(name) <= LONGEST:
            return name
    return otherwise


def place_name(frame: FrameType) -> str | None:
    """Return ``module.function`` of the code that runs in a frame; of code outside any function the module alone."""
    return _in_code(frame.f_globals, frame.f_code)


def _in_code(namespace: dict[str, Any], code: CodeType) -> str | None:
    module = namespace.get("__name__")
    if module == "__mp_main__":
        module = "__main__"  # the same program, in a child of multiprocessing
    if not isinstance(module, str) or (module != "__main__" and module not in sys.modules):
        return None
    if code.co_filename.startswith("<"):
        return None  # in no file: it may have been generated, by a model even, with names to match
    own: str = getattr(code, "co_qualname", code.co_name)  # Python 3.10 knows the last part alone
    parts = [] if own == "<module>" else [part for part in own.split(".") if part != "<locals>"]
    name = ".".join([*([] if module == "__main__" and parts else [module]), *parts])
    plain = all(part.isidentifier() or part in ("<lambda>", "<listcomp>", "<genexpr>") for part in name.split("."))
    return name if plain and len(name) <= LONGEST else None


def caller(*libraries: str) -> FrameType | None:
    """Return the innermost frame that is neither ours nor of one of these packages."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and within(frame, *_OURS, *libraries):
        frame = frame.f_back
    return frame


def caller_name(*libraries: str) -> str | None:
    """Return ``module.function`` of the innermost code of the program's; None where a task runs the library's own code."""
    frame = caller(*libraries)
    return None if frame is None or within(frame, "asyncio") else place_name(frame)


def is_ours(frame: FrameType) -> bool:
    """Whether a frame runs code of ours, or of wrapt."""
    return within(frame, *_OURS)


def within(frame: FrameType, *packages: str) -> bool:
    """Whether a frame runs code of one of these packages."""
    module = frame.f_globals.get("__name__")
    return isinstance(module, str) and any(module == each or module.startswith(f"{each}.") for each in packages)


def known(policy: str, name: str | None, otherwise: str) -> str:
    """Return a policy's name that comes from code, or the other one where there is none."""
    shown = name or otherwise
    if not is_declared(shown):
        declare(shown)
    return policy_name(policy, shown, _nowhere)


def given(policy: str, name: object, code: CodeType | None) -> str | None:
    """Return a name that the program gave as it may be shown; None if it gave none."""
    return policy_name(policy, name, code or _nowhere) if isinstance(name, str) and name else None


class Made:
    """What objects of a library are called: by the name they were given, or by where they were made.

    They are known by identity alone: some have neither weak references nor attributes of their own.
    """

    def __init__(self, policy: str, *libraries: str) -> None:
        self._policy = policy
        self._libraries = libraries
        self._names: dict[int, str] = {}

    def heard(self, instance: object, name: object = None) -> None:
        """Hear that an object is being made, and with which name."""
        frame = caller(*self._libraries)
        shown = given(self._policy, name, frame.f_code if frame else None)
        if shown is None:
            shown = known(self._policy, frame and _assigned(frame), self._libraries[0])
        if len(self._names) >= MOST:
            self._names.clear()
        self._names[id(instance)] = shown

    def clear(self) -> None:
        """Forget all objects."""
        self._names.clear()

    def forget(self, instance: object) -> None:
        """Hear that an object is being made whose name is not known yet."""
        self._names.pop(id(instance), None)

    def name(self, instance: object, *, named: object = None, function: Callable[..., object] | None = None) -> str:
        """Return the name of an object; of one made before the instrumentation, what is known of it now."""
        found = self._names.get(id(instance))
        if found is None:
            found = given(self._policy, named, None) or known(self._policy, function_name(function), self._libraries[0])
            self._names[id(instance)] = found
        return found


def _assigned(frame: FrameType) -> str | None:
    """Return the place where the frame is, and the variable or attribute that is about to get the value."""
    place = place_name(frame)
    for each in dis.get_instructions(frame.f_code):
        if each.offset <= frame.f_lasti or each.opname in _LOADS:
            continue
        if place and each.opname in _STORES and isinstance(each.argval, str) and each.argval.isidentifier():
            return f"{place}.{each.argval}"[:LONGEST]
        break
    return place


def _anywhere() -> None:
    """Pass no name as a literal."""


_nowhere: Final = _anywhere.__code__
