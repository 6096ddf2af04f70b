"""What `spanguard doctor` says of telemetry: where it goes, whether that takes it, and what waits or was lost on the way."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

from spanguard.cli.finding import Finding
from spanguard.settings import Settings, SettingsError, sdk_disabled
from spanguard.store.database import Database, StoreError
from spanguard.store.drops import dropped
from spanguard.store.location import newest, resolve
from spanguard.store.queries import runs
from spanguard.store.selection import Selection
from spanguard.store.spool import DROPPED, Place, status

Signal = Literal["traces", "metrics", "logs"]

SIGNALS: Final[tuple[Signal, ...]] = ("traces", "metrics", "logs")
_AREA: Final = "telemetry"
_SECONDS: Final = 2.0
"""How long an endpoint has to answer."""


_FATES: Final = {
    "queue_full": "the queue before it was full (OTEL_BSP_MAX_QUEUE_SIZE, OTEL_BLRP_MAX_QUEUE_SIZE)",
    "full": "the spool was full (SPANGUARD_SPOOL_MB)",
    "refused": "the endpoint refused them",
    "rejected": "the endpoint took their request and rejected them",
    "damaged": "the spool was damaged",
    "lost": "they could be neither sent nor kept",
}


_CONFIGURATORS: Final = ("opentelemetry.configuration", "opentelemetry.sdk._configuration.file")
"""What reads the file; the second one in versions of the SDK that need no package for it."""


class _Answer(NamedTuple):
    where: str
    fine: bool
    said: str


def destinations() -> Iterator[Finding]:
    """Say where each signal goes, and whether that takes it."""
    if sdk_disabled():
        yield Finding(_AREA, "all", "no", "OTEL_SDK_DISABLED switches everything off")
        return
    if file := os.environ.get("OTEL_CONFIG_FILE"):
        yield _configured(Path(file))
        return
    from spanguard.pipeline.destinations import OTLP, STORE, choose

    try:
        settings = Settings.from_environment()
        chosen = choose(settings, os.environ)
    except SettingsError as error:
        yield Finding(_AREA, "settings", "unknown", str(error))
        return
    for signal in SIGNALS:
        yield Finding(_AREA, signal, "ok" if chosen._names[signal] else "info", f"to {chosen.describe(signal)}")
    by_otlp: list[Signal] = [signal for signal in SIGNALS if OTLP in chosen._names[signal]]
    yield from _endpoints(by_otlp)
    if any(STORE in chosen._names[signal] for signal in SIGNALS):
        yield from _store(settings)
    if by_otlp:
        yield from _spool(settings)


def _configured(file: Path) -> Finding:
    """Say whether the file that says where telemetry goes can be read."""
    subject = "OTEL_CONFIG_FILE"
    if not file.is_file():
        return Finding(_AREA, subject, "no", f"{file} is not there")
    if not any(find_spec(each) for each in _CONFIGURATORS):
        return Finding(_AREA, subject, "no", f"{file} is read by opentelemetry-configuration, which is not installed")
    return Finding(_AREA, subject, "info", f"{file} says it")


def _endpoints(signals: list[Signal]) -> Iterator[Finding]:
    """Ask each endpoint to take nothing, as it would be asked to take something."""
    if not signals:
        return
    logging.disable(logging.CRITICAL)  # what the exporters have to say is told here
    try:
        with ThreadPoolExecutor(len(signals)) as pool:
            answers = list(pool.map(_asked, signals))
    finally:
        logging.disable(logging.NOTSET)
    for answer in dict.fromkeys(answers):
        of = [signal for signal, each in zip(signals, answers, strict=True) if each == answer]
        whose = "" if len(of) == len(signals) else f" {' and '.join(of)}"
        detail = f"takes{whose or ' telemetry'}" if answer.fine else f"does not take{whose or ' telemetry'} ({answer.said})"
        yield Finding(_AREA, answer.where, "ok" if answer.fine else "no", detail)


def _asked(signal: Signal) -> _Answer:
    from spanguard.pipeline.destinations import _load, _otlp
    from spanguard.pipeline.spooling_post import post

    where = "the endpoint"
    try:
        make = _load(signal, _otlp(signal, os.environ))
        way = post(make(), signal, make)
        if way is None:
            return _Answer(where, fine=False, said="is of a kind that is not known")
        parts = urlsplit(way.endpoint if "//" in way.endpoint else f"//{way.endpoint}")
        where = parts.netloc.rpartition("@")[2] or where
        answer = way(b"", _SECONDS)
        way.close()
    except Exception as error:
        return _Answer(where, fine=False, said=type(error).__name__)
    return _Answer(where, fine=answer.verdict == "taken", said=answer.said)


def _store(settings: Settings) -> Iterator[Finding]:
    """Say where the store is, whether it can be written now, and what was lost in its newest run."""
    path = resolve(settings.store)
    if path is None:
        yield Finding(_AREA, "local store", "no", "can be written nowhere: nothing is kept")
        return
    if not path.exists():
        yield Finding(_AREA, "local store", "info", f"{path}, which is made when something is recorded")
        return
    try:
        with Database.open(path) as db:
            db.write({})
            newest_run = next((each.run for each in runs(db)), None)
            lost = dropped(db, Selection(newest_run)) if newest_run is not None else {}
    except (StoreError, OSError) as error:
        reason = error.reason if isinstance(error, StoreError) else type(error).__name__
        yield Finding(_AREA, "local store", "no", f"{path} cannot be written: {reason}")
        return
    yield Finding(_AREA, "local store", "ok", f"{path}, which can be written")
    for kind, items in lost.items():
        yield Finding(_AREA, "local store", "no", f"{items} {kind} of the newest run were lost before they were in the store")


def _spool(settings: Settings) -> Iterator[Finding]:
    """Say what waits for an endpoint, and what was lost waiting."""
    path = Place(settings.store).existing()
    if path is None:
        return
    try:
        found = status(path)
    except StoreError as error:
        yield Finding(_AREA, "spool", "unknown", str(error))
        return
    for each in found.waiting:
        yield Finding(_AREA, "spool", "info", f"{each.items} items of {each.signal} wait to be sent by the next process")
    for (signal, fate), items in sorted(found.counts.items()):
        if fate in DROPPED:
            yield Finding(_AREA, "spool", "no", f"{items} items of {signal} were dropped: {_FATES[fate]}")


def readable() -> Path | None:
    """Return the store that commands read: the one that the setting names, or the newest."""
    settings, _ = Settings.tolerant()
    path = Path(settings.store).expanduser() if settings.store not in ("", "off") else newest()
    return path if path is not None and path.exists() else None
