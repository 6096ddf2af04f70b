"""Build Prometheus and promtool with Go, once, and print the directory that they are in.

    python build_prometheus.py            build them unless they are in the cache; needs Go, takes minutes
    python build_prometheus.py --cached   print the directory if they are in the cache, and exit with 1 if not

As `collector-config/build.py` does: the cache is `spanguard` in the user's cache directory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "v0.315.0"  # the module's version of Prometheus 3.15.0
MODULE = "github.com/prometheus/prometheus"
NAMES = ("promtool", "prometheus")


def place() -> Path:
    """Return where they are, or will be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spanguard"
    return cache / f"prometheus-{VERSION}"


def build(target: Path) -> None:
    """Build both in the module's own source, as its `go.mod` has a `replace`, which `go install` refuses."""
    environment = {**os.environ, "GOWORK": "off", "GOFLAGS": "-buildvcs=false -mod=readonly"}
    with tempfile.TemporaryDirectory() as empty:
        command = ["go", "mod", "download", "-json", f"{MODULE}@{VERSION}"]
        found = subprocess.run(command, cwd=empty, env={**os.environ, "GOWORK": "off"}, stdout=subprocess.PIPE, check=True)
    source = json.loads(found.stdout)["Dir"]
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.{os.getpid()}")
    for name in NAMES:
        flags = ["-trimpath", "-tags", "remove_all_sd", "-ldflags", "-s -w"]
        command = ["go", "build", *flags, "-o", str(beside / name), f"./cmd/{name}"]
        subprocess.run(command, cwd=source, env=environment, stdout=sys.stderr, check=True)
    shutil.rmtree(target, ignore_errors=True)
    beside.rename(target)


def main() -> None:
    """Say where they are, after building them if need be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cached", action="store_true", help="do not build; exit with 1 if they are not in the cache")
    cached: bool = parser.parse_args().cached
    target = place()
    if not all((target / name).exists() for name in NAMES):
        if cached or shutil.which("go") is None:
            sys.exit(f"{target} is not there yet" if cached else "Go is needed to build Prometheus: https://go.dev/dl")
        build(target)
    print(target)  # noqa: T201


if __name__ == "__main__":
    main()
