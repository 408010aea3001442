"""What goes wrong on the review page is told loudly, and costs nobody their work."""

import re

import pytest
from page_documents import FakeApi
from pages_site import Open, Site, an_item, decided, queue, ready, strike
from playwright.sync_api import expect
from waiting import eventually

pytestmark = pytest.mark.e2e


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


def test_an_answer_that_was_not_saved_is_loud_and_kept(site: Site, open_page: Open):
    api = queue(site, an_item(1), an_item(2))
    page = open_page("/review")
    ready(page, "item-1")
    page.keyboard.press("c")
    page.keyboard.type("blurred")
    page.keyboard.press("Escape")
    api.broken = "the database is away"
    strike(page, "2e1")  # the last two are meant for an item that does not come
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
    assert api.escalations == []
    expect(page.locator("dialog[open]")).to_have_count(0)
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


def test_a_change_of_the_answer_before_that_got_lost_or_came_too_late_is_loud(
    site: Site, open_page: Open
):
    api = queue(site, an_item(1), an_item(2), undo_seconds=3600)
    page = open_page("/review")
    ready(page, "item-1")
    page.keyboard.press("1")
    ready(page, "item-2")
    page.context.set_offline(True)
    page.keyboard.press("Shift+Digit3")
    expect(page.get_by_role("alert")).to_contain_text("Not saved: “metal”.")
    page.context.set_offline(False)
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("Saved: “metal”.")
    assert decided(api) == [("item-1", "metal")]
    api.items["item-1"]["epoch"] = 9  # its caller has heard the answer
    page.keyboard.press("Shift+Digit4")
    expect(page.locator("#notice")).to_contain_text("Your first answer stands.")
    assert decided(api) == [("item-1", "metal")]
    open_page.complaints.clear()


def test_what_a_lost_connection_left_unsaved_is_there_when_the_page_is_opened_again(
    site: Site, open_page: Open
):
    api = queue(site, an_item(1), an_item(2), undo_seconds=3600)
    page = open_page("/review")
    ready(page, "item-1")
    page.keyboard.press("c")
    page.keyboard.type("torn")
    page.keyboard.press("Escape")
    page.context.set_offline(True)
    page.keyboard.press("2")
    expect(page.get_by_role("alert")).to_contain_text("The service cannot be reached.")
    page.context.set_offline(False)
    page.reload()
    ready(page, "item-1")
    expect(page.locator("#said")).to_contain_text("You had chosen “glass”; it was not saved.")
    expect(page.locator("#comment")).to_have_value("torn")
    page.keyboard.press("2")
    ready(page, "item-2")
    page.keyboard.press("u")  # what was said of it comes back with it, and is not called unsaved
    ready(page, "item-1")
    expect(page.locator("#comment")).to_have_value("torn")
    expect(page.locator("#said")).to_be_empty()
    assert api.undone == ["item-1"]
    open_page.complaints.clear()


def test_several_labels_that_a_lost_connection_left_unsaved_are_still_ticked(
    site: Site, open_page: Open
):
    api = queue(site, an_item(1, several=True), an_item(2, several=True), undo_seconds=3600)
    page = open_page("/review")
    ticked = page.locator(".labels input:checked")
    ready(page, "item-1")
    page.keyboard.press("1")
    page.keyboard.press("3")
    page.reload()  # before anything was sent
    ready(page, "item-1")
    expect(ticked).to_have_count(2)
    page.context.set_offline(True)
    page.keyboard.press("0")
    expect(page.get_by_role("alert")).to_contain_text("The service cannot be reached.")
    page.context.set_offline(False)
    page.reload()
    ready(page, "item-1")
    expect(page.locator("#said")).to_contain_text("Press it again.")
    page.keyboard.press("0")
    ready(page, "item-2")
    assert decided(api) == [("item-1", "cardboard;metal")]
    expect(ticked).to_have_count(0)
    page.keyboard.press("u")  # what is changed is the answer, not begun anew
    ready(page, "item-1")
    expect(ticked).to_have_count(2)
    open_page.complaints.clear()


def test_a_draft_that_an_earlier_version_of_the_page_kept_is_taken_up(site: Site, open_page: Open):
    api = queue(site, an_item(1))
    page = open_page("/review")
    ready(page, "item-1")
    page.evaluate(
        """sessionStorage.setItem(
            `stagegate-drafts:${document.querySelector("#item").dataset.reviewer}`,
            JSON.stringify({"item-1": {comment: "torn", answer: ""}}))"""
    )
    page.reload()
    ready(page, "item-1")
    expect(page.locator("#comment")).to_have_value("torn")
    page.keyboard.press("1")
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    assert decided(api) == [("item-1", "cardboard")]


def test_a_label_that_the_model_does_not_have_is_refused_loudly(site: Site, open_page: Open):
    api = queue(site, an_item(1))
    page = open_page("/review")
    ready(page, "item-1")
    page.evaluate("document.querySelector('button[value=glass]').value = 'glas'")
    page.keyboard.press("2")
    expect(page.get_by_role("alert")).to_contain_text("Waste has no label 'glas'")
    assert api.decisions == []
    ready(page, "item-1")
    page.keyboard.press("1")
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    assert decided(api) == [("item-1", "cardboard")]
    open_page.complaints.clear()


def test_an_input_that_was_deleted_is_said_to_be_gone(site: Site, open_page: Open):
    api = queue(site, an_item(1, payload_missing="the input is no longer stored; skip this item"))
    page = open_page("/review")
    ready(page, "item-1")
    expect(page.locator(".photo")).to_contain_text("The input is no longer stored")
    assert page.locator("img#photo").count() == 0
    page.keyboard.press("s")
    page.keyboard.press("2")
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    assert [skip["item"] for skip in api.skips] == ["item-1"]


def test_hostile_words_are_shown_and_do_nothing(site: Site, open_page: Open):
    evil = "\"'><img src=x onerror=alert(1)><b hx-get=/ hx-trigger=load data-key=1>{{7*7}}</b>"
    reasons = [{"code": evil, "reason": evil}]
    item = an_item(1, id="a'b", labels=[evil, "glass"], reasons=reasons, queue="lead", model=evil)
    api = queue(site, item, an_item(2), model_says={"prediction": evil})
    said = [{"label": evil, "comment": evil, "counted": True}]
    api.documents["/v1/review/items/a%27b"] = {"decisions": said}
    sent: list[str] = []
    page = open_page("/review/queues")
    page.on("dialog", lambda dialog: sent.append(dialog.message))
    page.on("request", lambda request: sent.append(request.url))
    page.goto(site.url + "/review")
    ready(page, "a'b")
    expect(page.locator(".why")).to_contain_text(f"Reviewer 1: “{evil}” {evil}")
    assert page.locator("#item b[hx-get]").count() == 0
    page.locator("#comment").fill(evil)
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    ready(page, "item-2")
    expect(page.locator("#notice")).to_contain_text(f"Saved: “{evil}”.")
    assert decided(api) == [("a'b", evil)]
    assert api.decisions[0]["comment"] == evil
    page.keyboard.press("e")
    page.keyboard.press("4")
    page.keyboard.insert_text(evil)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    expect(page.locator("#notice")).to_contain_text(f"Reason: {evil}.")
    assert [one["reason"] for one in api.escalations] == [evil]
    assert [one for one in sent if one.endswith("/x") or one == "1"] == []


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


def free(api: FakeApi) -> list[str]:
    """Items that nobody has, as far as the service has heard."""
    return [name for name, item in api.items.items() if item["state"] == "ready"]


def test_who_leaves_gives_back_what_was_before_them_and_what_was_fetched_ahead(
    site: Site, open_page: Open
):
    api = queue(site, an_item(1), an_item(2), an_item(3))
    page = open_page("/review")
    page.wait_for_selector("#item[data-ahead]")
    assert free(api) == ["item-3"]
    page.goto(site.url + "/review/queues")
    assert eventually(lambda: free(api) == ["item-1", "item-2", "item-3"])


def test_a_page_that_is_opened_again_keeps_its_item_and_its_draft(site: Site, open_page: Open):
    api = queue(site, an_item(1), an_item(2))
    page = open_page("/review")
    page.wait_for_selector("#item[data-ahead]")
    page.keyboard.press("c")
    page.keyboard.type("torn")
    page.reload()
    ready(page, "item-1")
    expect(page.locator("#comment")).to_have_value("torn")
    assert eventually(lambda: api.items["item-1"]["state"] == "leased")
    page.keyboard.press("2")
    ready(page, "item-2")
    assert decided(api) == [("item-1", "glass")]


def test_an_item_that_was_given_back_is_taken_again_by_a_page_that_comes_back(
    site: Site, open_page: Open
):
    """Also from the cache of a browser that keeps whole pages."""
    api = queue(site, an_item(1))
    page = open_page("/review")
    ready(page, "item-1")
    page.evaluate("window.dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    assert eventually(lambda: free(api) == ["item-1"])
    page.evaluate("window.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    assert eventually(lambda: free(api) == [])
    page.keyboard.press("2")
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    assert decided(api) == [("item-1", "glass")]
