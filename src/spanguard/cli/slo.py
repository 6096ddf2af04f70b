"""`spanguard slo`: check service levels, and write rules for Prometheus."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from spanguard.cli.exits import CannotTell
from spanguard.cli.monitoring import objectives
from spanguard.cli.options import echo, echo_json, find, json_option, opened, since_option, store_option
from spanguard.settings import Settings

if TYPE_CHECKING:
    from spanguard.slo.evaluate import Backend, Scope, Verdict
    from spanguard.slo.openslo import Slo
    from spanguard.slo.prometheus import PrometheusClient

_COLOURS = {"met": "green", "not met": "red", "unknown": "yellow"}
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


PRINTED: Final = {"check": "spanguard.cli.checked:Checked", "rules": "spanguard.cli.checked:Written"}
"""What the commands print with `--json`, by name."""


@click.group()
def slo() -> None:
    """Service level objectives in files of OpenSLO (openslo/v1): see docs/slo.md."""


@slo.command()
@click.argument("file", type=FILE)
@click.option("--run", help="Judge this run. Default: the time window of each SLO.")
@since_option
@click.option("--prometheus", metavar="URL", help="Ask Prometheus instead of the local store.")
@click.option("--min-samples", type=click.IntRange(0), help="Samples that a verdict takes, whatever the file says.")
@click.option("--missing", type=click.Choice(["unknown", "fail", "pass"]), help="The verdict where there are fewer.")
@click.option("--junit", "xml", type=click.Path(path_type=Path), help="Write the verdicts as JUnit's XML, too.")
@store_option
@json_option
def check(
    file: Path,
    run: str | None,
    since_ns: int | None,
    prometheus: str | None,
    min_samples: int | None,
    *,
    missing: Literal["unknown", "fail", "pass"] | None,
    xml: Path | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Say of each objective in FILE whether it is met, by the local store or by Prometheus.

    Exits with 0 if all are met, with 1 if one is not, with 2 if that cannot be told. On GitHub Actions, those that are not
    met become annotations.
    """
    from spanguard.cli.checked import Checked
    from spanguard.slo.evaluate import Scope, overall
    from spanguard.slo.report import github, junit

    slos = objectives(file)
    seconds = None if since_ns is None else max(1, round((time.time_ns() - since_ns) / 1e9))
    source, verdicts = _checked(slos, prometheus, store, Scope(run, seconds, min_samples, missing))
    code = overall(verdicts)
    if xml is not None:
        _write(xml, junit(verdicts, str(file)))
    if as_json:
        echo_json(asdict(Checked(str(file), source, code, tuple(verdicts))))
    else:
        echo(_lines(source, verdicts))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        click.echo("\n".join(github(verdicts, str(file))), err=as_json)
    raise SystemExit(code)


@slo.command()
@click.argument("file", type=FILE)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write FILE.rules.yml and FILE.test.yml there.")
@json_option
def rules(file: Path, out: Path | None, *, as_json: bool) -> None:
    """Write rules for Prometheus: error ratios, budgets, and alerts on how fast a budget burns, with tests for promtool.

    Without --out the rules are printed. The same file gives the same rules. Exits with 0, or with 2 if FILE cannot be used.
    """
    from spanguard.cli.checked import Written
    from spanguard.slo.rule_tests import tests
    from spanguard.slo.rules import rules as made

    slos = objectives(file)
    name = f"{file.stem}.rules.yml"
    text, proof = made(slos), tests(slos, name)
    if out is not None:
        places = out / name, out / f"{file.stem}.test.yml"
        _write(places[0], text)
        _write(places[1], proof)
        if not as_json:
            click.echo(f"Wrote {places[0]} and {places[1]}.")
        text, proof = str(places[0]), str(places[1])
    elif not as_json:
        click.echo(text, nl=False)
    if as_json:
        echo_json(asdict(Written(str(file), text, proof)))


def _checked(slos: list[Slo], prometheus: str | None, store: Path | None, scope: Scope) -> tuple[str, list[Verdict]]:
    from spanguard.slo.prometheus import PrometheusError, PrometheusSource
    from spanguard.slo.reading import StoreSource

    if prometheus is None:
        path = find(store)
        with opened(path) as db:
            return str(path), _verdicts(slos, StoreSource(db, time.time_ns()), scope)
    try:
        client = prometheus_client(prometheus)
        return client.where, _verdicts(slos, PrometheusSource(client), scope)
    except PrometheusError as error:
        raise CannotTell(f"{error}.") from None


def prometheus_client(url: str) -> PrometheusClient:
    """Return a client for a server."""
    from spanguard.slo.prometheus import PrometheusClient, parse_headers

    return PrometheusClient(url, parse_headers(Settings.tolerant()[0].prometheus_headers))


def _verdicts(slos: list[Slo], source: Backend, scope: Scope) -> list[Verdict]:
    from spanguard.slo.evaluate import check as judge

    return judge(slos, source, scope, datetime.now(timezone.utc))


def _lines(source: str, verdicts: list[Verdict]) -> list[str]:
    from spanguard.cli.render import clean, dim, heading, table
    from spanguard.slo.report import amount

    head = ("objective", "verdict", "value", "wanted", "budget left", "burn rate", "sample", "over")
    rows = [
        (
            clean(f"{each.slo}: {each.objective}"),
            click.style(each.state, fg=_COLOURS[each.state]),
            amount(each.value, each.unit),
            f"{each.op} {amount(each.target, each.unit)}",
            "-" if each.budget_left is None else f"{100 * each.budget_left:.4g} %",
            "-" if each.burn_rate is None else f"{each.burn_rate:.3g}",
            "-" if each.sample is None else f"{each.sample:,.0f} {clean(each.sampled)}".rstrip(),
            clean(each.window),
        )
        for each in verdicts
    ]
    everywhere = [note for note in verdicts[0].notes if all(note in each.notes for each in verdicts)]
    told = [
        f"{each.slo}: {each.objective}: {said}"
        for each in verdicts
        for said in (each.reason, *each.notes)
        if said and said not in everywhere
    ]
    return [
        "",
        f"Reading {clean(source)}",
        "",
        heading("Service levels"),
        *table([head, *rows]),
        *(dim(f"  {clean(each)}") for each in (*told, *everywhere)),
    ]


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotTell(f"{path}: cannot be written ({error.strerror}).") from None
