"""For the tests of your own program: its telemetry as plain data, and the proof that nothing leaks.

With pytest the fixtures are there as soon as spanguard is installed:

    def test_answer(spanguard_telemetry, assert_no_leak):
        answer("my secret canary 7f3a")
        assert spanguard_telemetry.span("chat gpt-5.2").status == "UNSET"
        assert_no_leak(["my secret canary 7f3a"])

Without pytest, `Telemetry`, `Exports` and `find_leaks` do the same. Importing this does not import pytest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from spanguard.testing.exports import Exports
    from spanguard.testing.leaks import Leak, find_leaks
    from spanguard.testing.telemetry import Clock, CountedIds, Span, Telemetry

__all__ = ["Clock", "CountedIds", "Exports", "Leak", "Span", "Telemetry", "find_leaks"]

_HOMES: Final = {
    **dict.fromkeys(("Clock", "CountedIds", "Span", "Telemetry"), "telemetry"),
    **dict.fromkeys(("Leak", "find_leaks"), "leaks"),
    "Exports": "exports",
}


def __getattr__(name: str) -> object:
    # When first used: pytest loads the plugin, and so this package, wherever spanguard is installed.
    if name in _HOMES:
        found: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
