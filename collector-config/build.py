#!/usr/bin/env python3
"""Build the collector of builder.yaml, Jaeger, Prometheus and promtool with Go, each once, and print where they are.

    python build.py [NAME ...]            build what is not in the cache, the collector unless others are named; takes minutes
    python build.py --cached [NAME ...]   print where they are, and exit with 1 if one is not in the cache
    python build.py --generate            write otelcol/ anew, with the OpenTelemetry Collector Builder

The cache is `spanguard` in the user's cache directory (`XDG_CACHE_HOME`, or `~/.cache`). Every module is checked against a
hash: the collector's in `otelcol/go.sum`, Jaeger's and Prometheus' below, what those need in their own `go.sum`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
SOURCE = HERE / "otelcol"
BUILDER = "go.opentelemetry.io/collector/cmd/builder"


class Module(NamedTuple):
    """A module of others that has programs, and its hash as in a `go.sum`."""

    path: str
    version: str
    hash: str
    tags: str = ""


# Jaeger v2 is released in tags of v1: this one is 2.13.0.
JAEGER = Module("github.com/jaegertracing/jaeger", "v1.76.0", "h1:sWCOOF1dr+NL0PLil7mFo3BqqQL8k4WiM7aguFbc14g=")
# 3.15.0, without the clients of two dozen clouds.
PROMETHEUS = Module(
    "github.com/prometheus/prometheus", "v0.315.0", "h1:sFGZWmC2Hk9N1NBJGCnXYZb5hyLCq8yuAMoEjLAg6ac=", "remove_all_sd"
)
PROGRAMS = {"otelcol": None, "jaeger": JAEGER, "prometheus": PROMETHEUS, "promtool": PROMETHEUS}


def place(name: str) -> Path:
    """Return where a program is, or will be; another version, or another manifest, is another file."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spanguard"
    module = PROGRAMS[name]
    if module is not None:
        return cache / f"{module.path.rpartition('/')[2]}-{module.version}" / name
    content = b"".join(path.read_bytes() for path in sorted(SOURCE.iterdir()))
    return cache / f"otelcol-{hashlib.sha256(content).hexdigest()[:16]}"


def go(*arguments: str, directory: Path, **environment: str) -> str:
    """Run Go, outside of any workspace, and return what it says."""
    variables = {**os.environ, "GOWORK": "off", "CGO_ENABLED": "0", **environment}
    ran = subprocess.run(["go", *arguments], cwd=directory, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    return ran.stdout


def build(name: str) -> None:
    """Build a program, and put it in its place in one step."""
    target, module = place(name), PROGRAMS[name]
    # A module's own source is built, not installed: `go install` refuses modules with a `replace`.
    source = SOURCE if module is None else fetched(module)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target first: only within one directory is a move a single step, and two builds may run at once.
    beside = target.with_name(f"{target.name}.{os.getpid()}")
    tags = "grpcnotrace" if module is None else module.tags
    flags = ["-trimpath", "-tags", tags, "-ldflags", "-s -w", "-o", str(beside)]
    package = "." if module is None else f"./cmd/{name}"
    go("build", *flags, package, directory=source, GOFLAGS="-buildvcs=false -mod=readonly")
    beside.replace(target)


def fetched(module: Module) -> Path:
    """Return the directory of a module's source, after checking its hash."""
    with tempfile.TemporaryDirectory() as empty:
        found = json.loads(go("mod", "download", "-json", f"{module.path}@{module.version}", directory=Path(empty)))
    if found["Sum"] != module.hash:
        sys.exit(f"{module.path}@{module.version} has the hash {found['Sum']}, and not {module.hash}")
    return Path(found["Dir"])


def generate() -> None:
    """Write the collector's source, with the builder of the release that the manifest names."""
    version = re.search(r"^ +version: (\S+)$", (HERE / "builder.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    if version is None:
        sys.exit("builder.yaml does not say its version")
    with tempfile.TemporaryDirectory() as directory:
        shutil.copy(HERE / "builder.yaml", directory)
        command = ["run", f"{BUILDER}@v{version[1]}", "--config", "builder.yaml", "--skip-compilation"]
        go(*command, directory=Path(directory))
        shutil.rmtree(SOURCE, ignore_errors=True)
        SOURCE.mkdir()
        for path in (Path(directory) / "otelcol").iterdir():
            (SOURCE / path.name).write_bytes(path.read_bytes())


def ready(name: str, *, cached: bool = False) -> Path:
    """Return where a program is, after building it if need be; with ``cached`` the process exits with 1 instead."""
    target = place(name)
    if not target.exists():
        if cached:
            sys.exit(f"{target} is not there yet: python collector-config/build.py {name}")
        if shutil.which("go") is None:
            sys.exit(f"Go is needed to build {name}: https://go.dev/dl")
        try:
            build(name)
        except subprocess.CalledProcessError as error:
            sys.exit(f"{name} could not be built: Go's exit code was {error.returncode}")
    return target


def main() -> None:
    """Say where the programs are, after building them if need be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(PROGRAMS)}, or all; otelcol if none is")
    parser.add_argument("--cached", action="store_true", help="build nothing; exit with 1 if one is not in the cache")
    parser.add_argument("--generate", action="store_true", help="write otelcol/ anew from builder.yaml")
    given = parser.parse_args()
    names: list[str] = list(PROGRAMS) if given.names == ["all"] else given.names or ["otelcol"]
    unknown = [name for name in names if name not in PROGRAMS]
    if unknown:
        parser.error(f"there is no {unknown[0]}; there are {', '.join(PROGRAMS)} and all")
    if given.generate:
        generate()
        return
    for name in names:
        print(ready(name, cached=given.cached))


if __name__ == "__main__":
    main()
