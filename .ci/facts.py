"""What the gate must know or compare: `python facts.py interpreters|missing|oldest|wheel FILE|same DEMO SHOW`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

PROJECT = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
VERSIONS = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', PROJECT)
PROBE = "import ensurepip, os, sys, venv; print('%d.%d' % sys.version_info[:2], os.path.realpath(sys.executable))"


def candidates(version: str) -> Iterator[str]:
    """Find what may be an interpreter of this version: on the path, and among pyenv's, whose shims refuse to work."""
    yield sys.executable
    for directory in os.get_exec_path():
        yield shutil.which(f"python{version}", path=directory) or ""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for path in sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True):
        yield str(path)


def interpreter(version: str) -> str | None:
    """Return an interpreter of this version that works and can make environments."""
    for candidate in filter(None, candidates(version)):
        ran = subprocess.run([candidate, "-c", PROBE], capture_output=True, text=True, check=False)
        found, _, path = ran.stdout.strip().partition(" ")
        if ran.returncode == 0 and found == version:
            return path
    return None


def interpreters() -> str:
    """List the interpreters of the versions that pyproject.toml names, the oldest version first."""
    return "\n".join(filter(None, map(interpreter, VERSIONS)))


def missing() -> str:
    """Say which versions were not found."""
    absent = [version for version in VERSIONS if interpreter(version) is None]
    return f"not found, and so not tested: Python {', '.join(absent)}" if absent else "every supported Python was found"


def oldest() -> str:
    """Return pip's constraints for the oldest base dependencies that pyproject.toml admits."""
    listed = PROJECT.partition("\ndependencies = [")[2].partition("\n]")[0]
    pairs = re.findall(r'^ +"([\w-]+)>=([\w.]+)(?:;[^"]*)?",', listed, re.MULTILINE)
    if len(pairs) != listed.count(">="):
        sys.exit("a base dependency has no plain lower bound")
    return "\n".join(f"{name}=={version}" for name, version in pairs)


def wheel(file: str) -> str:
    """See that a wheel holds the package with its types, and nothing besides."""
    names = zipfile.ZipFile(file).namelist()
    strangers = [name for name in names if not re.match(r"spanguard(-[^/]+\.dist-info)?/", name) or "test_" in name]
    if strangers or "spanguard/py.typed" not in names:
        sys.exit(f"the wheel lacks spanguard/py.typed, or has what it should not: {strangers}")
    return f"{Path(file).name}: {len(names)} files, typed, no tests"


def same(demo: str, show: str) -> str:
    """See that `demo --json` and `show --json` tell the same, and that the ledger agrees."""
    told, shown = (json.loads(Path(file).read_text(encoding="utf-8")) for file in (demo, show))
    ledger, differences = told.pop("ledger"), told.pop("differences")
    if told != shown or differences:
        sys.exit(f"demo and show differ, or the ledger from both: {[key for key in shown if told.get(key) != shown[key]]}")
    return f"the same: {', '.join(told)}; and the ledger of {ledger['requests']} requests agrees"


if __name__ == "__main__":
    commands = {each.__name__: each for each in (interpreters, missing, oldest, wheel, same)}
    print(commands[sys.argv[1]](*sys.argv[2:]))
