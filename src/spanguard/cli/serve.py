"""`spanguard serve`: the local web page over the store, its JSON API, its scrape endpoint and its receiver."""

from __future__ import annotations

import os
import secrets
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from spanguard.cli.exits import CannotTell
from spanguard.cli.monitoring import alerts, objectives, webhook
from spanguard.cli.options import echo_json, store_option
from spanguard.cli.render import clean
from spanguard.settings import Settings, SettingsError
from spanguard.store.location import newest, resolve

if TYPE_CHECKING:
    from spanguard.serve.options import Options
    from spanguard.slo.webhook import Webhook

_MISSING: Final = 'The page needs a few packages more; install them with: pip install "spanguard[serve]"'
_SHORTEST: Final = 16
_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=9108, show_default=True, help="Port; 0 takes a free one.")
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="Another name that it is called by; repeatable.")
@click.option("--tls-cert", type=_FILE, help="Certificate (PEM), to speak TLS.")
@click.option("--tls-key", type=_FILE, help="Its key (PEM).")
@click.option("--allow-plain-http", is_flag=True, help="Listen beyond this machine without TLS, though all can read along.")
@click.option("--slo", "files", type=_FILE, multiple=True, metavar="FILE", help="Service levels (OpenSLO); repeatable.")
@click.option("--alert", "texts", multiple=True, metavar="TEXT", help="An alert on any SLI, as `spanguard watch` takes it.")
@click.option("--receive", is_flag=True, help="Receive OTLP/HTTP on the same port, through the guard.")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with the address and the link, then serve.")
def serve(
    *,
    host: str,
    port: int,
    hosts: tuple[str, ...],
    tls_cert: Path | None,
    tls_key: Path | None,
    files: tuple[Path, ...],
    texts: tuple[str, ...],
    store: Path | None,
    allow_plain_http: bool,
    receive: bool,
    as_json: bool,
) -> None:
    """Show the local store in a browser, with a JSON API and an endpoint for Prometheus, until Ctrl-C.

    Open the link that it prints: it holds a token, new each time unless SPANGUARD_SERVE_TOKEN gives one, without which
    nothing is answered. It listens on this machine alone unless --host says otherwise, and then only with TLS. Alerts are
    checked every 30 s, and posted to SPANGUARD_WEBHOOK. Exits with 0 when it is interrupted, with 2 if it cannot serve.
    """
    if any(find_spec(name) is None for name in ("starlette", "uvicorn", "jinja2")):
        raise CannotTell(_MISSING)
    from spanguard.serve.options import Options
    from spanguard.serve.server import Server, is_loopback
    from spanguard.slo.alerts import defaults

    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together.")
    if not (is_loopback(host) or tls_cert or allow_plain_http):
        raise CannotTell("Others could read along beyond this machine: give --tls-cert and --tls-key, or --allow-plain-http.")
    settings = _settings(receive=receive)
    options = Options(
        _place(store, settings),
        _token(settings),
        host,
        port,
        frozenset(name.lower() for name in hosts),
        receive=receive,
        slos=tuple(slo for file in files for slo in objectives(file)),
        definitions=(*defaults(settings.token_budget, settings.capacity), *alerts(texts)),
        webhook=webhook(settings),
    )
    try:
        server = Server(options, tls_cert, tls_key)
    except OSError as error:
        raise CannotTell(f"{host}:{port}: cannot listen there ({error.strerror or type(error).__name__}).") from None
    _tell(server.address, server.options, given=bool(settings.serve_token), as_json=as_json)
    _run(server.run, options.webhook)


def _run(run: object, webhook: Webhook | None) -> None:
    assert callable(run)
    try:
        run()
    except KeyboardInterrupt:
        return
    finally:
        if webhook is not None:
            webhook.close()


def _tell(address: str, options: Options, *, given: bool, as_json: bool) -> None:
    link = address if given else f"{address}/?token={options.token}"
    if as_json:
        echo_json({"address": address, "link": link, "store": str(options.store), "receive": options.receive}, indent=None)
        return
    click.echo(f"\nServing {clean(options.store)}\n\n  {click.style(link, bold=True)}\n")
    if given:
        click.echo("  The token is that of SPANGUARD_SERVE_TOKEN.")
    if options.receive:
        click.echo("  OTLP from other processes, with the token in its header:\n")
        click.echo(f"    OTEL_EXPORTER_OTLP_ENDPOINT={address} OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf")
        click.echo(f"    OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20{'…' if given else options.token}\n")
    click.echo("  Ctrl+C ends it.")


def _settings(*, receive: bool) -> Settings:
    from spanguard.privacy import guard

    try:
        settings = Settings.from_environment()
        if receive and not guard.begin(settings, whole_process=False):
            raise CannotTell(guard.REFUSED)
    except SettingsError as error:
        raise CannotTell(f"{error}.") from None
    return settings


def _token(settings: Settings) -> str:
    if settings.serve_token and len(settings.serve_token) < _SHORTEST:
        raise CannotTell(f"SPANGUARD_SERVE_TOKEN: expected at least {_SHORTEST} characters.")
    return str(settings.serve_token) or secrets.token_urlsafe(24)


def _place(store: Path | None, settings: Settings) -> Path:
    """Return the store: the given one, what the variable says, the newest, or the one that programs here will write."""
    if store is None and settings.store == "off":
        raise CannotTell("SPANGUARD_STORE is off; name a store with --store.")
    if store is not None or settings.store:
        return Path(os.path.expanduser(store or settings.store)).absolute()  # noqa: PTH111 - Path's raises
    path = newest() or resolve("")
    if path is None:
        raise CannotTell("There is no local store here, nor can there be one; name one with --store.")
    return path
