"""Reviewing over HTTP: what a reviewer is told, and when a caller hears of it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import serving_app
from serving_fakes import FakeRunner, image
from starlette.testclient import TestClient

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.plan import Answers, Late, Review, StagePlan, Step
from registry.domain.stages import Stage
from registry.services.control import abort
from serving.api.parts import Serving
from serving.services.settle import answer_late, close_due

pytestmark = pytest.mark.integration
URL = "/v1/models/waste/predict"
SUPERVISED = StagePlan(Stage.LIMITED_SCOPE, answers=Answers.AFTER_APPROVAL)
SAMPLED = StagePlan(Stage.GRADUAL, steps=(Step(100.0, 0.0),), review=Review(sample=1.0))
Serve = Callable[..., tuple[TestClient, Serving]]


@pytest.fixture
def serve(database: Database, tmp_path: Path) -> Iterator[Serve]:
    """Version 1 always says paper, version 2 says what it is shown; answers can be undone."""
    with ExitStack() as stack:

        def start(part: StagePlan | None, **changes: Any) -> tuple[TestClient, Serving]:
            serving_app.register(database, part)
            runners = {1: FakeRunner("paper"), 2: FakeRunner()}
            made = serving_app.parts(
                database, str(tmp_path / "payloads"), runners, draw=lambda: 0.5
            )
            made = replace(made, **{"undo": timedelta(minutes=5), **changes})
            return stack.enter_context(serving_app.client(made)), made

        yield start


def ask(client: TestClient, **headers: str) -> Any:
    sent = {"X-Stagegate-Attributes": '{"user_id": "u"}', **headers}
    return client.post(URL, content=image("glass"), headers=sent).json()


def get(client: TestClient, path: str, who: str = "ann") -> Any:
    return client.get(path, headers={"X-Stagegate-Actor": who}).json()


def post(client: TestClient, item: Any, action: str, who: str = "ann", **body: Any) -> Any:
    sent = {"epoch": item["epoch"], **body}
    path = f"/v1/review/{item['id']}/{action}"
    return client.post(path, json=sent, headers={"X-Stagegate-Actor": who})


def pass_time(serving: Serving, minutes: int) -> None:
    at = serving.clock() + timedelta(minutes=minutes)
    serving.ledger.write(lambda unit: close_due(unit, at)).result()


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
    assert [one["action"] for one in history["events"]] == ["undone"]
    assert (history["source"], history["outcome"]["prediction"]) == ("single", "glass")


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
    assert "metal" not in str(hidden["decisions"]) + str(hidden["events"])
    assert hidden["model_answer"] is None
    mine = get(client, f"/v1/review/items/{item['id']}")
    assert mine["events"][0]["detail"]["text"] == "<b>surely metal</b>"


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
    assert client.post(f"{path}/release", headers=lead).status_code == 409


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
