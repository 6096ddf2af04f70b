"""`spanguard doctor`: what is instrumented, what is misused, where telemetry goes, and whether that answers."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import Final

import click

from spanguard.cli.doctor_telemetry import destinations, readable
from spanguard.cli.finding import Finding, Status
from spanguard.cli.options import echo, echo_json, json_option
from spanguard.settings import Settings
from spanguard.store.database import Database, EmptyStoreError, StoreError
from spanguard.store.misuses import misuses
from spanguard.store.queries import runs

_ABSENT: Final = "the library is not installed"
_MARKS: Final[dict[Status, tuple[str, str]]] = {
    "ok": ("ok", "green"),
    "info": ("--", "bright_black"),
    "no": ("no", "red"),
    "unknown": ("??", "yellow"),
}
_ADVICE: Final = {
    "retry_on_generator": "retries a generator, whose body begins when the retry loop is over",
    "retry_on_coroutine": "retries a plain function that returns a coroutine, which is awaited when the loop is over",
    "retry_excludes_method": "does not retry the method of the requests that fail",
    "retry_not_configured": "does not retry: its default is one attempt",
    "retry_after_too_long": "is asked by the server to wait longer than it is willing to, and gives up",
    "breaker_on_coroutine": "takes each coroutine for a success before it is awaited, and never opens",
    "breaker_never_blocks": "is used in a `with` statement, which never blocks",
    "fallback_never_used": "has a fallback that no error reaches",
}


Check = Callable[[], Iterator[Finding]]


def installed() -> Iterator[Finding]:
    """Say which versions are at work."""
    yield Finding("installed", "Python", "info", f"{platform.python_version()}, {sys.executable}")
    for name in ("spanguard", "opentelemetry-api", "opentelemetry-sdk", "opentelemetry-instrumentation", "wrapt"):
        try:
            yield Finding("installed", name, "info", version(name))
        except PackageNotFoundError:
            yield Finding("installed", name, "no", "is not installed")
    try:
        yield Finding("installed", "opentelemetry-distro", "info", version("opentelemetry-distro"))
    except PackageNotFoundError:
        detail = "is not installed: opentelemetry-instrument needs it, spanguard run does not"
        yield Finding("installed", "opentelemetry-distro", "info", detail)


def instrumented() -> Iterator[Finding]:
    """Say which libraries will be instrumented by `spanguard run` and `opentelemetry-instrument`, and why others will not."""
    listed = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "")
    disabled = {each.strip() for each in listed.split(",")}
    for entry in sorted(entry_points(group="opentelemetry_instrumentor"), key=lambda each: each.name):
        if entry.name in disabled or "*" in disabled:
            yield Finding("libraries", entry.name, "info", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS switches it off")
        elif entry.value.startswith("spanguard."):
            yield _ours(entry)
        else:
            yield Finding("libraries", entry.name, "ok", f"by {entry.dist.name if entry.dist else 'another package'}")


def _ours(entry: EntryPoint) -> Finding:
    try:
        instrumentor = entry.load()()
        conflict = instrumentor._check_dependency_conflicts()
    except Exception as error:
        return Finding("libraries", entry.name, "unknown", f"cannot be loaded ({type(error).__name__})")
    wanted = " or ".join(instrumentor.instrumentation_dependencies())
    if conflict is None:
        return Finding("libraries", entry.name, "ok", f"{instrumentor.distribution()} {version(instrumentor.distribution())}")
    if getattr(conflict, "found", None):
        return Finding("libraries", entry.name, "no", f"only {wanted} was tested; {conflict.found} is installed")
    return Finding("libraries", entry.name, "info", _ABSENT)


def misused() -> Iterator[Finding]:
    """Say which policies had no effect in the newest run of the local store."""
    path = readable()
    if path is None:
        return
    try:
        with Database.open(path, read_only=True) as db:
            known = runs(db)
            found = misuses(db, known[0].run) if known else []
    except EmptyStoreError:
        return
    except StoreError as error:
        yield Finding("misuse", "local store", "unknown", str(error))
        return
    for each in found:
        yield Finding("misuse", f"{each.library} {each.policy_name}", "no", _ADVICE.get(each.kind, each.kind))


def guarded() -> Iterator[Finding]:
    """Say whether the whole process is guarded."""
    told = {
        "process": "the whole process is guarded, with opentelemetry-instrument too",
        "own": "spanguard's own exporters alone are guarded",
    }
    usual = "with spanguard run and configure() the whole process is guarded, with opentelemetry-instrument nothing"
    yield Finding("guard", "SPANGUARD_GUARD", "info", told.get(Settings.tolerant()[0].guard, usual))
    from spanguard.privacy.state import look

    state = look()
    yield Finding("guard", "mode", "no" if state.mode == "off" else "ok", state.mode)
    survived = f"survives in {', '.join(state.survivors)}: nothing will be exported"
    yield Finding("guard", "canary", *(("no", survived) if state.survivors else ("ok", "stays inside in every signal")))
    for place in state.missing:
        yield Finding("guard", place, "info", "is not in this version of OpenTelemetry, and so not guarded")
    kept = "is kept in your state directory" if state.keeps_key else "is random for each process, as none is kept yet"
    yield Finding("guard", "key of pseudonyms", "info", kept)
    declared = f"{state.declared} names and keys" if state.declared else "nothing in this directory"
    yield Finding("guard", "declared", "no" if state.fault else "info", state.fault or declared)
    for each in state.dropped:
        yield Finding("dropped keys", each.key, "info", f"{each.times} times; to keep it: declare(keys=[{each.key!r}])")


CHECKS: list[Check] = [installed, instrumented, misused, destinations, guarded]
"""What is looked at, in this order."""


@click.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Say what is instrumented and what is not, what is misused, where telemetry goes, and if that answers.

    Looks at this environment: the installed libraries, the variables, the newest run in the local store. Exits with 0 if
    all is well, with 1 if something will not work as one may think, with 2 if something could not be told. The object that
    --json prints has "findings", each with "area", "subject", "status" ("ok", "info", "no", "unknown") and "detail".
    """
    findings = [finding for check in CHECKS for finding in check()]
    if as_json:
        echo_json({"findings": [asdict(each) for each in findings]})
    else:
        echo(list(_lines(list(_folded(findings)))))
    statuses = {each.status for each in findings}
    sys.exit(1 if "no" in statuses else 2 if "unknown" in statuses else 0)


def _folded(findings: list[Finding]) -> Iterator[Finding]:
    """Put the libraries that are not there into one line, after the others."""
    absent = [each for each in findings if each.detail == _ABSENT]
    last = max((place for place, each in enumerate(findings) if each.area == "libraries"), default=None)
    for place, each in enumerate(findings):
        if each not in absent:
            yield each
        if place == last and absent:
            yield Finding("libraries", "not installed", "info", ", ".join(each.subject for each in absent))


def _lines(findings: list[Finding]) -> Iterator[str]:
    area = ""
    width = max((len(each.subject) for each in findings), default=0)
    for each in findings:
        if each.area != area:
            area = each.area
            yield from ("", click.style(area, bold=True))
        mark, colour = _MARKS[each.status]
        yield f"  {click.style(mark, fg=colour)}  {each.subject:<{width}}  {each.detail}"
