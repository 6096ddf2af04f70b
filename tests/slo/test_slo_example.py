"""The example's workflow does what it says, step by step."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "slo"


def step(directory: Path, name: str) -> subprocess.CompletedProcess[str]:
    """Run a step of the workflow as GitHub does."""
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load((EXAMPLE / "workflow.yml").read_text())["jobs"]["slo"]
    (command,) = [each["run"] for each in job["steps"] if each.get("name") == name]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SPANGUARD_"))}
    here = f'python() {{ "{sys.executable}" "$@"; }}; spanguard() {{ "{sys.executable}" -m spanguard "$@"; }}; '
    assert set(job["env"]) == {"SPANGUARD_RUN"}
    environment = {**kept, "SPANGUARD_RUN": "ci-1-1", "GITHUB_ACTIONS": "true", "XDG_STATE_HOME": str(directory / "state")}
    return subprocess.run(
        ["bash", "-e", "-c", here + command],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory with the example."""
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_the_workflow_passes(checkout):
    """All objectives of the file are met by the program."""
    assert step(checkout, "Run the program").returncode == 0
    checked = step(checkout, "Check its service levels")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "::error" not in checked.stdout
    assert ET.parse(checkout / "slo.xml").getroot().attrib["tests"] == "5"


def test_the_workflow_fails_when_an_objective_is_not_met(checkout):
    """A program whose answers are never good at once."""
    program = checkout / "program.py"
    program.write_text(program.read_text().replace("len(question) % 3", "2"))
    assert step(checkout, "Run the program").returncode == 0
    checked = step(checkout, "Check its service levels")
    assert checked.returncode == 1
    assert (
        "::error file=slo.yaml,title=SLO first-attempt%3A not met::right at once: first_attempt_success is 0 %25"
        in checked.stdout
    )


def test_nothing_recorded_is_not_taken_for_success(checkout):
    """Without the program there is no store: the gate cannot tell."""
    assert step(checkout, "Check its service levels").returncode == 2
