"""Follow an iterator that is no generator: an object of some class with `__next__` or `__anext__`, as many SDKs return.

The caller must get the very object, and Python looks `__next__` up in its class. So the object's class becomes, until the
stream ends, a subclass that looks the same and listens; then it is again what it was. Where that cannot be (a class that is
not written in Python, an unusual metaclass), the call ends when the function returns, and the object is left alone.
"""

from __future__ import annotations

import inspect
from abc import ABCMeta
from collections.abc import Callable
from types import AsyncGeneratorType, FunctionType, GeneratorType
from typing import Any, Final
from weakref import WeakValueDictionary

from spanguard._core.leaving import Hold, left
from spanguard._core.scope import SILENT, Scope
from spanguard._core.switch import leave, switch

_STEPS: Final = ("__next__", "send", "throw", "__anext__", "asend", "athrow")
_ENDS: Final = ("close", "__exit__", "aclose", "__aexit__")
_STARTS: Final = ("__iter__", "__aiter__")
_ASYNC: Final = ("__anext__", "asend", "athrow")

_become: Final = vars(object)["__class__"].__set__
Method = Callable[..., Any]
Follow = Callable[[object, Scope], object]


def follow_iterator(result: object, scope: Scope, follow: Follow) -> bool:
    """Follow an iterator to its end, if it can be done; ``follow`` takes over if it hands out a generator."""
    cls = type(result)
    if not scope.gen_ai or id(result) in _following or not _can_listen(cls):
        return False
    try:
        _become(result, _listening(cls))
    except TypeError:  # its layout does not allow it
        return False
    _following[id(result)] = _Following(scope, cls, follow)
    return True


def _can_listen(cls: type) -> bool:
    if not (type(cls) is type or issubclass(type(cls), ABCMeta)):
        return False
    if not any(isinstance(inspect.getattr_static(cls, name, None), FunctionType) for name in ("__next__", "__anext__")):
        return False
    # A class may keep a registry of its subclasses, which is none of ours.
    owner = next(each for each in cls.__mro__ if "__init_subclass__" in vars(each))
    return owner.__module__ in ("builtins", "typing", "typing_extensions")


class _Following:
    """One stream that is followed."""

    def __init__(self, scope: Scope, cls: type, follow: Follow) -> None:
        self.hold = Hold(scope)
        self.cls = cls
        self.follow = follow
        self.busy = False
        self._context = scope.inner
        self._switch = switch()
        self._token: Any = None

    def __enter__(self) -> None:
        self._token = self._switch[1](self._context)
        self.busy = True

    def __exit__(self, *_: object) -> None:
        self.busy = False
        self._context = leave(self._switch, self._token, self._context)

    def heard(self, stream: object, item: object, *, last: bool) -> object:
        """Take and return one chunk, or what the method returned that closed the stream."""
        if last:
            self.end(stream, None)
        elif self.hold.take is not None:
            self.hold.take(item)
        return item

    def end(self, stream: object, error: BaseException | None) -> None:
        """End the stream, closed by its consumer unless there is an error, and give the object its class back."""
        _following.pop(id(stream), None)
        _become(stream, self.cls)
        scope = self.hold.scope
        if error is None:
            scope.stopped_early(GeneratorExit())
        elif isinstance(error, (StopIteration, StopAsyncIteration)):
            scope.returned(getattr(error, "value", None))
            scope.finish()
        else:
            scope.finish(error)


_following: Final[dict[int, _Following]] = {}
_classes: Final[WeakValueDictionary[type, type]] = WeakValueDictionary()


def _listening(cls: type) -> type:
    made = _classes.get(cls)
    if made is None:
        names: dict[str, Any] = {"__slots__": (), "__class__": property(lambda _: cls)}
        names |= {"__del__": _dropped(cls), "__reduce_ex__": _reduced(cls)}
        for kind, methods in ((_step, _STEPS), (_end, _ENDS), (_start, _STARTS)):
            for name in methods:
                method = inspect.getattr_static(cls, name, None)
                if isinstance(method, FunctionType):
                    names[name] = kind(method)
        for name in ("__module__", "__qualname__", "__doc__"):
            names[name] = getattr(cls, name)
        made = _classes[cls] = type(cls)(cls.__name__, (cls,), names)
    return made


def _reduced(cls: type) -> Method:
    def reduced(stream: object, protocol: int) -> object:
        """Copy and pickle what the object is, without anybody who listens."""
        listening = type(stream)
        _become(stream, cls)
        try:
            return stream.__reduce_ex__(protocol)
        finally:
            _become(stream, listening)

    return reduced


def _dropped(cls: type) -> Method:
    cleared = inspect.getattr_static(cls, "__del__", None)

    def dropped(stream: object) -> None:
        following = _following.pop(id(stream), None)
        if following is not None and not following.hold.scope.done:
            following.hold.scope.stopped_early(left(GeneratorExit()))
        if cleared is not None:
            cleared(stream)

    return dropped


def _step(method: Method, *, last: bool = False) -> Method:
    """Return a method that listens: to the chunk that it gives, or to the end if it is one that closes."""

    def step(stream: object, *args: object) -> object:
        following = _following.get(id(stream))
        if following is None or following.busy:
            return method(stream, *args)
        try:
            with following:
                item = method(stream, *args)
        except BaseException as error:
            following.end(stream, error)
            raise
        return following.heard(stream, item, last=last)

    async def astep(stream: object, *args: object) -> object:
        following = _following.get(id(stream))
        if following is None or following.busy:
            return await method(stream, *args)
        try:
            with following:
                item = await method(stream, *args)
        except BaseException as error:
            following.end(stream, error)
            raise
        return following.heard(stream, item, last=last)

    return astep if method.__name__ in _ASYNC or inspect.iscoroutinefunction(method) else step


def _end(method: Method) -> Method:
    return _step(method, last=True)


def _start(method: Method) -> Method:
    def start(stream: object) -> object:
        iterator = method(stream)
        following = _following.get(id(stream))
        if following is None or not isinstance(iterator, (GeneratorType, AsyncGeneratorType)):
            return iterator
        scope, following.hold.scope = following.hold.scope, SILENT
        del _following[id(stream)]
        _become(stream, following.cls)
        return following.follow(iterator, scope)

    return start
