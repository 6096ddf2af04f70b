"""`spanguard demo`, run for real: the program, the server, the store, and the figures that must agree."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
from pathlib import Path

import pytest

from spanguard.cli.demo import runner
from spanguard.cli.demo.compare import compare
from spanguard.cli.demo.ledger import Entry, Ledger
from spanguard.cli.demo.script import REQUESTS, SCRIPT
from spanguard.store import Calls, Cost, Operations, Summary, Tokens

SMALL = """
import sys
sys.path[:] = sys.argv[1:]
from spanguard.cli.demo import app
app.INVOICES = {"invoice-1": "An invoice"}
app.TICKETS = app.LETTERS = app.COMPLAINTS = {}
"""


@pytest.fixture(scope="module")
def told(demo, place: Path, process):
    """What `show --json` tells of the demo's store."""
    code = "from spanguard.cli import main; main()"
    done = process("-c", code, "show", "--store", place / ".spanguard" / "demo.db", "--json")
    return json.loads(done.stdout)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, here: Path):
    """A demo whose program makes one call, and what is given."""

    def replace(code: str) -> None:
        monkeypatch.setattr(runner, "_PROGRAM", SMALL + code)

    return replace


def test_all_figures_match_the_ledger(demo) -> None:
    """Whatever is set in the environment."""
    assert (demo.returncode, demo.stderr.splitlines()[-1]) == (0, f"{REQUESTS} of {REQUESTS} model calls")
    assert f"Matches the server's ledger: {REQUESTS} requests" in demo.stdout


def test_the_tree_is_the_repair_loop_with_three_attempts(demo) -> None:
    """Invalid JSON, then a violated schema behind a rate limit, then a good answer."""
    tree = demo.stdout.split("Reliability")[0]
    for words in ("repair extract_invoice", "attempt 3", "(is_json)", "(fits_schema)", "openai.RateLimitError"):
        assert words in tree
    assert "tries again in 300 ms (retry_after)" in tree


def test_it_says_what_to_type_next(demo, place) -> None:
    """Where the data is, the command (with the path, since SPANGUARD_STORE says otherwise here) and the decorator."""
    assert f"spanguard show --store {place / '.spanguard' / 'demo.db'}" in demo.stdout
    assert "@spanguard.traced_llm_call" in demo.stdout


def test_piped_output_is_plain(demo) -> None:
    """A few lines of progress on stderr, no colours, no line that changes."""
    assert demo.stderr.splitlines()[0] == f"0 of {REQUESTS} model calls"
    assert len(demo.stderr.splitlines()) <= 6
    assert not set(demo.stdout + demo.stderr) & set("\x1b\r")


def test_show_prints_the_same_tree_and_figures(demo, place, process) -> None:
    """Both read the same report of the same store."""
    shown = process("-c", "from spanguard.cli import main; main()", "show", cwd=place, env={"NO_COLOR": ""})
    part = demo.stdout[demo.stdout.index("The most telling") : demo.stdout.index("Matches")]
    assert part in shown.stdout + "\n"


def test_the_figures_are_those_of_the_script(told) -> None:
    """What the script spoils is what the summary counts."""
    summary = told["summary"]
    faults = [step.fault for steps in SCRIPT.values() for step in steps]
    assert summary["calls"]["requests"] == REQUESTS
    assert summary["calls"]["errors"] == sum(faults.count(each) for each in ("rate_limited", "server_error", "hang"))
    assert summary["errors"]["openai.RateLimitError"] == faults.count("rate_limited")
    assert summary["errors"]["openai.APITimeoutError"] == faults.count("hang")
    assert summary["validations"]["not_filtered"]["failed"] == faults.count("content_filter")
    assert {outcome for policy in summary["policies"] for outcome in policy["outcomes"]} == {
        *("success", "recovered", "exhausted", "degraded"),
    }


def test_nothing_that_was_said_is_in_the_store(demo, place) -> None:
    """Neither the documents nor the answers, nor the ids and keys of the provider."""
    kept = b"".join(file.read_bytes() for file in (place / ".spanguard").glob("demo.db*"))
    assert b"extract_invoice" in kept
    for said in (b"lamp", b"Atelier", b"shelves", b"EUR", b"scratch", b"chatcmpl", b"resp_demo", b"sk-secret"):
        assert said not in kept


def test_json_has_the_ledger_too(small, run, here) -> None:
    """The object is that of `show`, and "ledger" and "differences"; the data is where --store says."""
    small("app.main()")
    result = run("demo", "--json", "--store", here / "mine.db")
    told = json.loads(result.stdout)
    assert result.exit_code == 0
    assert list(told)[-2:] == ["ledger", "differences"]
    assert told["differences"] == []
    assert told["ledger"]["requests"] == told["summary"]["calls"]["requests"] == 1
    assert told["store"] == str(here / "mine.db")


def test_after_the_demo_show_needs_no_path(small, run, here) -> None:
    """The demo's own store, beside the program's, is the one that was written last; each demo is a run of its own."""
    small("app.main()")
    first, second = (run("demo") for _ in range(2))
    assert first.stdout.splitlines()[-9:] == second.stdout.splitlines()[-9:]
    assert "\n  spanguard show\n" in second.stdout
    shown = run("show").stdout
    assert f"Reading {here / '.spanguard' / 'demo.db'}" in shown
    assert shown.count("repair extract_invoice") == 4  # two traces in the list, one tree, one policy


def test_a_call_that_was_not_recorded_is_found_out(small, run) -> None:
    """The program asks once behind spanguard's back: the ledger has one request more, and the exit code is 1."""
    small(
        "import openai; app.main(); "
        "openai.OpenAI().responses.create(model='gpt-5.2', input='psst', metadata={'job': 'ticket-1'})"
    )
    result = run("demo")
    assert result.exit_code == 1
    assert "Differs from the server's ledger:" in result.stdout
    assert "requests: the store has 1, the ledger has 2" in result.stdout
    assert "Matches" not in result.stdout


def test_a_program_that_fails_is_reported(small, run) -> None:
    """The demo could not be run: the last line of its error, and exit code 2."""
    small("app.INVOICES = {'unknown': ''}; app.main()")
    result = run("demo")
    assert result.exit_code == 2
    assert "The demo's program failed: openai.BadRequestError" in result.stderr


def test_a_program_that_does_not_end_is_ended(small, run, monkeypatch) -> None:
    """After a minute; here sooner."""
    monkeypatch.setattr(runner, "_LONGEST", 0.2)
    small("import time; time.sleep(600)")
    result = run("demo")
    assert result.exit_code == 2
    assert "did not end" in result.stderr


def test_without_the_sdk_it_says_what_to_install(run, monkeypatch, here) -> None:
    """One sentence, exit code 2, and no store is made."""
    monkeypatch.setitem(sys.modules, "openai", None)
    result = run("demo")
    assert result.exit_code == 2
    assert 'pip install "spanguard[demo]"' in result.stderr
    assert not (here / ".spanguard").exists()


def test_a_place_that_cannot_be_written(run, here) -> None:
    """A path that was asked for is not replaced by another one."""
    (here / "file").write_text("")
    result = run("demo", "--store", here / "file" / "demo.db")
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_progress_on_a_terminal_is_one_line(monkeypatch) -> None:
    """It changes in place, and ends with the last call."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    runner._tell(1, 0)
    runner._tell(1, 1)
    runner._tell(REQUESTS, 1)
    assert terminal.getvalue() == f"\r1 of {REQUESTS} model calls\r{REQUESTS} of {REQUESTS} model calls\n"


@pytest.mark.parametrize(
    ("figure", "part", "change"),
    [
        ("failed requests", "calls", {"errors": 0}),
        ("input tokens", "calls", {"input_tokens": None}),
        ("wasted tokens", "tokens", {"wasted": 0}),
        ("useful cost", "cost", {"useful": 2e-8}),
    ],
)
def test_each_figure_is_compared(figure, part, change) -> None:
    """A figure that is off by a cent of a cent, or unknown, is named with both values."""
    ledger = Ledger()
    ledger.add(Entry("job", 429, "rate_limited"))
    ledger.add(Entry("job", 200, "invalid_json", spoiled=True, input_tokens=3, output_tokens=1, cost=1e-8))
    ledger.add(Entry("job", 200, input_tokens=4, output_tokens=2, cost=1e-8))
    summary = Summary(
        "run",
        None,
        None,
        Calls(3, 1, 7, 3, None, None),
        Operations(1, {"recovered": 1}, 0.0, 1, 1, 3, 2),
        Tokens(6, 4),
        Cost(1e-8, 1e-8),
        (),
        {"openai.RateLimitError": 1, "validation_error": 1},
        {},
        0,
    )
    assert compare(summary, ledger.totals()) == []
    changed = dataclasses.replace(summary, **{part: dataclasses.replace(getattr(summary, part), **change)})
    (difference,) = compare(changed, ledger.totals())
    assert difference.startswith(f"{figure}: the store has {next(iter(change.values()))}, the ledger has ")


def test_the_ledger_sums_up_by_status() -> None:
    """Who left without an answer is counted as `abandoned`."""
    ledger = Ledger()
    for status in (200, 500, None, 500):
        ledger.add(Entry("job", status))
    totals = ledger.totals()
    assert totals["failures"] == {"500": 2, "abandoned": 1}
    assert totals["answered"]["answers"] == 1
