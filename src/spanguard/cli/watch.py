"""`spanguard watch`: look at SLIs again and again, and raise alerts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from spanguard.cli.exits import CannotTell
from spanguard.cli.monitoring import alerts, webhook
from spanguard.cli.options import echo, find, json_option, opened, store_option
from spanguard.settings import Settings, SettingsError

if TYPE_CHECKING:
    from spanguard.slo.alerts import Alert, Definition
    from spanguard.slo.evaluate import Backend
    from spanguard.slo.webhook import Webhook

PRINTED: Final = {"watch": "spanguard.slo.alerts:Alert"}


@click.command()
@click.option(
    "--alert",
    "texts",
    multiple=True,
    metavar="TEXT",
    help="Raise an alert on any SLI: 'latency_p95 > 5 over 10m times 3'. Window (5m) and times (2) may be left out.",
)
@click.option("--no-defaults", is_flag=True, help="Raise none but those of --alert.")
@click.option("--every", type=click.FloatRange(min=0.01), default=30.0, show_default=True, help="Seconds between checks.")
@click.option("--checks", type=click.IntRange(1), help="End after so many checks. Default: at Ctrl-C.")
@click.option("--prometheus", metavar="URL", help="Ask Prometheus instead of the local store.")
@store_option
@json_option
def watch(
    texts: tuple[str, ...],
    every: float,
    checks: int | None,
    prometheus: str | None,
    store: Path | None,
    *,
    no_defaults: bool,
    as_json: bool,
) -> None:
    """Check SLIs again and again, and say when an alert fires and when it resolves.

    By default: error rate over 10 %, 95th percentile of latency over 5 s, tokens more than 20 % over SPANGUARD_TOKEN_BUDGET,
    calls more than 50 % over SPANGUARD_CAPACITY. With SPANGUARD_WEBHOOK alerts are posted there as well. Exits with 0 if none
    has fired, with 1 if one has, with 2 if the source cannot be read. With --json each alert is one line.
    """
    from spanguard.slo.alerts import Watch, inactive

    settings = _settings()
    definitions = _definitions(texts, settings, no_defaults=no_defaults)
    with ExitStack() as stack:
        hook = webhook(settings)
        if hook is not None:
            stack.callback(hook.close)
        watching = Watch(definitions, _source(stack, prometheus, store))
        for line in inactive(definitions):
            click.echo(line, err=True)
        _loop(watching.check, every, checks, lambda alert: _tell(alert, hook, as_json=as_json))
    raise SystemExit(1 if watching.fired else 0)


def _loop(check: Callable[[], list[Alert]], every: float, checks: int | None, tell: Callable[[Alert], None]) -> None:
    from spanguard.slo.prometheus import PrometheusError

    done = 0
    try:
        while True:
            for alert in check():
                tell(alert)
            done += 1
            if done == checks:
                return
            time.sleep(every)
    except PrometheusError as error:
        raise CannotTell(f"{error}.") from None
    except KeyboardInterrupt:
        return


def _tell(alert: Alert, hook: Webhook | None, *, as_json: bool) -> None:
    if hook is not None:
        hook.send(alert.to_dict())
    if as_json:
        click.echo(json.dumps(alert.to_dict()))
    else:
        colour = "red" if alert.state == "firing" else "green"
        echo([f"{alert.time}  {click.style(f'{alert.state:<8}', fg=colour)}  {alert.name}  {alert.message}"])


def _settings() -> Settings:
    try:
        return Settings.from_environment()
    except SettingsError as error:
        raise CannotTell(f"{error}.") from None


def _definitions(texts: tuple[str, ...], settings: Settings, *, no_defaults: bool) -> list[Definition]:
    from spanguard.slo.alerts import defaults

    own = alerts(texts)
    found = [*([] if no_defaults else defaults(settings.token_budget, settings.capacity)), *own]
    if not found:
        raise click.UsageError("With --no-defaults there is nothing to watch unless --alert says what.")
    return found


def _source(stack: ExitStack, prometheus: str | None, store: Path | None) -> Callable[[datetime], Backend]:
    from spanguard.slo.prometheus import PrometheusError, PrometheusSource
    from spanguard.slo.reading import StoreSource

    if prometheus is None:
        db = stack.enter_context(opened(find(store)))
        return lambda now: StoreSource(db, int(now.timestamp() * 1e9))
    from spanguard.cli.slo import prometheus_client

    try:
        client = prometheus_client(prometheus)
    except PrometheusError as error:
        raise CannotTell(f"{error}.") from None
    return lambda _: PrometheusSource(client)
