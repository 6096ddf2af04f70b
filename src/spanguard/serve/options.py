"""What a server is told: which store it reads, who may ask, and how much."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from spanguard.slo.alerts import EVERY, Definition, defaults
from spanguard.slo.openslo import Slo, loads
from spanguard.slo.webhook import Webhook

PORT: Final = 9108
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

_DEFAULT_OBJECTIVES: Final = """{{"apiVersion": "openslo/v1", "kind": "SLO", "metadata": {{"name": "{name}"}}, "spec": {{
    "service": "any", "budgetingMethod": "Occurrences", "timeWindow": [{{"duration": "1d", "isRolling": true}}],
    "indicator": {{"spec": {{"thresholdMetric": {{"metricSource": {{"type": "spanguard", "spec": {{"sli": "{sli}"}}}}}}}}}},
    "objectives": [{{"displayName": "{shown}", "op": "{op}", "value": {value}, "target": 0.9}}]}}}}"""
_DEFAULTS: Final = (
    ("operations-succeed", "success", "gte", 0.95, "Operations have an answer"),
    ("calls-succeed", "error_rate", "lte", 0.1, "Calls of models succeed"),
    ("calls-are-quick", "latency_p95", "lte", 5.0, "Calls of models are quick"),
    ("little-is-wasted", "wasted_token_share", "lte", 0.25, "Little is wasted"),
)


def default_slos() -> list[Slo]:
    """Return the objectives that are shown where no file gives others: modest ones, over a day."""
    texts = (
        _DEFAULT_OBJECTIVES.format(name=name, sli=sli, op=op, value=value, shown=shown)
        for name, sli, op, value, shown in _DEFAULTS
    )
    return [slo for text in texts for slo in loads(text, is_json=True)]


@dataclass(frozen=True)
class Limits:
    """How much one client may ask: requests a second and at once, failed sign-ins, bytes of a body, questions' seconds."""

    per_second: float = 50.0
    burst: int = 200
    failures: int = 10
    """Wrong tokens a minute, after which a client gets 429 for whatever it says."""
    body: int = 16 * 2**20
    """Bytes of a request to the receiver, as it is sent; unpacked it may be four times as much."""
    receiving: int = 4
    """Requests to the receiver that are handled at once; more get 429."""
    seconds: float = 5.0
    """How long a question to the store may take."""


@dataclass(frozen=True)
class Options:
    """How a server is to be."""

    store: Path
    token: str
    host: str = "127.0.0.1"
    port: int = PORT
    hosts: frozenset[str] = frozenset()
    """Names, besides those of the loopback, by which clients may call the server."""
    secure: bool = False
    """Whether it speaks TLS."""
    receive: bool = False
    slos: tuple[Slo, ...] = ()
    """Objectives; none for those of `default_slos`."""
    definitions: tuple[Definition, ...] = field(default_factory=defaults)
    every: float = EVERY
    """Seconds between two checks of alerts and objectives."""
    webhook: Webhook | None = None
    limits: Limits = Limits()

    @property
    def names(self) -> frozenset[str]:
        """All names by which clients may call it."""
        bound = frozenset() if self.host in ("", "0.0.0.0", "::") else frozenset({self.host.lower()})  # noqa: S104 - compared
        return LOOPBACK | bound | self.hosts
