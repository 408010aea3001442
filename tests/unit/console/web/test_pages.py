"""The routes of the pages, against an API in memory."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from page_documents import NOW, FakeApi, a_history, a_model, a_rollout, an_item, refusing
from starlette.testclient import TestClient

from console.visit import Visit, begin, visiting
from console.web import pages
from console.web.api import HttpApi
from registry.domain.errors import Conflict, NotFound, Unavailable
from registry.domain.people import Identity, Role
from serving.domain.prediction import Code

ORIGIN = {"Origin": "http://testserver"}
HTMX = {"HX-Request": "true"}
PAGES = [
    "/",
    "/review",
    "/review/queues",
    "/review/queues?state=decided",
    "/review/people",
    "/review/items/item-1",
    "/models/waste",
    "/models/waste/versions/3",
    "/rollouts/waste",
    "/drift/waste",
    "/audit",
    "/audit?model=waste",
]


@contextmanager
def browser(api: FakeApi, name: str = "ada") -> Iterator[TestClient]:
    app = FastAPI()
    pages.install(app, api, lambda: NOW)
    with TestClient(app, follow_redirects=False) as client:
        if name:
            client.cookies.set("stagegate_actor", name)
        yield client


def form(html: str, **changes: str) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html)
    return {key: value for key, value in found if key != "back"} | changes


def test_every_page_answers_under_a_strict_policy():
    with browser(FakeApi([an_item(1)])) as client:
        for address in PAGES:
            answer = client.get(address)
            assert answer.status_code == 200, address
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "<script>" not in answer.text
            assert " style=" not in answer.text
            assert " onclick" not in answer.text


def test_a_card_can_be_kept_as_one_file():
    with browser(FakeApi()) as client:
        page = client.get("/models/waste/versions/3?alone=true")
    assert page.headers["content-disposition"] == 'attachment; filename="version-3.html"'
    assert ".panel" in page.text, "its style is in it"
    for outside in ("/static/", "<script", "<nav", "<link", "href="):
        assert outside not in page.text.partition("</style>")[2]


def test_every_page_stands_an_empty_installation():
    api = FakeApi()
    empty = {"/v1/models": {"models": []}, "/v1/rollouts": {"rollouts": []}}
    empty |= {"/v1/review/queues": {"queues": []}, "/v1/review/people": {"people": []}}
    api.documents = empty | {"/v1/audit": {"events": []}, "/v1/audit:verify": {"intact": True}}
    with browser(api) as client:
        assert "No model is registered yet" in client.get("/").text
        assert "Nothing to review" in client.get("/review").text
        assert "No item is open" in client.get("/review/queues").text
        assert "Nothing has happened yet" in client.get("/audit").text
        assert "Nobody has reviewed anything" in client.get("/review/people").text


def test_hostile_words_are_only_words():
    hostile = '"><script>alert(1)</script>'
    api = FakeApi([an_item(1, labels=[hostile], reasons=[{"code": hostile, "reason": hostile}])])
    api.documents["/v1/models"] = {"models": [a_model(name=hostile)]}
    api.documents["/v1/rollouts/waste"] = a_rollout(
        paused={"by": hostile, "reason": hostile},
        decision={"action": "hold", "reasons": [f"`{hostile}` goes on"]},
    )
    timeline = [{"actor": hostile, "action": "skipped", "detail": {"reason": hostile}}]
    api.documents["/v1/review/items/item-1"] = a_history(timeline=timeline)
    with browser(api) as client:
        for address in ("/", "/review", "/rollouts/waste", "/review/items/item-1"):
            text = client.get(address).text
            assert "<script>alert" not in text, address
            assert "&lt;script&gt;alert" in text, address


def test_a_command_in_a_reason_stands_in_the_type_of_commands():
    api = FakeApi()
    reasons = ["0 of 1 approvals; `stagegate rollout approve waste` gives one"]
    api.documents["/v1/rollouts/waste"] = a_rollout(decision={"action": "hold", "reasons": reasons})
    with browser(api) as client:
        text = client.get("/rollouts/waste").text
    assert "0 of 1 approvals; <code>stagegate rollout approve waste</code> gives one" in text


def test_a_reviewer_gives_a_name_once():
    with browser(FakeApi([an_item(1)]), name="") as client:
        page = client.get("/review")
        assert "Who reviews?" in page.text
        assert "item-1" not in page.text
        answer = client.post("/name", data={"name": "Ada L", "back": "/review"}, headers=ORIGIN)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/review")
        assert "HttpOnly" in answer.headers["Set-Cookie"]
        assert "item-1" in client.get("/review").text


@pytest.mark.parametrize("name", ["<b>", "", "a;b", "x" * 200])
def test_an_odd_name_is_refused(name: str):
    with browser(FakeApi(), name="") as client:
        assert client.post("/name", data={"name": name}, headers=ORIGIN).status_code == 422


@pytest.mark.parametrize(
    "back", ["//elsewhere.example", "https://elsewhere.example", "/\\elsewhere.example", "review"]
)
def test_a_form_never_leads_to_another_site(back: str):
    with browser(FakeApi()) as client:
        answer = client.post("/name", data={"name": "ada", "back": back}, headers=ORIGIN)
        assert answer.headers["Location"] == "/"


@pytest.mark.parametrize("origin", [{}, {"Origin": "null"}, {"Origin": "http://elsewhere.example"}])
def test_a_form_of_another_site_is_refused_and_changes_nothing(origin: dict[str, str]):
    api = FakeApi([an_item(1)])
    with browser(api) as client:
        data = form(client.get("/review").text, label="glass")
        assert client.post("/review/item-1/decision", data=data, headers=origin).status_code == 403
        assert client.post("/name", data={"name": "eve"}, headers=origin).status_code == 403
    assert api.decisions == []


def test_an_answer_and_agreeing_later_say_which_page_showed_the_item():
    api = FakeApi([an_item(1), an_item(2)])
    api.undo_seconds = 5.0
    with browser(api) as client:
        data = form(client.get("/review").text, label="metal")
        answer = client.post("/review/item-1/decision", data=data, headers=ORIGIN | HTMX).text
        notice = answer[answer.index('id="undo"') :]
        assert "/review/item-1/agree" in notice
        again = form(notice[: notice.index("</form>")])
        client.post("/review/item-1/agree", data=again, headers=ORIGIN | HTMX)
    paths, pages = zip(*((path, body.get("page")) for path, body in api.sent), strict=True)
    assert [path.rpartition("/")[2] for path in paths] == ["decision", "agree"]
    assert pages[0] == pages[1]
    assert len(pages[0]) == 12


def test_an_answer_is_changed_to_another_label_once_for_each_time_that_it_is_meant():
    api = FakeApi([an_item(1), an_item(2)])
    api.undo_seconds = 5.0

    def notice_of(html: str) -> dict[str, str]:
        return form(html[html.index('id="correct"') :].partition("</form>")[0])

    with browser(api) as client:
        data = form(client.get("/review").text, label="metal")
        first = client.post("/review/item-1/decision", data=data, headers=ORIGIN | HTMX)

        def correct(sent: dict[str, str], **answer: str) -> httpx.Response:
            said = sent | answer
            return client.post("/review/item-1/correct", data=said, headers=ORIGIN | HTMX)

        sent = notice_of(first.text)
        paper, again = correct(sent, label="paper"), correct(sent, label="paper")
        assert "Saved: “paper”." in paper.text
        assert 'data-item="' not in paper.text, "the item on the desk stays as it is"
        assert len(api.decisions) == 1
        none = correct(notice_of(again.text), none="1")
        assert (none.status_code, api.decisions[0]["label"]) == (200, None)
        unsaid = correct(notice_of(none.text))
        assert (unsaid.status_code, unsaid.text) == (422, "choose one label, or none of these")
        api.items["item-1"]["epoch"] = 9
        late = correct(notice_of(none.text), label="glass")
    assert late.status_code == 409
    assert "Your first answer stands." in late.text
    revised = [body for _, body in api.sent if body.get("revise")]
    assert [body["label"] for body in revised] == ["paper", "paper", None, "glass"]
    assert len({body["idempotency_key"] for body in revised}) == 3
    assert all(len(body["page"]) == 12 for body in revised)


def test_who_never_heard_that_a_change_was_stored_can_make_another():
    api = FakeApi([an_item(1), an_item(2)])
    api.undo_seconds = 5.0
    with browser(api) as client:
        data = form(client.get("/review").text, label="metal")
        first = client.post("/review/item-1/decision", data=data, headers=ORIGIN | HTMX).text
        notice = form(first[first.index('id="correct"') :].partition("</form>")[0])
        for label in ("paper", "cardboard", "cardboard"):  # all from the notice that is still there
            said = notice | {"label": label}
            done = client.post("/review/item-1/correct", data=said, headers=ORIGIN | HTMX)
            assert done.status_code == 200
            assert f"Saved: “{label}”." in done.text
    assert [one["label"] for one in api.decisions] == ["cardboard"]
    _, paper, *cardboard = (body["idempotency_key"] for _, body in api.sent)
    assert paper not in cardboard
    assert len(set(cardboard)) == 1


def test_an_answer_is_stored_and_brings_the_next_item():
    api = FakeApi([an_item(1), an_item(2)])
    with browser(api) as client:
        data = form(client.get("/review").text, label="glass", comment="blurred")
        answer = client.post("/review/item-1/decision", data=data, headers=ORIGIN | HTMX)
    assert answer.status_code == 200
    assert 'data-item="item-2"' in answer.text
    assert "The model said “glass” (58 %): you agree." in answer.text
    assert not answer.text.lstrip().startswith("<!doctype")
    [decision] = api.decisions
    assert (decision["label"], decision["actor"]) == ("glass", "ada")
    assert (decision["comment"], decision["epoch"]) == ("blurred", 1)


@pytest.mark.parametrize("code", Code)
def test_why_an_item_is_here_is_told_in_the_services_own_words(code: Code):
    reason = {"code": code.value, "reason": f"a sentence on {code.value}"}
    with browser(FakeApi([an_item(1, reasons=[reason])])) as client:
        html = client.get("/review").text
    name = code.value.replace("-", " ").capitalize()
    assert f"<strong>{name}</strong> a sentence on {code.value}" in html


def test_each_value_of_an_input_stands_beside_the_training_data():
    with browser(FakeApi([an_item(1)])) as client:
        html = client.get("/review/item-1/input").text
        assert client.get("/review/item-2/input").status_code == 204
    assert html.count("<svg") == 2
    sentence = "brightness is 97, above all training values (18 to 91)"
    assert f"<strong>Outside</strong> {sentence}." in html
    assert "never seen" in html
    assert html.index(">brightness<") < html.index(">site<") < html.index(">contrast<")


def test_a_lead_is_told_what_others_said_and_why_they_passed_it_on():
    api = FakeApi([an_item(1, queue="lead")])
    events = [
        {"action": "taken", "actor": "bo", "detail": {}},
        {"action": "escalated", "actor": "bo", "detail": {"reason": "The labels do not fit it"}},
        {"action": "comment", "actor": "cy", "detail": {"text": "it is torn"}},
    ]
    said = [
        {"counted": True, "label": "glass", "comment": "green", "reviewer": "bo"},
        {"counted": False, "label": "metal", "comment": "", "reviewer": "cy"},
    ]
    api.documents["/v1/review/items/item-1"] = {"decisions": said, "events": events}
    with browser(api) as client:
        html = client.get("/review").text
    assert "<strong>Reviewer 1: “glass”</strong> green" in html
    assert "<strong>Escalated</strong> The labels do not fit it" in html
    assert "<strong>Comment</strong> it is torn" in html
    assert "“metal”" not in html
    assert not re.search(r"\b(bo|cy)\b", html)


def test_a_lead_frees_an_item_that_somebody_keeps():
    api = FakeApi([an_item(1, state="leased", holder="bo"), an_item(2)])
    with browser(api) as client:
        html = client.get("/review/queues").text
        assert html.count(">Release<") == 1
        assert 'aria-label="Release item item-1 of bo"' in html
        claim = {"epoch": re.search(r'name="epoch" value="(\d+)"', html)[1]}  # type: ignore[index]
        path = "/review/item-1/release"
        assert client.post(path, data=claim).status_code == 403  # from nobody's page
        assert 'name="back" value="/review/queues"' in html
        answer = client.post(path, data=claim | {"back": "/rollouts/waste"}, headers=ORIGIN)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/rollouts/waste")
        assert client.post(path, data=claim, headers=ORIGIN).status_code == 409
    assert api.items["item-1"]["state"] == "ready"


@pytest.mark.parametrize("lead", [True, False])
def test_the_page_of_a_rollout_says_who_has_the_items_that_it_waits_for(lead: bool):
    until = (NOW + timedelta(minutes=4)).isoformat()
    held = {"state": "leased", "holder": "<bo>", "lease_until": until}
    aside = {"state": "snoozed", "holder": "cy", "snoozed_until": until}
    items = [an_item(1, **held), an_item(2, **aside), an_item(3), an_item(4, version=2, **held)]
    api = FakeApi(items)
    with visiting(), browser(api) as client:
        begin(Visit(accounts=True, identity=Identity("ada", Role.REVIEWER, lead=lead)))
        html = client.get("/rollouts/waste").text
        said = " ".join(re.sub("<[^>]*>", " ", html).split())
        assert "item-1 is held by &lt;bo&gt; ; it is free again in 4 min" in said
        assert "item-2 was put aside by cy ; it is free again in 4 min" in said
        assert not re.search("item-[34]", html)
        assert (html.count(">Release<") == 2) is lead
        others = {f"item-{n}": an_item(n, version=2, **held) for n in range(100, 300)}
        api.items = others | api.items  # they come first, and are more than one page of the list
        html = client.get("/rollouts/waste").text
        assert html.count("is held by") + html.count("was put aside by") == 2
        assert ('name="back" value="/rollouts/waste"' in html) is lead
        api.items |= {f"item-{n}": an_item(n, **held) for n in range(10, 20)}
        html = client.get("/rollouts/waste").text
    assert html.count("is held by") + html.count("was put aside by") == 5
    assert "Others are among" in html


def test_an_item_without_look_alikes_is_said_to_have_none_and_stays():
    api = FakeApi([an_item(1, presentation="shown", queue="work")])
    with browser(api) as client:
        data = form(client.get("/review").text)
        html = client.post("/review/item-1/grid", data=data, headers=ORIGIN).text
    assert "No look-alikes." in html
    assert 'data-item="item-1"' in html


def test_links_to_items_of_one_version_differ_in_sight():
    items = [an_item(number, state="ready") for number in (1, 2)]
    with browser(FakeApi(items)) as client:
        html = client.get("/review/queues").text
    assert [f"<small> item-{number}</small></a>" in html for number in (1, 2)] == [True, True]


@pytest.mark.parametrize("lead", [True, False])
def test_only_leads_are_offered_to_free_items(lead: bool):
    api = FakeApi([an_item(1, state="leased", holder="bo")])
    with visiting(), browser(api) as client:
        begin(Visit(accounts=True, identity=Identity("ada", Role.REVIEWER, lead=lead)))
        assert (">Release<" in client.get("/review/queues").text) is lead
        assert ("Right on gold items" in client.get("/review/queues").text) is lead


def test_without_a_script_an_answer_brings_the_whole_page():
    with browser(FakeApi([an_item(1)])) as client:
        data = form(client.get("/review").text, label="glass")
        answer = client.post("/review/item-1/decision", data=data, headers=ORIGIN)
    assert answer.text.lstrip().startswith("<!doctype html>")


def test_none_of_these_is_an_answer():
    api = FakeApi([an_item(1)])
    with browser(api) as client:
        data = form(client.get("/review").text, none="1")
        client.post("/review/item-1/decision", data=data, headers=ORIGIN)
    assert api.decisions[0]["label"] is None


def test_a_form_without_an_answer_is_not_none_of_these():
    api = FakeApi([an_item(1)])
    with browser(api) as client:
        data = form(client.get("/review").text)
        answer = client.post("/review/item-1/decision", data=data, headers=ORIGIN | HTMX)
    assert (answer.status_code, answer.text) == (422, "choose one label, or none of these")
    assert api.decisions == []


def test_the_same_form_sent_twice_is_one_answer():
    api = FakeApi([an_item(1), an_item(2)])
    with browser(api) as client:
        data = form(client.get("/review").text, label="glass")
        first = client.post("/review/item-1/decision", data=data, headers=ORIGIN)
        again = client.post("/review/item-1/decision", data=data, headers=ORIGIN)
    assert (first.status_code, again.status_code) == (200, 200)
    assert len(api.decisions) == 1


def test_an_answer_from_a_second_tab_says_that_it_did_not_count():
    api = FakeApi([an_item(1), an_item(2)])
    with browser(api) as client:
        first, second = (form(client.get("/review").text) for _ in range(2))
        client.post("/review/item-1/decision", data=first | {"label": "glass"}, headers=ORIGIN)
        late = client.post(
            "/review/item-1/decision", data=second | {"label": "metal"}, headers=ORIGIN | HTMX
        )
    assert late.status_code == 409
    assert "Your answer “metal” did not count." in late.text
    assert "someone else took this item" in late.text
    assert 'data-item="item-2"' in late.text
    assert [decision["label"] for decision in api.decisions] == ["glass"]


def test_a_saved_answer_stays_saved_when_the_next_item_does_not_come():
    class Stuck(FakeApi):
        async def get(self, path: str, params: Any = None, actor: str = ""):
            if path == "/v1/review/next" and self.decisions:
                raise Unavailable("the queue is locked")
            return await super().get(path, params, actor)

    with browser(Stuck([an_item(1)])) as client:
        data = form(client.get("/review").text, label="glass")
        answer = client.post("/review/item-1/decision", data=data, headers=ORIGIN | HTMX)
    assert answer.status_code == 200
    assert "Saved: “glass”." in answer.text
    assert "The next item did not come: the queue is locked" in answer.text


def test_a_skip_needs_a_reason_and_is_confirmed():
    api = FakeApi([an_item(1), an_item(2)])
    with browser(api) as client:
        data = form(client.get("/review").text)
        assert client.post("/review/item-1/skip", data=data, headers=ORIGIN).status_code == 422
        answer = client.post(
            "/review/item-1/skip", data=data | {"reason": "I cannot tell"}, headers=ORIGIN
        )
    assert "Skipped." in answer.text
    assert [skip["reason"] for skip in api.skips] == ["I cannot tell"]


@pytest.mark.parametrize("action", ["skip", "escalate"])
def test_a_reason_is_one_of_the_dialog_ones_own_words_or_both(action: str):
    api = FakeApi([an_item(number) for number in range(1, 4)])

    def send(**said: str) -> httpx.Response:
        data = form(client.get("/review").text) | said
        item = next(one["id"] for one in api.items.values() if one["state"] == "leased")
        return client.post(f"/review/{item}/{action}", data=data, headers=ORIGIN | HTMX)

    with browser(api) as client:
        assert "Reason: torn &lt;b&gt;." in send(words=" torn <b>. ").text
        send(reason="I cannot tell", words="")
        refused = send(words="   ")
        assert (refused.status_code, refused.text) == (
            422, "choose a reason, or write in a few words what else it is",
        )  # fmt: skip
        long = send(reason="I cannot tell", words="x" * 501)
        assert (long.status_code, long.text) == (
            422, "your words have 501 characters, 500 fit; shorten them",
        )  # fmt: skip
        send(reason="I cannot tell", words="too dark")
    passed = api.skips if action == "skip" else api.escalations
    assert [one["reason"] for one in passed] == [
        "torn <b>.", "I cannot tell", "I cannot tell: too dark",
    ]  # fmt: skip


def test_what_is_put_aside_comes_back_when_it_was_to_come_back_first():
    """Sent again later it would be until later; the choice makes it the same request."""
    api = FakeApi([an_item(1), an_item(2)])
    with browser(api) as client:
        data = form(client.get("/review").text) | {"minutes": "15"}
        first = client.post("/review/item-1/snooze", data=data, headers=ORIGIN)
        (request,) = api.snoozes
        api.snoozes[request] = "2026-11-23T12:05:00+00:00"  # as if sent ten minutes before
        again = client.post("/review/item-1/snooze", data=data, headers=ORIGIN)
    assert "It comes back at 12:15 UTC." in first.text
    assert "It comes back at 12:05 UTC." in again.text


def test_a_lease_is_renewed_until_it_is_lost():
    api = FakeApi([an_item(1)])
    with browser(api) as client:
        data = form(client.get("/review").text)
        kept = client.post("/review/item-1/renew", data=data, headers=ORIGIN | HTMX)
        api.items["item-1"]["epoch"] = 9
        lost = client.post("/review/item-1/renew", data=data, headers=ORIGIN | HTMX)
    assert (kept.status_code, lost.status_code) == (200, 409)
    assert 'data-seconds="600"' in kept.text
    assert "data-lost" in lost.text
    assert "someone else took this item" in lost.text


def test_an_empty_queue_is_told_without_a_body():
    with browser(FakeApi()) as client:
        assert client.get("/review/item", headers=HTMX).status_code == 204


def test_nobody_without_a_name_takes_an_item():
    api = FakeApi([an_item(1)])
    with browser(api, name="") as client:
        assert client.get("/review/item", headers=HTMX).status_code == 403
    assert api.items["item-1"]["state"] == "ready"


def test_errors_are_pages_for_people_and_sentences_for_scripts():
    with browser(refusing(Unavailable("the database is away"))) as client:
        page = client.get("/")
        sentence = client.get("/", headers=HTMX)
    assert (page.status_code, sentence.status_code) == (503, 503)
    assert "the database is away" in page.text
    assert "<html" in page.text
    assert sentence.text == "the database is away"


def test_a_model_without_a_rollout_keeps_its_tabs():
    api = FakeApi()
    del api.documents["/v1/rollouts/waste"]
    with browser(api) as client:
        page = client.get("/rollouts/waste")
    assert page.status_code == 404
    assert 'href="/drift/waste"' in page.text


def test_static_files_are_served_by_digest_and_nothing_else_is():
    with browser(FakeApi()) as client:
        page = client.get("/")
        for address in re.findall(r'"(/static/[^"]+)"', page.text):
            answer = client.get(address)
            assert answer.status_code == 200, address
            assert "immutable" in answer.headers["Cache-Control"]
        assert client.get("/static/../pages.py").status_code == 404
        assert client.get("/static/%2e%2e/pages.py").status_code == 404


def test_the_pages_are_no_part_of_the_documented_api():
    with browser(FakeApi()) as client:
        assert client.get("/openapi.json").json()["paths"] == {}


def answering(answer: httpx.Response, seen: list[httpx.Request] | None = None) -> HttpApi:
    def handle(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        return answer

    transport = httpx.MockTransport(handle)
    return HttpApi(httpx.AsyncClient(transport=transport, base_url="http://stagegate"))


async def _call(api: HttpApi, actor: str = ""):
    return await api.get("/v1/review/next", {"model": "waste"}, actor)


def call(api: HttpApi, actor: str = ""):
    import asyncio

    return asyncio.run(_call(api, actor))


def test_a_name_of_any_letters_reaches_the_api():
    seen: list[httpx.Request] = []
    assert call(answering(httpx.Response(204), seen), "Zoë") is None
    assert seen[0].headers["Cookie"] == "stagegate_actor=Zo%C3%AB"
    assert seen[0].url.params["model"] == "waste"


@pytest.mark.parametrize(("status", "kind"), [(404, NotFound), (409, Conflict), (503, Unavailable)])
def test_a_problem_document_becomes_the_error_that_it_names(status: int, kind: type[Exception]):
    problem = httpx.Response(status, json={"title": "x", "detail": "waste v9 is unknown"})
    with pytest.raises(kind, match="waste v9 is unknown"):
        call(answering(problem))


def test_an_answer_that_is_no_problem_document_is_told_with_its_status():
    with pytest.raises(Exception, match="/v1/review/next answered 500"):
        call(answering(httpx.Response(500, text="oops")))
