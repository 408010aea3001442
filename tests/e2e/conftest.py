"""One browser for all tests of a module."""

from collections.abc import Iterator

import browser
import pytest
from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Ended with its module: while Playwright is at work nobody else may run an event loop."""
    with browser.chromium(tmp_path_factory.mktemp("browser")) as launched:
        yield launched
