"""One browser for all tests of a module, and the pages for it to open."""

from collections.abc import Iterator
from typing import Any

import browser
import pytest
from pages_site import Open, Site
from playwright.sync_api import Browser, BrowserContext, Page
from waiting import PATIENCE


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Ended with its module: while Playwright is at work nobody else may run an event loop."""
    with browser.chromium(tmp_path_factory.mktemp("browser")) as launched:
        yield launched


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The pages, over an API in memory."""
    site = Site()
    with browser.served(site.app()) as site.url:
        yield site


@pytest.fixture
def open_page(site: Site, chromium: Browser) -> Iterator[Open]:
    """Opens pages as ada; at the end no page may have complained in its console."""
    site.test += 1
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(address: str, width: int = 1440, height: int = 900, **options: Any) -> Page:
        name, clock = options.pop("name", "ada"), options.pop("clock", False)
        script = options.pop("script", "")
        viewport = {"width": width, "height": height}
        context = chromium.new_context(viewport=viewport, **{"reduced_motion": "reduce"} | options)
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        context.add_cookies([{"name": "test", "value": str(site.test), "url": site.url}])
        if name:
            context.add_cookies([{"name": "stagegate_actor", "value": name, "url": site.url}])
        page = context.new_page()
        page.add_init_script(script)
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if clock:
            page.clock.install()
        page.goto(site.url + address)
        return page

    open_page.complaints = complaints
    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
