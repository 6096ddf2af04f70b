"""The guard: what leaves the process, and what does not.

`spanguard.configure` and ``spanguard run`` use it for the whole process. In a pipeline of your own put
`PrivacySpanProcessor`, `PrivacyLogRecordProcessor` and `GuardedMetricExporter` around yours, or hand a provider to
`guard_provider`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from spanguard.privacy.exporters import GuardedLogExporter, GuardedMetricExporter, GuardedSpanExporter
    from spanguard.privacy.processors import PrivacyLogRecordProcessor, PrivacySpanProcessor
    from spanguard.privacy.providers import guard_provider

__all__ = [
    "GuardedLogExporter",
    "GuardedMetricExporter",
    "GuardedSpanExporter",
    "PrivacyLogRecordProcessor",
    "PrivacySpanProcessor",
    "guard_provider",
]

_HOMES: Final = {
    "GuardedLogExporter": "exporters",
    "GuardedMetricExporter": "exporters",
    "GuardedSpanExporter": "exporters",
    "PrivacyLogRecordProcessor": "processors",
    "PrivacySpanProcessor": "processors",
    "guard_provider": "providers",
}


def __getattr__(name: str) -> object:
    # When first used: the tables of conventions import this package too.
    if name in _HOMES:
        found: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
