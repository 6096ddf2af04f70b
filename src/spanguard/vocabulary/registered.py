"""Routes that web frameworks of this process know, found without importing or patching any of them.

Starlette (FastAPI), Werkzeug (Flask), aiohttp and Django keep routes as objects of their own classes, which the garbage
collector can list. That costs milliseconds, so it is done for a route that was not seen before only, at most once in
`_FIRST_WAIT` seconds; the wait doubles each time that nothing new was found.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Iterator
from typing import Final

_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 600.0
_MOST_ROUTES: Final = 10_000
_DEEPEST: Final = 8
_CLASSES: Final = (
    ("starlette.routing", ("Route", "WebSocketRoute", "Mount", "Host")),
    ("fastapi.routing", ("_IncludedRouter",)),
    ("werkzeug.routing.rules", ("Rule",)),
    ("aiohttp.web_urldispatcher", ("AbstractResource",)),
    ("django.urls.resolvers", ("URLResolver",)),
)
_subclasses: Final = type.__dict__["__subclasses__"]


class _Scan:
    """What was found so far, and when to look again."""

    def __init__(self) -> None:
        self.routes: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self._wait = _FIRST_WAIT
        self._next = 0.0

    def due(self) -> bool:
        """Look for routes if it is time; whether that was done."""
        if time.monotonic() < self._next or not (classes := _loaded()) or not self._lock.acquire(blocking=False):
            return False
        try:
            found = frozenset(_found(classes))
            self._wait = _FIRST_WAIT if found - self.routes else min(self._wait * 2, _LONGEST_WAIT)
            self.routes |= found
            self._next = time.monotonic() + self._wait
        finally:
            self._lock.release()
        return True

    def forget(self) -> None:
        """Begin anew. For tests."""
        self.__init__()  # type: ignore[misc]


_scan: Final = _Scan()


def is_registered(route: str) -> bool:
    """Whether a web framework in this process knows the route. Never raises, never imports, runs no code of the program's."""
    if route in _scan.routes:
        return True
    try:
        return bool(route) and _scan.due() and route in _scan.routes
    except Exception:
        return False


def _loaded() -> frozenset[type]:
    """Return the classes of routes of all frameworks that are loaded, and the classes made from them."""
    left: list[type] = []
    for module, names in _CLASSES:
        if (loaded := sys.modules.get(module)) is not None:
            left += [value for name in names if isinstance(value := vars(loaded).get(name), type)]
    seen: set[type] = set()
    while left:
        each = left.pop()
        if each not in seen:
            seen.add(each)
            left += _subclasses(each)
    return frozenset(seen)


def _found(classes: frozenset[type]) -> Iterator[str]:
    for number, held in enumerate([held for held in gc.get_objects() if type(held) in classes]):
        if number >= _MOST_ROUTES:
            return
        yield from _routes(held, 0)


def _routes(held: object, depth: int) -> Iterator[str]:
    """Yield the routes of one object, and of those that are mounted under it."""
    fields = _fields(held)
    for field in ("path", "rule", "_path", "_formatter", "_prefix"):
        if type(own := fields.get(field)) is str and own:
            yield own
    if depth < _DEEPEST:
        prefix, below = _mounted(fields)
        yield from (f"{prefix}{route}" for each in below for route in _routes(each, depth + 1))
        yield from _of_django(fields, "", depth)


def _mounted(fields: dict[str, object]) -> tuple[str, list[object]]:
    """Return the prefix and the routes of Starlette's Mount, or of a router that is part of a FastAPI application."""
    prefix, router = fields.get("path"), fields.get("app")
    if "original_router" in fields:
        prefix, router = _fields(fields.get("include_context")).get("prefix"), fields["original_router"]
    inner = _fields(router)
    routes = _fields(inner["router"]).get("routes") if "router" in inner else inner.get("routes")
    return (prefix, routes) if type(prefix) is str and type(routes) is list else ("", [])


def _fields(held: object) -> dict[str, object]:
    try:
        fields = object.__getattribute__(held, "__dict__")  # getattr() would run a __getattr__ of the program's
    except AttributeError:
        return {}
    return fields if type(fields) is dict else {}


def _of_django(fields: dict[str, object], before: str, depth: int) -> Iterator[str]:
    patterns = fields.get("url_patterns")  # a resolver has it once it was asked for a route
    for each in patterns if isinstance(patterns, (list, tuple)) and depth < _DEEPEST else ():
        below = _fields(each)
        pattern = _fields(below.get("pattern"))
        own = pattern.get("_route", pattern.get("_regex"))
        if type(own) is str:
            route = before + own.removeprefix("^") if before else own
            yield route
            yield from _of_django(below, route, depth + 1)
