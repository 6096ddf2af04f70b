"""`docs/store.md`: it does not lag, and its queries run."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from spanguard.store import Database

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "store.md").read_text(encoding="utf-8")


def test_the_page_does_not_lag():
    """`python docs/generate.py` would change nothing."""
    pages = runpy.run_path(str(ROOT / "docs" / "generate.py"))["PAGES"]
    assert pages["store.md"]() == PAGE, "run python docs/generate.py"


@pytest.mark.parametrize("query", re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL))
def test_its_queries_run(path, query):
    """On any store."""
    with Database.open(path) as database:
        assert database.rows(query) == []
