"""What is generated from our vocabulary and our service levels is in step with them; this needs none of the real programs."""

from __future__ import annotations

import sys

import pytest

from binaries import SHIPPED

yaml = pytest.importorskip("yaml")
sys.path.insert(0, str(SHIPPED))
try:
    import generate
finally:
    sys.path.remove(str(SHIPPED))

GENERATED = generate.everything()


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_generated_files_do_not_lag(name: str) -> None:
    """`python collector-config/generate.py` would change nothing."""
    text = (SHIPPED / name).read_text(encoding="utf-8")
    assert text == GENERATED[name], "run python collector-config/generate.py"


def test_nothing_generated_is_left_over() -> None:
    """Dashboards and rules are all written by the generator."""
    patterns = ("*/*.rules.yml", "*/*.test.yml", "*/*/*.json")
    there = {str(path.relative_to(SHIPPED)) for pattern in patterns for path in SHIPPED.glob(pattern)}
    assert there <= set(GENERATED)
