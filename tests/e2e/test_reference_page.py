"""The reference of the HTTP interface in a browser that reaches nothing but the service."""

from collections.abc import Iterator

import browser
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from console.app import create_app
from console.settings import Settings

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    app = create_app(Settings(home=tmp_path_factory.mktemp("home")))
    with browser.served(app, lifespan="off") as url:
        yield url


@pytest.fixture
def page(address: str, chromium: Browser) -> Iterator[Page]:
    """Its reference; at the end nothing may have been asked of anybody else."""
    context = chromium.new_context(reduced_motion="reduce")
    page, complaints, asked = context.new_page(), [], []

    def only_here(route: Route) -> None:
        asked.append(route.request.url)
        route.continue_() if route.request.url.startswith(address) else route.abort()

    page.route("**/*", only_here)
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{address}/docs")
    yield page
    assert complaints == []
    assert [url for url in asked if not url.startswith(address)] == []
    context.close()


def test_the_reference_shows_every_operation_and_document(address: str, page: Page):
    known = page.request.get(f"{address}/openapi.json").json()
    operations = [
        f"{method.upper()} {path}" for path, found in known["paths"].items() for method in found
    ]
    shown = page.locator(".reference summary")
    assert sorted(operations) == sorted(
        " ".join(one.split()[:2]) for one in shown.all_inner_texts()
    )
    for name in known["components"]["schemas"]:
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def test_an_operation_says_what_it_takes_and_gives_and_how_to_ask(address: str, page: Page):
    operation = page.locator("#post-v1-review-item-decision")
    operation.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(operation).to_contain_text("item string from 1 to 256 characters in the path required")
    said = '-H \'Content-Type: application/json\' -d \'{"epoch": 1, "label": "…"}\''
    asked = f"curl -X POST '{address}/v1/review/{{item}}/decision' {said}"
    expect(operation.locator(".command code")).to_have_text(asked)
    operation.get_by_role("link", name="DecisionBody").click()
    document = page.locator("#schema-DecisionBody")
    expect(document).to_be_in_viewport()
    expect(document).to_contain_text("label string up to 256 characters or null required")


def test_the_reference_breaks_no_rule_of_accessibility(page: Page):
    found = browser.faults(page, "folded")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert found + browser.faults(page, "unfolded") == []
