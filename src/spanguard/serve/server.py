"""The application behind a socket, until it is interrupted."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import replace
from pathlib import Path
from typing import Final

import uvicorn

from spanguard.serve.app import create_app
from spanguard.serve.options import LOOPBACK, Options

_MOST_CONNECTIONS: Final = 200


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
            http="h11",
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
