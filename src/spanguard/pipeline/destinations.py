"""Where each signal goes: the exporters that the standard environment variables name, loaded by their entry points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final, Literal, cast

from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.trace.export import SpanExporter

from spanguard.pipeline.debug import DebugLogExporter, DebugMetricExporter, DebugSpanExporter
from spanguard.pipeline.forked import OwnLogExporter, OwnMetricExporter, OwnSpanExporter
from spanguard.settings import Settings, SettingsError
from spanguard.store.exporters import StoreLogExporter, StoreMetricExporter, StoreSpanExporter
from spanguard.store.location import resolve
from spanguard.store.spool import Place

Signal = Literal["traces", "metrics", "logs"]
Exporter = SpanExporter | MetricExporter | LogRecordExporter

OTLP: Final = "otlp"
STORE: Final = "spanguard"
DEBUG: Final = "debug"

_PROTOCOLS: Final = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
_STORES: Final[dict[Signal, Callable[[Path], Exporter]]] = {
    "traces": StoreSpanExporter,
    "metrics": StoreMetricExporter,
    "logs": StoreLogExporter,
}
_DEBUGS: Final[dict[Signal, Callable[[], Exporter]]] = {
    "traces": DebugSpanExporter,
    "metrics": DebugMetricExporter,
    "logs": DebugLogExporter,
}
# Only what talks to others needs an owner: the store opens its file again after a fork.
_OWNERS: Final[dict[Signal, Callable[..., Exporter]]] = {
    "traces": OwnSpanExporter,
    "metrics": OwnMetricExporter,
    "logs": OwnLogExporter,
}


class Destinations:
    """The exporters of each signal, by name; made ready when they are asked for."""

    def __init__(
        self, names: Mapping[Signal, list[str]], factories: Mapping[tuple[Signal, str], Callable[[], Exporter]]
    ) -> None:
        self._names = names
        self._factories = factories

    def exporters(self, signal: Signal) -> list[tuple[str, Exporter]]:
        """Make the exporters of a signal, each with the name it goes by."""
        return [(name, self._factories[signal, name]()) for name in self._names[signal]]

    def describe(self, signal: Signal) -> str:
        """Say in a few words where a signal goes."""
        words = {OTLP: "the OTLP endpoint", STORE: "the local store", DEBUG: "stderr"}
        return " and ".join(words.get(name, f"exporter {name}") for name in self._names[signal]) or "nowhere"


def choose(settings: Settings, environment: Mapping[str, str]) -> Destinations:
    """Choose the exporters of all signals; raises `SettingsError` for one that does not exist."""
    names: dict[Signal, list[str]] = {}
    factories: dict[tuple[Signal, str], Callable[[], Exporter]] = {}
    store: list[Path | None] = []
    signals: tuple[Signal, ...] = ("traces", "metrics", "logs")
    for signal in signals:
        names[signal] = []
        for name in [DEBUG] if settings.debug else _named(signal, environment):
            if name == STORE:
                store = store or [resolve(settings.store)]
                factory = _stored(signal, store[0])
            elif name == DEBUG:
                factory = _DEBUGS[signal]
            else:
                factory = _installed(signal, name, environment, settings)
            if factory is not None:
                names[signal].append(name)
                factories[signal, name] = factory
    return Destinations(names, factories)


def _named(signal: Signal, environment: Mapping[str, str]) -> list[str]:
    """Return the names of a signal's exporters: those the environment lists, else OTLP or the local store."""
    listed = environment.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip()
    if listed:
        return [name for name in dict.fromkeys(map(str.strip, listed.split(","))) if name not in ("", "none")]
    endpoints = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return [OTLP] if any(environment.get(endpoint, "").strip() for endpoint in endpoints) else [STORE]


def _stored(signal: Signal, path: Path | None) -> Callable[[], Exporter] | None:
    if path is None:
        return None
    return lambda: _STORES[signal](path)


def _installed(signal: Signal, name: str, environment: Mapping[str, str], settings: Settings) -> Callable[[], Exporter]:
    if name == OTLP or name in _PROTOCOLS.values():
        return otlp(signal, settings, environment, _otlp(signal, environment) if name == OTLP else name)
    return partial(_OWNERS[signal], _load(signal, name))


def otlp(signal: Signal, settings: Settings, environment: Mapping[str, str], name: str = "") -> Callable[[], Exporter]:
    """Return what makes the OTLP exporter of a signal, with a spool behind it; raises `SettingsError` if there is none."""
    from spanguard.pipeline.spooling import spooling  # brings protobuf, which the store does without

    make = _load(signal, name or _otlp(signal, environment))
    return partial(_OWNERS[signal], spooling(signal, make, settings, Place(settings.store)))


def _load(signal: Signal, name: str) -> Callable[[], Exporter]:
    found = tuple(entry_points(group=f"opentelemetry_{signal}_exporter", name=name))
    if not found:
        raise SettingsError(f"OTEL_{signal.upper()}_EXPORTER: no exporter of that name is installed")
    return cast("Callable[[], Exporter]", found[0].load())


def _otlp(signal: Signal, environment: Mapping[str, str]) -> str:
    variable = f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL"
    if not environment.get(variable, "").strip():
        variable = "OTEL_EXPORTER_OTLP_PROTOCOL"
    protocol = environment.get(variable, "").strip() or "http/protobuf"
    if protocol not in _PROTOCOLS:
        raise SettingsError(f"{variable}: expected one of {', '.join(_PROTOCOLS)}")
    return _PROTOCOLS[protocol]
