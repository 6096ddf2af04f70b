"""The keys that were dropped lately: kept for doctor if they stand in code, never if somebody typed them."""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from pathlib import Path

import pytest

from spanguard.privacy import dropped, redactions


@pytest.fixture(autouse=True)
def _nothing_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redactions, "_keys", Counter())


def drop(*keys: str, times: int = 3) -> None:
    """Drop each key some times."""
    for key in keys * times:
        redactions.dropped_key("span", "attribute", key)


def test_keys_that_stand_in_code_are_kept(tmp_path: Path) -> None:
    """With how often they came, over many processes; seldom ones are left out."""
    drop("shop.order_plan")
    drop("shop.seldom_key", times=2)
    dropped.remember(tmp_path)
    dropped.remember(tmp_path)
    assert [(each.key, each.times) for each in dropped.lately(tmp_path)] == [("shop.order_plan", 6)]
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / dropped.FILE).stat().st_mode) == 0o600


def test_a_key_that_somebody_typed_is_not_kept(tmp_path: Path) -> None:
    """However much it looks like one."""
    drop("_".join(["alice", "diagnosis"]), "Alice's diagnosis", ".".join(["alice", "corp", "internal"]))
    dropped.remember(tmp_path)
    assert not (tmp_path / dropped.FILE).exists()


@pytest.mark.parametrize("text", ["", "[1]", "{}", '[["a"]]', "no json"])
def test_a_file_that_is_broken_is_none(text: str, tmp_path: Path) -> None:
    """It is begun anew."""
    (tmp_path / dropped.FILE).write_text(text)
    assert dropped.lately(tmp_path) == []
    drop("shop.order_plan")
    dropped.remember(tmp_path)
    assert json.loads((tmp_path / dropped.FILE).read_text())[0][:2] == ["shop.order_plan", 3]


def test_where_nothing_can_be_written_nothing_is_remembered(tmp_path: Path) -> None:
    """The program ends as it would have."""
    (tmp_path / "file").write_text("")
    drop("shop.order_plan")
    dropped.remember(tmp_path / "file" / "below")
