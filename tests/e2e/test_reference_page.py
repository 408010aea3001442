"""The reference of the HTTP interface in a browser that reaches nothing but the service."""

from collections.abc import Iterator
from pathlib import Path

import browser
import pytest
from playwright.sync_api import Browser, Route, expect

from console.app import create_app
from console.settings import Settings

pytestmark = pytest.mark.e2e


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with browser.served(create_app(Settings(home=tmp_path)), lifespan="off") as url:
        yield url


def test_the_reference_shows_every_operation_without_the_internet(address: str, chromium: Browser):
    page = chromium.new_context().new_page()
    complaints: list[str] = []
    asked: list[str] = []

    def only_here(route: Route) -> None:
        asked.append(route.request.url)
        route.continue_() if route.request.url.startswith(address) else route.abort()

    page.route("**/*", only_here)
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{address}/docs")
    operations = page.locator(".opblock")
    expect(operations.first).to_be_visible()
    known = page.request.get(f"{address}/openapi.json").json()["paths"]
    assert operations.count() == sum(len(methods) for methods in known.values())
    predict = operations.filter(has_text="/v1/models/{model}/predict").first
    predict.locator(".opblock-summary-control").click()
    expect(predict.get_by_role("button", name="Try it out")).to_be_visible()
    assert complaints == []
    assert [url for url in asked if not url.startswith((address, "data:"))] == []
    page.context.close()
