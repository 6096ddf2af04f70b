"""The application behind a socket, until it is interrupted."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import replace
from pathlib import Path
from typing import Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from spanguard.serve.app import create_app
from spanguard.serve.options import LOOPBACK, Options

_MOST_CONNECTIONS: Final = 200
_HEADERS_SECONDS: Final = 5.0


class _Impatient(H11Protocol):
    """Closes connections on which the head of a request does not arrive in time: uvicorn itself waits for ever.

    Otherwise a few hundred that never say what they want would keep everybody else out.
    """

    _closing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._look(gone=True)
        super().connection_lost(exc)

    def _look(self, *, gone: bool = False) -> None:
        waiting = self.conn.their_state is h11.IDLE and not gone
        if waiting and self._closing is None:
            self._closing = self.loop.call_later(_HEADERS_SECONDS, self.transport.close)
        elif not waiting and self._closing is not None:
            self._closing.cancel()
            self._closing = None


class Server:
    """A server that listens from when it is made; `run` answers.

    Raises `OSError` where it cannot listen. With port 0 it takes a free one: `options` says which.
    """

    def __init__(self, options: Options, certificate: Path | None = None, key: Path | None = None) -> None:
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        self._socket = socket.create_server((options.host, options.port), family=family, backlog=128)
        self.options: Options = replace(options, port=self._socket.getsockname()[1], secure=certificate is not None)
        config = uvicorn.Config(
            create_app(self.options),
            log_config=None,
            log_level="critical",
            access_log=False,
            lifespan="on",
            http=_Impatient,
            ws="none",
            proxy_headers=False,
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=1,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
        self._server = uvicorn.Server(config)

    @property
    def address(self) -> str:
        """Where it is, as a URL."""
        host = "localhost" if self.options.host in ("", "0.0.0.0", "::") else self.options.host  # noqa: S104 - compared
        shown = f"[{host}]" if ":" in host else host
        return f"{'https' if self.options.secure else 'http'}://{shown}:{self.options.port}"

    def run(self) -> None:
        """Answer until the process is interrupted."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Let `run` end, from another thread."""
        self._server.should_exit = True


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    if host.lower() in LOOPBACK:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
