"""Chromium without a head, and an eye on what its pages do."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from tests.patience import PATIENCE
from tests.servers import ROOT

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="There is no chromium: install Debian's package.")

SCREENSHOTS = ROOT / "build" / "screenshots"
"""Somebody has to look at them: a test does not see what is ugly."""

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

_OF_SWAGGER_UI = (
    "Could not find component: JsonSchema_",
    "Warning: escaping deep link whitespace with `_`",
)
"""Warnings of its own: it has no input of its own for each format, and takes the one of the type; and it looks for an
operation's id with blanks in the place of underscores, too.
"""


class Watched:
    """A page of a browser's own profile, and all that it asked for and complained about since it was opened."""

    def __init__(self, context: BrowserContext, page: Page, origin: str) -> None:
        self.page = page
        self._context = context
        self._origin = origin
        self.requests: list[str] = []
        self.complaints: list[str] = []
        """Errors and warnings of the console, and exceptions of scripts."""
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("console", self._hear)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning", "assert"} and not message.text.startswith(_OF_SWAGGER_UI):
            self.complaints.append(f"{message.text} at {message.location}")

    @property
    def outside(self) -> list[str]:
        """The requests to others than the server."""
        return [url for url in self.requests if not url.startswith((f"{self._origin}/", "data:", "blob:"))]

    async def kept(self) -> list[Any]:
        """What the browser would still have after the page is closed."""
        stores = "[...Object.entries(localStorage), ...Object.entries(sessionStorage)]"
        return [*await self.page.evaluate(stores), *await self._context.cookies()]

    async def open(self, path: str) -> None:
        """Go to a page of the server, and wait for all that it loads."""
        answer = await self.page.goto(self._origin + path, wait_until="networkidle")
        assert answer is not None
        assert answer.status == 200

    async def look(self, name: str, *, whole: bool = True) -> None:
        """Keep a screenshot, of the whole page or of what the screen shows, and see that it fits in width."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=whole)
        wide = await self.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide[0] <= wide[1], f"{name} scrolls sideways: {wide}"


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS, timeout=PATIENCE * 1000)
        yield browser
        await browser.close()


@asynccontextmanager
async def watched(browser: Browser, origin: str, **options: Any) -> AsyncIterator[Watched]:
    """A page of a profile of its own."""
    context = await browser.new_context(**options)
    context.set_default_timeout(PATIENCE * 1000)
    yield Watched(context, await context.new_page(), origin)
    await context.close()
