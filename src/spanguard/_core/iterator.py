"""Follow an iterator that is no generator: an object of some class with `__next__` or `__anext__`, as many SDKs return.

The caller must get the very object, and Python looks `__next__` up in its class: whoever listens must be its class. So the
object becomes, until the stream ends, of a subclass that looks the same. While its own methods of iteration run, and while it
is copied or pickled, it is what it was: ``type(self)``, ``super(type(self), self)`` and class attributes mean what they
meant. A caller sees the difference only by ``type(stream) is ...`` (`isinstance` and ``stream.__class__`` say what they said)
and in the list of its class's subclasses. Where that cannot be (a class that is not written in Python, a metaclass or an
`__init_subclass__` that may keep a registry, a layout that forbids it), the call ends when the function returns.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from types import FunctionType, MethodDescriptorType
from typing import Any, Final
from weakref import WeakValueDictionary

from spanguard._core.leaving import Hold, apart, left
from spanguard._core.scope import SILENT, Scope
from spanguard._core.switch import leave, switch

_STEPS: Final = ("__next__", "send", "throw", "__anext__", "asend", "athrow")
_ENDS: Final = ("close", "__exit__", "aclose", "__aexit__")
_STARTS: Final = ("__iter__", "__aiter__")
_COPIES: Final = ("__reduce_ex__", "__copy__", "__deepcopy__")
_ASYNC: Final = ("__anext__", "asend", "athrow")
_HARMLESS: Final = ("builtins", "abc", "typing", "typing_extensions")

_become: Final = vars(object)["__class__"].__set__
Method = Callable[..., Any]
Follow = Callable[[object, Scope], object]


def follow_iterator(result: object, scope: Scope, follow: Follow) -> bool:
    """Follow an iterator to its end, if it can be done; ``follow`` takes over what it hands out instead of itself."""
    cls = type(result)
    if not scope.gen_ai or id(result) in _following or not _can_listen(cls):
        return False
    listening = _listening(cls)
    try:
        _become(result, listening)
    except TypeError:  # its layout does not allow it
        return False
    _following[id(result)] = _Following(scope, cls, listening, follow)
    return True


def _can_listen(cls: type) -> bool:
    # A metaclass and a class may keep a registry of subclasses, which is none of ours.
    owner = next(each for each in cls.__mro__ if "__init_subclass__" in vars(each))
    if type(cls).__module__ not in _HARMLESS or owner.__module__ not in _HARMLESS:
        return False
    return any(isinstance(inspect.getattr_static(cls, name, None), FunctionType) for name in ("__next__", "__anext__"))


class _Following:
    """One stream that is followed; it does not keep the stream alive."""

    def __init__(self, scope: Scope, cls: type, listening: type, follow: Follow) -> None:
        self.hold = Hold(scope)
        self.take = None if self.hold.reader is None else self.hold.reader.taker()
        self.follow = follow
        self.idle = threading.Lock()
        self._cls = cls
        self._listening = listening
        self._context = scope.inner
        self._switch = switch()
        self._token: Any = None

    def work(self, stream: object) -> None:
        """Let the stream work, as what it is and in the scope; called by who holds `idle`."""
        _become(stream, self._cls)
        self._token = self._switch[1](self._context)

    def rest(self, stream: object) -> None:
        """Listen again, unless the stream has made itself something else, and release `idle`."""
        self._context = leave(self._switch, self._token, self._context)
        if type(stream) is self._cls:
            _become(stream, self._listening)
        self.idle.release()

    def heard(self, stream: object, item: object, *, last: bool) -> object:
        """Take and return one chunk, or what the method returned that closed the stream."""
        if last:
            self.end(stream, None)
            return item
        if self.take is not None:
            self.take(item)
        if type(stream) is not self._listening:
            self.let_go(stream).finish()
        return item

    def end(self, stream: object, error: BaseException | None) -> None:
        """End the stream, closed by its consumer unless there is an error."""
        scope = self.let_go(stream)
        if error is None:
            scope.stopped_early(GeneratorExit())
        elif isinstance(error, (StopIteration, StopAsyncIteration)):
            scope.returned(getattr(error, "value", None))
            scope.finish()
        else:
            scope.finish(error)

    def let_go(self, stream: object) -> Scope:
        """Follow no more, and give the stream its class back; return the scope, which is still to end."""
        _following.pop(id(stream), None)
        if type(stream) is self._listening:
            _become(stream, self._cls)
        scope, self.hold.scope = self.hold.scope, SILENT
        return scope


_following: Final[dict[int, _Following]] = {}
_classes: Final[WeakValueDictionary[type, type]] = WeakValueDictionary()


def _listening(cls: type) -> type:
    made = _classes.get(cls)
    if made is None:
        names: dict[str, Any] = {"__slots__": (), "__class__": property(lambda _: cls, _changed), "__del__": _dropped(cls)}
        for kind, methods in ((_step, _STEPS), (_end, _ENDS), (_start, _STARTS), (_copied, _COPIES)):
            for name in methods:
                method = inspect.getattr_static(cls, name, None)
                if isinstance(method, (FunctionType, MethodDescriptorType) if kind is _copied else FunctionType):
                    names[name] = functools.wraps(method)(kind(cls, name))
        for name in ("__module__", "__qualname__", "__doc__"):
            names[name] = getattr(cls, name)
        made = _classes[cls] = type(cls)(cls.__name__, (cls,), names)
    return made


def _changed(stream: Any, new: type) -> None:
    """Let go of an object whose class is changed by the program."""
    following = _following.get(id(stream))
    if following is not None:
        following.let_go(stream).finish()
    stream.__class__ = new


def _dropped(cls: type) -> Method:
    def dropped(stream: object) -> None:
        following = _following.pop(id(stream), None)
        if following is not None and not following.hold.scope.done:
            apart(following.hold.scope.stopped_early, left(GeneratorExit()))
        cleared = getattr(cls, "__del__", None)
        if cleared is not None:
            cleared(stream)

    return dropped


def _copied(cls: type, name: str) -> Method:
    def copied(stream: object, *args: object) -> object:
        """Copy or pickle what the object is, without anybody who listens."""
        listening = type(stream)
        _become(stream, cls)
        try:
            return getattr(stream, name)(*args)
        finally:
            _become(stream, listening)

    return copied


# The methods of the class are looked up at each call: somebody may exchange them in the meantime.
def _step(cls: type, name: str, *, last: bool = False) -> Method:
    """Return a method that listens: to the chunk that it gives, or to the end if it is one that closes."""

    def step(stream: object, *args: object, **kwargs: object) -> object:
        following = _following.get(id(stream))
        if following is None or not following.idle.acquire(blocking=False):
            return getattr(cls, name)(stream, *args, **kwargs)
        following.work(stream)
        try:
            item = getattr(cls, name)(stream, *args, **kwargs)
        except BaseException as error:
            following.rest(stream)
            following.end(stream, error)
            raise
        following.rest(stream)
        return following.heard(stream, item, last=last)

    async def astep(stream: object, *args: object, **kwargs: object) -> object:
        following = _following.get(id(stream))
        if following is None or not following.idle.acquire(blocking=False):
            return await getattr(cls, name)(stream, *args, **kwargs)
        following.work(stream)
        try:
            item = await getattr(cls, name)(stream, *args, **kwargs)
        except BaseException as error:
            following.rest(stream)
            following.end(stream, error)
            raise
        following.rest(stream)
        return following.heard(stream, item, last=last)

    return astep if name in _ASYNC or inspect.iscoroutinefunction(getattr(cls, name)) else step


def _end(cls: type, name: str) -> Method:
    return _step(cls, name, last=True)


def _start(cls: type, name: str) -> Method:
    def start(stream: object) -> object:
        iterator = getattr(cls, name)(stream)
        following = _following.get(id(stream))
        if following is None or iterator is stream:
            return iterator
        # It hands out something else to iterate over, which is now the stream.
        scope = following.let_go(stream)
        followed = following.follow(iterator, scope)
        if followed is None:
            scope.finish()
            return iterator
        return followed

    return start
