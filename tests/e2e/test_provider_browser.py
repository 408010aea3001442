"""Logging in through an OpenID provider in a real browser, and the account of who has done so."""

from collections.abc import Iterator

import pytest
from accounts_app import World, world
from browser import faults, served
from openid_provider import CLIENT_ID, CLIENT_SECRET, Provider, provider
from playwright.sync_api import Browser, Page, expect
from waiting import PATIENCE

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def openid() -> Iterator[Provider]:
    with provider() as made:
        made.user = {"sub": "0001", "preferred_username": "ada", "roles": ["qa", "heads"]}
        yield made


@pytest.fixture(scope="module")
def made(openid: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(
        tmp_path_factory.mktemp("home"),
        oidc_issuer=openid.issuer,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=CLIENT_SECRET,
        oidc_roles="qa=reviewer, heads=lead",
        oidc_label="the University of Somewhere Rather Far Away",
    ) as service:
        yield service


@pytest.fixture
def page(openid: Provider, made: World, chromium: Browser) -> Iterator[Page]:
    """On the way to an account; no page may complain in its console of more than a refusal."""
    complaints: list[str] = []
    # The test's client runs the application's lifespan already.
    with served(made.app, lifespan="off") as url:
        openid.client.redirect_uris.append(f"{url}/login/provider/callback")
        context = chromium.new_context(
            viewport={"width": 1440, "height": 800}, reduced_motion="reduce"
        )
        context.set_default_timeout(PATIENCE * 1000)
        opened = context.new_page()
        opened.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.goto(f"{url}/account")
        yield opened
        context.close()
    assert all("403" in one for one in complaints)  # what it says of a refusal


def press(page: Page, role: str, name: str) -> None:
    """Go there with the Tab key and press Enter."""
    target = page.get_by_role(role, name=name)  # type: ignore[arg-type]
    for _ in range(30):
        page.keyboard.press("Tab")
        if target.evaluate("each => each === document.activeElement"):
            page.keyboard.press("Enter")
            return
    pytest.fail(f"the Tab key does not lead to {name}")


def test_who_logs_in_elsewhere_has_an_accessible_account_and_needs_no_mouse(page: Page):
    found = faults(page, "the login with a provider")
    press(page, "link", "Log in with the University of Somewhere Rather Far Away")
    page.wait_for_url("**/account")
    expect(page.get_by_role("heading", name="Logging in")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("and have no password here")
    expect(page.get_by_label("Present password")).to_have_count(0)
    found += faults(page, "the account of a provider")
    press(page, "button", "Log out everywhere")
    page.wait_for_url("**/login")
    assert found == []


def test_a_provider_that_lets_nobody_in_is_told_accessibly(page: Page):
    page.goto(page.url.split("/login")[0] + "/login/provider/callback?error=access_denied")
    problem = page.get_by_role("alert").filter(has_text="access_denied")
    expect(problem).to_be_visible()
    assert faults(page, "refused by the provider") == []
