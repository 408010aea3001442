"""Whatever is sent twice is done once and answered as the first time, also beyond passing on."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from review_calls import SUPERVISED, Serve, ask, get, pass_time, post
from review_desk import WINDOW, decide, fill, passing, replicas, taken, verdict, write
from serving_fakes import NOW
from waiting import PATIENCE

from registry.adapters.database.engine import Database
from registry.domain.errors import Conflict, Invalid
from registry.domain.people import Identity, Role
from registry.domain.plan import Review
from serving.adapters.review_tables import review_event
from serving.domain.opinions import Passing
from serving.domain.review import LEASE, Presentation, Task
from serving.ports import ServingUnit
from serving.services import review
from serving.services import review_actions as actions

pytestmark = pytest.mark.integration
ANN = Identity("ann", Role.REVIEWER)
AT_ONCE = 8
OPEN = replace(SUPERVISED, review=Review(sample=1.0, opinions={"supervised": 2}))
SHOWN = replace(SUPERVISED, review=Review(sample=1.0, shown=1.0))


def events(database: Database) -> Counter[str]:
    with database.read() as connection:
        return Counter(connection.execute(sa.select(review_event.c.action)).scalars())


def answered(database: Database, reviewer: str = "ann") -> Task:
    """An item that they have answered, and can still take back."""
    task = taken(database, reviewer)
    decide(database, verdict(task, reviewer), window=WINDOW)
    return task


def undo(unit: ServingUnit, task: Task) -> Task:
    return review.undo(unit, task.item.id, "ann", task.slot.epoch, NOW)


def comment(unit: ServingUnit, task: Task) -> None:
    actions.comment(unit, Passing(task.item.id, "ann", 0, "k", "torn"), NOW)


def release(unit: ServingUnit, task: Task) -> Task:
    return actions.release(unit, Passing(task.item.id, "lea", task.slot.epoch, ""), NOW)


EACH = pytest.mark.parametrize(
    ("before", "act", "action"),
    [(answered, undo, "undone"), (taken, comment, "comment"), (taken, release, "released")],
    ids=["undo", "comment", "release"],
)
Before, Act = Callable[[Database, str], Task], Callable[[ServingUnit, Task], Any]


@EACH
def test_sent_to_two_replicas_at_once_it_is_done_once(
    database: Database, before: Before, act: Act, action: str
):
    fill(database, 1)
    task = before(database, "ann")
    with replicas(database.url) as ledgers, ThreadPoolExecutor(AT_ONCE) as pool:
        under_way = [
            pool.submit(lambda n=n: ledgers[n % 2].write(lambda u: act(u, task)).result())
            for n in range(AT_ONCE)
        ]
        answers = [one.result(PATIENCE) for one in under_way]
    assert answers.count(answers[0]) == AT_ONCE
    assert events(database)[action] == 1


def test_an_undo_that_is_sent_again_leaves_alone_what_came_after_it(database: Database):
    fill(database, 1)
    task = answered(database)
    mine = write(database, lambda u: undo(u, task))
    decide(database, verdict(mine, "ann", "paper"), window=WINDOW)
    write(database, lambda u: undo(u, task))
    assert write(database, lambda u: u.review_log.current(task.item.id))[-1].label == "paper"
    with pytest.raises(Conflict, match="not yours"):
        write(database, lambda u: review.undo(u, task.item.id, "bob", mine.slot.epoch, NOW))
    assert events(database)["undone"] == 1


def test_a_release_that_is_sent_again_takes_nothing_from_whoever_has_the_item_by_then(
    database: Database,
):
    fill(database, 1)
    task = taken(database, "ann")
    write(database, lambda u: release(u, task))
    other = taken(database, "bob")
    assert write(database, lambda u: release(u, task)) == other
    too_late = Passing(task.item.id, "mia", 1, "")
    with pytest.raises(Conflict, match="under claim 1"):
        write(database, lambda u: actions.release(u, too_late, NOW))


def test_a_claim_that_was_kept_after_all_can_be_released_again(database: Database):
    """Whose page is still open renews a lease that was released, if nobody took the item."""
    fill(database, 1)
    task = taken(database, "ann")
    for _ in range(2):
        assert write(database, lambda u: release(u, task)).slot.state == "ready"
        write(database, lambda u: actions.renew(u, task.item.id, "ann", 1, NOW))


def test_other_words_under_the_same_key_are_refused(database: Database):
    fill(database, 1)
    task = taken(database, "ann")
    write(database, lambda u: comment(u, task))
    other = Passing(task.item.id, "ann", 0, "k", "whole")
    with pytest.raises(Invalid, match="send a new key with a new text"):
        write(database, lambda u: actions.comment(u, other, NOW))


def test_a_lead_who_judges_twice_at_once_judges_once(database: Database):
    fill(database, 1)
    sent = passing(taken(database, "ann"), "ann")
    write(database, lambda u: actions.escalate(u, sent, NOW))
    said = replace(verdict(taken(database, "lea", lead=True), "lea", key="k"), epoch=0)
    with replicas(database.url) as ledgers, ThreadPoolExecutor(AT_ONCE) as pool:
        under_way = [
            pool.submit(
                lambda n=n: (
                    ledgers[n % 2].write(lambda u: actions.adjudicate(u, said, NOW)).result()
                )
            )
            for n in range(AT_ONCE)
        ]
        results = [one.result(PATIENCE) for one in under_way]
    assert {one.opinion.id for one in results} == {results[0].opinion.id}
    assert sum(not one.repeated for one in results) == 1


def test_a_grid_that_is_asked_for_again_is_the_same(database: Database):
    fill(database, 40, presentation=Presentation.SHOWN, due_at=None)
    task = taken(database, "ann")
    ahead = write(database, lambda u: review.next_item(u, ANN, NOW, besides=task.item.id))
    assert ahead is not None
    grids = [
        write(database, lambda u: actions.grid(u, task.item.id, "ann", 1, NOW)) for _ in range(2)
    ]
    ids = [[one.item.id for one in grid] for grid in grids]
    assert ids[0] == ids[1]
    assert ids[0][:2] == [task.item.id, ahead.item.id]
    assert len(ids[0]) == len(set(ids[0])) == 25
    late = write(database, lambda u: actions.grid(u, task.item.id, "ann", 1, NOW + 2 * LEASE))
    assert ahead.item.id not in {one.item.id for one in late}


@pytest.mark.parametrize("key", [{}, {"idempotency_key": "k"}])
def test_over_http_the_second_answer_is_the_first(serve: Serve, key: dict[str, str]):
    client, serving = serve(OPEN)
    ask(client)
    item = get(client, "/v1/review/next")
    said = [post(client, item, "comment", text="torn", **key).json() for _ in range(2)]
    freed = [post(client, item, "release", "lea").json() for _ in range(2)]
    item = get(client, "/v1/review/next")
    post(client, item, "decision", label="metal")
    back = [post(client, item, "undo").json() for _ in range(2)]
    for first, second in (said, freed, back):
        assert "id" in first
        assert first == second
    assert (freed[0]["state"], back[0]["state"]) == ("ready", "leased")
    post(client, back[0], "decision", label="metal")
    agreed = [post(client, back[0], "agree", **key).json()]
    pass_time(serving, 6)
    assert get(client, "/v1/review/next", "bob")["id"] == item["id"]  # somebody else has it by now
    agreed.append(post(client, back[0], "agree", **key).json())
    assert [one.pop("undo_until") is None for one in agreed] == [False, True]
    assert agreed[0] == agreed[1]
    assert agreed[0]["label"] == "glass"
    done = [one["action"] for one in get(client, f"/v1/review/items/{item['id']}")["events"]]
    assert Counter(done) == {"taken": 3, "comment": 1, "released": 1, "undone": 1}


def test_over_http_answers_at_one_stroke_are_given_and_taken_back_once(serve: Serve):
    client, _ = serve(SHOWN)
    for _ in range(3):
        ask(client)
    item, ann = get(client, "/v1/review/next"), {"X-Stagegate-Actor": "ann"}
    items = [
        {"item": one["id"], "epoch": one["epoch"]}
        for one in post(client, item, "grid").json()["items"]
    ]
    body = {"items": items, "label": "glass", "idempotency_key": "k"}
    for path in ("decision", "undo"):
        url = f"/v1/review/bulk/{path}"
        twice = [client.post(url, json=body, headers=ann) for _ in range(2)]
        assert [one.status_code for one in twice] == [200, 200]
        assert len(twice[0].json()["items"]) == 3
        assert twice[0].json() == twice[1].json()
