# ruff: noqa: T201 - a command
"""The libraries' own test suites, without and with our instrumentation: the same tests must pass, and telemetry must come.

    python tests/conformance/run.py [LIBRARY ...] [--keep DIRECTORY]

Each suite comes from the library's source distribution, fetched from the package index, and runs in an environment of its
own: without us, with the SDK of OpenTelemetry set up all the same, then with its instrumentors. What only failed the second
time is tried once more, with its file alone, for some suites have tests that fail now and then. Prints one row a library,
and ends with 1 if a test that passed does not pass any more, unless it is listed as one that instrumentation is there to
change, or if a suite emitted nothing, for such a suite proves nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
_LONGEST = 1800.0
"""Seconds after which a suite is ended."""
_COUNTED = {
    "resilience.operation.attempts": "operations",
    "resilience.attempt.duration": "attempts",
    "resilience.circuit_breaker.calls": "breaker calls",
    "resilience.circuit_breaker.transitions": "transitions",
    "resilience.rate_limiter.requests": "limiter requests",
}


class Suite(NamedTuple):
    """One library's suite: which version, what its tests need, which tests, and what is instrumented."""

    version: str
    needs: tuple[str, ...]
    tests: tuple[str, ...]
    instrumentors: tuple[str, ...]
    options: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Tests that assert what instrumentation is there to change; docs/instrumentation.md says of each why."""


def _ours(module: str, name: str) -> str:
    return f"spanguard.instrumentation.{module}:{name}"


TENACITY = _ours("tenacity", "TenacityInstrumentor")
SUITES = {
    "tenacity": Suite("9.2.1", ("tornado", "trio", "typeguard", "pytest-asyncio"), ("tests",), (TENACITY,)),
    "stamina": Suite("26.1.0", ("anyio", "trio", "dirty-equals", "structlog", "prometheus-client"), ("tests",), (TENACITY,)),
    "pybreaker": Suite(  # its source distributions have no tests: give a checkout with --source
        "1.4.1", ("tornado", "redis", "fakeredis", "mock"), ("tests",), (_ours("pybreaker", "PyBreakerInstrumentor"),)
    ),
    "circuitbreaker": Suite(
        "2.1.3",
        ("pytest-asyncio", "pytest-mock"),
        ("tests",),
        (_ours("circuitbreaker", "CircuitBreakerInstrumentor"),),
        ("-o", "asyncio_mode=auto"),
    ),
    "aiolimiter": Suite(
        "1.3.0", ("pytest-asyncio", "pytest-cov", "dunamai"), ("tests",), (_ours("aiolimiter", "AioLimiterInstrumentor"),)
    ),
    "pyrate-limiter": Suite(  # without the tests that need a server
        "4.5.1",
        ("pytest-asyncio", "pytest-xdist", "filelock", "psycopg[binary,pool]", "redis", "aiohttp", "httpx", "requests"),
        ("tests",),
        (_ours("pyrate_limiter", "PyrateLimiterInstrumentor"),),
        ("-m", "not redis and not asyncredis and not postgres and not mpbucket"),
    ),
    "langchain-core": Suite(
        "1.7.2",
        (
            *("pytest-asyncio", "pytest-mock", "pytest-socket", "syrupy", "freezegun", "blockbuster", "responses", "numpy"),
            *("langchain-tests", "grandalf"),
        ),
        ("tests/unit_tests/runnables", "tests/unit_tests/rate_limiters", "tests/unit_tests/language_models"),
        (TENACITY, _ours("langchain", "LangChainInstrumentor")),
        ("-o", "asyncio_mode=auto"),
    ),
    "openai": Suite(  # clients, retries, answers and streams; most others need a server that plays the API
        "3.52.0",
        (
            *(
                "pytest-asyncio",
                "inline-snapshot",
                "rich",
                "trio",
                "azure-identity",
                "botocore",
                "aiohttp",
                "Pillow",
                "griffe",
            ),
            *("httpx", "httpx-aiohttp", "nest-asyncio", "numpy", "websockets"),
        ),
        (
            *(
                f"tests/test_{each}.py"
                for each in ("client", "module_client", "retry_after_overflow", "status_error_messages")
            ),
            *(f"tests/test_{each}.py" for each in ("response", "legacy_response", "httpx2", "httpx_compat", "stream_mode")),
            *(f"tests/test_{each}.py" for each in ("streaming", "sse_framing", "auth", "send_queue")),
            *("tests/lib/chat", "tests/lib/responses", "tests/lib/test_azure.py"),
        ),
        (_ours("openai", "OpenAIInstrumentor"),),
        ("-o", "addopts="),
    ),
    "anthropic": Suite(  # likewise
        "2.11.0",
        (
            *("pytest-asyncio", "inline-snapshot", "rich", "respx", "time-machine", "dirty-equals", "hypothesis", "boto3"),
            *("http-snapshot[httpx]==0.1.9", "httpx2>=2.9", "aiohttp", "httpx-aiohttp", "google-auth", "griffe", "packaging"),
        ),
        (
            *(f"tests/test_{each}.py" for each in ("client", "middleware", "streaming", "exceptions", "response", "prepare")),
            *("tests/test_open_telemetry.py", "tests/test_tracing.py", "tests/lib/streaming"),
        ),
        (_ours("anthropic", "AnthropicInstrumentor"),),
        ("-o", "addopts=-p tests._alias_httpx"),
        (
            "test_environment_variable_disables_spans",
            "test_environment_is_read_when_the_client_is_constructed",
            "test_platform_clients_read_the_environment_when_they_are_constructed",
            "test_disabled_spans_call_nothing_of_opentelemetry",
            "test_global_tracer_provider_that_cannot_be_loaded_leaves_",
            "test_false_keeps_a_span_that_the_sampler_dropped_current_for_the_requests",
            "test_propagation_off_keeps_a_dropped_span_current",
        ),
    ),
    "instructor": Suite(  # without those that ask real providers, those of other SDKs, and those of its documentation
        "1.17.0",
        ("pytest<9", "pytest-asyncio", "anthropic==0.93.0", "xmltodict<1.1", "jsonref", "python-dotenv", "diskcache"),
        (
            "tests/core",
            "tests/dsl",
            "tests/processing",
            "tests/cache",
            "tests/coverage",
            "tests/v2",
            "tests/test_streaming_reask_bug.py",
        ),
        (TENACITY, _ours("instructor", "InstructorInstrumentor"), _ours("openai", "OpenAIInstrumentor")),
        ("-o", "asyncio_mode=auto", "-m", "not llm and not integration", "--continue-on-collection-errors"),
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suites, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("libraries", nargs="*", metavar="LIBRARY", help=f"of {', '.join(SUITES)}; default: all")
    parser.add_argument("--keep", type=Path, help="directory for environments and sources, used again if it is there")
    parser.add_argument(
        "--source", action="append", default=[], metavar="LIBRARY=DIRECTORY", help="a checkout to test instead"
    )
    chosen = parser.parse_args(arguments)
    given = {name: Path(directory) for name, _, directory in (each.partition("=") for each in chosen.source)}
    unknown = set(chosen.libraries) - set(SUITES)
    if unknown:
        parser.error(f"there is no suite of {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as temporary:
        keep = chosen.keep or Path(temporary)
        rows = [_run(name, SUITES[name], keep, given.get(name)) for name in chosen.libraries or SUITES]
    print()
    for row in (("library", "passed", "with us", "spans", "emitted"), *(row[:-1] for row in rows)):
        print(f"{row[0]:<24} {row[1]:>8} {row[2]:>8} {row[3]:>7}  {row[4]}")
    faults = [f"{row[0]}: {each}" for row in rows for each in row[-1]]
    print("\n".join(["", *faults] if faults else ["", "The same tests pass, and all suites emitted."]))
    return 1 if faults else 0


def _run(name: str, suite: Suite, directory: Path, checkout: Path | None) -> tuple[Any, ...]:
    print(f"--- {name} {suite.version}", flush=True)
    root = directory / name
    root.mkdir(parents=True, exist_ok=True)
    python = _environment(name, suite, root)
    source = checkout or _source(name, suite, root)
    plain = _pytest(python, source, suite, root / "plain.json", ())
    ours = _pytest(python, source, suite, root / "ours.json", suite.instrumentors)
    passed = {test for test, outcome in plain["outcomes"].items() if outcome == "passed"}
    still = {test for test, outcome in ours["outcomes"].items() if outcome == "passed"}
    emitted = {words: ours["emitted"][metric] for metric, words in _COUNTED.items() if metric in ours["emitted"]}
    changed = {test for test in passed if any(each in test for each in suite.changed)}
    lost = sorted(passed - still - changed)
    if lost:
        files = tuple(sorted({test.partition("::")[0] for test in lost}))
        again = _pytest(python, source, suite._replace(tests=files), root / "again.json", suite.instrumentors)
        still |= {test for test, outcome in again["outcomes"].items() if outcome == "passed"}
    faults = [f"{test} passes no more" for test in sorted(passed - still - changed)]
    faults += [f"{test} passes, and is listed as one that cannot" for test in sorted(still & changed)]
    if not passed:
        faults.append("no test of the suite passes")
    if not ours["outcomes"]:
        faults.append("with us the suite came to no end: it crashed, or took too long")
    if not emitted:
        faults.append("nothing was emitted")
    told = ", ".join(f"{count} {words}" for words, count in emitted.items())
    if changed - still:
        told += f"; {len(changed - still)} tests are changed on purpose"
    return f"{name} {suite.version}", len(passed), len(passed & still), ours["emitted"].get("spans", 0), told, faults


def _environment(name: str, suite: Suite, root: Path) -> str:
    """Make the environment of a suite, and return its Python."""
    python = root / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", root / "venv"], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "-e", PROJECT, "pytest", f"{name}=={suite.version}", *suite.needs], check=True)
    return str(python)


def _source(name: str, suite: Suite, root: Path) -> Path:
    """Fetch and unpack the source distribution, and return its directory."""
    source = root / "source"
    if not source.exists():
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*download, "--dest", root, f"{name}=={suite.version}"], check=True)
        (archive,) = root.glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(source, filter="data")
    (unpacked,) = source.iterdir()
    return unpacked


def _pytest(python: str, source: Path, suite: Suite, report: Path, instrumentors: tuple[str, ...]) -> dict[str, Any]:
    """Run a suite and return its account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SPANGUARD_", "PYTEST_"))}
    environment = {
        **kept,
        "PYTHONPATH": str(HERE),
        "CONFORMANCE_REPORT": str(report),
        "CONFORMANCE_INSTRUMENTORS": ",".join(instrumentors),
    }
    report.unlink(missing_ok=True)
    # The library is the installed one: what lies in the source's top directory is not to be imported.
    command = [python, "-m", "pytest", "-q", "-p", "plugin", "--no-header", "-W", "default", *suite.options, *suite.tests]
    with report.with_suffix(".log").open("w") as log, contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, cwd=source, env=environment, stdout=log, stderr=log, check=False, timeout=_LONGEST)
    print(
        f"    {'with' if instrumentors else 'without'}: {report.with_suffix('.log').read_text().splitlines()[-1]}", flush=True
    )
    found: dict[str, Any] = json.loads(report.read_text()) if report.exists() else {"outcomes": {}, "emitted": {}}
    return found


if __name__ == "__main__":
    sys.exit(main())
