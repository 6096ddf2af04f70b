"""Real programs of others, as `collector-config/build.py` builds them: a collector, Jaeger, Prometheus and promtool."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

SHIPPED = Path(__file__).parent.parent / "collector-config"


@cache
def _made(name: str, cached: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SHIPPED / "build.py"), *cached.split(), name]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def binary(name: str) -> str:
    """Return where a program is.

    Building takes minutes, so a plain `pytest` uses only what is there already. With SPANGUARD_TEST_REQUIRE_COLLECTOR=1 it
    is built, and a test that cannot run fails.
    """
    required = os.environ.get("SPANGUARD_TEST_REQUIRE_COLLECTOR") == "1"
    made = _made(name, "" if required else "--cached")
    if made.returncode and required:
        pytest.fail(f"there is no {name}: {made.stderr}")
    if made.returncode:
        pytest.skip(f"{name} is not built yet: python collector-config/build.py {name} (needs Go, takes minutes)")
    return made.stdout.strip()
