#!/usr/bin/env python3
"""Build the collector of builder.yaml with the OpenTelemetry Collector Builder, once, and print where it is.

    python build.py            build it unless it is in the cache, and print its path; needs Go, takes minutes
    python build.py --cached   print its path if it is in the cache, and exit with 1 if not

The cache is `spanguard` in the user's cache directory (`XDG_CACHE_HOME`, or `~/.cache`), and the file's name has a hash of
builder.yaml: another manifest is another binary.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MANIFEST = Path(__file__).with_name("builder.yaml")
BUILDER = "go.opentelemetry.io/collector/cmd/builder"


def binary() -> Path:
    """Return where the collector is, or will be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spanguard"
    return cache / f"otelcol-{hashlib.sha256(MANIFEST.read_bytes()).hexdigest()[:16]}"


def build(target: Path) -> None:
    """Build the collector in a temporary directory, and put it in its place in one step."""
    found = re.search(r"^ +version: (\S+)$", MANIFEST.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        sys.exit("builder.yaml does not say its version")
    builder = f"{BUILDER}@v{found[1]}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        shutil.copy(MANIFEST, directory)
        command = ["go", "run", builder, "--config", MANIFEST.name]
        subprocess.run(command, cwd=directory, stdout=sys.stderr, check=True)
        (built,) = Path(directory).glob("otelcol-spanguard/otelcol-spanguard")
        # Beside the target first: only within one directory is a move a single step, and two builds may run at once.
        beside = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copy(built, beside)
        beside.replace(target)


def main() -> None:
    """Say where the collector is, after building it if need be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cached", action="store_true", help="do not build it; exit with 1 if it is not in the cache")
    cached: bool = parser.parse_args().cached
    target = binary()
    if not target.exists():
        if cached:
            sys.exit(f"{target} is not there yet")
        if shutil.which("go") is None:
            sys.exit("Go is needed to build the collector: https://go.dev/dl")
        try:
            build(target)
        except subprocess.CalledProcessError as error:
            sys.exit(f"the builder failed with exit code {error.returncode}")
    print(target)


if __name__ == "__main__":
    main()
