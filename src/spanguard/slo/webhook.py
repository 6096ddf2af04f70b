"""Alerts posted to an address, in a thread of their own: whoever raises one never waits."""

from __future__ import annotations

import http.client
import json
import logging
import queue
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

_log: Final = logging.getLogger("spanguard")
TIMEOUT: Final = 5.0
_MOST_WAITING: Final = 100


class Webhook:
    """Posts JSON to one address. What cannot be delivered is dropped and counted in `lost`; the address is never shown.

    Raises `ValueError` for an address that is not of http or https.
    """

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the webhook's address must begin with http:// or https://")
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._timeout = timeout
        self._waiting: queue.Queue[bytes | None] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self.lost: int = 0

    def send(self, message: Mapping[str, object]) -> None:
        """Hand a message over; returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._deliver, name="spanguard-webhook", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(json.dumps(message).encode())
        except queue.Full:
            self._lose("too many are waiting")

    def close(self, timeout: float = TIMEOUT) -> None:
        """Wait for what was handed over, at most so many seconds."""
        if self._thread is None:
            return
        give_up = time.monotonic() + timeout
        try:
            self._waiting.put(None, timeout=timeout)
        except queue.Full:
            return
        self._thread.join(max(0.0, give_up - time.monotonic()))

    def _deliver(self) -> None:
        while (body := self._waiting.get()) is not None:
            try:
                self._post(body)
            except (OSError, http.client.HTTPException) as error:
                self._lose(type(error).__name__)

    def _post(self, body: bytes) -> None:
        if self._secure:
            context = ssl.create_default_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout, context=context
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        try:
            connection.request("POST", self._path, body, {"Content-Type": "application/json"})
            status = connection.getresponse().status
        finally:
            connection.close()
        if status >= 300:
            self._lose(f"it answered {status}")

    def _lose(self, reason: str) -> None:
        self.lost += 1
        if self.lost == 1:
            _log.warning("an alert could not be delivered to the webhook (%s); more of the same are not logged", reason)
