"""Pages in a real browser: Debian's Chromium through Playwright, while a real program runs.

Skipped where `playwright` or Chromium is not installed; with SPANGUARD_TEST_SCREENSHOTS=DIRECTORY the pages are kept as
pictures.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from serve.conftest import EVERY_COLUMN, Site, running

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
CHROMIUM = os.environ.get("SPANGUARD_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("there is no Chromium: apt-get install chromium", allow_module_level=True)

PAGES = ("/", "/traces", "/runs", "/run?run=nightly", "/compare?run=nightly&other=nightly", "/alerts", "/privacy")
PHONE = {"width": 390, "height": 844}
SCREENSHOTS = os.environ.get("SPANGUARD_TEST_SCREENSHOTS")


class Tab:
    """A page of a browser that remembers what went wrong, and whom it asked."""

    def __init__(self, context, site: Site) -> None:
        self.site = site
        self.faults: list[str] = []
        self.asked: set[str] = set()
        self.page = context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("console", lambda told: self.faults.append(told.text) if told.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self.asked.add(urlsplit(request.url).netloc))
        self.page.goto(site.link)

    def open(self, path: str) -> None:
        """Go to a page."""
        self.page.goto(self.site.address + path)

    def keep(self, name: str) -> None:
        """Keep a picture, if somebody wants them."""
        if SCREENSHOTS:
            self.page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """A browser without a window."""
    with playwright.sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM)
        yield made
        made.close()


@pytest.fixture
def tab(browser, site) -> Iterator[Tab]:
    """A page, signed in by the link; in the end nothing may have gone wrong, and nobody else have been asked."""
    context = browser.new_context()
    made = Tab(context, site)
    yield made
    assert made.faults == []
    assert made.asked <= {f"127.0.0.1:{site.port}"}
    context.close()


def test_every_page_opens_by_its_link(tab) -> None:
    """From the navigation, without a fault in the console and without a request to anyone else."""
    for name in ("Traces", "Runs", "Alerts", "Privacy", "Overview"):
        tab.page.get_by_role("navigation", name="Pages").get_by_role("link", name=name).click()
        assert tab.page.locator("h1").inner_text() == name
        assert tab.page.locator("nav a[aria-current=page]").inner_text().startswith(name)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desk", "phone"])
def test_pages_fit(browser, site, scheme, size) -> None:
    """Light and dark, at a desk and on a phone: nothing is wider than the window."""
    context = browser.new_context(color_scheme=scheme, **({"viewport": PHONE} if size == "phone" else {}))
    tab = Tab(context, site)
    tab.open("/traces")
    paths = [*PAGES, tab.page.locator("tbody a").first.get_attribute("href")]
    for path in paths:
        tab.open(path)
        wide = tab.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, path
        tab.keep(f"{re.sub('[^a-z]+', '-', path.partition('?')[0].strip('/')) or 'overview'}-{scheme}-{size}")
    paper = tab.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 200) == (scheme == "dark")
    assert tab.faults == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_for_everyone(browser, site, scheme) -> None:
    """The accessibility checker axe finds nothing, by the rules of WCAG 2.2 AA and by its best practices."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)  # the checker is a script that is put in
    tab = Tab(context, site)
    tab.open("/traces")
    for path in (*PAGES, tab.page.locator("tbody a").first.get_attribute("href"), "/nothing"):
        tab.open(path)
        tab.page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        found = axe.Axe().run(tab.page)
        told = [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found.response["violations"]]
        assert told == [], path
    context.close()


def test_a_page_shows_what_a_program_does_while_it_runs(browser, tmp_path) -> None:
    """The demo's traces are on the page within two seconds of being in the store, without anybody touching it."""
    pytest.importorskip("openai", reason="what the demo calls its server with")
    store = tmp_path / "demo.db"
    with running(store) as site:
        context = browser.new_context()
        tab = Tab(context, site)
        tab.open("/traces")
        assert "No traces yet" in tab.page.locator("#found").inner_text()
        stored: list[float] = []

        def look() -> None:
            while not site.get("/api/traces")["traces"]:
                time.sleep(0.01)
            stored.append(time.monotonic())

        watcher = threading.Thread(target=look)
        watcher.start()
        demo = subprocess.Popen(
            [sys.executable, "-m", "spanguard", "demo", "--store", str(store), "--json"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        tab.page.locator("tbody tr").first.wait_for()
        shown = time.monotonic()
        watcher.join()
        sys.stdout.write(f"shown {shown - stored[0]:.2f} s after it was stored (budget: 2 s)\n")
        assert demo.wait(120) == 0
        tab.page.locator("tbody tr").nth(17).wait_for()
        tab.open("/")
        playwright.expect(tab.page.locator(".tile dd").first).to_have_text("28", timeout=30_000)
        assert tab.faults == []
        context.close()


def test_what_is_open_stays_open_when_something_is_new(browser, tmp_path) -> None:
    """And what has the focus keeps it."""
    store = tmp_path / "telemetry.db"
    program = [sys.executable, str(EVERY_COLUMN), str(store)]
    subprocess.run(program, check=True, timeout=120)
    with running(store) as site:
        context = browser.new_context()
        tab = Tab(context, site)
        playwright.expect(tab.page.locator(".tile dd").first).to_have_text("5", timeout=30_000)
        tab.page.locator("#requests-table > summary").click()
        assert tab.page.locator("#requests-table").get_attribute("open") is not None
        subprocess.run(program, check=True, timeout=120)
        playwright.expect(tab.page.locator(".tile dd").first).to_have_text("10", timeout=30_000)
        assert tab.page.locator("#requests-table").get_attribute("open") is not None
        assert tab.page.evaluate("document.activeElement.parentElement.id") == "requests-table"
        assert tab.faults == []
        context.close()


def test_traces_are_filtered_by_the_form(tab) -> None:
    """What was chosen stays chosen, and can be cleared."""
    tab.open("/traces")
    tab.page.get_by_label("Outcome").select_option("success")
    tab.page.get_by_role("button", name="Search").click()
    assert "No trace is like that" in tab.page.locator("#found").inner_text()
    assert tab.page.get_by_label("Outcome").input_value() == "success"
    tab.page.get_by_role("link", name="Clear").click()
    tab.page.get_by_label("Name").fill("WORK")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**/traces?name=WORK*")
    assert tab.page.locator("tbody tr").count() == 1


def test_a_waterfall_opens(tab) -> None:
    """Bars stand where their spans were, and a span shows what it says."""
    tab.open("/traces")
    tab.page.locator("tbody a").first.click()
    rows = tab.page.locator(".span-row")
    assert rows.count() > 15
    first, boxes = rows.first.locator("rect").bounding_box(), [each.bounding_box() for each in rows.locator("rect").all()]
    for box in boxes:
        assert box["x"] >= first["x"] - 1
        assert box["x"] + box["width"] <= first["x"] + first["width"] + 4
    rows.first.locator("summary").click()
    assert "resilience.operation.outcome" in rows.first.inner_text()


def test_the_keyboard_is_enough(tab) -> None:
    """The first stop skips to the content; every link and every table can be reached and seen to be reached."""
    tab.open("/traces")
    tab.page.keyboard.press("Tab")
    assert tab.page.evaluate("document.activeElement.textContent") == "Skip to content"
    tab.page.keyboard.press("Enter")
    reached = []
    for _ in range(12):
        tab.page.keyboard.press("Tab")
        style = "getComputedStyle(document.activeElement).outlineStyle"
        reached.append((tab.page.evaluate("document.activeElement.tagName"), tab.page.evaluate(style)))
    assert {"INPUT", "SELECT", "BUTTON", "A"} <= {tag for tag, _ in reached}
    assert all(style != "none" for tag, style in reached if tag != "BODY")  # the end of the page
    tab.page.locator("tbody a").first.focus()
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**/traces/*")
    tab.page.locator("summary").first.focus()
    tab.page.keyboard.press("Enter")
    assert tab.page.locator("details").first.get_attribute("open") is not None


def test_who_has_no_token_can_sign_in(browser, site) -> None:
    """With the token, by hand."""
    from serve.conftest import TOKEN

    context = browser.new_context()
    page = context.new_page()
    page.goto(site.address + "/traces")
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button").click()
    assert "not the token" in page.locator("main").inner_text()
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button").click()
    assert page.locator("h1").inner_text() == "Overview"
    assert page.evaluate("document.cookie") == ""
    context.close()


def test_another_site_learns_nothing(browser, site, tmp_path) -> None:
    """A page from elsewhere cannot read from here, nor show it in a frame."""
    context = browser.new_context()
    Tab(context, site)
    page = context.new_page()
    with running(tmp_path / "telemetry.db") as other:
        page.goto(f"{other.address}/healthz")
        asked = "fetch(%r, {credentials: 'include'}).then(() => 'read', () => 'refused')"
        assert page.evaluate(asked % f"{site.address}/api/traces") == "refused"
    context.close()
