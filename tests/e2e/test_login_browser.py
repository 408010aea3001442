"""Logging in and out in a real browser, by keyboard alone, on the real application."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import uvicorn
from accounts_app import PASSWORD, World, world
from browser import chromium, violations
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.e2e


@dataclass
class Site:
    """The application on a port of this machine, and a browser for it."""

    world: World
    url: str
    browser: Browser

    def page(self, address: str, width: int = 1440, scheme: str = "light") -> Page:
        """An address, in a browser that nobody has used."""
        context = self.browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
        )
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.goto(self.url + address)
        return page


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with (
        world(tmp_path_factory.mktemp("home")) as made,
        socket.socket() as listening,
        chromium() as browser,
    ):
        listening.bind(("127.0.0.1", 0))
        made.add("ada", "engineer", PASSWORD, lead=True)
        # The test's client runs the application's lifespan already.
        server = uvicorn.Server(uvicorn.Config(made.app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield Site(made, f"http://127.0.0.1:{listening.getsockname()[1]}", browser)
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


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


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1440, "light")])
def test_the_login_breaks_no_rule_of_accessibility(site: Site, width: int, scheme: str):
    page = site.page("/audit", width, scheme)
    found = violations(page)
    log_in(page, "wrong horse battery")
    expect(page.get_by_role("alert").filter(has_text="password is wrong")).to_be_visible()
    found += violations(page)
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/audit")
    assert found + violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
