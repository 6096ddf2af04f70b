"""`spanguard show`."""

from __future__ import annotations

import json

import pytest

from spanguard.cli.report import most_telling
from spanguard.store import Database, TraceRow


def row(name: str, outcome: str = "success", attempts: int = 1) -> TraceRow:
    """Return a trace in a line."""
    return TraceRow("0" * 32, 1, 1, name, outcome, 1, attempts, None, None, None)


def test_the_newest_traces_are_listed(record, run) -> None:
    """Newest first, and no more than asked for."""
    recorder = record()
    for number in range(4):
        recorder.span(f"job-{number}", at=number + 1)
    shown = run("show", "--limit", 2).output
    assert shown.index("job-3") < shown.index("job-2")
    assert "job-1" not in shown


def test_the_repair_with_the_most_attempts_is_the_most_telling() -> None:
    """It shows what spanguard is for."""
    rows = [row("chat", "failed"), row("repair a", attempts=2), row("repair b", attempts=3), row("retry c", attempts=9)]
    assert most_telling(rows).name == "repair b"


def test_without_a_repair_the_latest_error_is_the_most_telling() -> None:
    """Rows are newest first; a repair that succeeded at once tells little."""
    rows = [row("new"), row("repair x"), row("retry y", "exhausted"), row("old", "failed")]
    assert most_telling(rows).name == "retry y"


def test_without_an_error_the_latest_is_the_most_telling() -> None:
    """There is something to see in any case, unless there is nothing at all."""
    assert most_telling([row("new"), row("old")]).name == "new"
    assert most_telling([]) is None


def test_the_most_telling_trace_of_the_newest_run_is_shown_as_a_tree(record, run) -> None:
    """An older run may have had more attempts."""
    record(run="old").repair("old", attempts=4, at=1)
    newest = record(run="new").repair("new", attempts=2, at=100)
    shown = run("show").output
    assert f"The most telling trace: {newest}" in shown
    assert "└─ attempt 2" in shown
    assert "Reliability of run new" in shown


def test_a_run_can_be_chosen(record, run) -> None:
    """With --run, list, tree and figures are those of that run."""
    old = record(run="old").repair("old", attempts=2, at=1)
    record(run="new").repair("new", attempts=3, at=100)
    shown = run("show", "--run", "old").output
    assert f"The most telling trace: {old}" in shown
    assert "Reliability of run old" in shown
    assert "repair new" not in shown


def test_a_trace_can_be_chosen_by_the_beginning_of_its_id(record, run) -> None:
    """Its tree is shown, and nothing else."""
    trace = record().repair("x", attempts=2)
    result = run("show", trace[:8])
    assert result.exit_code == 0
    assert f"Trace {trace}" in result.output
    assert "Reliability" not in result.output
    assert "Newest" not in result.output


@pytest.mark.parametrize("arguments", [("ffffffff",), ("not-an-id",), ("--run", "nobody's")])
def test_what_is_not_there_is_a_no(record, run, arguments) -> None:
    """One sentence, and exit code 1."""
    record().span("job")
    result = run("show", *arguments)
    assert result.exit_code == 1
    assert "there is no" in result.stderr
    assert arguments[-1] in result.stderr


def test_a_trace_and_a_run_are_too_much(record, run) -> None:
    """A trace belongs to one run already."""
    record().span("job")
    assert run("show", "abc", "--run", "run-1").exit_code == 2


def test_an_empty_store_is_a_no(here, run) -> None:
    """The store is there, but tells nothing yet."""
    Database.open(here / "new.db").close()
    result = run("show", "--store", here / "new.db")
    assert result.exit_code == 1
    assert "nothing is recorded yet" in result.stderr


def test_no_store_at_all(here, run) -> None:
    """One sentence that says how to get one, and exit code 2."""
    result = run("show")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: There is no local store here")
    assert "spanguard demo" in result.stderr


def test_a_store_that_is_none(here, run) -> None:
    """A file of something else is left as it is; exit code 2."""
    file = here / "notes.db"
    file.write_bytes(b"These are my notes." * 100)
    before = file.read_bytes()
    result = run("show", "--store", file)
    assert result.exit_code == 2
    assert "notes.db" in result.stderr
    assert file.read_bytes() == before


def test_a_store_that_is_not_there(here, run) -> None:
    """Looking does not make it."""
    result = run("show", "--store", here / "nowhere.db")
    assert result.exit_code == 2
    assert not (here / "nowhere.db").exists()


def test_it_says_which_file_it_reads(record, here, run) -> None:
    """The first line names the file."""
    record().span("job")
    assert run("show").output.strip().startswith(f"Reading {here / '.spanguard' / 'telemetry.db'}")


def test_the_environment_names_the_store(record, here, run, monkeypatch) -> None:
    """SPANGUARD_STORE is where programs write, so it is where `show` reads."""
    record().span("default")
    record(here / "mine.db").span("mine")
    monkeypatch.setenv("SPANGUARD_STORE", "mine.db")
    assert "Reading mine.db" in run("show").output


def test_an_option_beats_the_environment(record, here, run, monkeypatch) -> None:
    """--store is the last word."""
    record(here / "given.db").span("given")
    for setting in ("off", "other.db"):
        monkeypatch.setenv("SPANGUARD_STORE", setting)
        assert run("show", "--store", "given.db").exit_code == 0


def test_a_store_that_is_off(here, run, monkeypatch) -> None:
    """Nothing is kept, so nothing can be told: exit code 2."""
    monkeypatch.setenv("SPANGUARD_STORE", "off")
    result = run("show")
    assert result.exit_code == 2
    assert "SPANGUARD_STORE is off" in result.stderr


def test_json_has_what_the_text_has(record, run) -> None:
    """One object: store, run, traces, trace, summary."""
    trace = record().repair("x", attempts=2)
    told = json.loads(run("show", "--json").output)
    assert list(told) == ["store", "run", "traces", "trace", "summary"]
    assert told["run"] == told["summary"]["run"] == "run-1"
    assert told["traces"][0]["trace_id"] == trace
    assert [(span["name"], span["depth"]) for span in told["trace"]] == [("repair x", 0), ("attempt", 1), ("attempt", 1)]


def test_json_of_one_trace_has_no_summary(record, run) -> None:
    """The object has the same keys."""
    trace = record().repair("x", attempts=1)
    told = json.loads(run("show", trace, "--json").output)
    assert (told["run"], told["traces"], told["summary"]) == (None, [], None)
    assert [span["trace_id"] for span in told["trace"]] == [trace, trace]


def test_colour_is_for_terminals(record, run, monkeypatch) -> None:
    """None when piped, and none if NO_COLOR is set."""
    record().span("job")
    assert "\x1b[" not in run("show").output
    assert "\x1b[" in run("show", colour=True).output
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in run("show", colour=True).output


def test_it_starts_without_the_sdk(record, here, process) -> None:
    """Reading a store needs neither the SDK nor an exporter, which would double the time it takes to start."""
    record().span("job")
    code = (
        "import sys; from spanguard.cli import main; main(['show'], standalone_mode=False); "
        "print([m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'opentelemetry.exporter', 'grpc', 'openai'))])"
    )
    done = process("-c", code, cwd=here)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "job" in done.stdout
