"""`docs/cli.md`: it does not lag, and it says what the commands print."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

from spanguard.cli import COMMANDS

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def test_the_page_does_not_lag() -> None:
    """`python docs/generate.py` would change nothing."""
    pages = runpy.run_path(str(ROOT / "docs" / "generate.py"))["PAGES"]
    assert pages["cli.md"]() == PAGE, "run python docs/generate.py"


def test_each_command_has_its_section() -> None:
    """With its options and exit codes."""
    for name in COMMANDS:
        assert f"\n## spanguard {name}\n" in PAGE


def test_the_documented_object_is_the_printed_one(record, run) -> None:
    """`summary --json` has the fields that the page lists, in their order."""
    recorder = record()
    recorder.repair("paper", 2)
    recorder.stop()
    section = PAGE.split("\n## spanguard summary\n")[1].split("\n## ")[0]
    told = json.loads(run("summary", "--json").output)
    assert re.findall(r"^- `(\w+)`", section, re.MULTILINE) == list(told)
    inner = section.split("- `statistics`")[1].split("\n- ")[0]
    assert re.findall(r"^  - `(\w+)`", inner, re.MULTILINE) == list(told["statistics"])
