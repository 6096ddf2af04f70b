"""The API as its OpenAPI document describes it, asked at random by schemathesis: every answer is one that it announces."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from serve.conftest import TOKEN

pytestmark = pytest.mark.slow


@pytest.mark.skipif(find_spec("schemathesis") is None, reason="schemathesis is not installed: pip install schemathesis")
def test_answers_are_what_the_document_says(site, tmp_path) -> None:
    """Whatever is asked: statuses, types and schemas are those of the document, and nothing fails."""
    command = [
        *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
        *("run", f"{site.address}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}"),
        *(
            "--max-examples",
            "40",
            "--workers",
            "1",
            "--no-color",
            "--generation-deterministic",
            "--suppress-health-check",
            "all",
        ),
    ]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
