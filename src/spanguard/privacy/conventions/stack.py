"""The stack of an exception, of which the frames of installed packages are shown, and that the others were the program's."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from types import CodeType, FunctionType, ModuleType
from typing import Final

from spanguard.privacy.conventions.installed import members_of, names_of, public_module, source_of
from spanguard.privacy.rules import DROPPED, Clean, Rule, _Dropped

APPLICATION: Final = "app"
"""What stands for a frame of the application's own code."""
UNKNOWN: Final = "?"
"""What stands for a function that could not be found in its module."""
MOST_FRAMES: Final = 50
_LONGEST: Final = 65_536
_MOST_DIGITS: Final = 5
_MOST_MODULES: Final = 500
_DEEPEST: Final = 6
_IN_PLACE: Final = frozenset({"<module>", "<lambda>", "<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>"})
_FROZEN: Final = "<frozen "


class Stack(Rule):
    """A traceback of Python's: of each frame in an installed package ``module:function:line``, of each other one ``app``."""

    def clean(self, value: object) -> Clean | _Dropped:
        """Return the innermost 50 frames, a line each, or `DROPPED` if the text has none."""
        if type(value) is not str:
            return DROPPED
        frames = [_shown(*frame) for frame in _frames(value[-_LONGEST:])]
        return "\n".join(frames[-MOST_FRAMES:]) or DROPPED


def _frames(text: str) -> Iterator[tuple[str, int, str]]:
    """Yield file, line and function of each frame in the text of a traceback, those of groups of exceptions too."""
    for line in text.split("\n"):
        entry = line.lstrip(" |+-")
        if entry.startswith('File "'):
            file, found, rest = entry[6:].rpartition('", line ')
            number, _, function = rest.partition(", in ")
            if found and _is_line(number.rstrip()):
                yield file, int(number), function.strip()


def _is_line(number: str) -> bool:
    return number.isascii() and number.isdecimal() and len(number) <= _MOST_DIGITS


def _shown(file: str, line: int, function: str) -> str:
    name = _module_of(file)
    if name is None:
        return APPLICATION
    known = function in _IN_PLACE or function in _functions(name)
    return f"{name}:{function if known else UNKNOWN}:{line}"


# ------------------------------------------------------------------------------------------------ files and what is in them

_files: dict[str, str] = {}
_seen: int = 0


def _module_of(file: str) -> str | None:
    """Return the name of the loaded module that lies in the file, if everybody can install it."""
    global _files, _seen
    if file.startswith(_FROZEN):
        frozen = file[len(_FROZEN) : -1]
        return frozen if public_module(frozen) else None
    if file not in _files and _seen != len(sys.modules):
        _seen = len(sys.modules)
        _files = dict(_located())
    return _files.get(file)


def _located() -> Iterator[tuple[str, str]]:
    for name, module in list(sys.modules.items()):
        if issubclass(type(module), ModuleType):
            file = names_of(module).get("__file__")
            if type(file) is str and public_module(name) is module:
                yield file, name


_names: dict[str, frozenset[str]] = {}


def _functions(name: str) -> frozenset[str]:
    """Return the names of all functions in a module, those in classes and in functions too."""
    known = _names.get(name)
    if known is None:
        module = public_module(name)
        known = frozenset() if module is None else frozenset(_names_in(names_of(module)))
        if len(_names) < _MOST_MODULES:
            _names[name] = known
    return known


def _names_in(module: dict[str, object]) -> Iterator[str]:
    for thing in list(module.values()):
        if issubclass(type(thing), type):
            for member in list(members_of(thing).values()):
                yield from _names_of(member, module)
        else:
            yield from _names_of(thing, module)


_DEFINED: Final = (FunctionType, staticmethod, classmethod, property)


def _names_of(thing: object, module: dict[str, object]) -> Iterator[str]:
    if type(thing) not in _DEFINED:  # a proxy must not be asked for its class: there may be nothing behind it
        return
    if isinstance(thing, (staticmethod, classmethod)):
        yield from _names_of(thing.__func__, module)
    elif isinstance(thing, property):
        for part in (thing.fget, thing.fset, thing.fdel):
            yield from _names_of(part, module)
    elif isinstance(thing, FunctionType):
        if thing.__globals__ is module:
            yield from _names_below(thing.__code__, _DEEPEST)
        yield from _names_of(thing.__dict__.get("__wrapped__"), module)


def _names_below(code: CodeType, depth: int) -> Iterator[str]:
    yield code.co_name
    for constant in code.co_consts if depth else ():
        if type(constant) is CodeType:
            yield from _names_below(constant, depth - 1)


# --------------------------------------------------------------------------------------------------------------- for auditors


def is_stack(text: str) -> bool:
    """Whether the text is what `Stack` makes of a traceback. For auditors: the modules need be installed, but not loaded."""
    frames = text[:_LONGEST].split("\n")
    return len(frames) <= MOST_FRAMES and all(frame == APPLICATION or _is_frame(frame) for frame in frames)


def _is_frame(frame: str) -> bool:
    module, _, rest = frame.partition(":")
    function, _, number = rest.partition(":")
    known = _written(module) if _is_line(number) else frozenset()
    return function in known or (bool(known) and (function == UNKNOWN or function in _IN_PLACE))


@lru_cache(maxsize=256)
def _written(module: str) -> frozenset[str]:
    """Return the names of all functions in the source of a module."""
    source = source_of(module)
    with suppress(SyntaxError, ValueError, RecursionError, Warning):
        return (
            frozenset()
            if source is None
            else frozenset(_names_below(compile(source, module, "exec", dont_inherit=True), _DEEPEST))
        )
    return frozenset()
