"""What commands print as JSON is what `docs/cli.md` says: every field, of its type, and no other."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import typing
from importlib import import_module
from pathlib import Path
from types import NoneType

import pytest

from slo.slo_files import ratio
from spanguard.cli import COMMANDS

EVERYTHING = Path(__file__).parent.parent / "store" / "every_column.py"


def documented() -> dict[str, type]:
    """Return what each command says that it prints; the page is made of the same."""
    found: dict[str, type] = {}
    for place, _ in COMMANDS.values():
        declared = getattr(import_module(place.partition(":")[0]), "PRINTED", {})
        for name, kind in declared.items():
            module, _, attribute = kind.partition(":") if isinstance(kind, str) else ("", "", "")
            found[name] = getattr(import_module(module), attribute) if module else kind
    return found


DOCUMENTED = documented()


def assert_is(told: object, hint: object, where: str) -> None:
    """Check a value of JSON against the type that the page has for it."""
    inner, origin = typing.get_args(hint), typing.get_origin(hint)
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        names = [field.name for field in dataclasses.fields(hint)]
        assert isinstance(told, dict), where
        assert list(told) == names, where
        for name in names:
            assert_is(told[name], hints[name], f"{where}.{name}")
    elif origin in (tuple, list, dict):
        assert isinstance(told, dict if origin is dict else list), where
        for each in told.values() if isinstance(told, dict) else typing.cast("list[object]", told):
            assert_is(each, inner[origin is dict], f"{where}[]")
    elif NoneType in inner:
        if told is not None:
            (known,) = (each for each in inner if each is not NoneType)
            assert_is(told, known, where)
    elif origin is typing.Literal:
        assert told in inner, where
    elif hint is not object:
        kinds = {float: (int, float), Path: (str,)}.get(typing.cast("type", hint), (hint,))
        assert isinstance(told, kinds), f"{where}: {told!r} is no {hint}"
        assert not isinstance(told, bool) or hint is bool, where


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a program that uses everything."""
    path = tmp_path_factory.mktemp("json") / "telemetry.db"
    subprocess.run([sys.executable, EVERYTHING, path], check=True, timeout=60)
    return path


@pytest.fixture
def told(run, stored: Path, tmp_path: Path):
    """Run a command on that store, and return what it printed."""

    def tell(*arguments: object) -> object:
        (tmp_path / "slo.json").write_text(json.dumps([ratio("success", 0.9), ratio("cache_hit_ratio", 0.9, name="hits")]))
        words = [str(each).replace("HERE", str(tmp_path)) for each in arguments]
        store = [] if words[:2] == ["slo", "rules"] or "--store" in words else ["--store", stored]
        result = run(*words, "--json", *store)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return json.loads(result.stdout)

    return tell


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("show", ["show"]),
        ("show --events", ["show", "--events"]),
        ("summary", ["summary", "--window", "month"]),
        ("summary", ["summary", "--run", "nightly", "--compare", "nightly"]),
        *[("summary", ["summary", "--by", by]) for by in ("run", "window", "user", "space", "provider", "model", "policy")],
        ("check", ["slo", "check", "HERE/slo.json", "--run", "nightly"]),
        ("rules", ["slo", "rules", "HERE/slo.json"]),
        ("export", ["export", "HERE/out"]),
        ("watch", ["watch", "--no-defaults", "--alert", "success > -1 times 1", "--checks", "1"]),
    ],
)
def test_what_is_printed_is_what_is_documented(told, name, arguments):
    """Every field that the page lists, in its order."""
    assert_is(told(*arguments), DOCUMENTED[name], name)


def test_import_and_purge_too(told, tmp_path):
    """Which change a store of their own."""
    told("export", "HERE", "--format", "otlp")
    new = ["--store", tmp_path / "new.db"]
    assert_is(told("import", "HERE/traces.jsonl", *new), DOCUMENTED["import"], "import")
    assert_is(told("purge", "--all", *new), DOCUMENTED["purge"], "purge")


def test_a_trace_alone_has_no_summary(told):
    """The same object, with less in it."""
    newest = typing.cast("dict[str, list[dict[str, str]]]", told("show"))["traces"][0]["trace_id"]
    report = told("show", newest)
    assert_is(report, DOCUMENTED["show"], "show")
    assert report["summary"] is None


def test_every_command_of_ours_is_documented():
    """But those whose object is told in words: they hold that of `show`, or lists of findings."""
    assert {name.partition(" ")[0] for name in DOCUMENTED} >= {
        *("show", "summary", "check", "rules", "watch", "export", "import", "purge")
    }
