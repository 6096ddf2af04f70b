"""`spanguard demo`: run the program against the server, and show what spanguard saw, checked against the server's ledger."""

from __future__ import annotations

import json
import secrets
import shlex
import sys
from collections.abc import Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click

from spanguard.cli.demo.compare import compare
from spanguard.cli.demo.ledger import Totals
from spanguard.cli.demo.runner import run_program
from spanguard.cli.demo.script import SCRIPT
from spanguard.cli.demo.server import DemoServer
from spanguard.cli.exits import CannotTell
from spanguard.cli.options import echo
from spanguard.cli.render import clean, money, number
from spanguard.cli.report import about_run
from spanguard.cli.show import told
from spanguard.settings import Settings
from spanguard.store.location import DEMO, newest, resolve

_SNIPPET: Final = """
  import spanguard
  spanguard.configure()

  @spanguard.traced_llm_call
  def ask(prompt):
      return client.responses.create(model="gpt-5.2", input=prompt)
"""


@click.command()
@click.option("--store", type=click.Path(path_type=Path), help="File of the store. Default: .spanguard/demo.db.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def demo(store: Path | None, *, as_json: bool) -> None:
    """Run a program that calls a model, against a local server with faults, and show what spanguard saw of it.

    Needs nothing but this machine: no account, no key, no network. Exits with 0 if all figures match the ledger that the
    server kept, with 1 if one does not, with 2 if the demo could not be run. The object that --json prints is the one of
    `spanguard show`, and "ledger" (the server's own totals) and "differences" (empty, if all is well).
    """
    if find_spec("openai") is None:
        raise CannotTell('The demo calls a server with the OpenAI SDK; install it with: pip install "spanguard[demo]"')
    path = _place(store)
    run = f"demo-{secrets.token_hex(4)}"
    with closing(DemoServer(SCRIPT)) as server:
        run_program(server.base_url, path, run, lambda: len(server.ledger))
    totals = server.ledger.totals()
    report = about_run(path, run)
    differences = compare(report.summary, totals) if report.summary else ["the store has no figures"]
    if as_json:
        click.echo(json.dumps({**report.to_dict(), "ledger": totals, "differences": differences}, indent=2))
    else:
        echo([*told(report), "", *_verdict(differences, totals), *_next(path)])
    if differences:
        sys.exit(1)


def _place(store: Path | None) -> Path:
    """Return the file that the demo keeps its data in: the given one, or demo.db beside the default store."""
    default = resolve("" if store is None else str(store))
    if default is None or (store is not None and default != store.expanduser().absolute()):
        raise CannotTell("The demo's data cannot be written there; name another file with --store.")
    return default if store else default.with_name(DEMO)


def _verdict(differences: Sequence[str], totals: Totals) -> list[str]:
    if differences:
        return [click.style("Differs from the server's ledger:", fg="red"), *(f"  {each}" for each in differences)]
    used = totals["answered"]
    ledger = (
        f"{number(totals['requests'])} requests, {number(used['input_tokens'])} tokens in, "
        f"{number(used['output_tokens'])} out, {money(used['cost'])}"
    )
    return [click.style("Matches the server's ledger", fg="green") + f": {ledger}"]


def _next(path: Path) -> list[str]:
    found = not Settings.tolerant()[0].store and newest() == path
    command = "spanguard show" if found else f"spanguard show --store {shlex.quote(str(path))}"
    return ["", f"The data is in {clean(path)}; look at it with", "", f"  {command}", "", "In a program of yours:", _SNIPPET]
