"""Chromium for tests of pages, and the rules of accessibility that every page keeps."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
INSTALL = (
    f"{CHROMIUM} is missing; install it (Debian and Ubuntu, as root): "
    "apt-get update && apt-get install -y --no-install-recommends chromium"
)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, or a failure that says how to get one."""
    if not CHROMIUM.exists():
        pytest.fail(INSTALL)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


def violations(page: Page) -> list[str]:
    """The rules that a page breaks, and where."""
    options = {"resultTypes": ["violations"], "runOnly": RULES}
    found = Axe().run(page, options=options).response["violations"]
    return [f"{one['id']} at {node['target']}" for one in found for node in one["nodes"]]
