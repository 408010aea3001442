"""Logging in and out in a real browser, by keyboard alone, on the real application."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from accounts_app import PASSWORD, World, world
from browser import faults, photograph, served
from playwright.sync_api import Browser, BrowserContext, Page, expect
from review_desk import write
from serving_fakes import LABELS, a_prediction, an_item
from waiting import PATIENCE

from serving.adapters.unit import SqlServingUnit
from serving.ports import ServingUnit

pytestmark = pytest.mark.e2e


@dataclass
class Site:
    """The application on a port of this machine, and a browser for it."""

    world: World
    url: str
    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)  # of the browser's console

    def page(self, address: str) -> Page:
        """An address, in a browser that nobody has used."""
        context = self.browser.new_context(
            viewport={"width": 1440, "height": 800}, reduced_motion="reduce"
        )
        context.set_default_timeout(PATIENCE * 1000)
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(self.url + address)
        return page


@pytest.fixture(scope="module")
def served_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    # The test's client runs the application's lifespan already.
    with (
        world(tmp_path_factory.mktemp("home"), undo_seconds=600) as made,
        served(made.app, lifespan="off") as url,
    ):
        made.add("ada", "engineer", PASSWORD, lead=True)
        yield made, url


@pytest.fixture
def site(served_world: tuple[World, str], chromium: Browser) -> Iterator[Site]:
    made = Site(*served_world, chromium)
    yield made
    for context in made.contexts:
        context.close()


def log_in(page: Page, password: str = PASSWORD) -> None:
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type(password)
    page.keyboard.press("Enter")


def test_logging_in_and_out_takes_a_keyboard_only(site: Site):
    page = site.page("/audit")
    log_in(page, "wrong horse battery")
    expect(page.get_by_role("alert").filter(has_text="password is wrong")).to_be_visible()
    expect(page.get_by_label("Password")).to_be_focused()
    expect(page.get_by_label("Password")).to_have_value("")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/audit")
    expect(page.locator("header")).to_contain_text("ada engineer, lead")
    page.get_by_role("button", name="Log out").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/login")
    page.goto(site.url + "/audit")
    page.wait_for_url("**/login?next=%2Faudit")


def test_an_open_page_whose_session_ends_leads_through_the_login_and_back(site: Site):
    page = site.page("/review?model=waste")
    log_in(page)
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    body = {"password": PASSWORD}
    site.world.client.post("/v1/people/ada:password", json=body, headers=site.world.owner)
    # The page looks for new items by itself; its answer sends the whole window to the login.
    page.wait_for_url("**/login?next=%2Freview%3Fmodel%3Dwaste")
    log_in(page)
    page.wait_for_url("**/review?model=waste")


def test_requests_of_a_pages_script_bring_its_token(site: Site):
    page = site.page("/review")
    log_in(page)
    page.wait_for_url("**/review")
    with page.expect_response("**/renew") as answer:
        page.evaluate("htmx.ajax('POST', '/review/no-item/renew', {values: {epoch: 1}})")
    assert answer.value.status == 404
    page.evaluate("document.body.removeAttribute('hx-headers')")
    with page.expect_response("**/renew") as answer:
        page.evaluate("htmx.ajax('POST', '/review/no-item/renew', {values: {epoch: 1}})")
    assert answer.value.status == 403


def test_a_reviewers_day_takes_a_keyboard_only(site: Site):
    """Log in, review ten, undo one, agree with the model, think again, escalate one, log out."""
    held(site.world, range(11))
    page = site.page("/review")
    log_in(page)
    for number in range(10):
        ready(page, number)
        expect(page.locator("#photo")).to_have_js_property("naturalWidth", 96)
        page.keyboard.press("1")
    ready(page, 10)
    page.keyboard.press("u")
    ready(page, 9)
    page.keyboard.press("3")
    ready(page, 10)
    page.keyboard.press("y")
    expect(page.locator("#notice")).to_contain_text("you agree")
    page.keyboard.press("Shift+Digit0")
    expect(page.locator("#notice")).to_contain_text("Saved: “none of these”.")
    page.keyboard.press("e")
    page.keyboard.press("1")
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    expect(page.locator("#notice")).to_contain_text("Passed on to a lead.")
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.innerText") != "Log out":
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/login")
    with site.world.app.state.wiring.database.read() as connection:
        unit = SqlServingUnit(connection)
        given = [labels(unit, number) for number in range(10)]
        passed_on = [event.action for event in unit.review_log.events("item-00010")]
    assert given == [[LABELS[0]]] * 9 + [[LABELS[0], LABELS[2], "glass", None]]
    assert passed_on[-1] == "escalated"
    assert site.complaints == []


def test_an_answer_that_met_the_end_of_the_session_is_there_after_the_login(site: Site):
    held(site.world, range(20, 21))
    page = site.page("/review")
    log_in(page)
    ready(page, 20)
    page.keyboard.press("c")
    page.keyboard.type("torn")
    page.keyboard.press("Escape")
    body = {"password": PASSWORD}
    site.world.client.post("/v1/people/ada:password", json=body, headers=site.world.owner)
    page.keyboard.press("2")
    page.wait_for_url("**/login?next=%2Freview")
    log_in(page)
    ready(page, 20)
    expect(page.locator("#comment")).to_have_value("torn")
    expect(page.locator("#said")).to_contain_text(f"You had chosen “{LABELS[1]}”; it was not saved")
    page.keyboard.press("2")
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    with site.world.app.state.wiring.database.read() as connection:
        assert labels(SqlServingUnit(connection), 20) == [LABELS[1]]


def held(world: World, numbers: range) -> None:
    """Requests that wait for a person, the first the most urgent."""
    serving, data = world.app.state.wiring.serving, photograph("sienna")
    digest = serving.payloads.put(data)
    now = datetime.now(UTC)
    changes = {
        "payload_digest": digest,
        "payload_type": "image/png",
        "created_at": now,
        "due_at": now + timedelta(hours=1),
    }

    def add(unit: ServingUnit) -> None:
        for number in numbers:
            unit.predictions.add(a_prediction(number, **changes))
            unit.reviews.add(an_item(number, **changes))

    write(serving.database, add)


def ready(page: Page, number: int) -> None:
    page.wait_for_selector(f'#item[data-item="item-{number:05d}"][data-ready]')


def labels(unit: ServingUnit, number: int) -> list[str | None]:
    """What was said of an item; a later answer stands for those that it supersedes."""
    said = unit.review_log.all(f"item-{number:05d}")
    return [one.label for one in said]


def test_the_login_breaks_no_rule_of_accessibility(site: Site):
    page = site.page("/audit")
    found = faults(page, "login")
    page.get_by_label("Name").focus()
    log_in(page, "wrong horse battery")
    expect(page.get_by_role("alert").filter(has_text="password is wrong")).to_be_visible()
    found += faults(page, "login refused")
    page.get_by_label("Password").focus()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/audit")
    found += faults(page, "logged in")
    page.goto(site.url + "/account")
    found += faults(page, "account")
    page.get_by_label("Present password").fill("wrong horse battery")
    for label in ("New password", "New password again"):
        page.get_by_role("textbox", name=label, exact=True).fill("a rather different phrase")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("alert").filter(has_text="not your present password")).to_be_visible()
    found += faults(page, "account, refused")
    assert found == []
    assert all("401" in one or "403" in one for one in site.complaints)
