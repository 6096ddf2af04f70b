"""The examples run as they stand, offline, and show in the local store what they are about."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def run(directory: Path, *command: str) -> str:
    """Run a command of an example's reader in an empty directory."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SPANGUARD_"))}
    ran = subprocess.run(
        [sys.executable, "-W", "error", *command], cwd=directory, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def shown(directory: Path) -> dict[str, Any]:
    """Return what `spanguard show --json` says."""
    found: dict[str, Any] = json.loads(run(directory, "-m", "spanguard", "show", "--json"))
    return found


def test_quickstart(tmp_path: Path) -> None:
    """A repair loop that recovers at its third attempt, with two answers wasted."""
    assert run(tmp_path, str(ROOT / "examples" / "quickstart.py")) == "Paris\n"
    summary = shown(tmp_path)["summary"]
    assert summary["calls"]["requests"] == 3
    assert summary["operations"]["repaired"] == 1
    assert summary["tokens"]["wasted"] > summary["tokens"]["useful"] > 0
