"""Switch the guard on: mode, key of pseudonyms, declarations, the process guard, and the canary that proves it."""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Mapping
from typing import Final, cast

from opentelemetry import _logs, metrics, trace
from opentelemetry.metrics import CallbackOptions, Observation

from spanguard import semconv
from spanguard.privacy import canary, declarations, dropped, keys, modes, process, redactions
from spanguard.privacy.modes import Mode
from spanguard.settings import PRIVACY, Settings, SettingsError, sdk_disabled
from spanguard.vocabulary.declared import LONGEST, declare

_log: Final = logging.getLogger("spanguard")
_counted = False

# What these say about the service and the run was chosen by whoever runs it, so that it can be seen.
_SERVICE: Final = ("service.name", "service.version")
REFUSED: Final = "the privacy guard does not hold with this version of OpenTelemetry: nothing is exported"


def begin(settings: Settings, *, whole_process: bool, off_in_code: bool = False) -> bool:
    """Switch the guard on, and return whether it holds; if not, nothing may be exported.

    Raises `SettingsError` for a file of declarations that cannot be, and for a guard that is switched off by code or by
    the environment alone.
    """
    mode = cast("Mode", settings.privacy)
    if (mode == "off" or off_in_code) and not (off_in_code and os.environ.get(PRIVACY, "").strip() == "off"):
        raise SettingsError(f'{PRIVACY}: the guard is off only if both say so: the variable, and configure(privacy="off")')
    modes.use(mode)
    if mode == "off":
        _log.warning("the privacy guard is off: prompts, secrets and personal data leave this process")
        return True
    try:
        return _holds(settings, whole_process=whole_process)
    except SettingsError:
        raise
    except Exception as error:
        _log.error("%s (%s)", REFUSED, type(error).__name__)
        return False


def _holds(settings: Settings, *, whole_process: bool) -> bool:
    if not settings.debug:  # which leaves no trace
        keys.use_kept_key()
        atexit.register(dropped.remember)
    declarations.declare_all(declarations.load(declarations.named(settings.privacy_file)))
    declare_environment(settings.run)
    _count_redactions()
    if whole_process:
        process.switch_on()
    survived = canary.survivors(whole_process=whole_process)
    if survived:
        _log.error("%s (a canary survived in %s)", REFUSED, ", ".join(survived))
    return not survived


def declare_environment(*more: str, environment: Mapping[str, str] = os.environ) -> None:
    """Declare the service's name and version that the standard variables give, and further names."""
    named = [environment.get("OTEL_SERVICE_NAME", ""), *more]
    for pair in environment.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        key, _, value = pair.partition("=")
        if key.strip() in _SERVICE:
            named.append(value.strip())
    declare(*(name for name in named if 0 < len(name) <= LONGEST))


def pre_instrument() -> None:
    """Guard the process before `opentelemetry-instrument` instruments it, if ``SPANGUARD_GUARD=process`` asks for it.

    Never raises, which would let the program run on with an unguarded pipeline: if the guard cannot be switched on, the
    providers that are there are shut down.
    """
    try:
        settings, faults = Settings.tolerant()
        if settings.guard != "process" or process.is_on() or sdk_disabled():
            return
        for fault in faults:
            _log.warning("%s; the default is used", fault)
        if settings.privacy == "off":
            settings = settings._replace(privacy="strict")
        held = begin(settings, whole_process=True)
    except Exception as error:
        _log.error("the privacy guard could not be switched on (%s): nothing is exported", type(error).__name__)
        held = False
    if not held:
        refuse()


def refuse() -> None:
    """Shut the process's providers down, so that nothing is exported."""
    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider()):
        shutdown = getattr(provider, "shutdown", None)
        try:
            if shutdown is not None:
                shutdown()
        except Exception as error:
            _log.warning("a provider could not be shut down (%s)", type(error).__name__)


def _count_redactions() -> None:
    """Let the counts of redactions be collected, as a metric of ours."""
    global _counted
    if not _counted:
        _counted = True
        meter = metrics.get_meter(semconv.SCOPE, semconv.VERSION, schema_url=semconv.SCHEMA_URL)
        metric = semconv.REDACTIONS
        meter.create_observable_counter(metric.name, [_observed], metric.unit, metric.brief)


def _observed(_options: CallbackOptions) -> list[Observation]:
    return [Observation(number, attributes) for number, attributes in redactions.counts()]
