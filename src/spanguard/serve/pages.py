"""The pages: which there are, and what each of them is filled with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.datastructures import QueryParams
from starlette.requests import Request

from spanguard.semconv import OUTCOMES, VERSION
from spanguard.serve import charts, params, words
from spanguard.serve.api import find_run, find_trace, run_statistics
from spanguard.serve.figures import Board, board
from spanguard.serve.params import Values
from spanguard.serve.served import WINDOWS, Served
from spanguard.serve.waterfall import waterfall
from spanguard.slo.report import sentence
from spanguard.store.queries import TraceRow, Wanted, traces
from spanguard.store.selection import SECOND_NS
from spanguard.store.trend import Change, compare

Page = Callable[[Request], str]
_NAVIGATION: Final = (
    ("/", "Overview"),
    ("/traces", "Traces"),
    ("/runs", "Runs"),
    ("/alerts", "Alerts"),
    ("/privacy", "Privacy"),
)
_LISTED: Final = 50
_SECONDS: Final = frozenset({"latency_average", "latency_p95", "operation_latency_p95"})
_SHARES: Final = frozenset(
    {"error_rate", "first_attempt_success", "wasted_share", "cache_hit_rate", "validation_failure_rate"}
)
_BETTER_LOW: Final = _SECONDS | {"error_rate", "wasted_share", "validation_failure_rate", "average_retries", "cost"}
_BETTER_HIGH: Final = frozenset({"first_attempt_success", "cache_hit_rate"})
_WINDOW: Final = params.one_of("window", "How far back.", *(name for name in WINDOWS if name != "5m"))
_RUN: Final = params.text("run", "The run.", required=True)
_FILTERS: Final = (
    params.text("run", "The run."),
    params.text("name", "Part of a span's name."),
    params.one_of("outcome", "How it ended.", *OUTCOMES),
    params.text("error", "Type or category of an error."),
    params.one_of("window", "How far back.", *(name for name in WINDOWS if name != "5m")),
)


@dataclass(frozen=True)
class _Compared:
    """A figure of two runs, as it is shown."""

    name: str
    now: str
    before: str
    change: str
    tone: str


class Pages:
    """All pages over one store."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._templates = Environment(
            loader=PackageLoader("spanguard.serve"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(
            duration=words.duration, number=words.number, exact=words.exact, share=words.share, money=words.money,
            amount=words.amount, at=words.at, utc=words.utc, tone=words.tone, plain=words.plain, query=urlencode,
            breakable=words.breakable, sign=lambda op: {">=": "≥", "<=": "≤"}.get(op, op),
        )  # fmt: skip
        self._templates.globals.update(
            navigation=_NAVIGATION, version=VERSION, bar=charts.bar, unknown=words.UNKNOWN, sentence=sentence
        )

    def routes(self) -> Iterator[tuple[str, Page]]:
        """Give each page's path and the page."""
        yield "/", self.overview
        yield "/traces", self.traces
        yield "/traces/{trace_id}", self.trace
        yield "/runs", self.runs
        yield "/run", self.run
        yield "/compare", self.compare
        yield "/alerts", self.alerts
        yield "/privacy", self.privacy

    def overview(self, request: Request) -> str:
        """Show how it goes."""
        name = _values(request, _WINDOW).text("window") or self._served.fitting()
        window = self._served.window(name, steps=True)
        made: Board = board(window)
        return self._show("overview.html", request, window=name, board=made, verdicts=self._served.verdicts,
                          defaults=self._served.default_objectives, checked=self._served.checked_ns)  # fmt: skip

    def traces(self, request: Request) -> str:
        """Show the newest traces, or those that are looked for."""
        values = _values(request, *_FILTERS)
        name = values.text("window")
        since = None if name is None else time.time_ns() - WINDOWS[name][0] * SECOND_NS
        found = self._traces(
            Wanted(values.text("run"), values.text("name"), values.text("outcome"), values.text("error"), since)
        )
        given = {each.name: values.text(each.name) or "" for each in _FILTERS}
        longest = max((row.duration_ns for row in found), default=0)
        return self._show("traces.html", request, traces=found, given=given, outcomes=OUTCOMES, longest=longest,
                          filtered=any(given.values()), limit=_LISTED)  # fmt: skip

    def trace(self, request: Request) -> str:
        """Show one trace as a waterfall."""
        spans = find_trace(self._served, str(request.path_params["trace_id"]))
        return self._show("trace.html", request, fall=waterfall(spans))

    def runs(self, request: Request) -> str:
        """Show all runs."""
        _values(request)
        return self._show("runs.html", request, runs=self._served.rollup.runs()[:200])

    def run(self, request: Request) -> str:
        """Show one run."""
        found = find_run(self._served, _values(request, _RUN).text("run") or "")
        others = [each for each in self._served.rollup.runs()[:100] if each.run != found.run]
        return self._show("run.html", request, run=found, told=run_statistics(self._served, found), others=others,
                          traces=self._traces(Wanted(found.run), 20))  # fmt: skip

    def compare(self, request: Request) -> str:
        """Show two runs side by side."""
        values = _values(request, _RUN, params.text("other", "The other run.", required=True))
        one, other = (find_run(self._served, values.text(name) or "") for name in ("run", "other"))
        changes = compare(run_statistics(self._served, one), run_statistics(self._served, other))
        return self._show("compare.html", request, run=one, other=other, changes=[_compared(each) for each in changes])

    def alerts(self, request: Request) -> str:
        """Show which alerts are checked, and which fire."""
        _values(request)
        served = self._served
        told = {"states": served.states, "history": list(served.alerts), "checked": served.checked_ns}
        return self._show("alerts.html", request, **told, every=served.options.every)

    def privacy(self, request: Request) -> str:
        """Show what the guard removed."""
        name = _values(request, _WINDOW).text("window") or self._served.fitting()
        told = self._served.overview(name).redactions
        most = max((each.count for each in told), default=0)
        return self._show("privacy.html", request, window=name, redactions=told, most=most)

    def refusal(self, status: int, reason: str) -> str:
        """Return the page that stands in for one that is not shown."""
        told = self._templates.get_template("refusal.html")
        return told.render(status=status, phrase=HTTPStatus(status).phrase, reason=reason)

    def _traces(self, wanted: Wanted, limit: int = _LISTED) -> list[TraceRow]:
        none: list[TraceRow] = []
        return self._served.ask(lambda db: traces(db, limit=limit, wanted=wanted), none)

    def _show(self, template: str, request: Request, **context: object) -> str:
        served = self._served
        newest = served.rollup.newest_ns
        return self._templates.get_template(template).render(
            path=request.url.path,
            windows=[name for name in WINDOWS if name != "5m"],
            store=served.options.store.name,
            mark=served.mark(),
            firing=sum(each.firing for each in served.states),
            trouble=served.trouble,
            share_read=served.share_read(),
            newest=newest,
            newest_ago=words.ago(newest, time.time_ns()) if newest else "",
            **context,
        )


def _values(request: Request, *parameters: params.Parameter) -> Values:
    """Read the parameters of a page; a field of a form that is left empty is none."""
    given = QueryParams([(name, value) for name, value in request.query_params.multi_items() if value.strip()])
    return Values(parameters, given, {})


def _compared(change: Change) -> _Compared:
    unit = (
        "s"
        if change.figure in _SECONDS
        else "share"
        if change.figure in _SHARES
        else "usd"
        if change.figure == "cost"
        else "count"
    )
    tone = "plain"
    if change.change and abs(change.change) >= 0.01:
        lower = change.change < 0
        if change.figure in _BETTER_LOW | _BETTER_HIGH:
            tone = "good" if lower == (change.figure in _BETTER_LOW) else "bad"
    now, before = words.amount(change.now, unit), words.amount(change.before, unit)
    return _Compared(words.plain(change.figure), now, before, words.change(change.change), tone)
