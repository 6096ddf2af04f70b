"""The adapter: it patches when a library is imported, quietly, and takes back what is its own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import wrapt
from opentelemetry.instrumentation.dependencies import DependencyConflictError

from spanguard._core import border
from spanguard.instrumentation._adapter import Instrumentor, Outcome, Patch, after, around, before
from support import Telemetry

LIBRARY = """
class Client:
    def ask(self, question):
        return question.upper()

    @property
    def state(self):
        return "closed"

class Special(Client):
    pass
"""


@pytest.fixture
def heard() -> list[str]:
    """What the hooks have heard."""
    return []


@pytest.fixture
def kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: list[str]) -> Iterator[type[Instrumentor]]:
    """An instrumentor of a library that can be imported, and has not been."""
    (tmp_path / "thing.py").write_text(LIBRARY)
    (tmp_path / "thing-1.5.dist-info").mkdir()
    (tmp_path / "thing-1.5.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1.5\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "thing", raising=False)

    class ThingInstrumentor(Instrumentor):
        library = "thing"
        requires = ("thing >= 1, < 2",)
        patches = (
            Patch("thing", "Client.ask", before(lambda _, args, __: heard.append(f"before {args[0]}"))),
            Patch("thing", "Client.state", after(lambda _, __, ___, outcome: heard.append(f"state {outcome.result}"))),
            Patch("thing", "Special.ask", before(lambda *_: heard.append("special")), own=True),
        )

    yield ThingInstrumentor
    if ThingInstrumentor().is_instrumented_by_opentelemetry:
        ThingInstrumentor().uninstrument()
    sys.modules.pop("thing", None)


def ask(question: str = "x") -> Any:
    """Use the library."""
    import thing

    return thing.Client().ask(question)


def test_it_waits_for_the_import(telemetry: Telemetry, kind: type[Instrumentor], heard: list[str]) -> None:
    """Instrumenting imports nothing; the first import patches."""
    kind().instrument()
    assert "thing" not in sys.modules
    assert ask() == "X"
    assert heard == ["before x"]


def test_it_patches_what_is_imported_already(telemetry: Telemetry, kind: type[Instrumentor], heard: list[str]) -> None:
    """And what is inherited is hooked once."""
    import thing

    kind().instrument()
    thing.Special().ask("x")
    assert thing.Client().state == "closed"
    assert heard == ["before x", "state closed"]


def test_it_waits_for_an_import_that_is_going_on(
    telemetry: Telemetry, kind: type[Instrumentor], heard: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another thread: of a module that is half there nothing can be patched."""
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert go_on.wait(30)

    gate: Any = ModuleType("gate")
    gate.wait = wait
    monkeypatch.setitem(sys.modules, "gate", gate)
    (tmp_path / "thing.py").write_text(f"import gate; gate.wait()\n{LIBRARY}")
    importing = threading.Thread(target=import_module, args=("thing",))
    importing.start()
    assert begun.wait(30)
    instrumenting = threading.Thread(target=kind().instrument)
    instrumenting.start()
    go_on.set()
    importing.join()
    instrumenting.join()
    ask()
    assert heard == ["before x"]


def test_it_restores_and_instruments_again(telemetry: Telemetry, kind: type[Instrumentor], heard: list[str]) -> None:
    """As often as one likes."""
    import thing

    original, state = vars(thing.Client)["ask"], vars(thing.Client)["state"]
    for _ in range(3):
        kind().instrument()
        ask()
        kind().uninstrument()
        assert (vars(thing.Client)["ask"], vars(thing.Client)["state"]) == (original, state)
        assert "ask" not in vars(thing.Special)
    assert heard == ["before x"] * 3


def test_under_anothers_patch_it_falls_silent_and_comes_back(
    telemetry: Telemetry, kind: type[Instrumentor], heard: list[str]
) -> None:
    """The other's patch stays, ours is neither lost nor doubled."""
    import thing

    kind().instrument()
    wrapt.wrap_function_wrapper(thing, "Client.ask", lambda wrapped, _, args, kwargs: wrapped(*args, **kwargs) + "!")
    kind().uninstrument()
    assert ask() == "X!"
    assert heard == []
    kind().instrument()
    assert ask() == "X!"
    assert heard == ["before x"]


def test_a_version_out_of_range_is_refused(kind: type[Instrumentor], monkeypatch: pytest.MonkeyPatch) -> None:
    """With the error that `opentelemetry-instrument` reports."""
    monkeypatch.setattr(kind, "requires", ("thing >= 2",))
    with pytest.raises(DependencyConflictError):
        kind().instrument(skip_dep_check=True)


def test_a_library_that_is_not_there_is_no_error(kind: type[Instrumentor], monkeypatch: pytest.MonkeyPatch) -> None:
    """`opentelemetry-instrument` skips it at this exception, and at any other it gives up on all."""
    monkeypatch.setattr(kind, "requires", ("no-such-library >= 2",))
    with pytest.raises(ModuleNotFoundError):
        kind().instrument(skip_dep_check=True)


def test_a_name_that_is_gone_is_reported_and_left_out(
    telemetry: Telemetry, kind: type[Instrumentor], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A newer version of the library goes on as if nobody looked."""
    monkeypatch.setattr(kind, "patches", (Patch("thing", "Client.gone", before(lambda *_: None)),))
    kind().instrument()
    assert ask() == "X"
    assert "thing has no Client.gone" in caplog.text


def broken(*_: object) -> Any:
    """Fail, as a hook of ours might."""
    raise RuntimeError


@pytest.mark.parametrize("hook", [before(broken), after(broken), around(broken)])
def test_a_fault_of_ours_never_reaches_the_program(
    telemetry: Telemetry, kind: type[Instrumentor], monkeypatch: pytest.MonkeyPatch, hook: Any
) -> None:
    """It is logged, and the call goes on."""
    monkeypatch.setattr(border, "strict", False)
    monkeypatch.setattr(kind, "patches", (Patch("thing", "Client.ask", hook),))
    kind().instrument()
    assert ask() == "X"


def test_the_users_error_passes_unchanged(
    telemetry: Telemetry, kind: type[Instrumentor], monkeypatch: pytest.MonkeyPatch, heard: list[str]
) -> None:
    """The hook hears of it."""

    def tell(_: object, __: object, ___: object, outcome: Outcome) -> None:
        heard.append(type(outcome.error).__name__)

    monkeypatch.setattr(kind, "patches", (Patch("thing", "Client.ask", after(tell)),))
    kind().instrument()
    with pytest.raises(AttributeError):
        ask(1)  # type: ignore[arg-type]
    assert heard == ["AttributeError"]
