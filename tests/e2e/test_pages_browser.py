"""All pages in a real browser: accessible in every state, and loud when they cannot keep up."""

import page_documents as documents
import pytest
from browser import faults
from pages_site import Open, Site, an_item, queue, ready
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.e2e

# Pages that stay as they are, however long somebody looks at them.
NO_REPETITION = "window.setInterval = () => 0"
PAGES = {
    "overview": "/",
    "queues": "/review/queues",
    "people": "/review/people",
    "item": "/review/items/item-1",
    "decided": "/review/queues?state=decided",
    "model": "/models/waste",
    "card": "/models/waste/versions/3",
    "rollout": "/rollouts/waste",
    "drift": "/drift/waste",
    "audit": "/audit",
    "audit of one": "/audit?model=waste",
    "missing": "/models/unknown",
}
EVENTS = ("/v1/audit", "/v1/rollouts/waste/history")
SHOWN = {
    "presentation": "shown",
    "queue": "work",
    "model_answer": {"prediction": "glass", "probabilities": {"glass": 0.58, "metal": 0.31}},
}


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


def test_no_page_breaks_a_rule_of_accessibility(site: Site, open_page: Open):
    queue(site, an_item(1), an_item(2, state="leased", holder="bo"))
    page = open_page("/", script=NO_REPETITION)
    found = []
    for name, address in PAGES.items():
        page.goto(site.url + address)
        found += faults(page, name)
    assert found == []
    assert all("404" in complaint for complaint in open_page.complaints)
    open_page.complaints.clear()


def test_the_history_of_drift_is_not_cut_off_on_a_narrow_screen(site: Site, open_page: Open):
    queue(site)
    page = open_page("/drift/waste", width=320, script=NO_REPETITION)
    rows = page.locator(".stack tbody tr")
    expect(rows).not_to_have_count(0)
    for each in page.locator(".scroll:has(.stack), .stack tbody :is(th, td)").all():
        assert each.evaluate("e => e.scrollWidth - e.clientWidth") <= 0, each.inner_text()
    expect(page.get_by_role("columnheader", name="In words")).to_be_attached()


def test_no_page_of_an_empty_installation_breaks_a_rule_of_accessibility(
    site: Site, open_page: Open
):
    api = queue(site)
    empty = {"/v1/models": {"models": []}, "/v1/rollouts": {"rollouts": []}}
    empty |= {"/v1/review/queues": {"queues": []}, "/v1/review/people": {"people": []}}
    api.documents = empty | {"/v1/audit": {"events": []}, "/v1/audit:verify": {"intact": True}}
    page = open_page("/", name="", script=NO_REPETITION)
    found = []
    for address in ("/", "/review/queues", "/review/people", "/audit", "/review", "/drift/waste"):
        page.goto(site.url + address)
        found += faults(page, f"empty {address}")
    assert found == []
    assert all("404" in complaint for complaint in open_page.complaints)
    open_page.complaints.clear()


@pytest.mark.parametrize("address", ["/audit", "/rollouts/waste"])
def test_nothing_of_an_event_is_cut_off_on_a_narrow_screen(
    site: Site, open_page: Open, address: str
):
    api = queue(site)
    digest = f"sha256:{'4f' * 32}"
    detail = {"to": {"stage": "limited-scope"}, "reason": digest, "plan": {"digest": digest}}
    events = [documents.an_event(1, detail=detail, actor="bartholomew.van.der.berg@example.org")]
    api.documents |= {path: {"events": events} for path in EVENTS}
    page = open_page(address, width=320, script=NO_REPETITION)
    page.locator(".stack summary").click()
    wide = "e => e.scrollWidth - e.clientWidth"
    for each in page.locator(".scroll, .stack tbody :is(th, td, dd)").all():
        assert each.evaluate(wide) <= 0, each.inner_text()
    expect(page.get_by_role("columnheader", name="Who")).to_be_attached()
    expect(page.get_by_role("cell", name="bartholomew")).to_be_in_viewport(ratio=0)
    expect(page.get_by_role("rowheader", name="1")).to_be_visible()
    assert faults(page, "an event unfolded") == []


def at_work(page: Page, site: Site, *items: dict, **settings: float) -> documents.FakeApi:
    """The review page with its first item ready."""
    api = queue(site, *items, **settings)
    page.goto(site.url + "/review")
    ready(page, items[0]["id"])
    expect(page.locator(".compared table")).to_be_visible()
    return api


def test_no_dialog_breaks_a_rule_of_accessibility(site: Site, open_page: Open):
    page = open_page("/review/queues", script=NO_REPETITION)
    at_work(page, site, an_item(1))
    found = faults(page, "an item")
    for key in ("?", "s", "e", "n"):
        page.keyboard.press(key)
        expect(page.locator("dialog[open]")).to_be_visible()
        found += faults(page, f"after {key}")
        page.keyboard.press("Escape")
    page.keyboard.press("s")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("dialog[open] .wrong")).to_contain_text("Write in a few words")
    found += faults(page, "no words")
    page.keyboard.press("Escape")
    page.keyboard.press("z")
    found += faults(page, "zoomed")
    page.keyboard.down("1")
    page.keyboard.down("1")
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    found += faults(page, "empty, with a key held down")
    assert found == []


def test_no_kind_of_item_breaks_a_rule_of_accessibility(site: Site, open_page: Open):
    page = open_page("/review/queues", script=NO_REPETITION)
    many = [f"kind {number}" for number in range(30)]
    site.document = {"inputs": [{"age": 97, "note": "text " * 60}]}
    paper = {"payload_type": "application/json", "payload_url": "/v1/documents"}
    kinds = {
        "many labels": an_item(1, labels=many),
        "the model's answer shown": an_item(1, **SHOWN),
        "a document": an_item(1, **paper),
        "neither photograph nor document": an_item(1, payload_type="application/zip"),
        "no input": an_item(1, payload_missing="the input is no longer stored"),
        "no reason": an_item(1, reasons=[]),
        "for a lead": an_item(1, queue="lead"),
    }
    found = []
    for name, item in kinds.items():
        at_work(page, site, item)
        found += faults(page, name)
    at_work(page, site, *(an_item(number, **SHOWN) for number in range(1, 5)))
    page.keyboard.press("g")
    page.wait_for_selector("#item[data-grid][data-ready]")
    found += faults(page, "look-alikes")
    assert found == []


def test_words_stay_whole_on_a_narrow_screen(site: Site, open_page: Open):
    page = open_page("/review/queues", width=320, script=NO_REPETITION)
    at_work(page, site, an_item(1, **SHOWN))
    lines = """() => [...document.querySelectorAll('.answers .text, .values th')].map(one => {
      const range = document.createRange();
      range.selectNodeContents(one);
      return [one.textContent, range.getClientRects().length];
    })"""
    torn = [text for text, count in page.evaluate(lines) if " " not in text and count > 1]
    assert torn == []
    paper = {"payload_type": "application/json", "payload_url": "/v1/documents"}
    site.document = {"inputs": [{"note": "text " * 60}]}
    at_work(page, site, an_item(1, **paper))
    expect(page.locator("#json")).to_contain_text("text text")
    assert page.evaluate("(e => e.scrollWidth <= e.clientWidth)(document.querySelector('#json'))")


def test_nothing_that_goes_wrong_breaks_a_rule_of_accessibility(site: Site, open_page: Open):
    page = open_page("/review/queues", script=NO_REPETITION)
    api = at_work(page, site, an_item(1), an_item(2), undo_seconds=3600)
    page.keyboard.press("1")
    ready(page, "item-2")
    found = faults(page, "an answer that can be undone")
    page.get_by_role("button", name="Another").click()
    found += faults(page, "an answer that is being changed")
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+Digit1")
    expect(page.locator("#said")).to_contain_text("that is your answer already")
    found += faults(page, "a change that is none")
    page.locator("#comment").fill("torn")
    api.broken = "the database is away"
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    expect(page.get_by_role("button", name="Send it again")).to_be_focused()
    found += faults(page, "not saved")
    api.broken = ""
    page.reload()
    expect(page.locator("#said")).to_contain_text("it was not saved")
    found += faults(page, "restored")
    api.items["item-2"]["epoch"] = 9
    page.evaluate("htmx.trigger('#renew', 'renew')")
    expect(page.locator("#lease")).to_contain_text("someone else took this item")
    found += faults(page, "a lost lease")
    queue(site, an_item(3))
    site.photograph = b"no photograph"
    page.goto(site.url + "/review")
    expect(page.locator("#photo-broken")).to_be_visible()
    found += faults(page, "a broken photograph")
    assert found == []
    assert all("409" in one or "503" in one for one in open_page.complaints)
    open_page.complaints.clear()
