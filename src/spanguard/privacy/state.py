"""How the guard stands on this machine: for ``spanguard doctor``."""

from __future__ import annotations

from typing import NamedTuple

from spanguard.privacy import canary, declarations, modes, places, process
from spanguard.privacy.dropped import DroppedKey, lately
from spanguard.privacy.keys import FILE
from spanguard.settings import Settings, SettingsError, state_directory


class State(NamedTuple):
    """What can be said of the guard: its mode, where a canary survives, what it cannot cover, and what it dropped."""

    mode: str
    survivors: list[str]
    """Signals in which a canary survived the process guard."""
    missing: list[str]
    """Places of OpenTelemetry's SDK that the guard looks for and that this version does not have."""
    keeps_key: bool
    """Whether the key of pseudonyms is kept, so that they hold for longer than a process."""
    declared: int
    """How many names and keys the working directory declares."""
    fault: str
    """What is wrong with the declarations, if anything."""
    dropped: list[DroppedKey]
    """Keys that were dropped in the last 30 days."""


def look() -> State:
    """Switch the process guard on in this process, send a canary through it, and say how the guard stands."""
    was_on, mode = process.is_on(), modes.in_force.mode
    modes.use("strict")
    process.switch_on()
    try:
        survivors = canary.survivors(whole_process=True)
    finally:
        modes.use(mode)
        if not was_on:
            process.switch_off()
    directory = state_directory()
    settings, _ = Settings.tolerant()
    declared, fault = 0, ""
    try:
        found = declarations.load(declarations.named(settings.privacy_file))
        declared = len(found.names) + len(found.keys)
    except SettingsError as error:
        fault = str(error)
    keeps = directory is not None and (directory / FILE).is_file()
    return State(settings.privacy, survivors, places.missing(), keeps, declared, fault, lately())
