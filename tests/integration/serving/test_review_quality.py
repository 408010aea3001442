"""What the queue's rows say of a model and of its reviewers, on SQLite and PostgreSQL."""

from datetime import timedelta
from typing import Any

import pytest
from review_desk import decide, fill, taken, verdict, write
from serving_fakes import LABELS, NOW, an_item

from registry.adapters.database.engine import Database
from serving.adapters.review_quality import SqlReviewQuality
from serving.domain.accuracy import Known
from serving.domain.prediction import Code, Flag, Label
from serving.domain.review import Gold, ItemState, Queue, drawn
from serving.services import review_actions as actions
from serving.services.quality import Quality, by_queue, by_version

pytestmark = pytest.mark.integration
SINCE = NOW - timedelta(days=30)
ODD = Flag(Code.OUT_OF_DOMAIN, "odd")


def label(name: str) -> Label:
    return Label(name, LABELS.index(name))


def add(database: Database, first: int, items: int, **changes: Any) -> None:
    def put(unit: Any) -> None:
        for number in range(first, first + items):
            unit.reviews.add(an_item(number, **changes))

    write(database, put)


def quality(database: Database) -> tuple[tuple[Quality, ...], tuple[Quality, ...]]:
    with database.read() as connection:
        found = SqlReviewQuality(connection, "waste", SINCE)
        strata, opinions, known = found.strata(NOW), found.opinions(), found.known()
    return by_version(strata, opinions, known), by_queue(strata, opinions, known)


def test_answers_are_weighed_by_their_chance_and_bounded_by_those_passed_on(database: Database):
    over = {"state": ItemState.DECIDED, "decided_at": NOW}
    audit = {"reasons": (drawn(),), "queue": Queue.AUDIT, "inclusion_probability": 0.1}
    add(database, 0, 6, reasons=(ODD,), outcome=label("metal"), **over)
    add(database, 6, 4, reasons=(ODD,), outcome=label("glass"), **over)
    add(database, 10, 1, outcome=Label(None), **audit, **over)
    add(database, 11, 8, outcome=label("glass"), **audit, **over)
    add(database, 30, 1, **audit, due_at=NOW - timedelta(days=1))
    add(database, 40, 5, version=1, model_answer=None)  # nobody's answer
    add(database, 50, 1, reasons=(ODD,), due_at=NOW - timedelta(minutes=1))  # late
    (mine,), queues = quality(database)
    seen = mine.accuracy
    assert (mine.version, mine.stage, seen.judged, seen.waiting, seen.lost) == (
        2, "limited-scope", 19, 1, 1,
    )  # fmt: skip
    assert seen.naive is not None
    assert seen.weighted is not None
    assert seen.naive.value == pytest.approx(12 / 19)
    # 9 of 10 drawn are judged: they stand for 100 answers, of which 100 / 9 are wrong.
    assert seen.weighted.value == pytest.approx(1 - (6 + 100 / 9) / 110)
    assert seen.best is not None
    assert seen.worst is not None
    assert seen.best - seen.worst == pytest.approx(1 / 111)
    assert [(one.queue, one.accuracy.judged) for one in queues] == [("audit", 9), ("work", 10)]


def test_an_item_that_was_passed_on_is_lost_until_somebody_judges_it(database: Database):
    fill(database, 2, due_at=NOW + timedelta(hours=1))
    task = taken(database, "ann")
    write(database, lambda u: actions.skip(u, task.item.id, "ann", task.slot.epoch, "?", NOW))
    (before,), _ = quality(database)
    assert (before.accuracy.waiting, before.accuracy.lost) == (1, 1)
    decide(database, verdict(taken(database, "bob"), "bob"))
    (after,), _ = quality(database)
    assert (after.accuracy.judged, after.accuracy.lost) == (1, 0)


def test_gold_items_say_how_reviewers_judge_and_are_no_answers_themselves(database: Database):
    """The model said glass; the truth, and what the reviewer found, by item."""
    cases = [("glass", "glass"), ("glass", "metal"), ("metal", "metal"), ("metal", "paper"),
             ("metal", "glass")]  # fmt: skip
    for number, (truth, found) in enumerate(cases):
        gold = Gold(f"item-9{number:04d}", label(truth))
        add(database, number, 1, gold=gold, outcome=label(found), state=ItemState.DECIDED,
            decided_at=NOW)  # fmt: skip
    with database.read() as connection:
        seen = SqlReviewQuality(connection, "waste", SINCE)
        assert seen.known() == Known(wrong=3, caught=2, right=2, cleared=1)
        assert seen.strata(NOW) == {}


def test_agreement_is_of_first_answers_before_anyone_knew_of_the_other(database: Database):
    fill(database, 3, opinions=2, due_at=NOW + timedelta(hours=1))
    for said in (("glass", "glass"), ("glass", "metal"), ("metal", "metal")):
        for who, what in zip(("ann", "bob"), said, strict=True):
            task = taken(database, who)
            given = decide(database, verdict(task, who, what), window=timedelta(minutes=1))
            changed = verdict(given.task, who, "paper", key=f"{who}{task.item.id}", revises=True)
            decide(database, changed)
    (mine,), _ = quality(database)
    assert (mine.agreement.items, mine.agreement.same) == (3, 2)
    assert mine.agreement.kappa is not None
    assert mine.agreement.kappa.value == pytest.approx(0.4)
    assert mine.agreement.alpha == pytest.approx(4 / 9)
