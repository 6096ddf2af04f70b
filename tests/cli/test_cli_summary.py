"""`spanguard summary`, `export`, `import` and `purge`, and what `show` can be asked for."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from spanguard import semconv
from spanguard.cli import progress as progress_module
from spanguard.cli.options import _Time
from spanguard.cli.progress import progress
from spanguard.store import Database
from spanguard.store.export import TABLES
from spanguard.store.views import VIEWS

PROGRAM = Path(__file__).parent.parent / "store" / "every_column.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """The store of a program that uses everything."""
    path = tmp_path_factory.mktemp("summary") / "telemetry.db"
    subprocess.run([sys.executable, PROGRAM, path], check=True, timeout=60)
    return path


@pytest.fixture
def store(made, here) -> Path:
    """A copy of it, in a directory of its own."""
    with Database.open(made, read_only=True) as database:
        database.rows("VACUUM INTO ?", [str(here / "t.db")])
    return here / "t.db"


# ----------------------------------------------------------------------------------------------------------- summary


def test_the_last_hour_is_summed_up(store, run) -> None:
    """Without a word, the hour that ends with the newest row; each section that has something to say is there."""
    shown = run("summary", "--store", store).output
    assert re.search(r"Summary of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d to ", shown)
    assert re.search(r"model calls +5, ", shown)
    for title in ("Latency", "Errors", "Rules that failed most", "Safety", "Circuit breakers", "Failovers", "Rate limiters"):
        assert f"\n{title}\n" in shown
    for line in ("total_matches: 1 failed, 1 passed", "high blocked: 1", "provider: opened 1 times", "first to second 1"):
        assert line in shown
    assert "context assembly" in shown
    assert re.search(r"Users\n  user +calls", shown)


def test_a_summary_is_json(store, run) -> None:
    """The same figures, and no text."""
    told = json.loads(run("summary", "--store", store, "--json").output)
    assert told["statistics"]["requests"]["count"] == 5
    assert told["statistics"]["operations"]["outcomes"] == {"recovered": 3, "exhausted": 2}
    assert told["window"] == "hour"
    assert (told["by"], told["groups"], told["compared"]) == (None, [], [])


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("run", ["nightly"]),
        ("provider", ["openai", "embedded"]),
        ("model", ["gpt-5.2", ""]),
        ("policy", ["failover mirrors", "repair hopeless", "repair report", "repair work", "retry fetch"]),
    ],
)
def test_one_line_for_each(store, run, by, keys) -> None:
    """Runs, providers, models, policies; those with the most requests first."""
    told = json.loads(run("summary", "--store", store, "--by", by, "--json").output)
    assert [group["key"] for group in told["groups"]] == keys
    assert told["statistics"] is None


@pytest.mark.parametrize("by", ["user", "space", "window"])
def test_one_line_for_each_of_one(store, run, by) -> None:
    """Users, spaces and windows, as text too."""
    shown = run("summary", "--store", store, "--by", by, "--window", "day").output
    assert re.search(rf"\n  {by} +calls +errors +success", shown)
    assert len(shown.strip().splitlines()) == 4


def test_a_run_is_compared_with_another(store, run) -> None:
    """Figure by figure; with itself nothing has changed."""
    shown = run("summary", "--store", store, "--run", "nightly", "--compare", "nightly").output
    assert "Summary of run nightly" in shown
    assert re.search(r"Side by side\n +now +other +change\n  requests +5 +5 +\+0.0 %", shown)


@pytest.mark.parametrize("arguments", [("--run", "x"), ("--compare", "x"), ("--by", "user", "--since", "2200-01-01")])
def test_a_summary_of_nothing_is_a_no(store, run, arguments) -> None:
    """Exit code 1, and one sentence."""
    result = run("summary", "--store", store, *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")


def test_an_empty_store_has_no_summary(here, run) -> None:
    """There is a store, and nothing in it."""
    Database.open(here / "t.db").close()
    result = run("summary", "--store", here / "t.db")
    assert (result.exit_code, "nothing is recorded yet" in result.stderr) == (1, True)


def test_spans_without_metrics_have_no_rates(record, run) -> None:
    """What nobody knows is a dash, not a zero."""
    recorder = record()
    recorder.span("chat", gen_ai_operation="chat", call_cost=0.5)
    recorder.stop()
    shown = run("summary").output
    assert re.search(r"error rate +-, 0 failed", shown)
    assert re.search(r"cost +\$0\.500000", shown)


# -------------------------------------------------------------------------------------------------------------- show


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("--name", "HOPE"), ["repair hopeless"]),
        (("--outcome", "recovered"), ["repair paper"]),
        (("--error", "TimeoutError"), ["repair hopeless"]),
        (("--error", "timeout"), ["repair hopeless"]),
        (("--since", "1970-01-01T00:00:02"), ["repair paper"]),
        (("--outcome", "success", "--limit", "1"), ["repair plain"]),
    ],
)
def test_traces_are_filtered(record, run, arguments, names) -> None:
    """By a word in a name, by outcome, by an error inside, by time."""
    recorder = record()
    for number in range(3):
        recorder.repair("plain", 1, at=0.1 * number)
    recorder.repair("paper", 2, at=2)
    root = recorder.span("repair hopeless", at=1, outcome="exhausted")
    recorder.span("attempt", parent=root, at=1, error_type="TimeoutError", error_category="timeout", attempt_number=1)
    recorder.stop()
    told = json.loads(run("show", *arguments, "--json").output)
    assert [row["name"] for row in told["traces"]] == names
    assert told["trace"][0]["name"] == names[0]


def test_no_such_trace_is_a_no(record, run) -> None:
    """As everywhere."""
    record().span("work")
    assert run("show", "--name", "else").exit_code == 1


def test_waits_are_shown(record, run) -> None:
    """What a limiter held up, beside how long everything took."""
    recorder = record()
    recorder.span("rate_limiter openai", limiter_delay=0.5)
    recorder.stop()
    assert re.search(r"rate_limiter openai +1.00 s .*waited 500 ms", run("show").output)


def test_every_kind_of_event_is_listed(record, run) -> None:
    """Those of the vocabulary whether recorded or not, and others."""
    recorder = record()
    span = recorder.span("work")
    recorder._tracer.start_span("work").end()
    live = recorder._tracer.start_span("more")
    live.add_event("of.somebody")
    live.add_event(semconv.RETRY_SCHEDULED.name)
    live.end()
    recorder.stop()
    assert span
    told = json.loads(run("show", "--events", "--json").output)
    counts = {kind["name"]: kind["count"] for kind in told["events"]}
    assert counts == {**dict.fromkeys(semconv.EVENTS, 0), semconv.RETRY_SCHEDULED.name: 1, "of.somebody": 1}
    assert re.search(r"resilience.retry.scheduled +WARN +1 +\d\d-\d\d", run("show", "--events").output)


def test_traces_are_followed(record, here, process) -> None:
    """A line for each trace as it ends, until interrupted; a child that ends first is not taken for one."""
    recorder = record()
    recorder.span("before")
    store = here / ".spanguard" / "telemetry.db"
    command = [sys.executable, "-u", "-m", "spanguard", "show", "--follow", "--json", "--store", str(store)]
    found: list[dict[str, object]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        reader = threading.Thread(target=lambda: found.append(json.loads(following.stdout.readline())))
        reader.start()
        while reader.is_alive():
            # Again and again: nobody knows when the other has begun to follow.
            root = recorder._tracer.start_span("repair after")
            recorder.span("attempt", parent=root)
            root.end()
            reader.join(0.2)
        following.terminate()
    assert found[0]["name"] == "repair after"


# ------------------------------------------------------------------------------------------------ export and import


def test_everything_is_exported(store, here, run) -> None:
    """JSON lines by default, into a directory of its own."""
    result = run("export", "--store", store)
    assert result.exit_code == 0
    for name in VIEWS:
        assert (here / "spanguard-export" / f"{name}.jsonl").is_file()
    assert re.search(r"llm_calls.jsonl  5 rows, [\d,]+ bytes", result.output)


def test_one_view_is_exported(store, here, run) -> None:
    """And said so in JSON."""
    told = json.loads(run("export", here / "out", "--store", store, "--view", "sessions", "--json").output)
    assert [(file["name"], file["rows"]) for file in told["files"]] == [("sessions", 1)]


def test_otlp_goes_out_and_comes_in(store, here, run) -> None:
    """Three files, one for each signal; read into a new store, as they are only if code and environment say so."""
    assert run("export", here / "out", "--store", store, "--format", "otlp").exit_code == 0
    for signal in ("traces", "metrics"):
        result = run("import", here / "out" / f"{signal}.jsonl", "--store", here / "new.db", "--json")
        assert result.exit_code == 0, result.stderr
        assert sum(json.loads(result.output)["rows"].values())
    again = run("import", here / "out" / "traces.jsonl", "--store", here / "new.db")
    assert re.search(r"0 spans, .*; \d+ known already\.", again.output)


def test_as_is_needs_two_words(store, here, run) -> None:
    """The option alone does not open the guard."""
    run("export", here / "out", "--store", store, "--format", "otlp")
    result = run("import", here / "out" / "traces.jsonl", "--store", here / "new.db", "--as-is")
    assert (result.exit_code, "SPANGUARD_PRIVACY" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--run", "x"), 1), (("--format", "otlp", "--view", "spans"), 2), (("--view", "x"), 2), (("--since", "soon"), 2)],
)
def test_what_cannot_be_exported(store, run, arguments, code) -> None:
    """Nothing of the kind is a no; what makes no sense is refused."""
    result = run("export", "--store", store, *arguments)
    assert (result.exit_code, result.stdout) == (code, "")


@pytest.mark.skipif(bool(importlib.util.find_spec("duckdb")), reason="DuckDB is here")
def test_parquet_needs_duckdb(store, run) -> None:
    """It says what to install."""
    result = run("export", "--store", store, "--format", "parquet")
    assert (result.exit_code, 'pip install "spanguard[parquet]"' in result.stderr) == (2, True)


@pytest.mark.skipif(not importlib.util.find_spec("duckdb"), reason="needs the extra parquet")
def test_parquet_is_written(store, here, run) -> None:
    """A file for each view and kind."""
    assert run("export", here / "out", "--store", store, "--format", "parquet").exit_code == 0
    assert len(list((here / "out").glob("*.parquet"))) == len(TABLES)


def test_a_file_without_otlp_is_a_no(here, run) -> None:
    """And a file that is not there is refused."""
    (here / "x.jsonl").write_text("hello\n")
    result = run("import", here / "x.jsonl", "--store", here / "new.db")
    assert (result.exit_code, "has no OTLP-JSON" in result.stderr) == (1, True)
    assert run("import", here / "y.jsonl").exit_code == 2


# ------------------------------------------------------------------------------------------------------------- purge


def test_a_run_is_purged(store, run) -> None:
    """It says what went; afterwards there is nothing of the kind."""
    result = run("purge", "--store", store, "--run", "nightly")
    assert re.search(r"Deleted from .*: \d+ spans, \d+ metric points", result.output)
    assert run("purge", "--store", store, "--all").exit_code == 1


def test_purge_tells_its_counts(store, run) -> None:
    """In JSON, by table."""
    told = json.loads(run("purge", "--store", store, "--all", "--json").output)
    assert set(told["deleted"]) == {"spans", "metric_points", "log_events", "drops"}
    assert told["deleted"]["spans"] > 20


@pytest.mark.parametrize("arguments", [(), ("--all", "--run", "x"), ("--before", "x")])
def test_purge_wants_to_be_told(store, run, arguments) -> None:
    """Nothing is deleted by a slip."""
    assert run("purge", "--store", store, *arguments).exit_code == 2


def test_purge_makes_no_store(here, run) -> None:
    """There is none, and there is none afterwards."""
    assert run("purge", "--store", here / "x.db", "--all").exit_code == 2
    assert not (here / "x.db").exists()


# --------------------------------------------------------------------------------------------------- times, progress


@pytest.mark.parametrize(("text", "ago"), [("90s", 90), ("15m", 900), ("1h", 3600), ("2d", 172_800), ("1w", 604_800)])
def test_a_time_ago(text, ago) -> None:
    """Seconds, minutes, hours, days, weeks."""
    assert abs(time.time_ns() - ago * 10**9 - _Time().convert(text, None, None)) < 10**10


@pytest.mark.parametrize(
    "text", ["2026-11-21T05:14", "2026-11-21T05:14:00Z", "2026-11-21T07:14:00+02:00", "2026-11-21 05:14"]
)
def test_a_date_is_utc(text) -> None:
    """Unless it says otherwise."""
    assert _Time().convert(text, None, None) == 1_795_238_040 * 10**9


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31T23:59-23:59", "99999999999999999999d", "0001-01-01T00:00+14:00"])
def test_a_time_that_no_store_can_compare_with_is_the_nearest_that_it_can(store, run, text) -> None:
    """Everything or nothing: a number that is too large is no reason to fail."""
    assert 0 <= _Time().convert(text, None, None) < 2**63
    result = run("summary", "--store", store, "--since", text, "--json")
    assert (result.exit_code, bool(json.loads(result.output)["statistics"]["requests"]["count"])) == (
        0,
        not text.startswith("9999-"),
    )


def test_a_run_of_association_is_a_run_too(record, run) -> None:
    """It has spans alone, of which its figures and traces are."""
    recorder = record()
    recorder.span("chat m", gen_ai_operation="chat", gen_ai_input=7, run_id="part")
    recorder.span("chat m", gen_ai_operation="chat", at=2)
    recorder.stop()
    told = json.loads(run("summary", "--run", "part", "--compare", "run-1", "--json").output)["statistics"]
    assert (told["requests"]["count"], told["requests"]["input_tokens"]) == (1, 7)
    shown = json.loads(run("show", "--run", "part", "--json").output)
    assert ([each["start_ns"] for each in shown["traces"]], shown["summary"]["calls"]["requests"]) == ([10**9], 1)
    assert run("summary", "--run", "neither").exit_code == run("show", "--run", "neither").exit_code == 1


def test_a_bar_is_for_terminals(monkeypatch, capsys) -> None:
    """On stderr, so that what is piped stays clean; without a terminal there is none."""
    with progress("Writing", lambda: pytest.fail("nobody needs to know")) as told:
        told(10)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress_module.sys.stderr, "isatty", lambda: True)
    with progress("Writing", lambda: 10) as told:
        told(10)
    assert "Writing" in capsys.readouterr().err


def test_commands_start_without_the_sdk(store, process) -> None:
    """To read a store takes neither the SDK nor DuckDB."""
    code = (
        "import sys; from spanguard.cli import main; main({!r}, standalone_mode=False); print([m for m in sys.modules if {}])"
    )
    slow = "m.startswith(('opentelemetry.sdk', 'duckdb', 'wrapt'))"
    for arguments in (["summary", "--store", str(store)], ["export", "--store", str(store)], ["show", "--store", str(store)]):
        assert process("-c", code.format(arguments, slow), cwd=store.parent).stdout.rstrip().endswith("[]")
