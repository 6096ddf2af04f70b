"""What a program declares in a file: read from pyproject.toml or a file of its own, and refused without telling it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from spanguard.privacy.attributes import clean_attributes
from spanguard.privacy.audit import audit_message
from spanguard.privacy.declarations import Declarations, declare_all, load, named
from spanguard.privacy.metrics import clean_metrics
from spanguard.settings import SettingsError
from spanguard.vocabulary import declared

PROJECT = """
[project]
name = "shop"
[tool.spanguard.privacy]
names = ["checkout-7"]
models = ["acme-legal-7b"]
keys = ["shop.plan"]
"""


@pytest.fixture(autouse=True)
def _nothing_declared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(declared, "_clear", set())
    monkeypatch.setattr(declared, "_keys", set())
    yield
    declared.edition += 1


def test_what_is_declared_again_is_no_new_edition() -> None:
    """A new one makes the guard forget what it has cleaned, and instrumentations declare with every call."""
    declared.declare("checkout-7", keys=["shop.plan"])
    before = declared.edition
    declared.declare("checkout-7", keys=["shop.plan"])
    assert declared.edition == before
    declared.declare("checkout-8")
    assert declared.edition > before


def test_the_projects_own_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, models and keys of the table in the working directory's pyproject.toml."""
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    monkeypatch.chdir(tmp_path)
    assert load() == Declarations(("checkout-7", "acme-legal-7b"), ("shop.plan",))


@pytest.mark.parametrize("text", ["", "[tool.other]\nx = 1", "no toml = = =", "tool = 3", "[tool.spanguard]", b"\xff\xfe"])
def test_a_project_that_declares_nothing_is_left_alone(
    text: str | bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if its file is broken, which is told by other tools."""
    (tmp_path / "pyproject.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    monkeypatch.chdir(tmp_path)
    assert load() == Declarations()
    (tmp_path / "pyproject.toml").unlink()
    assert load() == Declarations()


@pytest.mark.parametrize("heading", ["", "[tool.spanguard.privacy]\n"])
def test_a_file_of_its_own_has_the_same_entries(heading: str, tmp_path: Path) -> None:
    """With the table's heading or without."""
    (tmp_path / "privacy.toml").write_text(f'{heading}names = ["a"]\nkeys = ["b.c"]')
    assert load(tmp_path / "privacy.toml") == Declarations(("a",), ("b.c",))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("secret = [", "not TOML"),
        ('names = "secret"', "names is not a list of strings"),
        ("keys = [1]", "keys is not a list of strings"),
        ('secret = ["x"]', "entries other than names, models, keys"),
        ('[tool]\nspanguard = "secret"', "tool.spanguard.privacy is not a table"),
        ('[tool.spanguard]\nprivacy = ["secret"]', "tool.spanguard.privacy is not a table"),
    ],
)
def test_a_fault_is_told_without_what_stands_in_the_file(text: str, says: str, tmp_path: Path) -> None:
    """And without its path, which can hold a user's name."""
    (tmp_path / "secret.toml").write_text(text)
    with pytest.raises(SettingsError, match=says) as raised:
        load(tmp_path / "secret.toml")
    assert "secret" not in str(raised.value)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    """It is no slip to pass over: names would be pseudonyms, and nobody knew why."""
    with pytest.raises(SettingsError, match=r"cannot be read \(FileNotFoundError\)"):
        load(tmp_path / "missing.toml")
    assert named("") is None
    assert named("~/privacy.toml") == Path.home() / "privacy.toml"


def test_a_name_that_cannot_be_one_is_refused() -> None:
    """An empty one, or one that is longer than any name."""
    with pytest.raises(SettingsError, match="1 to 128 characters"):
        declare_all(Declarations(("x" * 129,)))


def test_what_is_declared_is_shown_and_nothing_else() -> None:
    """Under a declared key: numbers, flags and declared names; a list or a map is not looked into."""
    declare_all(Declarations(("gold",), ("shop.plan", "shop.items")))
    kept = clean_attributes({"shop.plan": "gold", "shop.items": 3, "shop.other": 3}, "span")
    assert kept == {"shop.plan": "gold", "shop.items": 3}
    assert str(clean_attributes({"shop.plan": "Alice"}, "span")["shop.plan"]).startswith("h:")
    for value in ({"a": "gold"}, ["gold"], b"gold", None, 10**9, "", float("nan")):
        assert clean_attributes({"shop.plan": value}, "span") == {}


@pytest.mark.parametrize("declared_as", [Declarations(("shop.orders",)), Declarations((), ("shop.orders",))])
def test_a_metric_of_ones_own_is_declared_as_name_or_as_key(declared_as: Declarations) -> None:
    """`spanguard doctor` says the latter of all that was dropped; its unit and description stay out."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("t").create_counter("shop.orders", "Alice", "Alice").add(3)
    data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    assert clean_metrics(data).resource_metrics[0].scope_metrics == []
    declare_all(declared_as)
    metric = clean_metrics(data).resource_metrics[0].scope_metrics[0].metrics[0]
    assert (metric.name, metric.unit, metric.description) == ("shop.orders", "", "")
    sent = encode_metrics(clean_metrics(data))
    assert [violation for violation in audit_message(sent) if violation.signal == "metric"] == []
