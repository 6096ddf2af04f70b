"""`spanguard.configure`: from settings and the standard environment variables to a running pipeline."""

from __future__ import annotations

import logging
import os
import platform
import secrets
import threading
import uuid
from pathlib import Path
from typing import Final, Literal

from opentelemetry.sdk.resources import Resource

from spanguard import semconv, settings
from spanguard.pipeline.destinations import Destinations, Signal, choose
from spanguard.pipeline.forked import INSTANCE, new_session
from spanguard.pipeline.providers import SIGNALS, make, put_in_place
from spanguard.pipeline.running import Pipeline
from spanguard.privacy.guard import begin, declare_environment
from spanguard.privacy.modes import Mode
from spanguard.settings import Settings, SettingsError, parse, sdk_disabled
from spanguard.store.queues import tell_of_losses

_log: Final = logging.getLogger("spanguard")
_lock = threading.Lock()
_running: tuple[Settings, str | None, Pipeline] | None = None

# What `platform.machine` says, in the words of the conventions' `host.arch`.
_ARCHITECTURES: Final = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "i686": "x86"}


def configure(
    *,
    service_name: str | None = None,
    store: str | Path | None = None,
    run: str | None = None,
    events: Literal["span", "log", "both"] | None = None,
    semconv: Literal["1.37", "dev-2026-10"] | None = None,
    debug: bool | None = None,
    privacy: Mode | None = None,
    guard: Literal["process", "own"] | None = None,
    exit_timeout: float | None = None,
) -> Pipeline:
    """Switch telemetry on for this process, and say where it goes.

    With an OTLP endpoint in the environment (``OTEL_EXPORTER_OTLP_ENDPOINT``) everything is sent there; otherwise it is
    kept in the local store, `.spanguard/telemetry.db`, which ``spanguard show`` reads. All other ``OTEL_*`` variables mean
    what the OpenTelemetry specification says; ``OTEL_SDK_DISABLED=true`` switches everything off. Each argument beats its
    variable: ``store`` is a file (or ``"off"``), ``run`` names this run, ``events``, ``semconv`` and ``debug`` are as in
    ``docs/configuration.md``, ``exit_timeout`` is in seconds (default 2).

    The whole process is guarded: whatever other libraries record leaves it cleaned, by any provider and exporter of
    OpenTelemetry's SDK (``docs/privacy.md``). With ``guard="own"`` only what this pipeline exports is cleaned. ``privacy`` is
    ``"strict"`` (the default), ``"balanced"``, or ``"off"``, which takes ``SPANGUARD_PRIVACY=off`` besides.

    A provider that the program has already set is used as it is and never replaced. Calling it again does nothing and
    returns the same pipeline. Raises `SettingsError` (a `ValueError`) for a setting that cannot be.

    Child processes belong to the same run (``SPANGUARD_RUN`` is set for those that start afresh) and each is a session of
    its own. A forked child, as of ``gunicorn --preload``, need not call it again: it sends what it records itself, and what
    was recorded before the fork is left to its parent. What is left is sent when a process ends, also one of
    `multiprocessing` or `concurrent.futures`; not when it ends by `os._exit` or by a signal that it does not handle, as
    the workers of a `multiprocessing.Pool` do at the end of its ``with`` block (call ``close`` and ``join`` on it first):
    then the last second of spans and the last five of metrics are lost in the local store, by OTLP the last five seconds
    and the last minute, unless `Pipeline.flush` was called.
    """
    given = {
        "store": None if store is None else str(store),
        "run": run,
        "events": events,
        "semconv": semconv,
        "debug": debug,
        "privacy": privacy,
        "guard": guard,
        "exit_timeout": exit_timeout,
    }
    if service_name == "":
        raise SettingsError("service_name: expected a name, not an empty one")
    with _lock:
        wanted = _settings({name: value for name, value in given.items() if value is not None})
        return _configure(wanted, service_name, off_in_code=privacy == "off")


def _configure(wanted: Settings, service_name: str | None, *, off_in_code: bool) -> Pipeline:
    global _running
    if _running is not None:
        if _running[:2] != (wanted, service_name):
            _log.warning("configure() was called again with other settings; the first ones hold")
        return _running[2]
    if sdk_disabled():
        pipeline = Pipeline({}, {}, wanted.exit_timeout)
    else:
        wanted = wanted._replace(run=wanted.run or secrets.token_hex(8))
        destinations = choose(wanted, os.environ)
        if not begin(wanted, whole_process=wanted.guard != "own", off_in_code=off_in_code):
            destinations = Destinations({signal: [] for signal in SIGNALS}, {})
        pipeline = _start(wanted, service_name, destinations)
        # Processes that this one starts belong to the same run; forked ones know, the others have the environment.
        os.environ[settings.VARIABLES["run"].name] = wanted.run
    _running = (wanted, service_name, pipeline)
    return pipeline


def _start(wanted: Settings, service_name: str | None, destinations: Destinations) -> Pipeline:
    resource = _resource(wanted, service_name)
    providers = make(destinations, resource)
    settings.use(wanted)
    put_in_place(providers)
    tell_of_losses()
    where: dict[Signal, str] = {
        signal: destinations.describe(signal) if signal in providers else "the provider that the program has set"
        for signal in SIGNALS
    }
    _log.info("spanguard is on: %s", "; ".join(f"{signal} to {place}" for signal, place in where.items()))
    pipeline = Pipeline(providers, where, wanted.exit_timeout)
    pipeline.shut_down_at_exit()
    return pipeline


def _settings(given: dict[str, object]) -> Settings:
    base = Settings.from_environment()
    for name, value in given.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        given[name] = parse(name, text)
    return base._replace(**given)  # type: ignore[arg-type]


def _resource(wanted: Settings, service_name: str | None) -> Resource:
    attributes = {
        "telemetry.distro.name": "spanguard",
        "telemetry.distro.version": semconv.VERSION,
        "os.type": platform.system().lower() or "other",
        "host.arch": _ARCHITECTURES.get(platform.machine().lower(), "other"),
        semconv.RUN_ID: wanted.run,
        semconv.SESSION: new_session(),
        semconv.SCHEMA: semconv.SCHEMA_VERSION,
    }
    if service_name is not None:
        attributes["service.name"] = service_name
        declare_environment(service_name)
    resource = Resource.create(attributes, semconv.SCHEMA_URL)
    if INSTANCE in resource.attributes:
        return resource
    return resource.merge(Resource({INSTANCE: str(uuid.uuid4())}))


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()
    if _running is not None:
        _running[2].begin_in_child()


# Registered before any provider is made, so that it runs before what the SDK does after a fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
