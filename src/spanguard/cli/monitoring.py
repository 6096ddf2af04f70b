"""What `slo`, `watch` and `serve` are told alike: service levels, alerts, and where alerts are posted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spanguard.cli.exits import CannotTell
from spanguard.settings import Settings

if TYPE_CHECKING:
    from spanguard.slo.alerts import Definition
    from spanguard.slo.openslo import Slo
    from spanguard.slo.webhook import Webhook


def objectives(file: Path) -> list[Slo]:
    """Read a file of service levels; whatever is wrong with it ends the command with exit code 2."""
    from spanguard.slo.document import SloError
    from spanguard.slo.openslo import load

    try:
        return load(file)
    except SloError as error:
        raise CannotTell(f"{error}.") from None


def alerts(texts: Iterable[str]) -> list[Definition]:
    """Read the alerts that ``--alert`` gives."""
    from spanguard.slo.alerts import parse

    try:
        return [parse(text) for text in texts]
    except ValueError as error:
        raise click.UsageError(f"--alert: {error}.") from None


def webhook(settings: Settings) -> Webhook | None:
    """Return what posts alerts, if ``SPANGUARD_WEBHOOK`` says where."""
    from spanguard.slo.webhook import Webhook

    try:
        return Webhook(settings.webhook) if settings.webhook else None
    except ValueError as error:
        raise CannotTell(f"SPANGUARD_WEBHOOK: {error}.") from None
