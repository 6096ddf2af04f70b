"""Formulas computed by Prometheus, or by what speaks its query API: Mimir, Thanos, VictoriaMetrics."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import unquote, urlencode, urlsplit

from spanguard.slo.indicators import Filters, Formula
from spanguard.slo.promql import promql, window_text

if TYPE_CHECKING:  # loaded when a server is asked: it takes as long to load as the rest of a check over the store
    from http.client import HTTPConnection

TIMEOUT: Final = 30.0
_TESTS: Final = {"gte": ">=", "gt": ">", "lte": "<=", "lt": "<"}
_MOST_BYTES: Final = 2**22


class PrometheusError(Exception):
    """Raised when Prometheus cannot be asked, or does not understand; its text has no credentials and no query."""


class PrometheusClient:
    """Asks one server for the present value of queries.

    ``headers`` go with each request, such as ``Authorization``; nothing of them, and no password of the URL, is ever shown.
    """

    def __init__(self, url: str, headers: Mapping[str, str] | None = None, *, timeout: float = TIMEOUT) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise PrometheusError("expected an address such as http://localhost:9090")
        if parts.username or parts.password:
            raise PrometheusError("the address has credentials in it; set SPANGUARD_PROMETHEUS_HEADERS instead")
        self._host, self._port, self._secure = parts.hostname, parts.port, parts.scheme == "https"
        self._path = parts.path.rstrip("/") + "/api/v1/query"
        self._headers = {**(headers or {}), "Content-Type": "application/x-www-form-urlencoded"}
        self._timeout = timeout
        self.where: str = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"

    def number(self, query: str, at: float | None = None) -> float | None:
        """Return the one value of a query, now or at a time (seconds since 1970); None if there is none, or it is NaN."""
        body = urlencode({"query": query, **({} if at is None else {"time": f"{at:.3f}"})})
        data = self._ask(body)
        kind, result = data.get("resultType"), data.get("result")
        if kind == "scalar" and isinstance(result, list):
            return _number(cast("list[object]", result))
        if kind != "vector" or not isinstance(result, list):
            raise PrometheusError(f"{self.where}: a query must give one value, not a {kind}")
        if len(result) > 1:
            raise PrometheusError(f"{self.where}: a query must give one value, not {len(result)}; sum them up")
        return _number(cast("dict[str, list[object]]", result[0])["value"]) if result else None

    def _ask(self, body: str) -> dict[str, object]:
        status, text = self._post(body)
        try:
            answer = json.loads(text)
        except ValueError:
            raise PrometheusError(f"{self.where}: answered {status}, and not as Prometheus does") from None
        data = answer.get("data") if isinstance(answer, dict) else None
        if status != 200 or not isinstance(data, dict):
            kind = answer.get("errorType") if isinstance(answer, dict) else None
            raise PrometheusError(f"{self.where}: answered {status}{f' ({kind})' if kind else ''}")
        return cast("dict[str, object]", data)

    def _post(self, body: str) -> tuple[int, bytes]:
        from http.client import HTTPException

        connection = self._connection()
        try:
            connection.request("POST", self._path, body, self._headers)
            response = connection.getresponse()
            return response.status, response.read(_MOST_BYTES)
        except (OSError, HTTPException) as error:
            raise PrometheusError(f"{self.where}: cannot be reached ({type(error).__name__})") from None
        finally:
            connection.close()

    def _connection(self) -> HTTPConnection:
        from http.client import HTTPConnection, HTTPSConnection

        if self._secure:
            from ssl import create_default_context

            context = create_default_context()
            return HTTPSConnection(self._host, self._port, timeout=self._timeout, context=context)
        return HTTPConnection(self._host, self._port, timeout=self._timeout)


def parse_headers(text: str) -> dict[str, str]:
    """Read headers as ``OTEL_EXPORTER_OTLP_HEADERS`` has them: ``key=value,key=value``, values percent-encoded."""
    pairs = (each.partition("=") for each in text.split(",") if each.strip())
    return {key.strip(): unquote(value.strip()) for key, _, value in pairs if key.strip()}


@dataclass(frozen=True)
class PrometheusFigures:
    """What Prometheus says of a window, one query for each term."""

    client: PrometheusClient
    filters: Filters
    window: str
    at: float | None = None

    def number(self, term: Formula | str) -> float | None:
        """Return the value of a formula or of a query of the user's own; None where there is nothing to tell of."""
        return self.client.number(_query(term, self.filters, self.window), self.at)


@dataclass(frozen=True)
class PrometheusSource:
    """A server as what verdicts are computed from."""

    client: PrometheusClient
    at: float | None = None
    name: str = "Prometheus"
    run_seconds: int = 86_400
    """How far back a run may lie, where no time is given."""

    def figures(
        self,
        terms: Iterable[Formula | str],  # noqa: ARG002 - as of the store
        filters: Filters,
        seconds: int | None,
    ) -> tuple[PrometheusFigures, tuple[str, ...]]:
        """Return what the terms are computed from."""
        return PrometheusFigures(self.client, filters, window_text(seconds or self.run_seconds), self.at), ()

    def sliced(
        self,
        term: Formula | str,
        filters: Filters,
        seconds: int | None,
        length: int,
        *,
        flipped: bool,
        test: tuple[str, float] | None,
    ) -> tuple[float | None, int]:
        """Return the average over slices of time (of the term, or of whether it passes the test), and their number."""
        inner = _query(term, filters, window_text(length), sliced=True)
        value = f"1 - ({inner})" if flipped else f"({inner})"
        if test is not None:
            value = f"({value}) {_TESTS[test[0]]} bool {test[1]:g}"
        steps = f"[{window_text(seconds or self.run_seconds)}:{window_text(length)}]"
        average = self.client.number(f"avg_over_time(({value}){steps})", self.at)
        count = self.client.number(f"count_over_time(({value}){steps})", self.at)
        return average, round(count or 0)


def _query(term: Formula | str, filters: Filters, window: str, *, sliced: bool = False) -> str:
    if isinstance(term, str):
        return term.replace("{{.window}}", window)
    return promql(term, filters, window, sliced=sliced)


def _number(point: list[object]) -> float | None:
    value = float(str(point[1]))
    return value if math.isfinite(value) else None
