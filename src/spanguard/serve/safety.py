"""What stands before every request: who may ask at all, from where, how often, and what a browser may do with the answer.

A page in somebody's browser can send requests to any address of this machine. So a request needs the token, whatever it asks;
its ``Host`` must be a name of this server's (a foreign name that was made to point here is refused), and where it names an
``Origin`` that must be this server's own.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spanguard.serve.options import Options

HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with `no-referrer` a form of our own would come from the origin `null`
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
OPEN: Final = frozenset({"/healthz", "/session", "/static/style.css"})
"""What needs no token: whether the server lives, the way to sign in, and how that page looks."""
_MOST_CLIENTS: Final = 1024
_LONGEST_FORM: Final = 4096

Refuse = Callable[[int, str, str], "tuple[bytes, str]"]
"""Makes the body and the content type of a refusal, of its status, its reason and the path that was asked for."""


def cookie_name(port: int) -> str:
    """Return the cookie's name; browsers keep the cookies of all ports of a machine together."""
    return f"spanguard_{port}"


def cookie_value(token: str) -> str:
    """Return what the cookie holds: what is made of the token, and not the token."""
    return hmac.new(token.encode(), b"spanguard session", hashlib.sha256).hexdigest()


@dataclass
class _Client:
    """How much a client may still ask."""

    tokens: float
    at: float
    failures: list[float] = field(default_factory=list)


class Gate:
    """Lets those in who may, as often as they may."""

    def __init__(self, options: Options, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._options = options
        self._limits = options.limits
        self._clock = clock
        self._clients: OrderedDict[str, _Client] = OrderedDict()
        self._token = options.token.encode()
        self._cookie = cookie_value(options.token).encode()

    def refused(self, address: str, headers: Mapping[str, str], method: str, path: str) -> tuple[int, str] | None:
        """Return status and reason if a request is not to be answered."""
        if not self._is_host(headers.get("host", "")):
            return 421, "this server does not go by that name; see --allow-host"
        if not self._is_origin(headers, method):
            return 403, "requests of other sites are not answered"
        client = self._client(address)
        if client.tokens < 1 or len(client.failures) >= self._limits.failures:
            return 429, "too many requests"
        client.tokens -= 1
        if path in OPEN or self.knows(headers):
            return None
        if "authorization" in headers:
            client.failures.append(self._clock())
        return 401, "a token is needed: open the link that `spanguard serve` printed, or send `Authorization: Bearer TOKEN`"

    def is_token(self, token: str, address: str) -> bool:
        """Whether somebody who signs in has the token; a wrong one counts against them."""
        if hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token):
            return True
        self._client(address).failures.append(self._clock())
        return False

    def knows(self, headers: Mapping[str, str]) -> bool:
        """Whether a request has the token, or the cookie that is made of it. Takes the same time for every wrong one."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        by_token = hmac.compare_digest(given.strip().encode("utf-8", "surrogatepass"), self._token)
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(headers.get("cookie", ""))
        except CookieError:
            jar.clear()
        morsel = jar.get(cookie_name(self._options.port))
        by_cookie = hmac.compare_digest((morsel.value if morsel else "").encode("utf-8", "surrogatepass"), self._cookie)
        return (by_token and scheme.lower() == "bearer") or by_cookie

    def _client(self, address: str) -> _Client:
        now = self._clock()
        client = self._clients.pop(address, None) or _Client(self._limits.burst, now)
        client.tokens = min(self._limits.burst, client.tokens + (now - client.at) * self._limits.per_second)
        client.at = now
        client.failures = [each for each in client.failures if now - each < 60]
        self._clients[address] = client
        if len(self._clients) > _MOST_CLIENTS:
            self._clients.popitem(last=False)
        return client

    def _is_host(self, host: str) -> bool:
        try:
            parts = urlsplit(f"//{host}")
            port = parts.port
        except ValueError:
            return False
        default = 443 if self._options.secure else 80
        return (
            not (parts.path or parts.query or parts.fragment or parts.username is not None)
            and (parts.hostname or "") in self._options.names
            and (default if port is None else port) == self._options.port
        )

    def _is_origin(self, headers: Mapping[str, str], method: str) -> bool:
        origin = headers.get("origin")
        if origin is not None:
            parts = urlsplit(origin)
            return parts.scheme == ("https" if self._options.secure else "http") and self._is_host(parts.netloc)
        # A link that somebody follows from another site is a plain page view; anything else from there is not answered.
        site = headers.get("sec-fetch-site", "none")
        return site in ("none", "same-origin") or (headers.get("sec-fetch-mode") == "navigate" and method == "GET")


class Safety:
    """The outermost layer of the server."""

    def __init__(self, app: ASGIApp, options: Options, refuse: Refuse, *, gate: Gate | None = None) -> None:
        self._app = app
        self._options = options
        self._refuse = refuse
        self._gate = gate or Gate(options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse to."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, path, method = Headers(scope=scope), str(scope["path"]), str(scope["method"])
        address = str((scope.get("client") or ("",))[0])
        signing_in = _token_of(scope) if method == "GET" else None
        if signing_in is not None and not path.startswith(("/api/", "/v1/", "/metrics")):
            path = "/session"
        refused = self._gate.refused(address, headers, method, path)
        if refused is not None:
            await self._answer(send, *refused, path, method)
        elif path == "/session":
            await self._sign_in(scope, receive, send, signing_in, address)
        else:
            await self._app(scope, receive, self._with_headers(send))

    async def _sign_in(self, scope: Scope, receive: Receive, send: Send, token: str | None, address: str) -> None:
        method = str(scope["method"])
        if token is None:
            if method != "POST":
                await self._answer(send, 401, "a token is needed", "/", method)
                return
            token = await _posted_token(receive)
        if not self._gate.is_token(token, address):
            await self._answer(send, 401, "that is not the token", "/", method)
            return
        cookie = f"{cookie_name(self._options.port)}={cookie_value(self._options.token)}; Path=/; HttpOnly; SameSite=Strict"
        place = _without_token(scope) if method == "GET" else "/"
        more = {"location": place, "set-cookie": cookie + ("; Secure" if self._options.secure else "")}
        await self._send(send, 303, b"", "text/plain", more)

    async def _answer(self, send: Send, status: int, reason: str, path: str, method: str) -> None:
        body, kind = self._refuse(status, reason, path)
        more = {401: {"www-authenticate": "Bearer"}, 429: {"retry-after": "10"}}.get(status, {})
        await self._send(send, status, b"" if method == "HEAD" else body, kind, more)

    async def _send(self, send: Send, status: int, body: bytes, kind: str, more: Mapping[str, str]) -> None:
        headers = {"content-type": kind, "content-length": str(len(body)), **more}
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        safe = self._with_headers(send)
        await safe({"type": "http.response.start", "status": status, "headers": pairs})
        await safe({"type": "http.response.body", "body": body})

    @staticmethod
    def _with_headers(send: Send) -> Send:
        async def safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        return safe


def _token_of(scope: Scope) -> str | None:
    """Return the token of a link that signs in."""
    return dict(_query(scope)).get("token")


def _query(scope: Scope) -> list[tuple[str, str]]:
    try:
        return parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        return []


def _without_token(scope: Scope) -> str:
    """Return the path that was asked for, without the token; on this server in any case."""
    rest = urlencode([(key, value) for key, value in _query(scope) if key != "token"])
    path = "/" + bytes(scope.get("raw_path") or b"/").partition(b"?")[0].decode("latin-1").lstrip("/\\")
    if not path.isascii() or not path.isprintable():
        path = "/"
    return path + (f"?{rest}" if rest else "")


async def _posted_token(receive: Receive) -> str:
    body, more = b"", True
    while more and len(body) <= _LONGEST_FORM:
        message = await receive()
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=5)).get("token", "")
    except ValueError:
        return ""
