"""The pages in a real browser: by keyboard alone, accessible, loud when something is not saved."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import page_documents as documents
import pytest
from browser import photograph, served, violations
from fastapi import FastAPI
from fastapi.responses import Response
from playwright.sync_api import Browser, BrowserContext, Page, expect
from waiting import PATIENCE

from console.web import pages

pytestmark = pytest.mark.e2e

Open = Callable[..., Page]

# Pages that stay as they are, however long somebody looks at them.
NO_REPETITION = "window.setInterval = () => 0"
PAGES = {
    "overview": "/",
    "review": "/review",
    "queues": "/review/queues",
    "model": "/models/waste",
    "rollout": "/rollouts/waste",
    "drift": "/drift/waste",
    "audit": "/audit",
    "missing": "/models/unknown",
}


def now() -> datetime:
    return datetime.now(UTC)


class Site:
    """A service on a free port of this machine; `api` can be swapped between tests."""

    def __init__(self) -> None:
        self.api = documents.FakeApi()
        self.url = ""
        self.photograph = photograph("sienna")

    async def get(self, path: str, params: Any = None, actor: str = "") -> Any:
        return await self.api.get(path, params, actor)

    async def post(self, path: str, body: Any, actor: str) -> Any:
        return await self.api.post(path, body, actor)

    def app(self) -> FastAPI:
        app = FastAPI()
        pages.install(app, self)

        @app.get("/v1/predictions/{prediction}/payload")
        def payload(prediction: str) -> Response:
            return Response(self.photograph, media_type="image/png")

        return app


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    site = Site()
    with served(site.app()) as site.url:
        yield site


@pytest.fixture
def open_page(site: Site, chromium: Browser) -> Iterator[Open]:
    """Opens pages as ada; at the end no page may have complained in its console."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(address: str, width: int = 1440, height: int = 900, **options: Any) -> Page:
        name, clock = options.pop("name", "ada"), options.pop("clock", False)
        script = options.pop("script", "")
        viewport = {"width": width, "height": height}
        context = chromium.new_context(viewport=viewport, reduced_motion="reduce", **options)
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
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


def queue(site: Site, *items: dict[str, Any], **settings: Any) -> documents.FakeApi:
    site.api = documents.FakeApi(list(items), clock=now)
    site.photograph = photograph("sienna")
    for name, value in settings.items():
        setattr(site.api, name, value)
    return site.api


def an_item(number: int, **changes: Any) -> dict[str, Any]:
    return documents.an_item(number, waiting_since=now().isoformat(), due_at=None) | changes


def ready(page: Page, item: str) -> None:
    """Wait until an item is on the page and takes answers."""
    page.wait_for_selector(f'#item[data-item="{item}"][data-ready]')


def decided(api: documents.FakeApi) -> list[tuple[str, str | None]]:
    return [(decision["item"], decision["label"]) for decision in api.decisions]


def test_three_items_are_reviewed_by_keyboard_alone(site: Site, open_page: Open):
    api = queue(site, an_item(1), an_item(2), an_item(3))
    page = open_page("/review", name="")
    page.keyboard.press("Tab")  # the link past the menu
    page.get_by_label("Your name").last.focus()
    page.keyboard.type("ada")
    page.keyboard.press("Enter")
    ready(page, "item-1")
    expect(page.locator("#item-title")).to_be_focused()
    page.keyboard.press("2")
    ready(page, "item-2")
    expect(page.locator("#notice")).to_contain_text("Saved: “glass”. The model said “glass” (58 %)")
    expect(page.locator("#announce")).to_contain_text("Saved: “glass”.")
    expect(page.locator("#item-title")).to_be_focused()
    page.keyboard.press("0")
    ready(page, "item-3")
    page.keyboard.press("c")
    page.keyboard.type("2 bottles, 1 can")
    page.keyboard.press("Enter")
    expect(page.locator("#comment")).to_have_value("2 bottles, 1 can")
    page.keyboard.press("Escape")
    page.keyboard.press("3")
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    assert decided(api) == [("item-1", "glass"), ("item-2", None), ("item-3", "metal")]
    assert [decision["comment"] for decision in api.decisions][-1] == "2 bottles, 1 can"
    assert {decision["actor"] for decision in api.decisions} == {"ada"}


def test_the_models_answer_comes_only_after_the_reviewers(site: Site, open_page: Open):
    queue(site, an_item(1), an_item(2, presentation="blind"), an_item(3))
    page = open_page("/review")
    ready(page, "item-1")
    expect(page.locator("main")).not_to_contain_text("58 %")
    page.keyboard.press("1")
    ready(page, "item-2")
    expect(page.locator("#notice")).to_contain_text("The model said “glass” (58 %): you differ.")
    page.keyboard.press("1")
    ready(page, "item-3")
    expect(page.locator("#notice")).not_to_contain_text("The model said")


def test_a_shown_answer_stands_beside_the_labels(site: Site, open_page: Open):
    answer = {"prediction": "glass", "probabilities": {"glass": 0.58, "metal": 0.31}}
    queue(site, an_item(1, presentation="shown", model_answer=answer))
    page = open_page("/review")
    expect(page.get_by_role("button", name="glass")).to_contain_text("model: 58 %")


def test_a_held_key_and_a_double_click_answer_one_item_only(site: Site, open_page: Open):
    api = queue(site, *(an_item(number) for number in range(1, 6)))
    page = open_page("/review")
    ready(page, "item-1")
    page.keyboard.down("1")
    ready(page, "item-2")
    for _ in range(5):
        page.keyboard.down("1")  # a second press without a release is a repeat
    page.keyboard.up("1")
    page.get_by_role("button", name="metal").dblclick()
    ready(page, "item-3")
    assert decided(api) == [("item-1", "cardboard"), ("item-2", "metal")]


def test_an_item_is_skipped_with_a_reason(site: Site, open_page: Open):
    api = queue(site, an_item(1), an_item(2))
    page = open_page("/review")
    ready(page, "item-1")
    page.keyboard.press("s")
    expect(page.get_by_role("heading", name="Skip: why?")).to_be_visible()
    page.keyboard.press("2")
    ready(page, "item-2")
    expect(page.locator("#notice")).to_contain_text("Skipped.")
    assert [skip["reason"] for skip in api.skips] == ["The photograph is broken or empty"]
    assert api.decisions == []


def strike(page: Page, keys: str) -> None:
    """Press keys faster than anybody can: the page does nothing else in between."""
    press = "new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true})"
    page.evaluate(
        f"keys => {{ for (const key of keys) document.activeElement.dispatchEvent({press}) }}", keys
    )


def test_a_choice_in_a_dialog_is_never_too_early(site: Site, open_page: Open):
    api = queue(site, an_item(1), an_item(2), an_item(3))
    page = open_page("/review", clock=True)  # which stands still: the item never settles
    page.wait_for_selector('#item[data-item="item-1"]:not([data-ready])')
    strike(page, "e2")
    page.wait_for_selector('#item[data-item="item-2"]')
    strike(page, "s1")
    page.wait_for_selector('#item[data-item="item-3"]')
    assert [one["reason"] for one in api.escalations] == ["The labels do not fit it"]
    assert [one["item"] for one in api.skips] == ["item-2"]
    strike(page, "1")  # an answer, though, cannot be meant for what has only just appeared
    assert page.locator("[data-busy]").count() == 0
    assert api.decisions == []


def test_what_is_pressed_while_an_answer_is_on_its_way_waits_for_the_next_item(
    site: Site, open_page: Open
):
    api = queue(site, *(an_item(number) for number in range(1, 5)))
    page = open_page("/review")
    ready(page, "item-1")
    strike(page, "23e1")  # the 3 comes too late for one photograph and too early for the next
    ready(page, "item-3")
    assert decided(api) == [("item-1", "glass")]
    assert [one["item"] for one in api.escalations] == ["item-2"]
    strike(page, "1cEs ist eine 4")
    ready(page, "item-4")
    expect(page.locator("#comment")).to_have_value("Es ist eine 4")
    assert decided(api)[1:] == [("item-3", "cardboard")]


def test_agreeing_afterwards_leaves_the_item_on_the_desk_alone(site: Site, open_page: Open):
    api = queue(site, an_item(1), an_item(2), undo_seconds=3600)
    page = open_page("/review")
    ready(page, "item-1")
    page.keyboard.press("1")
    ready(page, "item-2")
    page.keyboard.press("c")
    page.keyboard.type("torn")
    page.keyboard.press("Escape")
    strike(page, "ye")  # a dialog is open before the service has said anything
    expect(page.locator("#notice")).to_contain_text("you agree")
    expect(page.get_by_role("heading", name="Escalate to a lead: why?")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#comment")).to_have_value("torn")
    assert decided(api) == [("item-1", "glass")]


def test_look_alikes_are_answered_together_but_for_what_was_unticked(site: Site, open_page: Open):
    alike = {"presentation": "shown", "queue": "work", "model_answer": {"prediction": "glass"}}
    api = queue(site, *(an_item(number, **alike) for number in range(1, 5)), undo_seconds=3600)
    page = open_page("/review")
    ready(page, "item-1")
    page.keyboard.press("g")
    page.wait_for_selector("#item[data-grid][data-ready]")
    assert violations(page) == []
    page.get_by_label("Item 2 of 4").uncheck()
    page.keyboard.press("2")
    ready(page, "item-2")
    expect(page.locator("#notice")).to_contain_text("“glass” for 3 items")
    assert [item for item, _ in decided(api)] == ["item-1", "item-3", "item-4"]
    page.keyboard.press("Control+z")
    ready(page, "item-1")
    assert decided(api) == []


def test_a_label_beyond_the_ninth_is_found_by_its_letters(site: Site, open_page: Open):
    labels = [f"kind {letter}" for letter in "abcdefghijkl"]
    api = queue(site, an_item(1, labels=labels))
    page = open_page("/review")
    ready(page, "item-1")
    page.keyboard.press("/")
    page.keyboard.type("kind k")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    assert decided(api) == [("item-1", "kind k")]


def test_a_key_of_ones_own_works_and_the_usual_one_no_longer_does(site: Site, open_page: Open):
    queue(site, an_item(1))
    page = open_page("/review")
    ready(page, "item-1")
    page.keyboard.press("?")
    box = page.get_by_label("Key: skip, with a reason")
    box.press("e")
    expect(page.locator("#remap-said")).to_contain_text("taken")
    box.press("k")
    page.keyboard.press("Escape")
    page.reload()
    ready(page, "item-1")
    page.keyboard.press("s")
    expect(page.get_by_role("heading", name="Skip: why?")).to_be_hidden()
    page.keyboard.press("k")
    expect(page.get_by_role("heading", name="Skip: why?")).to_be_visible()


def test_a_comment_outlives_a_new_login(site: Site, open_page: Open):
    queue(site, an_item(1))
    page = open_page("/review")
    ready(page, "item-1")
    page.keyboard.press("c")
    page.keyboard.type("blurred")
    page.goto(site.url + "/review/queues")
    page.goto(site.url + "/review")
    expect(page.locator("#comment")).to_have_value("blurred")


def test_the_keys_are_listed_and_can_be_switched_off(site: Site, open_page: Open):
    api = queue(site, an_item(1), an_item(2))
    page = open_page("/review")
    ready(page, "item-1")
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    page.get_by_label("Single keys are on").press("Space")
    page.keyboard.press("Escape")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.keyboard.press("1")
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    assert "POST" not in sent
    assert api.decisions == []


def test_an_answer_that_was_not_saved_is_loud_and_kept(site: Site, open_page: Open):
    api = queue(site, an_item(1), an_item(2))
    page = open_page("/review")
    ready(page, "item-1")
    page.keyboard.press("c")
    page.keyboard.type("blurred")
    page.keyboard.press("Escape")
    api.broken = "the database is away"
    page.keyboard.press("2")
    alarm = page.get_by_role("alert")
    expect(alarm).to_contain_text("Not saved: “glass”. The database is away.")
    expect(page.get_by_role("button", name="Send it again")).to_be_focused()
    expect(page.locator("#comment")).to_have_value("blurred")
    assert api.decisions == []
    api.broken = ""
    page.keyboard.press("Enter")
    ready(page, "item-2")
    expect(alarm).to_be_empty()
    assert decided(api) == [("item-1", "glass")]
    assert api.decisions[0]["comment"] == "blurred"
    # The browser itself reports the refused request.
    assert all("503" in complaint for complaint in open_page.complaints)
    open_page.complaints.clear()


def test_a_lost_connection_is_loud_and_the_answer_can_be_sent_again(site: Site, open_page: Open):
    api = queue(site, an_item(1), an_item(2))
    page = open_page("/review")
    ready(page, "item-1")
    page.context.set_offline(True)
    page.keyboard.press("2")
    expect(page.get_by_role("alert")).to_contain_text("The service cannot be reached.")
    page.context.set_offline(False)
    page.keyboard.press("Enter")
    ready(page, "item-2")
    assert decided(api) == [("item-1", "glass")]
    open_page.complaints.clear()


def test_the_second_of_two_tabs_is_told_that_its_answer_did_not_count(site: Site, open_page: Open):
    api = queue(site, an_item(1), an_item(2))
    first, second = open_page("/review"), open_page("/review")
    for page in (first, second):
        ready(page, "item-1")
    first.keyboard.press("1")
    ready(first, "item-2")
    second.keyboard.press("3")
    ready(second, "item-2")
    expect(second.locator("#notice")).to_contain_text("Your answer “metal” did not count.")
    assert decided(api) == [("item-1", "cardboard")]
    assert all("409" in complaint for complaint in open_page.complaints)
    open_page.complaints.clear()


def test_an_empty_queue_takes_up_the_next_item_by_itself(site: Site, open_page: Open):
    api = queue(site)
    page = open_page("/review", clock=True)
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    api.items["item-7"] = an_item(7)
    page.clock.fast_forward(3_000)
    ready(page, "item-7")
    expect(page.locator("#item-title")).to_be_focused()


def test_a_dashboard_keeps_up_and_says_when_it_cannot(site: Site, open_page: Open):
    api = queue(site)
    page = open_page("/rollouts/waste", clock=True)
    expect(page.locator("main")).not_to_contain_text("Paused by bo")
    paused = {"by": "bo", "reason": "holiday"}
    api.documents["/v1/rollouts/waste"] = documents.a_rollout(paused=paused)
    page.clock.fast_forward(11_000)
    expect(page.locator("main")).to_contain_text("Paused by bo: holiday")
    page.context.set_offline(True)
    page.clock.fast_forward(11_000)
    expect(page.get_by_role("alert")).to_contain_text("The service cannot be reached.")
    page.context.set_offline(False)
    page.clock.fast_forward(11_000)
    expect(page.get_by_role("alert")).to_be_empty()
    open_page.complaints.clear()


def test_a_lease_renews_itself_and_a_lost_one_is_told(site: Site, open_page: Open):
    api = queue(site, an_item(1), lease_seconds=60)
    page = open_page("/review", clock=True)
    ready(page, "item-1")
    page.evaluate("document.querySelector('#lease').dataset.old = 'yes'")
    with page.expect_response(re.compile("/renew$")) as renewed:
        page.clock.fast_forward(32_000)
    assert renewed.value.status == 200
    assert api.renewals >= 1
    page.wait_for_selector("#lease:not([data-old])")
    api.items["item-1"]["epoch"] = 9
    page.clock.fast_forward(32_000)
    expect(page.locator("#lease")).to_contain_text("someone else took this item")
    assert all("409" in complaint for complaint in open_page.complaints)
    open_page.complaints.clear()


def test_a_photograph_that_cannot_be_shown_is_said_to_be_broken(site: Site, open_page: Open):
    queue(site, an_item(1))
    site.photograph = b"no photograph"
    page = open_page("/review")
    expect(page.locator("#photo-broken")).to_be_visible()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844), (360, 740)])
def test_the_photograph_and_all_labels_are_in_sight_without_scrolling(
    site: Site, open_page: Open, width: int, height: int
):
    queue(site, an_item(1))
    page = open_page("/review", width, height)
    ready(page, "item-1")
    photograph = page.locator("#photo").bounding_box()
    assert photograph["height"] >= height * 0.3
    for label in page.locator("button[data-answer]").all():
        box = label.bounding_box()
        assert box["y"] + box["height"] <= height
        assert min(box["width"], box["height"]) >= 24


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1440])
def test_no_page_breaks_a_rule_of_accessibility(
    site: Site, open_page: Open, scheme: str, width: int
):
    queue(site, an_item(1), an_item(2))
    page = open_page("/", width, color_scheme=scheme, script=NO_REPETITION)
    found = []
    for name, address in PAGES.items():
        page.goto(site.url + address)
        found += [f"{name}: {each}" for each in violations(page)]
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, f"{name} is {overflow} px too wide"
    page.goto(site.url + "/review")
    ready(page, "item-1")
    for key in ("?", "s", "e", "n"):
        page.keyboard.press(key)
        found += [f"review after {key}: {each}" for each in violations(page)]
        page.keyboard.press("Escape")
    assert found == []
    assert all("404" in complaint for complaint in open_page.complaints)
    open_page.complaints.clear()
