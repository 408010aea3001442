"""Who sees how reviewers do: leads everybody, others themselves, and gold items leads alone."""

from collections.abc import Iterator
from typing import Any

import pytest
from accounts_app import World, world
from review_desk import decide, taken, verdict, write
from serving_fakes import NOW, an_item

from serving.domain.prediction import Label
from serving.domain.review import Gold, Presentation, Queue

pytestmark = pytest.mark.integration
DAYS = {"days": 3650}  # what is tested here happened on a day of its own


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two reviewers and a lead; ann has answered a gold item wrongly, bob rightly."""
    with world(tmp_path_factory.mktemp("home")) as made:
        made.add("ann", "reviewer", "correct horse battery")
        made.add("bob", "reviewer")
        made.add("lea", "reviewer", "correct horse battery", lead=True)
        made.add("vera", "viewer")
        database = made.app.state.wiring.database
        for number, (who, label) in enumerate((("ann", "glass"), ("bob", "metal"))):
            gold = Gold(f"item-9000{number}", Label("metal", 1))
            item = an_item(number, gold=gold, queue=Queue.AUDIT, presentation=Presentation.BLIND)
            write(database, lambda u, one=item: u.reviews.add(one))
            decide(database, verdict(taken(database, who), who, label), NOW)
        yield made


def seen_by(service: World, name: str) -> dict[str, dict[str, object]]:
    answer = service.client.get("/v1/review/people", params=DAYS, headers=service.key(name))
    assert answer.status_code == 200, answer.text
    return {one["name"]: one for one in answer.json()["people"]}


def test_a_reviewer_sees_only_herself_and_nothing_of_gold(service: World):
    assert set(seen_by(service, "ann")) == {"ann"}
    assert "gold" not in seen_by(service, "ann")["ann"]
    assert seen_by(service, "ann")["ann"]["decisions"] == 1


def test_a_lead_sees_everybody_and_how_they_do_on_gold(service: World):
    found = seen_by(service, "lea")
    shares = {name: one["gold"]["value"] for name, one in found.items() if one["gold"]}
    assert shares == {"ann": 0.0, "bob": 1.0}


def test_the_pages_keep_to_the_same(service: World):
    with service.logged_in("ann") as browser:
        page = browser.get("/review/people").text
        assert "You see yourself" in page
        assert "Right on gold items" not in page
    with service.logged_in("lea") as browser:
        assert "Right on gold items" in browser.get("/review/people").text
    viewer = service.key("vera")
    for path in ("/v1/review/people", "/review/people"):
        assert service.client.get(path, headers=viewer).status_code == 403
    assert "/review/people" not in service.client.get("/review/queues", headers=viewer).text


def test_a_claimed_name_shows_nobody_else(service: World):
    headers = service.key("ann") | {"X-Stagegate-Actor": "lea"}
    assert service.client.get("/v1/review/people", headers=headers).status_code == 403


def seen_of(service: World, path: str, name: str) -> dict[str, Any]:
    asked = {"model": "waste", **DAYS}
    answer = service.client.get(f"/v1/review/{path}", params=asked, headers=service.key(name))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_queues_and_quality_tell_of_gold_to_leads_alone(service: World):
    (audit,) = seen_of(service, "queues", "lea")["queues"]
    assert (audit["queue"], audit["gold"]["value"], audit["gold"]["n"]) == ("audit", 0.5, 2)
    assert seen_of(service, "quality", "lea")["gold"] is not None
    for name in ("ann", "vera"):
        (audit,) = seen_of(service, "queues", name)["queues"]
        assert (audit["queue"], audit["gold"]) == ("audit", None)
        assert seen_of(service, "quality", name)["gold"] is None
