"""Servers and workers that end in a way that runs no exit handler: what is left is sent before."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from types import ModuleType
from typing import Any, Final

import wrapt

_log: Final = logging.getLogger("spanguard")
_flushes: Final[list[Callable[[], object]]] = []


def flush_before_end(flush: Callable[[], object]) -> None:
    """Have this done when a server has answered its last request, or a worker has done its last task.

    uvicorn (since 0.29, each of its workers) shuts down in order, and then dies of the signal that asked it to. The workers
    of Celery's pool end by `os._exit`.
    """
    if not _flushes:
        wrapt.register_post_import_hook(partial(_hook, "Server.shutdown", _shut_down), "uvicorn.server")
        wrapt.register_post_import_hook(partial(_hook, "Worker._do_exit", _exit), "billiard.pool")
    _flushes.append(flush)


def _hook(name: str, hook: Callable[..., object], module: ModuleType) -> None:
    try:
        wrapt.wrap_function_wrapper(module, name, hook)
    except AttributeError:
        _log.warning("%s has no %s in this version: its last second of telemetry may be lost", module.__name__, name)


async def _shut_down(wrapped: Callable[..., Awaitable[object]], _server: object, args: Any, kwargs: Any) -> object:
    try:
        return await wrapped(*args, **kwargs)
    finally:
        _flush()


def _exit(wrapped: Callable[..., object], _worker: object, args: Any, kwargs: Any) -> object:
    _flush()
    return wrapped(*args, **kwargs)


def _flush() -> None:
    for flush in _flushes:
        try:
            flush()
        except Exception as error:
            _log.warning("telemetry could not all be sent (%s)", type(error).__name__)
