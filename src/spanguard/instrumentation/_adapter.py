"""The one module that patches: puts hooks into a library when a program imports it, and takes them out again whole.

**To add a library**, write one file with one class, an entry point ``spanguard_<library>`` in `pyproject.toml`, and a test
against the real library (`tests/instrumentation`). The class says what it knows, and its hooks translate what the library
does into the verbs; they decide nothing::

    class ThingInstrumentor(Instrumentor):
        '''thing 1.4 to 2.9 ... (the range that was tested, and what is seen)'''

        library = "thing"                              # as in semconv.LIBRARIES
        requires = ("thing >= 1.4, < 3",)              # the range that was tested; outside of it nothing is patched
        patches = (
            Patch("thing.client", "Client.ask", before(_began)),               # hears of a call
            Patch("thing.client", "Client.told", after(_told)),                # hears of a call and its result or error
            Patch("thing.client", "Client.run", around(_open)),                # a scope around each call, of any kind
            Patch("thing.core", "Core.step", _step, versions=">= 2"),          # a wrapt wrapper, for everything else
        )

Rules, most of which this module keeps for you:

- No target library is imported. A patch names the module, and is made when the program has imported it; an attribute that
  is not there is reported once and left out. Inside hooks take the library's classes from `sys.modules` or from the
  arguments.
- `before`, `after` and `around` are quiet: a fault in the function that you give them is logged once and never reaches the
  program. A bare wrapper gets ``(wrapped, instance, args, kwargs)``, must call ``wrapped`` exactly once, and keeps its own
  work in functions decorated with `spanguard._core.border.quiet`. The user's exception passes unchanged.
- No hook runs where nobody listens or instrumentation is suppressed (``opentelemetry.instrumentation.utils``), unless it is
  ``always``, as those that hear how an object is called when it is made.
- Names of policies come from `_names`: functions and places in code, literals, what was declared; else a pseudonym.
- What runs on another library's loop belongs to one owner. ``owns = ("thing.retrying",)`` says that retry loops of tenacity
  that are driven from there are reported by this instrumentor, so that tenacity's stays silent about them.
- A policy that is in force and without effect is told with `_misuse.detected`.

Patches are undone only while they are still ours: under somebody else's patch they stay and do nothing, and are revived
when instrumented again.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any, ClassVar, Final, Protocol, TypeAlias, cast

import wrapt
from opentelemetry.context import get_current
from opentelemetry.instrumentation.dependencies import DependencyConflictError
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # of a module that hides its types
from opentelemetry.instrumentation.utils import is_instrumentation_enabled, suppress_instrumentation
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from spanguard._core.border import quiet, report, swallow
from spanguard._core.decorate import decorate
from spanguard._core.recorder import on
from spanguard._core.scope import Scope
from spanguard._core.switch import switch

Args = tuple[Any, ...]
Kwargs = dict[str, Any]
Foreign: TypeAlias = Any
"""An object of the library, of whose types nothing is known here."""
Hook = Callable[[Callable[..., Any], Any, Args, Kwargs], Any]
"""A wrapper as wrapt calls it: with the wrapped function, bound, the instance or class or None, and the arguments."""
_current: Final = switch()[0]


def _suppressing() -> frozenset[str]:
    with suppress_instrumentation():
        return frozenset(key for key, value in get_current().items() if value is True)


_SUPPRESSING: Final = _suppressing()
"""Keys under which a context asks for silence: that none is there is told at a tenth of what it costs to ask for each."""


class Outcome:
    """How a wrapped call ended: with a result, or with an exception that is on its way to the program."""

    __slots__ = ("error", "result")

    def __init__(self, result: object = None, error: BaseException | None = None) -> None:
        self.result = result
        self.error = error


class Around:
    """A scope around each call of a function of any kind; made by `around`."""

    def __init__(self, open_: Callable[[Args, Kwargs], Scope | None]) -> None:
        self.open = quiet(open_)


def before(tell: Callable[[Any, Args, Kwargs], object]) -> Hook:
    """Hear of each call before it is made: the instance and the arguments."""

    def hook(wrapped: Callable[..., object], instance: object, args: Args, kwargs: Kwargs) -> object:
        try:
            tell(instance, args, kwargs)
        except Exception as error:
            swallow(tell, error)
        return wrapped(*args, **kwargs)

    return hook


def after(tell: Callable[[Any, Args, Kwargs, Outcome], object]) -> Hook:
    """Hear of each call when it has ended: the instance, the arguments, and the result or the exception."""
    quietly = quiet(tell)

    def hook(wrapped: Callable[..., object], instance: object, args: Args, kwargs: Kwargs) -> object:
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            quietly(instance, args, kwargs, Outcome(error=error))
            raise
        quietly(instance, args, kwargs, Outcome(result))
        return result

    return hook


def around(open_: Callable[[Args, Kwargs], Scope | None]) -> Around:
    """Put a scope around each call: ``open_`` gets the arguments, ``self`` first, and returns a started scope or None.

    The function may be plain, a coroutine function or a generator of either kind; a result that is a stream is followed.
    """
    return Around(open_)


class Clearable(Protocol):
    """What can forget."""

    def clear(self) -> None:
        """Forget everything."""


class Patch:
    """One hook in one place: the module, the name in it (``Class.method``), the hook, and the versions that have it.

    With ``own`` a name that the class inherits is left alone: the hook is already in the class that it comes from. With
    ``always`` the hook runs also where nobody listens yet: it takes note of what objects are called.
    """

    def __init__(
        self,
        module: str,
        name: str,
        hook: Hook | Around,
        *,
        versions: str = "",
        own: bool = False,
        always: bool = False,
    ) -> None:
        self.module: Final = module
        self.name: Final = name
        self.hook: Final = hook
        self.versions: Final = SpecifierSet(versions, prereleases=True)
        self.own: Final = own
        self.always: Final = always


class _InheritedError(Exception):
    """The name belongs to another class."""


class _Applied:
    """A patch that was made, and what stood there before."""

    def __init__(self, patch: Patch, module: ModuleType) -> None:
        self.patch = patch
        self.live = True
        self._owner, self._attribute, original = wrapt.resolve_path(module, patch.name)
        self._own = self._attribute in vars(self._owner)
        if patch.own and not self._own:
            raise _InheritedError
        self._original = original
        self.ours = self._replace(original)
        setattr(self._owner, self._attribute, self.ours)

    def _replace(self, original: Any) -> Any:
        hook = self.patch.hook
        if isinstance(hook, Around):
            if isinstance(original, property) or not callable(original):
                raise TypeError("a scope goes around functions")
            return decorate(original, lambda _: lambda args, kwargs: hook.open(args, kwargs) if self.hears() else None)
        if isinstance(original, property) and original.fget is not None:
            return original.getter(wrapt.FunctionWrapper(original.fget, self._guarded(hook)))
        return wrapt.FunctionWrapper(cast("Callable[..., Any]", original), self._guarded(hook))

    def _guarded(self, hook: Hook) -> Hook:
        def guarded(wrapped: Callable[..., object], instance: object, args: Args, kwargs: Kwargs) -> object:
            if self.hears():
                return hook(wrapped, instance, args, kwargs)
            return wrapped(*args, **kwargs)

        return guarded

    def hears(self) -> bool:
        """Whether the hook is to run: it is instrumented, somebody listens, and nobody has suppressed it."""
        if not self.live or self.patch.always:
            return self.live
        return on() and (_SUPPRESSING.isdisjoint(_current()) or is_instrumentation_enabled())

    def undo(self) -> bool:
        """Put back what stood there, if what stands there now is ours; from now on the hook is silent in any case."""
        self.live = False
        if vars(self._owner).get(self._attribute) is not self.ours:
            return False
        if self._own:
            setattr(self._owner, self._attribute, self._original)
        else:
            delattr(self._owner, self._attribute)
        return True

    def revive(self) -> bool:
        """Let the hook speak again, if it still stands under somebody else's patch."""
        standing = vars(self._owner).get(self._attribute)
        while standing is not None and not self.live:
            self.live = standing is self.ours
            standing = getattr(standing, "fget", None) or getattr(standing, "__wrapped__", None)
        return self.live


_claimed: Final[dict[str, str]] = {}


def claimed(module: str) -> bool:
    """Whether the retry loops that a module drives are reported by the instrumentor of that library itself."""
    return any(module == each or module.startswith(f"{each}.") for each in _claimed)


class Instrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Base of all instrumentors: makes the patches when the library is imported, and undoes them."""

    library: ClassVar[str]
    requires: ClassVar[tuple[str, ...]]
    patches: ClassVar[tuple[Patch, ...]]
    owns: ClassVar[tuple[str, ...]] = ()
    known: ClassVar[tuple[Clearable, ...]] = ()
    """What is remembered of the library's objects; it is forgotten when nobody watches their making any more."""

    def __init__(self) -> None:
        # One instance for each class, whose `__init__` runs each time that the class is called.
        self._applied: dict[Patch, _Applied] = vars(self).get("_applied", {})
        self._live: bool = vars(self).get("_live", False)

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return which versions of the library are instrumented."""
        return self.requires

    def _instrument(self, **_options: Any) -> None:
        self._check()
        self._live = True
        _claimed.update(dict.fromkeys(self.owns, self.library))
        installed = version(self.distribution())
        for patch in self.patches:
            if installed in patch.versions:
                _await_import(patch.module)
                wrapt.register_post_import_hook(partial(self._imported, patch), patch.module)
        for patch in self.patches:  # an import that had begun before is not heard of
            module = sys.modules.get(patch.module)
            if module is not None and installed in patch.versions:
                _await_import(patch.module)
                self._imported(patch, module)

    def _check(self) -> None:
        # With opentelemetry-instrument the base class does not look; for it, ModuleNotFoundError is "not installed".
        conflict = self._check_dependency_conflicts()
        if conflict is None:
            return
        try:
            version(self.distribution())
        except PackageNotFoundError:
            raise ModuleNotFoundError(f"{self.distribution()} is not installed") from None
        raise DependencyConflictError(conflict)

    @classmethod
    def distribution(cls) -> str:
        """Return the name of the package that is instrumented, as the package index knows it."""
        return Requirement(cls.requires[0]).name

    @quiet
    def _imported(self, patch: Patch, module: ModuleType) -> None:
        # A hook of wrapt cannot be taken back: it may run after `uninstrument`, or once more than needed.
        known = self._applied.get(patch)
        if not self._live or (known is not None and (known.live or known.revive())):
            return
        try:
            self._applied[patch] = _Applied(patch, module)
        except _InheritedError:
            return
        except AttributeError:
            report(f"instrumentation of {self.library}", f"{patch.module} has no {patch.name}, which is left out")

    def _uninstrument(self, **_options: Any) -> None:
        self._live = False
        for each in self.owns:
            _claimed.pop(each, None)
        for memory in self.known:
            memory.clear()
        for patch, applied in list(self._applied.items()):
            if applied.undo():
                del self._applied[patch]


def _await_import(module: str) -> None:
    """Wait until a module that another thread is importing right now is whole; of the half one nothing can be patched."""
    spec = getattr(sys.modules.get(module), "__spec__", None)
    if getattr(spec, "_initializing", False):
        with contextlib.suppress(Exception):
            import_module(module)


def argument(args: Args, kwargs: Mapping[str, Any], place: int, name: str) -> Foreign:
    """Return an argument that may have been given by place or by name, or None."""
    return args[place] if len(args) > place else kwargs.get(name)


def module_of(name: str) -> Foreign:
    """Return a module of the library that is instrumented, which the program has imported."""
    return cast("Foreign", sys.modules[name])


def is_stream(value: object) -> bool:
    """Whether a value is a generator of either kind, whose body has not run yet."""
    return inspect.isgenerator(value) or inspect.isasyncgen(value)
