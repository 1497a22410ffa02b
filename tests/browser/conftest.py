"""A real Chromium: one a module, a fresh context for each test, and no error or foreign request goes unseen."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from labkit import serve
from labkit.host import Lab

TIMEOUT_MS = 20_000
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder: it needs a browser, and that is slow; one worker takes a module whole."""
    for item in items:
        if item.path.is_relative_to(os.path.dirname(__file__)):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.xdist_group(f"browser/{item.path.stem}"))


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where Chromium is: LABKIT_CHROMIUM, or the first of the usual names.

    Debian's headless shell is the same engine without the windows around it, which take most of the time.
    """
    names = [os.environ.get("LABKIT_CHROMIUM", ""), "chromium-headless-shell"]
    names += ["chromium", "chromium-browser", "google-chrome"]
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        reason = "no Chromium: set LABKIT_CHROMIUM to its path, or install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(f"needed in CI: {reason}")
        pytest.skip(reason)
    return found


# Not for the whole session: while Playwright's sync API runs, asyncio.run() fails in the same thread,
# and the tests of the next folders need it.
@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    as_root = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS + as_root)
        yield browser
        browser.close()


@dataclass
class Watch:
    """What pages reported; the end of the test asserts that nothing of it was unexpected."""

    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    def allow(self, pattern: str) -> None:
        """Expect console errors that match, such as those of a server that the test stops."""
        self.allowed.append(pattern)

    def unexpected(self) -> list[str]:
        errors = [e for e in self.errors if not any(re.search(pattern, e) for pattern in self.allowed)]
        return errors + [f"request to another origin: {url}" for url in self.foreign]

    def listen(self, page: Page, origin: str) -> None:
        def note_request(url: str) -> None:
            host = urlsplit(url).netloc
            if not url.startswith(("data:", "blob:")) and host != urlsplit(origin).netloc:
                self.foreign.append(url)

        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        page.on(
            "console",
            lambda message: (
                message.type in ("error", "warning")
                and self.errors.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")
            ),
        )
        page.on("request", lambda request: note_request(request.url))
        page.on("websocket", lambda websocket: note_request(websocket.url))


@pytest.fixture(autouse=True)
def expectations_of_every_page() -> None:
    """The same patience in every module, whatever the one before has left."""
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = Watch()
    yield watch
    assert watch.unexpected() == []


@pytest.fixture
def start() -> Iterator[Callable[..., Lab]]:
    """Return start(app, ...), which is serve() with a server that ends after the test's pages have closed."""
    labs: list[Lab] = []

    def start(app: Any, **options: Any) -> Lab:
        labs.append(serve(app, **options))
        return labs[-1]

    yield start
    for lab in labs:
        lab.stop()


@pytest.fixture
def open_page(start: object, browser: Browser, watch: Watch) -> Iterator[Callable[..., Page]]:
    """Return open_page(url, width=1280, height=800, dark=False, fake_clock=False), which returns the page."""
    contexts: list[BrowserContext] = []

    def open_page(
        url: str,
        *,
        width: int = 1280,
        height: int = 800,
        dark: bool = False,
        fake_clock: bool = False,
        **more: Any,
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", **more
        )
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        watch.listen(page, url)
        if fake_clock:
            page.clock.install()
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def cut() -> Callable[..., AbstractContextManager[None]]:
    """Return cut(lab, page), a context in which that page has no line; after it, the network is there again.

    All connections are cut as a failing network does it, and the server, which knows the page by a cookie, refuses it.
    A browser that is set offline would not do: it holds back what comes on a WebSocket, its end too.
    """

    @contextmanager
    def cut(lab: Lab, page: Page) -> Iterator[None]:
        guard = lab.guard
        served = guard.app

        async def refuse(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "websocket" and b"line=cut" in dict(scope["headers"]).get(b"cookie", b""):
                await receive()
                await send({"type": "websocket.close"})
            else:
                await served(scope, receive, send)

        page.context.add_cookies([{"name": "line", "value": "cut", "url": lab.url}])
        guard.app = refuse
        lab._loop.call_soon_threadsafe(  # type: ignore[union-attr]
            lambda: [c.transport.abort() for c in list(lab._server.server_state.connections)]  # type: ignore[union-attr]
        )
        expect(page.locator("#chip")).to_contain_text("Reconnecting")
        yield
        guard.app = served
        page.context.clear_cookies()
        page.evaluate("dispatchEvent(new Event('online'))")

    return cut
