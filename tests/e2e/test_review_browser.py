"""The review page in a real browser: everything on it by keyboard, and no key lost."""

import page_documents as documents
import pytest
from browser import violations
from pages_site import Open, Site, an_item, decided, queue, ready, strike
from playwright.sync_api import Page, expect

from registry.domain.several import NONE_APPLIES

pytestmark = pytest.mark.e2e

# An item stays as new as it was when it appeared, however slow the machine is.
STILL_NEW = """
const later = window.setTimeout;
window.setTimeout = (work, ms, ...more) => (ms === 200 ? 0 : later(work, ms, ...more));
"""


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


@pytest.mark.parametrize(("dialog", "own"), [("s", "5"), ("e", "4")])
def test_a_reason_is_given_in_ones_own_words(site: Site, open_page: Open, dialog: str, own: str):
    api = queue(site, an_item(1), an_item(2))
    page = open_page("/review")
    ready(page, "item-1")
    passed = api.skips if dialog == "s" else api.escalations
    page.keyboard.press(dialog)
    page.keyboard.press(own)
    field = page.locator("dialog[open]").get_by_label("Something else")
    expect(field).to_be_focused()
    wrong = page.locator("dialog[open] .wrong")
    page.keyboard.press("Enter")
    expect(wrong).to_have_text("Write in a few words what it is.")
    field.fill("x" * 501)
    expect(wrong).to_have_text("501 characters; 500 fit. Shorten it.")
    page.keyboard.press("Enter")
    page.locator(
        "dialog[open] button[data-key='1']"
    ).click()  # with a reason they do not fit either
    expect(field).to_be_focused()
    assert passed == []
    field.fill("")
    page.keyboard.type("1 bottle & 2 cans? n")  # no key of these does anything here
    expect(wrong).to_be_empty()
    page.keyboard.press("Escape")
    page.reload()
    ready(page, "item-1")
    page.keyboard.press(dialog)
    expect(field).to_have_value("1 bottle & 2 cans? n")
    page.keyboard.press(own)
    page.keyboard.press("Enter")
    ready(page, "item-2")
    assert [one["reason"] for one in passed] == ["1 bottle & 2 cans? n"]
    expect(page.locator("#notice")).to_contain_text("Reason: 1 bottle & 2 cans? n.")
    page.keyboard.press(dialog)
    expect(field).to_have_value("")


def test_a_choice_in_a_dialog_is_never_too_early(site: Site, open_page: Open):
    api = queue(site, an_item(1), an_item(2), an_item(3))
    page = open_page("/review", script=STILL_NEW)
    page.wait_for_selector('#item[data-item="item-1"]:not([data-ready])')
    strike(page, "e2")
    page.wait_for_selector('#item[data-item="item-2"]')
    strike(page, "s1")
    page.wait_for_selector('#item[data-item="item-3"]')
    assert [one["reason"] for one in api.escalations] == ["The labels do not fit it"]
    assert [one["item"] for one in api.skips] == ["item-2"]
    strike(page, "1")  # an answer, though, cannot be meant for what has only just appeared
    assert page.locator("[data-busy]").count() == 0
    expect(page.locator("#said")).to_contain_text("Not taken, too early")
    assert api.decisions == []


def test_what_is_pressed_while_an_answer_is_on_its_way_waits_for_the_next_item(
    site: Site, open_page: Open
):
    api = queue(site, *(an_item(number) for number in range(1, 6)))
    page = open_page("/review")
    ready(page, "item-1")
    page.evaluate("window.kept = true")
    strike(page, "23e1")  # the 3 comes too late for one photograph and too early for the next
    ready(page, "item-3")
    assert decided(api) == [("item-1", "glass")]
    assert [one["item"] for one in api.escalations] == ["item-2"]
    strike(page, "1cEs ist eine 4")
    ready(page, "item-4")
    expect(page.locator("#comment")).to_have_value("Es ist eine 4")
    page.keyboard.press("Escape")
    strike(page, "1e4Es sind 2")
    expect(page.locator("#escalate-words")).to_have_value("Es sind 2")
    expect(page.locator("#escalate-words")).to_be_focused()
    assert decided(api)[1:] == [("item-3", "cardboard"), ("item-4", "cardboard")]
    assert page.evaluate("window.kept"), "the page was never loaded anew"


def test_an_answer_that_came_too_early_is_said_and_its_undo_undoes_nothing_else(
    site: Site, open_page: Open
):
    api = queue(site, an_item(1), an_item(2), undo_seconds=3600)
    page = open_page("/review")
    ready(page, "item-1")
    strike(page, "23")  # the second one while the first is on its way
    ready(page, "item-2")
    expect(page.locator("#said")).to_contain_text("Not taken, too early")
    page.keyboard.press("u")
    expect(page.locator("#said")).to_be_empty()
    expect(page.locator("#announce")).to_contain_text("Nothing was undone")
    assert decided(api) == [("item-1", "glass")]
    page.keyboard.press("u")
    ready(page, "item-1")
    assert decided(api) == []


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


def test_an_answer_is_changed_to_any_label_by_one_key(site: Site, open_page: Open):
    api = queue(site, an_item(1), an_item(2), an_item(3), undo_seconds=3600)
    page = open_page("/review")
    ready(page, "item-1")
    page.keyboard.press("1")
    ready(page, "item-2")
    expect(page.locator("#notice")).to_contain_text("The model said “glass” (58 %): you differ.")
    expect(page.locator("#announce")).to_contain_text("Shift and the key of a label for another.")
    page.keyboard.press("c")
    page.keyboard.type("torn")
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+Digit3")
    expect(page.locator("#announce")).to_contain_text("Saved: “metal”.")
    page.keyboard.press("Shift+Digit0")
    expect(page.locator("#notice")).to_contain_text("Saved: “none of these”.")
    page.keyboard.press("Shift+Digit1")  # back to what it was is no repetition
    expect(page.locator("#notice")).to_contain_text("Saved: “cardboard”.")
    assert decided(api) == [("item-1", "cardboard")]
    expect(page.locator("#comment")).to_have_value("torn")
    expect(page.locator("#item-title")).to_be_focused()
    page.keyboard.press("2")  # an answer to the item on the desk
    ready(page, "item-3")
    page.keyboard.press("Shift+Digit4")
    expect(page.locator("#notice")).to_contain_text("Saved: “paper”.")
    assert decided(api) == [("item-1", "cardboard"), ("item-2", "paper")]
    page.keyboard.press("u")
    ready(page, "item-2")
    assert decided(api) == [("item-1", "cardboard")]


def test_an_answer_is_not_changed_by_accident(site: Site, open_page: Open):
    api = queue(site, *(an_item(number) for number in (1, 2, 3)), undo_seconds=3600)
    page = open_page("/review")
    said = page.locator("#said")
    ready(page, "item-1")
    page.keyboard.press("Shift+Digit3")
    expect(said).to_have_text("Nothing changed: no answer before can be changed any more.")
    page.keyboard.press("1")
    ready(page, "item-2")
    page.keyboard.press("Shift+Digit1")
    expect(said).to_have_text("Nothing changed: that is your answer already.")
    page.keyboard.press("Shift+Digit9")
    expect(said).to_have_text("Nothing changed: no label has that key.")
    page.keyboard.down("Shift")
    page.keyboard.down("Digit3")
    page.keyboard.down("Digit3")  # held
    page.keyboard.up("Digit3")
    expect(page.locator("#notice")).to_contain_text("Saved: “metal”.")
    page.keyboard.press("Digit2")  # meant as an answer, by whoever lets go of Shift too late
    expect(said).to_have_text("Not taken: let go of Shift first.")
    page.keyboard.up("Shift")
    assert decided(api) == [("item-1", "metal")]
    page.keyboard.press("s")
    page.keyboard.press("Shift+Digit2")  # in another dialog it means nothing
    expect(page.get_by_role("heading", name="Skip: why?")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    page.keyboard.press("Shift+Digit2")
    expect(page.locator("#comment")).to_have_value("@")
    assert decided(api) == [("item-1", "metal")]
    assert sum(path.endswith("/decision") for path, _ in api.sent) == 2


def test_the_key_that_changes_an_answer_can_be_another(site: Site, open_page: Open):
    api = queue(site, an_item(1), an_item(2), undo_seconds=3600)
    page = open_page("/review")
    ready(page, "item-1")
    page.keyboard.press("?")
    dialog = page.locator("#keys")
    expect(dialog).to_contain_text("change the answer before to that label")
    dialog.get_by_label("change the answer before").select_option("Alt")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    ready(page, "item-2")
    expect(page.locator("#undo")).to_contain_text("Alt+1…9")
    expect(page.locator("#announce")).to_contain_text("Alt and the key of a label")
    page.keyboard.press("Shift+Digit3")
    page.keyboard.press("Alt+Digit2")
    expect(page.locator("#notice")).to_contain_text("Saved: “glass”.")
    assert decided(api) == [("item-1", "glass")]
    assert page.locator("#correct [data-key='2']").get_attribute("aria-keyshortcuts") == "Alt+2"


def test_without_a_keyboard_an_answer_is_changed_from_a_list(site: Site, open_page: Open):
    api = queue(site, an_item(1), an_item(2), undo_seconds=3600)
    page = open_page("/review", clock=True)
    ready(page, "item-1")
    page.get_by_role("button", name="cardboard").click()
    ready(page, "item-2")
    another = page.get_by_role("button", name="Another")
    another.click()
    expect(page.get_by_role("heading", name="Change your answer “cardboard” to")).to_be_visible()
    assert page.locator("#correct").get_by_role("button", name="cardboard").is_disabled()
    page.locator("#correct").get_by_role("button", name="paper").click()
    expect(page.locator("#notice")).to_contain_text("Saved: “paper”.")
    assert decided(api) == [("item-1", "paper")]
    another.click()
    page.clock.fast_forward(3_601_000)
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("#announce")).to_have_text("The time to change the answer is over.")
    expect(page.locator("#item-title")).to_be_focused()
    page.keyboard.press("Shift+Digit3")
    expect(page.locator("#said")).to_contain_text("no answer before can be changed")
    assert decided(api) == [("item-1", "paper")]


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


def one_of_many_labels_given(site: Site, open_page: Open) -> tuple[documents.FakeApi, Page]:
    """A page on which Find is there, and an answer before that can be changed."""
    labels = [f"kind {letter}" for letter in "abcdefghijkl"]
    api = queue(site, *(an_item(n, labels=labels) for n in (1, 2)), undo_seconds=3600)
    page = open_page("/review")
    ready(page, "item-1")
    page.keyboard.press("1")
    ready(page, "item-2")
    return api, page


# Keys as a keyboard has them on which they are printed above a digit.
UPPER = """([key, code]) => document.activeElement.dispatchEvent(
    new KeyboardEvent("keydown", {key, code, shiftKey: true, bubbles: true, cancelable: true}))"""


def test_a_key_that_is_printed_above_a_digit_keeps_its_meaning(site: Site, open_page: Open):
    api, page = one_of_many_labels_given(site, open_page)
    page.evaluate(UPPER, ["/", "Digit7"])  # German, Nordic, Spanish
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.press("Escape")
    page.evaluate(UPPER, ["?", "Digit6"])  # Canadian French
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    assert decided(api) == [("item-1", "kind a")]
    page.evaluate(UPPER, ["§", "Digit3"])
    expect(page.locator("#notice")).to_contain_text("Saved: “kind c”.")
    assert decided(api) == [("item-1", "kind c")]


def test_what_stands_in_find_hides_no_label_of_the_answer_before(site: Site, open_page: Open):
    api, page = one_of_many_labels_given(site, open_page)
    page.keyboard.press("/")
    page.keyboard.type("kind k")
    expect(page.locator(".answers button[name=label]:not([hidden])")).to_have_count(1)
    page.get_by_role("button", name="Another").click()
    page.locator("#correct").get_by_role("button", name="kind b").click()
    expect(page.locator("#notice")).to_contain_text("Saved: “kind b”.")
    assert decided(api) == [("item-1", "kind b")]


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


def test_an_empty_queue_takes_up_the_next_item_by_itself(site: Site, open_page: Open):
    api = queue(site)
    page = open_page("/review", clock=True)
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    api.items["item-7"] = an_item(7)
    page.clock.fast_forward(3_000)
    ready(page, "item-7")
    expect(page.locator("#item-title")).to_be_focused()


@pytest.mark.parametrize("width", [1440, 900, 600, 390, 320])
def test_labels_and_photograph_stay_where_they_are(site: Site, open_page: Open, width: int):
    long = "bottles and jars of brown glass, without their lids"
    labels = ["cardboard", "glass", long, "metal"]
    queue(site, *(an_item(number, labels=labels) for number in (1, 2, 3)), undo_seconds=1)
    page = open_page("/review", width)

    def places() -> list[object]:
        return [page.locator(one).first.bounding_box() for one in ("#photo", "[data-answer]")]

    ready(page, "item-1")
    before = places()
    for key, item in (("2", "item-2"), ("3", "item-3")):
        page.keyboard.press(key)
        ready(page, item)
        assert places() == before
        expect(page.locator("#undo")).to_be_hidden()
        assert places() == before


def test_labels_stay_where_they_are_while_a_document_arrives(site: Site, open_page: Open):
    paper = {"payload_type": "application/json", "payload_url": "/v1/documents"}
    site.document = {"inputs": [{"note": "text " * 400}]}
    queue(site, an_item(1, **paper))
    page = open_page("/review", 390, script="window.fetch = () => new Promise(() => {})")
    page.locator("#json").wait_for()
    before = page.locator("[data-answer]").first.bounding_box()
    page.evaluate("document.querySelector('#json').textContent = 'text '.repeat(400)")
    assert page.locator("[data-answer]").first.bounding_box() == before


def test_a_photograph_is_enlarged_and_lit_by_keys(site: Site, open_page: Open):
    queue(site, an_item(1))
    page = open_page("/review")
    ready(page, "item-1")
    photo = page.locator("#photo")
    zoom = page.locator("[data-act=zoom]")
    shown = photo.bounding_box()
    page.keyboard.press("z")
    expect(zoom).to_have_attribute("aria-pressed", "true")
    assert photo.bounding_box() != shown
    page.keyboard.press("z")
    expect(zoom).to_have_attribute("aria-pressed", "false")
    assert photo.bounding_box() == shown
    for light, said in (("1.5", "bright"), ("2.2", "brighter"), ("0.6", "dark")):
        page.keyboard.press("b")
        expect(photo).to_have_css("filter", f"brightness({light})")
        expect(page.locator("#announce")).to_have_text(f"Photograph {said}")
    page.keyboard.press("b")
    expect(photo).to_have_css("filter", "none")


@pytest.mark.parametrize(("wish", "moves"), [("reduce", False), ("no-preference", True)])
def test_nothing_moves_for_those_who_do_not_want_it(
    site: Site, open_page: Open, wish: str, moves: bool
):
    queue(site, an_item(1))
    page = open_page("/review", reduced_motion=wish)
    ready(page, "item-1")
    page.keyboard.press("?")
    moving = page.evaluate(
        """() => [...document.querySelectorAll("*")].filter((each) => {
            const style = getComputedStyle(each);
            return style.animationName !== "none" || style.transitionDuration !== "0s";
        }).length"""
    )
    assert (moving > 0) is moves


@pytest.mark.parametrize(("width", "height"), [(2560, 1440), (1440, 900), (390, 844), (360, 740)])
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


def test_several_labels_are_ticked_by_keyboard_and_given_together(site: Site, open_page: Open):
    shown = {"prediction": "glass;metal", "probabilities": {"glass": 0.9, "metal": 0.8}}
    several = {"several": True, "presentation": "shown", "model_answer": shown}
    api = queue(site, an_item(1, **several), an_item(2, **several), an_item(3, several=True))
    page = open_page("/review")
    ready(page, "item-1")
    expect(page.locator("label.model-says")).to_have_count(2)
    assert not page.locator(
        ".labels input:checked"
    ).count()  # the model's answer is ticked by nobody
    page.keyboard.press("3")
    page.keyboard.press("1")
    page.keyboard.press("2")
    page.keyboard.press("2")
    expect(page.locator(".labels input:checked")).to_have_count(2)
    assert violations(page) == []
    page.keyboard.press("0")
    ready(page, "item-2")
    page.get_by_role("checkbox", name=documents.LABELS[1]).check()
    page.get_by_role("button", name="Answer with what is ticked").click()
    ready(page, "item-3")
    page.keyboard.press("0")
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    first, second, third = documents.LABELS[:3]
    wanted = [("item-1", f"{first};{third}"), ("item-2", second), ("item-3", NONE_APPLIES)]
    assert decided(api) == wanted


def test_how_an_answer_of_several_labels_is_changed_is_said_as_it_is(site: Site, open_page: Open):
    says = {"prediction": "glass;metal"}
    items = (an_item(number, several=True) for number in (1, 2))
    api = queue(site, *items, undo_seconds=3600, model_says=says)
    page = open_page("/review")
    ready(page, "item-1")
    page.keyboard.press("1")
    page.keyboard.press("0")
    ready(page, "item-2")
    notice = page.locator("#notice")
    expect(notice).to_contain_text("to “glass;metal”, U to undo it and change it yourself.")
    expect(notice).not_to_contain_text("the key of a label")
    page.keyboard.press("Shift+Digit3")
    expect(page.locator("#said")).to_have_text(
        "Nothing changed: undo that answer with U to change it."
    )
    assert decided(api) == [("item-1", "cardboard")]
    page.keyboard.press("u")  # clears what was said
    page.keyboard.press("u")
    ready(page, "item-1")
    expect(page.locator(".labels input:checked")).to_have_value("cardboard")
    page.keyboard.press("3")
    page.keyboard.press("0")
    ready(page, "item-2")
    assert decided(api) == [("item-1", "cardboard;metal")]
