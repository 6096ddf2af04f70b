"""The examples run as they stand, offline, and show in the local store what they are about."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from spanguard import semconv
from spanguard.semconv import Metric
from spanguard.store import Database, SpanRow, runs, trace, traces
from spanguard.store.points import read

ROOT = Path(__file__).parent.parent


def run(directory: Path, *command: str) -> str:
    """Run a command of an example's reader in an empty directory."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SPANGUARD_"))}
    ran = subprocess.run(
        [sys.executable, "-W", "error", *command], cwd=directory, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def example(directory: Path, name: str) -> str:
    """Run an example and return what it prints."""
    return run(directory, str(ROOT / "examples" / f"{name}.py"))


def shown(directory: Path) -> dict[str, Any]:
    """Return what `spanguard show --json` says."""
    found: dict[str, Any] = json.loads(run(directory, "-m", "spanguard", "show", "--json"))
    return found


def store(directory: Path) -> Database:
    """Open the store that an example has written."""
    return Database.open(directory / ".spanguard" / "telemetry.db", read_only=True)


def spans(directory: Path, beginning: str) -> list[SpanRow]:
    """Return the spans whose name begins like this, in the order of their start."""
    with store(directory) as db:
        found = [span for row in traces(db, limit=100) for span in trace(db, row.trace_id)]
    return sorted((span for span in found if span.name.startswith(beginning)), key=lambda span: span.start_ns)


def values(rows: list[SpanRow], key: str) -> list[object]:
    """Return an attribute of each span, None where it has none."""
    return [row.attributes.get(key) for row in rows]


def counted(directory: Path, metric: Metric, key: str) -> dict[str, float]:
    """Add up a counter, or the number of measurements of a histogram, by one of its attributes."""
    found: Counter[str] = Counter()
    with store(directory) as db:
        for series in read(db, runs(db)[0].run).of(metric.name):
            found[series.text(key)] += int(series.count or series.value)
    return dict(found)


def broken_rules(directory: Path) -> set[str]:
    """Return the rules that were broken, of the newest run."""
    return {rule for rule, verdicts in shown(directory)["summary"]["validations"].items() if verdicts["failed"]}


def is_kept(directory: Path, word: str) -> bool:
    """Whether a word is anywhere in the files of the store."""
    return any(word.encode() in file.read_bytes().lower() for file in (directory / ".spanguard").iterdir())


def needs(*libraries: str) -> pytest.MarkDecorator:
    """Skip where a library that the example uses is not installed."""
    missing = [name for name in libraries if find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs the extra `examples`: {', '.join(missing)}")


def test_quickstart(tmp_path: Path) -> None:
    """A repair loop that recovers at its third attempt, with two answers wasted."""
    assert example(tmp_path, "quickstart") == "Paris\n"
    summary = shown(tmp_path)["summary"]
    assert summary["calls"]["requests"] == 3
    assert summary["operations"]["repaired"] == 1
    assert summary["tokens"]["wasted"] > summary["tokens"]["useful"] > 0


@needs("fastapi")
def test_streaming_service(tmp_path: Path) -> None:
    """A stream that is left early ends as cancelled, with what it has used so far; its neighbour is not touched."""
    example(tmp_path, "streaming_service")
    whole, part = sorted(spans(tmp_path, "chat"), key=lambda span: semconv.OUTCOME in span.attributes)
    assert values([whole, part], semconv.OUTCOME) == [None, "cancelled"]
    assert values([whole, part], semconv.CHUNKS) == values([whole, part], semconv.GEN_AI_OUTPUT) == [21, 3]
    assert shown(tmp_path)["summary"]["calls"]["errors"] == 0


@needs("openai", "pydantic")
def test_repair_pydantic(tmp_path: Path) -> None:
    """Verdicts name pydantic's rule and the field; a field that the model made up is a pseudonym, nowhere in clear."""
    assert example(tmp_path, "repair_pydantic").startswith("customer='Harbour Inn'")
    broken = broken_rules(tmp_path)
    invented = next(rule for rule in broken if rule.startswith("h:"))
    assert broken == {"json_invalid", "missing:customer", "int_parsing:lines.*.pieces", invented}
    assert is_kept(tmp_path, "int_parsing:lines")
    assert not is_kept(tmp_path, "smith")


@needs("openai", "pybreaker", "aiolimiter")
def test_failover_breaker(tmp_path: Path) -> None:
    """A breaker opens after two failures, rejects three calls, and closes after a call on trial."""
    assert example(tmp_path, "failover_breaker") == "The shelves come on the twelfth.\n" * 6
    assert counted(tmp_path, semconv.BREAKER_CALLS, semconv.BREAKER_RESULT) == {"failure": 2, "rejected": 3, "success": 6}
    assert counted(tmp_path, semconv.BREAKER_TRANSITIONS, semconv.BREAKER_TO) == {"open": 1, "half_open": 1, "closed": 1}
    assert counted(tmp_path, semconv.FAILOVER_HOPS, semconv.FAILOVER_TO) == {"backup": 5}
    assert counted(tmp_path, semconv.LIMITER_REQUESTS, semconv.LIMITER_RESULT)["delayed"] >= 1


def test_code_generation(tmp_path: Path) -> None:
    """The packages that generated code wanted are told: known ones by name, an invented one as a pseudonym."""
    assert example(tmp_path, "code_generation").startswith("import re\n")
    (repair,) = spans(tmp_path, "repair")
    packages = repair.attributes[semconv.DEPENDENCIES]
    assert isinstance(packages, list)
    assert sorted(name for name in packages if not name.startswith("h:")) == ["re", "requests"]
    assert len(packages) == 3
    assert broken_rules(tmp_path) == {"is_python", "only_standard_library", "no_hidden_code", "fully_annotated"}


def test_shell_assistant(tmp_path: Path) -> None:
    """Each verdict on a command tells its action, its risk and its category, and the command itself is nowhere."""
    assert "rm -rI ./build" in example(tmp_path, "shell_assistant")
    events = [event.attributes for span in spans(tmp_path, "attempt") for event in span.events]
    verdicts = [(e[semconv.VALIDATION_ACTION], e[semconv.RISK_LEVEL], e[semconv.PATTERN_CATEGORY]) for e in events]
    assert Counter(verdicts) == {
        ("blocked", "critical", "destructive_rm"): 1,
        ("fixed", "medium", "destructive_rm"): 1,
        ("blocked", "critical", "pipe_to_shell"): 1,
        ("warned", "high", "privilege_escalation"): 1,
        ("blocked", "medium", "recursive_operations"): 1,
        ("blocked", "critical", "data_exfiltration"): 2,
    }
    assert counted(tmp_path, semconv.VALIDATIONS, semconv.VALIDATION_STAGE) == {"input": 7, "tool": 10}
    assert is_kept(tmp_path, "root_only_if_needed")
    assert not is_kept(tmp_path, "nginx")


def test_download_pipeline(tmp_path: Path) -> None:
    """Components that know only callbacks are seen whole: tries, waits, lookups, transitions, and the fallbacks."""
    printed = example(tmp_path, "download_pipeline").splitlines()
    assert [line.partition(" ")[2] for line in printed[:4]] == [
        f"is from /{where}" for where in ("near/a.whl", "origin/b.whl", "near/c.whl", "near/a.whl")
    ]
    tries = spans(tmp_path, "GET")
    assert Counter(values(tries, semconv.HTTP_STATUS)) == {500: 6, 502: 4, 429: 1, 200: 3}
    assert Counter(values(tries, semconv.RETRY_AFTER)) == {None: 13, 1.0: 1}
    assert counted(tmp_path, semconv.RETRY_DELAYS, semconv.DELAY_SOURCE) == {"backoff": 5, "retry_after": 1}
    assert counted(tmp_path, semconv.CACHE_LOOKUPS, semconv.CACHE_RESULT) == {"hit": 1, "miss": 4}
    assert counted(tmp_path, semconv.BREAKER_TRANSITIONS, semconv.BREAKER_TO) == {"open": 1}
    assert counted(tmp_path, semconv.BREAKER_CALLS, semconv.BREAKER_RESULT) == {"failure": 5, "rejected": 2, "success": 3}
    assert sum(counted(tmp_path, semconv.LIMITER_REQUESTS, semconv.LIMITER_RESULT).values()) == 8


def test_download_pipeline_candidates(tmp_path: Path) -> None:
    """Each mirror that is tried tells its rank and its host; the work and the artifact are pseudonyms on the whole."""
    example(tmp_path, "download_pipeline")
    tried = [span for span in spans(tmp_path, "attempt") if semconv.FAILOVER_CANDIDATE in span.attributes]
    assert Counter(zip(values(tried, semconv.FAILOVER_SOURCE), values(tried, semconv.FAILOVER_TIER), strict=True)) == {
        ("fast", 1): 4,
        ("near", 2): 4,
        ("origin", 3): 2,
    }
    downloads = spans(tmp_path, "failover download")
    assert values(downloads, semconv.OUTCOME) == ["recovered", "recovered", "recovered", "exhausted"]
    works, artifacts = (set(values(downloads, key)) for key in (semconv.WORK_ID, semconv.ARTIFACT_ID))
    assert (len(works), len(artifacts)) == (1, 4)


def test_batch_job(tmp_path: Path) -> None:
    """The threads of a pool work for the run that their work was handed out in."""
    assert example(tmp_path, "batch_job").splitlines() == [
        "monday: 1 recovered, 3 success; $0.000015",
        "tuesday: 1 exhausted, 1 recovered, 1 success; $0.000011",
    ]
    assert Counter(values(spans(tmp_path, "retry"), semconv.RUN_ID)) == {"monday": 4, "tuesday": 3}


def test_own_provider(tmp_path: Path) -> None:
    """Whichever way an unknown provider's usage is told, the calls say the same, and what is free costs 0, not nothing."""
    example(tmp_path, "own_provider")
    said = spans(tmp_path, "chat")
    assert values(said, semconv.GEN_AI_PROVIDER) == ["oracle"] * 3
    keys = semconv.GEN_AI_INPUT, semconv.GEN_AI_OUTPUT, semconv.CALL_COST
    assert [tuple(span.attributes[key] for key in keys) for span in said] == [(5, 13, 0.00075)] * 3
    assert values(said, semconv.GEN_AI_RESPONSE_MODEL) == ["delphi-2-large", "delphi-2-large", None]
    assert values(spans(tmp_path, "embeddings"), semconv.CALL_COST) == [0.0]
