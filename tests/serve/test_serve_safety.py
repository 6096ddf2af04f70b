"""Who is answered, and who is not."""

from __future__ import annotations

import socket

import pytest

from serve.conftest import TOKEN
from spanguard.serve import server
from spanguard.serve.options import Limits
from spanguard.serve.safety import cookie_name, cookie_value
from spanguard.serve.server import is_loopback
from spanguard.store.rollup import Rollup

PATHS = ["/", "/traces", "/runs", "/alerts", "/privacy", "/api/summary", "/metrics", "/openapi.json", "/live", "/nothing"]


@pytest.mark.parametrize("path", PATHS)
def test_without_the_token_nothing_is_answered(site, path) -> None:
    """Pages, API and scrape are for those who have the token, whether or not there is such a path."""
    assert site.ask(path, token=None).status == 401
    assert site.ask(path, token="a-token-of-twenty-thref").status == 401
    assert site.ask(path, token="").status == 401


@pytest.mark.parametrize("given", [f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \u00ff", "Bearer"])
def test_the_token_has_to_be_a_bearers(site, given) -> None:
    """Another scheme, or a token that begins alike, is none."""
    assert site.ask("/api/summary", token=None, authorization=given).status == 401


def test_health_needs_no_token_and_tells_nothing(site) -> None:
    """Who watches over processes learns that this one lives."""
    answer = site.ask("/healthz", token=None)
    assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_the_link_signs_in_once(site) -> None:
    """It sets a cookie that scripts and other sites cannot use, and leads to the page without the token."""
    answer = site.ask(f"/traces?token={TOKEN}&name=x", token=None)
    assert (answer.status, answer.headers["location"]) == (303, "/traces?name=x")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert site.ask("/traces", token=None, cookie=cookie.partition(";")[0]).status == 200


def test_the_link_leads_nowhere_else(site) -> None:
    """A path that a browser would take for another server's name stays a path of this one."""
    for path in (f"//evil.example/?token={TOKEN}", f"/%5Cevil.example?token={TOKEN}", f"/\\evil.example?token={TOKEN}"):
        answer = site.ask(path, token=None)
        assert answer.headers["location"].startswith("/")
        assert not answer.headers["location"].startswith(("//", "/\\"))


def test_a_wrong_link_does_not_sign_in(site) -> None:
    """Nor does a wrong token in the form."""
    assert site.ask("/?token=wrong", token=None).status == 401
    assert site.ask("/session", method="POST", token=None, body=b"token=wrong").status == 401


def test_the_form_signs_in(site) -> None:
    """Who has lost the link can give the token."""
    form = {"content_type": "application/x-www-form-urlencoded"}
    answer = site.ask("/session", method="POST", token=None, body=f"token={TOKEN}".encode(), **form)
    assert (answer.status, answer.headers["location"]) == (303, "/")


def test_a_made_up_cookie_is_refused(site) -> None:
    """So is one of another server, and what is no cookie at all."""
    for value in (cookie_value("another token"), TOKEN, "", '"', "\x01"):
        assert site.ask("/", token=None, cookie=f"{cookie_name(site.port)}={value}").status == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "", "localhost:1", "[::"]
)
def test_a_foreign_host_is_refused(site, host) -> None:
    """A name that somebody made to point at this machine is not this server's."""
    assert site.ask("/healthz", host=host).status == 421


def test_its_own_names_are_answered(site, serve) -> None:
    """Those of the loopback, and those that it was told of."""
    for name in ("localhost", "127.0.0.1", "[::1]", "LOCALHOST"):
        assert site.ask("/healthz", host=f"{name}:{site.port}").status == 200
    other = serve(hosts=frozenset({"box.lan"}))
    assert other.ask("/healthz", host=f"box.lan:{other.port}").status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1", "https://localhost", "file://"])
def test_a_foreign_origin_is_refused(site, origin) -> None:
    """A page of another site learns nothing here, whatever its browser sends along."""
    assert site.ask("/api/summary", origin=origin).status == 403


def test_its_own_origin_is_answered(site) -> None:
    """The page asks its own server."""
    assert site.ask("/api/summary", origin=site.address).status == 200


def test_what_a_browser_says_of_another_site_is_heeded(site) -> None:
    """A picture or a form of another site is refused; a link that somebody follows is a page view."""
    assert site.ask("/", sec_fetch_site="cross-site", sec_fetch_mode="no-cors").status == 403
    assert site.ask("/", sec_fetch_site="cross-site", sec_fetch_mode="navigate").status == 200
    posted = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    assert site.ask("/session", method="POST", body=b"token=x", **posted).status == 403


def test_every_answer_forbids_what_it_does_not_need(site) -> None:
    """Also a refusal: no script but the server's own, no frame, no guess at a type, nothing kept by caches."""
    for answer in (site.ask("/"), site.ask("/", token=None), site.ask("/nothing"), site.ask("/static/live.js")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] in ("no-store", "no-cache")
        assert "server" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(site, method) -> None:
    """Pages and API are read-only."""
    for path in ("/", "/api/traces", "/metrics"):
        assert site.ask(path, method=method).status == 405


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../../etc/passwd",
        "/static/%2e%2e/%2e%2e/app.py",
        "/static/..%2f..%2fapp.py",
        "/static//etc/passwd",
        "/static/",
        "/traces/..%2f..%2f..%2fetc%2fpasswd",
        "/templates/base.html",
    ],
)
def test_no_request_reads_a_file(site, path) -> None:
    """There is no path to what is not a page."""
    assert site.ask(path).status == 404


def test_who_asks_too_often_has_to_wait(serve) -> None:
    """A client may ask a number of times at once, and then so often a second."""
    site = serve(limits=Limits(per_second=0.001, burst=20))
    statuses = [site.ask("/healthz").status for _ in range(25)]
    assert statuses[0] == 200
    assert statuses[-1] == 429
    assert site.ask("/healthz").headers["retry-after"]


def test_who_guesses_is_locked_out(serve) -> None:
    """After some wrong tokens a client is not even told whether the next one is right."""
    site = serve(limits=Limits(failures=3))
    assert [site.ask("/api/summary", token="wrong").status for _ in range(3)] == [401] * 3
    assert site.ask("/api/summary").status == 429


@pytest.mark.parametrize("before", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost:%d\r\n\r\n"])
def test_who_does_not_say_what_it_wants_is_cut_off(serve, monkeypatch, before) -> None:
    """A request whose head does not come to an end, the first or a later one, does not hold a place for ever."""
    monkeypatch.setattr(server, "_HEADERS_SECONDS", 0.2)
    site = serve()
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as connection:
        if before:
            connection.sendall(before % site.port)
            assert b" 200 " in connection.recv(65_536)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        while connection.recv(65_536):  # the rest of the first answer, perhaps
            pass
    assert site.ask("/healthz").status == 200


def test_a_refusal_does_not_repeat_what_was_sent(site) -> None:
    """Not in a page, not in JSON: it could be a script, or a secret."""
    for path in ("/<script>x</script>", "/api/%3Cscript%3E", "/?window=%3Cscript%3E", "/api/summary?window=%3Cscript%3E"):
        assert b"script>x" not in site.ask(path).body
        assert b"<script>" not in site.ask(path).body.replace(b'<script src="/static/live.js" defer>', b"")


def test_a_fault_of_ours_is_no_news_to_anybody(serve, monkeypatch) -> None:
    """It is answered with 500 and a sentence, as safely as everything else."""
    monkeypatch.setattr(Rollup, "runs", lambda _: 1 / 0)
    site = serve()
    for path in ("/api/runs", "/runs"):
        answer = site.ask(path)
        assert answer.status == 500
        assert b"ZeroDivision" not in answer.body
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_which_addresses_are_this_machines() -> None:
    """Everything else is beyond it."""
    assert all(map(is_loopback, ("127.0.0.1", "127.8.9.1", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.com", "")))
