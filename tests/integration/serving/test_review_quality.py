"""What the queue's rows say of a model and of its reviewers, on SQLite and PostgreSQL."""

from datetime import timedelta
from typing import Any

import pytest
from review_desk import LATER, WINDOW, decide, fill, passing, taken, verdict, write
from serving_fakes import LABELS, NOW, an_item

from registry.adapters.database.engine import Database
from serving.adapters.review_people import SqlReviewPeople
from serving.adapters.review_quality import SqlReviewQuality
from serving.adapters.review_queues import SqlReviewQueues
from serving.domain.accuracy import Known
from serving.domain.prediction import Code, Flag, Label
from serving.domain.review import Gold, ItemState, Queue, drawn
from serving.domain.reviewers import Reviewer, reviewers, share
from serving.services import review_actions as actions
from serving.services.quality import Quality, by_queue, by_version
from serving.services.settle import answer_late

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
    write(database, lambda u: actions.skip(u, passing(task, "ann"), NOW))
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


def people(database: Database, name: str | None = None) -> dict[str, Reviewer]:
    with database.read() as connection:
        work = SqlReviewPeople(connection, SINCE, name).work(LATER)
        opinions = SqlReviewQuality(connection, None, SINCE).opinions()
    items = [unit for units in opinions.values() for unit in units]
    return {one.name: one for one in reviewers(work, items)}


def test_a_reviewers_work_is_counted_once_however_often_it_was_corrected(database: Database):
    fill(database, 3, opinions=2, due_at=LATER + timedelta(hours=1))
    for said in (("glass", "glass"), ("glass", "metal"), ("metal", "metal")):
        for who, what in zip(("ann", "bob"), said, strict=True):
            task = taken(database, who)
            late = NOW + timedelta(seconds=8)
            given = decide(database, verdict(task, who, what), late, window=WINDOW)
            again = verdict(given.task, who, what, key=f"{who}{task.item.id}", revises=True)
            decide(database, again, late)
    decide(database, verdict(taken(database, "lea", lead=True), "lea", "glass"))
    add(database, 20, 1, gold=Gold("item-90000", label("metal")), queue=Queue.AUDIT)
    decide(database, verdict(taken(database, "bob"), "bob", "metal"))
    found = people(database)
    ann, bob, lea = found["ann"], found["bob"], found["lea"]
    assert (ann.decisions, ann.decisions_per_hour, ann.median_seconds) == (3, 3, 8.0)
    assert (ann.overturned, bob.overturned) == (share(0, 3), share(1, 3))
    assert (ann.agreed, bob.agreed) == (share(2, 3), share(2, 3))
    assert (bob.gold, ann.gold, bob.decisions) == (share(1, 1), None, 4)
    assert (lea.decisions, lea.overturned, lea.agreed) == (1, None, None)
    assert set(people(database, "bob")) == {"ann", "bob"}


def test_each_queue_says_what_waits_and_how_fast_and_how_well_it_is_answered(database: Database):
    soon, later = NOW + timedelta(minutes=20), NOW + timedelta(hours=3)
    fill(database, 2, due_at=later, created_at=NOW - timedelta(hours=2))
    add(database, 10, 1, due_at=soon)
    add(database, 11, 1, due_at=NOW - timedelta(minutes=1))
    add(database, 20, 1, gold=Gold("item-90000", label("metal")), queue=Queue.AUDIT)
    decide(database, verdict(taken(database, "ann", draw=0.0), "ann", "paper"))
    decide(database, verdict(taken(database, "ann"), "ann"))
    taken(database, "bob")
    write(database, lambda u: answer_late(u, later + timedelta(minutes=1)))
    with database.read() as connection:
        found = SqlReviewQueues(connection).counts(NOW, SINCE)
    audit, work = found["waste", "audit"], found["waste", "work"]
    assert (audit["gold"], audit["gold_right"], audit["decisions_per_hour"]) == (1, 0, 1)
    assert "waiting" not in audit
    assert (work["waiting"], work["in_review"], work["decisions_per_hour"]) == (3, 1, 1)
    assert (work["due_within_hour"], work["overdue"]) == (1, 1)
    assert (work["held"], work["fallbacks"]) == (2, 1)
    assert work["oldest"] == NOW - timedelta(hours=2)
