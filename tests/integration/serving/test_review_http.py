"""Reviewing over HTTP: what a reviewer is told, and when a caller hears of it."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from review_calls import SAMPLED, SUPERVISED, Serve, ask, get, pass_time, post
from review_desk import fill
from serving_fakes import image

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.plan import Late, Review
from registry.services.control import abort
from serving.services.settle import answer_late

pytestmark = pytest.mark.integration


def test_the_caller_hears_the_last_word_and_nothing_before_the_window_is_over(serve: Serve):
    client, serving = serve(SUPERVISED)
    held = ask(client)
    item = get(client, "/v1/review/next")
    first = post(client, item, "decision", label="metal").json()
    assert (first["model_answer"]["prediction"], first["agrees"]) == ("glass", False)
    assert (first["informed"], first["undo_until"] is not None) == (False, True)
    assert get(client, f"/v1/predictions/{held['id']}")["status"] == "held"
    back = post(client, item, "undo").json()
    assert (back["state"], back["model_answer"]["prediction"]) == ("leased", "glass")
    post(client, back, "decision", label="paper")
    agreed = post(client, back, "agree").json()
    assert (agreed["label"], agreed["informed"]) == ("glass", True)
    assert get(client, f"/v1/predictions/{held['id']}")["status"] == "held"
    pass_time(serving, 6)
    answered = get(client, f"/v1/predictions/{held['id']}")
    assert (answered["prediction"], answered["decided_by"]) == ("glass", "human")
    history = get(client, f"/v1/review/items/{item['id']}", who="bob")
    assert [one["label"] for one in history["decisions"]] == ["metal", "paper", "glass"]
    assert [one["action"] for one in history["events"]] == ["taken", "undone"]
    assert (history["source"], history["outcome"]["prediction"]) == ("single", "glass")


def test_an_answer_is_corrected_to_any_label_while_it_can_be_undone(serve: Serve):
    client, serving = serve(SUPERVISED)
    held = ask(client)
    item = get(client, "/v1/review/next")
    first = post(client, item, "decision", label="metal").json()
    assert first["labels"] == item["labels"]

    def correct(label: str | None, key: str) -> dict[str, Any]:
        said = {"label": label, "revise": True, "idempotency_key": key}
        return post(client, item, "decision", **said).json()

    assert correct("paper", "k") == correct("paper", "k")
    assert correct("metal", "l")["informed"] is True
    assert correct(None, "m")["agrees"] is False
    refused = post(client, item, "decision", label="glas", revise=True, idempotency_key="n")
    assert refused.status_code == 422
    assert "waste has no label 'glas'; its labels: " in refused.json()["detail"]
    assert "none of these (`review decide --none`, over HTTP null)" in refused.json()["detail"]
    assert get(client, f"/v1/predictions/{held['id']}")["status"] == "held"
    back = post(client, item, "undo").json()
    assert (back["state"], back["holder"]) == ("leased", "ann")
    post(client, back, "decision", label="metal")
    item = back
    assert correct("paper", "o")["label"] == "paper"
    pass_time(serving, 6)
    assert get(client, f"/v1/predictions/{held['id']}")["prediction"] == "paper"
    late = post(client, item, "decision", label="glass", revise=True, idempotency_key="p")
    assert late.status_code == 409
    said = get(client, f"/v1/review/items/{item['id']}")["decisions"]
    labels = ["metal", "paper", "metal", None, "metal", "paper"]
    assert [one["label"] for one in said] == labels


def test_a_blind_item_tells_neither_the_models_answer_nor_where_to_find_it(serve: Serve):
    client, _ = serve(SAMPLED)
    told = ask(client)
    assert told["prediction"] == "glass"
    item = get(client, "/v1/review/next")
    assert (item["presentation"], item["queue"]) == ("blind", "audit")
    assert told["id"] not in str(item)
    assert client.get(item["payload_url"]).content == image("glass")
    decided = post(client, item, "decision", label="metal").json()
    assert (decided["model_answer"], decided["agrees"], decided["prediction_id"]) == (None,) * 3
    assert post(client, item, "agree").status_code == 422


@pytest.mark.parametrize("shown", [{"shown": 1.0}, {}], ids=["shown", "answer-first"])
def test_the_list_tells_the_models_answer_to_nobody_else_while_they_may_be_asked(
    serve: Serve, shown: dict[str, float]
):
    client, serving = serve(replace(SUPERVISED, review=Review(sample=1.0, **shown)))
    ask(client)
    item = get(client, "/v1/review/next")
    for answer in (None, {"label": "metal"}):
        if answer:
            post(client, item, "decision", **answer)
        (mine,), (others,) = (
            get(client, "/v1/review/items", who)["items"] for who in ("ann", "bob")
        )
        assert (mine["model_answer"] is not None) is bool(shown or answer)
        assert others["model_answer"] is None
        assert get(client, f"/v1/review/items/{item['id']}", "bob")["model_answer"] is None
    pass_time(serving, 6)
    (final,) = get(client, "/v1/review/items", "bob")["items"]
    assert final["model_answer"]["prediction"] == "glass"


def test_a_reviewer_sees_the_input_beside_the_training_data_of_the_version_asked(serve: Serve):
    client, _ = serve(SUPERVISED)
    ask(client)
    item = get(client, "/v1/review/next")
    told = get(client, f"/v1/review/{item['id']}/input")
    (value,) = told["values"]
    assert (told["version"], value["name"], value["outside"]) == (item["version"], "bytes", True)
    assert value["said"] == str(len(image("glass")))
    assert client.get("/v1/review/nothing/input").status_code == 404


def test_an_input_that_no_version_was_asked_about_is_compared_with_none(serve: Serve):
    client, serving = serve(SUPERVISED)
    fill(serving.database, 1, version=None)
    item = get(client, "/v1/review/next")
    refused = client.get(f"/v1/review/{item['id']}/input")
    assert refused.status_code == 404
    assert "No version was asked" in refused.json()["detail"]


def test_what_others_said_stays_hidden_from_whoever_is_still_to_be_asked(serve: Serve):
    part = replace(SUPERVISED, review=Review(sample=1.0, opinions={"supervised": 2}))
    client, serving = serve(part)
    ask(client)
    item = get(client, "/v1/review/next")
    post(client, item, "comment", text="<b>surely metal</b>")
    post(client, item, "decision", label="metal", comment="metal, I bet")
    pass_time(serving, 6)
    second = get(client, "/v1/review/next", who="bob")
    hidden = get(client, f"/v1/review/items/{item['id']}", who="bob")
    assert second["id"] == item["id"]
    for one in hidden["decisions"]:
        assert one["screen"].pop("labels") == second["labels"]  # of the model, in their order
    assert "metal" not in str(hidden["decisions"]) + str(hidden["events"])
    assert "metal" not in str(hidden["timeline"])
    assert hidden["model_answer"] is None
    mine = get(client, f"/v1/review/items/{item['id']}")
    assert mine["events"][1]["detail"]["text"] == "<b>surely metal</b>"


def test_an_item_whose_input_is_gone_says_so_and_can_be_skipped(serve: Serve, tmp_path: Path):
    client, _ = serve(SUPERVISED)
    ask(client)
    shutil.rmtree(tmp_path / "payloads")
    item = get(client, "/v1/review/next")
    assert "no longer stored" in item["payload_missing"]
    assert client.get(item["payload_url"]).status_code == 404
    assert post(client, item, "skip", reason="the input is gone").json()["status"] == "skipped"


def test_a_caller_can_ask_for_a_review_of_an_answer(serve: Serve):
    client, _ = serve(None)
    assert ask(client)["review_probability"] == 0
    asked = ask(client, **{"X-Stagegate-Review": "true"})
    assert (asked["status"], asked["review_probability"]) == ("final", 1)
    item = get(client, "/v1/review/next")
    assert [reason["code"] for reason in item["reasons"]] == ["asked"]
    refused = ask(client, **{"X-Stagegate-Review": "maybe"})
    assert "true or false" in refused["detail"]


def test_a_version_that_was_rolled_back_leaves_its_held_requests_answerable(
    serve: Serve, database: Database
):
    client, serving = serve(SUPERVISED)
    held = ask(client)
    with database.begin() as connection:
        abort(SqlUnitOfWork(connection), "waste", "lea", serving.clock(), "it was wrong")
    post(client, get(client, "/v1/review/next"), "decision", label="metal")
    pass_time(serving, 6)
    answered = get(client, f"/v1/predictions/{held['id']}")
    assert (answered["prediction"], answered["decided_by"]) == ("metal", "human")


def test_an_answer_after_the_fallback_is_shown_beside_it(serve: Serve):
    part = replace(SUPERVISED, review=Review(sample=1.0, due_seconds=60, late=Late.BASELINE))
    client, serving = serve(part)
    held = ask(client)
    due = serving.clock() + timedelta(minutes=2)
    serving.ledger.write(lambda unit: answer_late(unit, due)).result()
    post(client, get(client, "/v1/review/next"), "decision", label="metal", final=True)
    found = get(client, f"/v1/predictions/{held['id']}")
    assert (found["prediction"], found["decided_by"]) == ("paper", "baseline")
    assert (found["amended"]["prediction"], found["amended"]["decided_by"]) == ("metal", "human")


def test_a_disputed_item_is_settled_from_the_list(serve: Serve):
    client, _ = serve(SUPERVISED)
    ask(client)
    item = get(client, "/v1/review/next")
    assert post(client, item, "escalate", reason="two things").json()["status"] == "escalated"
    body = {"label": "metal", "idempotency_key": "k", "final": True}
    lead = {"X-Stagegate-Actor": "lea"}
    path = f"/v1/review/{item['id']}"
    assert client.post(f"{path}/adjudicate", json=body, headers=lead).json()["counted"] is True
    claim = {"epoch": item["epoch"] + 1}
    assert client.post(f"{path}/release", json=claim, headers=lead).status_code == 409


def test_items_that_look_alike_are_answered_and_taken_back_together(serve: Serve):
    client, _ = serve(replace(SUPERVISED, review=Review(sample=1.0, shown=1.0)))
    for _ in range(3):
        ask(client)
    ann = {"X-Stagegate-Actor": "ann"}
    item = get(client, "/v1/review/next")
    grid = post(client, item, "grid").json()["items"]
    assert {one["model_answer"]["prediction"] for one in grid} == {"glass"}
    items = [{"item": one["id"], "epoch": one["epoch"]} for one in grid]
    body = {"items": items, "label": "glass", "idempotency_key": "k"}
    done = client.post("/v1/review/bulk/decision", json=body, headers=ann).json()["items"]
    assert [one["counted"] for one in done] == [True] * 3
    back = client.post("/v1/review/bulk/undo", json={"idempotency_key": "k"}, headers=ann)
    assert [one["state"] for one in back.json()["items"]] == ["leased"] * 3
    many = {**body, "items": items * 9}
    assert client.post("/v1/review/bulk/decision", json=many, headers=ann).status_code == 422
