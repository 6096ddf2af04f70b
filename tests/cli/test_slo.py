"""`spanguard slo` as a user meets it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from slo.slo_files import ratio
from spanguard.store import Database


def slo_file(directory: Path, **changes: object) -> Path:
    """Write a file with one SLO."""
    path = directory / "slo.json"
    path.write_text(json.dumps({**ratio("success", 0.9), **changes}))
    return path


def test_the_same_file_gives_the_same_rules(run, here):
    """Byte by byte; printed, or written beside their tests."""
    path = slo_file(here)
    first, second = run("slo", "rules", path), run("slo", "rules", path)
    assert first.exit_code == 0
    assert first.output == second.output
    assert run("slo", "rules", path, "--out", here / "made").exit_code == 0
    assert (here / "made" / "slo.rules.yml").read_text() == first.output
    told = json.loads(run("slo", "rules", path, "--json").output)
    assert (told["rules"], told["tests"]) == (first.output, (here / "made" / "slo.test.yml").read_text())


def test_the_windows_are_those_of_the_workbook(run, here):
    """For 30 days: 14.4, 6 and 1 times too fast; for a day those that fit into it."""
    made = run("slo", "rules", slo_file(here)).output
    assert re.findall(r"burns ([\d.]+) times too fast, over (\w+) and over (\w+)", made) == [
        ("1", "1h", "5m"),
        ("1", "6h", "30m"),
    ]
    month = ratio("success", 0.99)
    month["spec"]["timeWindow"] = [{"duration": "30d"}]
    made = run("slo", "rules", slo_file(here, spec=month["spec"])).output
    factors = re.findall(r"burns ([\d.]+) times too fast, over (\w+) and over (\w+)", made)
    assert factors == [("14.4", "1h", "5m"), ("6", "6h", "30m"), ("1", "3d", "6h")]
    assert set(re.findall(r"} > ([\d.]+)", made)) == {"0.144", "0.06", "0.01"}


def test_a_wrong_file_is_exit_code_2(run, here):
    """With one line that says where."""
    result = run("slo", "check", slo_file(here, kind="SL0"))
    assert result.exit_code == 2
    assert "slo.json, document 1: kind: expected one of SLO" in result.stderr


def test_without_a_store_nobody_can_tell(run, here):
    """Exit code 2."""
    assert run("slo", "check", slo_file(here)).exit_code == 2


def test_the_report_has_no_colour_in_a_pipe(run, record):
    """And is a table with a line for each objective."""
    recorder = record()
    recorder.span("chat gpt-5.2")
    recorder.stop()
    result = run("slo", "check", slo_file(Path.cwd()))
    assert result.exit_code == 2
    assert "answers: objective-1  unknown" in result.output
    assert "answers: objective-1: there are no data" in result.output
    assert "\x1b" not in result.output


def test_drops_are_told_beside_the_verdicts(run, record, here):
    """What could not be written is missing from the figures: once for all objectives, and with each verdict in JSON."""
    record().stop()
    with Database.open(here / ".spanguard" / "telemetry.db") as database:
        drops = [
            (1, "spans", time.time_ns(), 3),
            (1, "metric points", time.time_ns(), 1_000),
            (1, "spans", time.time_ns(), 2),
        ]
        database.write({"resources": [(1, "run-1", "shop", "{}")], "drops": drops})
    said = "the store lacks what was lost before: 1,000 metric points, 5 spans"
    file = slo_file(here)
    file.write_text(json.dumps([ratio("success", 0.9), ratio("error_rate", 0.1, side="bad", name="errors")]))
    result = run("slo", "check", file)
    assert result.output.count(said) == 1
    told = json.loads(run("slo", "check", file, "--json").output)
    assert [each["notes"] for each in told["verdicts"]] == [[said]] * 2


def test_the_commands_start_without_the_sdk(process):
    """Nor YAML, nor SQLite, before they are needed."""
    heavy = "[m for m in ('opentelemetry.sdk', 'yaml') if m in sys.modules]"
    code = f"import sys; from spanguard.cli import slo, watch; print(*{heavy})"
    assert process("-c", code).stdout.strip() == ""


@pytest.mark.parametrize("place", ["rules/deep", "."])
def test_rules_are_written_where_they_are_wanted(run, here, place):
    """The directory is made."""
    result = run("slo", "rules", slo_file(here), "--out", here / place)
    assert result.exit_code == 0
    assert {each.suffixes[0] for each in (here / place).glob("*.yml")} == {".rules", ".test"}


def test_rules_that_cannot_be_written_are_exit_code_2(run, here):
    """With a word on why, and no traceback."""
    (here / "file").write_text("")
    result = run("slo", "rules", slo_file(here), "--out", here / "file" / "rules")
    assert (result.exit_code, "cannot be written" in result.stderr) == (2, True)
