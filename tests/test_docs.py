"""The documentation: reference pages that do not lag, and code that runs."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from spanguard.cli.demo.server import DemoServer, Step

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = runpy.run_path(str(ROOT / "docs" / "generate.py"))["PAGES"]
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("page", sorted(PAGES))
def test_reference_pages_do_not_lag(page: str) -> None:
    """`python docs/generate.py` would change nothing."""
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == PAGES[page](), "run python docs/generate.py"


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_readmes_code_runs(number: int, tmp_path: Path) -> None:
    """Each block is a program, or a test; where it asks OpenAI, a server on this machine answers."""
    server = DemoServer({"": [Step("The city is Paris.", delay=0), Step("Paris", delay=0)]})
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SPANGUARD_"))}
    environment |= {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "x"}
    (tmp_path / "first.py").write_text(BLOCKS[number], encoding="utf-8")
    command = [sys.executable, "-W", "error", "first.py"]
    if "def test_" in BLOCKS[number]:
        command[3:] = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "first.py"]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    server.close()
    assert (ran.returncode, ran.stderr) == (0, "")
    if "openai.OpenAI()" in BLOCKS[number]:
        assert ran.stdout == "Paris\n"
        show = [sys.executable, "-m", "spanguard", "show"]
        shown = subprocess.run(show, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
        assert shown.returncode == 0
        assert re.search(r"repair find_city .* recovered", shown.stdout)


def test_the_readmes_links_lead_somewhere() -> None:
    """Files that the README links to exist."""
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_the_readmes_tree_is_of_the_demo() -> None:
    """The README shows operations, attempts and calls that the demo's program makes."""
    program = (ROOT / "src" / "spanguard" / "cli" / "demo" / "app.py").read_text(encoding="utf-8")
    tree = README.split("```text\n")[1].split("```")[0]
    for name in re.findall(r"(?:repair|retry) (\w+)", tree):
        assert f'"{name}"' in program
