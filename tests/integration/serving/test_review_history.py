"""An item's history over HTTP: everything that happened, and exactly what each reviewer saw."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from review_calls import SUPERVISED, Serve, ask, get, pass_time, post

from console.web.views.item_history import item_history_page
from registry.domain.plan import Late, Review
from serving.adapters.review_tables import review_item
from serving.services.settle import answer_late

pytestmark = pytest.mark.integration


def actions(history: dict) -> list[str]:
    return [one["action"] for one in history["timeline"]]


def test_everything_that_happened_stands_in_order(serve: Serve):
    late = Review(sample=1.0, late=Late.MODEL_ANSWER)
    client, serving = serve(replace(SUPERVISED, review=late))
    ask(client)
    item = get(client, "/v1/review/next")
    post(client, item, "decision", label="metal", page="rev1")
    back = post(client, item, "undo").json()
    post(client, back, "comment", text="cut off")
    post(client, back, "skip", reason="I cannot tell")
    other = get(client, "/v1/review/next", who="bob")
    due = serving.clock() + timedelta(days=2)
    serving.ledger.write(lambda unit: answer_late(unit, due)).result()
    post(client, other, "decision", who="bob", label="metal", page="rev2")
    post(client, other, "agree", who="bob", page="rev2")
    pass_time(serving, 6)
    history = get(client, f"/v1/review/items/{item['id']}", who="cleo")
    assert actions(history) == [
        "asked", "taken", "answered", "undone", "comment", "skipped", "taken", "answered",
        "corrected", "settled", "amended what the caller was told",
        "gave the caller the fallback",
    ]  # fmt: skip
    asked, taken = history["timeline"][:2]
    assert asked["detail"]["inclusion_probability"] == 1.0
    assert (taken["actor"], taken["detail"]["presentation"]) == ("ann", "answer-first")
    assert history["timeline"][-1]["label"] == "glass"


def test_each_screen_replays_exactly_and_shows_when_it_no_longer_does(serve: Serve):
    client, serving = serve(SUPERVISED)
    ask(client)
    item = get(client, "/v1/review/next")
    post(client, item, "decision", label="metal", page="rev1")
    post(client, item, "agree", page="rev1")
    pass_time(serving, 6)
    path = f"/v1/review/items/{item['id']}"
    first, second = (one["screen"] for one in get(client, path)["decisions"])
    assert (first["is_exact"], second["is_exact"]) == (True, True)
    assert (first["model_answer_shown"], second["model_answer_shown"]) == (False, True)
    assert (second["model_answer"], second["page"]) == ("glass", "rev1")
    assert (first["labels"], first["presentation"]) == (item["labels"], "answer-first")
    assert first["payload_digest"]
    with serving.database.begin() as connection:  # somebody tampers with what was shown
        connection.execute(sa.update(review_item).values(labels=["paper", "glass", "metal"]))
    assert [one["screen"]["is_exact"] for one in get(client, path)["decisions"]] == [False, False]


def test_who_may_still_be_asked_learns_nothing_from_the_history(serve: Serve):
    client, _ = serve(SUPERVISED)
    ask(client)
    item = get(client, "/v1/review/next")
    post(client, item, "decision", label="metal", comment="surely metal")
    path = f"/v1/review/items/{item['id']}"
    open_history = get(client, path, who="cleo")
    assert "surely" not in str(open_history)
    answered = next(one for one in open_history["timeline"] if one["action"] == "answered")
    assert "label" not in answered
    assert open_history["decisions"][0]["screen"]["model_answer"] is None
    mine = get(client, path, who="ann")
    assert next(o for o in mine["timeline"] if o["action"] == "answered")["label"] == "metal"


def test_a_random_number_that_could_tell_gold_from_audit_is_told_when_the_item_is_final(
    serve: Serve,
):
    client, serving = serve(SUPERVISED)
    ask(client)
    item = get(client, "/v1/review/next")
    path = f"/v1/review/items/{item['id']}"
    waiting = get(client, path)
    post(client, item, "decision", label="metal")
    closing = get(client, path, who="lea")
    pass_time(serving, 6)
    final = get(client, path)
    for document, told in ((waiting, False), (closing, False), (final, True)):
        numbers = (document["random_number"], document["timeline"][0]["detail"]["random_number"])
        assert [one is not None for one in numbers] == [told, told], document["state"]
    assert "Random number" not in dict(item_history_page(waiting, serving.clock()).facts)
    assert "Random number" in dict(item_history_page(final, serving.clock()).facts)
