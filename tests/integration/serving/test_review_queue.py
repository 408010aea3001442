"""The queue on SQLite and PostgreSQL: nobody shares an item, nothing is decided twice."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from review_desk import LATER, WINDOW, decide, fill, passing, take, taken, verdict, write
from serving_fakes import NOW, a_prediction, an_item
from waiting import PATIENCE

from registry.adapters.database.engine import Database
from registry.domain.errors import Conflict, Invalid, NotFound
from registry.domain.evidence import EvidenceRow, Verdict
from registry.domain.stages import Stage
from serving.domain.opinions import Verdict as Answered
from serving.domain.prediction import Code, DecidedBy, Flag, Status
from serving.domain.review import ItemState
from serving.domain.routing import Quota
from serving.ports import ServingUnit
from serving.services import review, settle
from serving.services import review_actions as actions

pytestmark = pytest.mark.integration


def test_two_reviewers_never_get_the_same_item(database: Database):
    fill(database, 60)
    start = threading.Barrier(2, timeout=PATIENCE)

    def work(reviewer: str) -> list[str]:
        mine = []
        item = take(database, reviewer)
        start.wait()
        while item is not None:
            assert decide(database, verdict(item, reviewer)).opinion.counted
            mine.append(item.item.id)
            item = take(database, reviewer)
        return mine

    with ThreadPoolExecutor(2) as pool:
        ann, bob = pool.map(work, ["ann", "bob"])
    assert len(ann) + len(bob) == 60
    assert not set(ann) & set(bob)
    assert ann
    assert bob


def test_a_reviewer_who_comes_back_resumes_their_own_item(database: Database):
    fill(database, 2)
    first = take(database, "ann")
    assert first is not None
    assert take(database, "ann", NOW + timedelta(minutes=9)) == first
    other = take(database, "bob")
    assert other is not None
    assert other.item.id != first.item.id


def test_the_most_urgent_item_comes_first(database: Database):
    fill(database, 3)
    assert [task.item.id for task in (take(database, r) for r in "abc") if task] == [
        "item-00000",
        "item-00001",
        "item-00002",
    ]
    assert take(database, "d") is None


def test_a_late_answer_counts_if_nobody_else_has_taken_the_item(database: Database):
    fill(database, 1)
    item = take(database, "ann")
    assert item is not None
    result = decide(database, verdict(item, "ann"), LATER)
    assert result.opinion.counted
    assert result.answered


def test_a_stale_answer_is_kept_and_does_not_count(database: Database):
    fill(database, 1)
    old = take(database, "ann")
    new = take(database, "bob", LATER)
    assert old is not None
    assert new is not None
    assert (new.item.id, new.slot.epoch) == (old.item.id, old.slot.epoch + 1)
    assert not decide(database, verdict(old, "ann", "glass"), LATER).opinion.counted
    assert decide(database, verdict(new, "bob", "paper"), LATER).opinion.counted
    kept = write(database, lambda unit: unit.review_log.sent_before(verdict(old, "ann", "glass")))
    assert kept is not None
    assert kept.counted is False
    found = write(database, lambda unit: unit.predictions.get(old.item.prediction_id))
    assert found.answer is not None
    assert found.answer.prediction == "paper"


def test_who_never_had_an_item_answers_nothing_and_can_take_it_still(database: Database):
    fill(database, 1)
    free = write(database, lambda unit: unit.reviews.find(state="ready", model=None, limit=1))[0]
    for claim in (0, 1, 7):
        guess = replace(verdict(free, "ann"), epoch=claim)
        with pytest.raises(Conflict, match="take an item first"):
            decide(database, guess)
    taken = take(database, "bob")
    assert taken is not None
    with pytest.raises(Conflict, match="take an item first"):  # the claim is another's
        decide(database, verdict(taken, "ann", "glass"))
    assert write(database, lambda unit: unit.review_log.all(free.item.id)) == ()
    mine = take(database, "ann", LATER)
    assert mine is not None
    assert decide(database, verdict(mine, "ann"), LATER).opinion.counted


def test_the_same_verdict_sent_to_two_replicas_at_once_counts_once(database: Database):
    fill(database, 20)
    for number in range(20):
        item = take(database, f"r{number}")
        assert item is not None
        start = threading.Barrier(2, timeout=PATIENCE)

        def send(answer: Answered, start: threading.Barrier = start) -> review.Decided:
            start.wait()
            return decide(database, answer)

        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(send, [verdict(item, f"r{number}")] * 2))
        assert [result.opinion.counted for result in results] == [True, True]
        assert sorted(result.repeated for result in results) == [False, True]
        assert sum(result.answered is not None for result in results) == 1


def test_a_key_belongs_to_one_reviewer_and_one_item(database: Database):
    fill(database, 2)
    for reviewer in ("ann", "bob"):
        item = take(database, reviewer)
        assert item is not None
        assert decide(database, verdict(item, reviewer, key="k")).opinion.counted


def test_the_same_verdict_sent_twice_is_recorded_once(database: Database):
    fill(database, 1)
    item = take(database, "ann")
    assert item is not None
    first = decide(database, verdict(item, "ann", key="k"))
    again = decide(database, verdict(item, "ann", key="k"))
    assert first.opinion == again.opinion
    with pytest.raises(Invalid, match="another verdict"):
        decide(database, verdict(item, "ann", "paper", key="k"))


def test_a_verdict_answers_the_held_caller_and_settles_the_evidence(database: Database):
    fill(database, 1)

    def evidence(unit: ServingUnit) -> None:
        row = EvidenceRow(
            "rollout-1", Stage.LIMITED_SCOPE, 0, "prediction-00000", 2, "glass", 1.0, True, NOW
        )
        unit.registry.evidence.add([row])

    write(database, evidence)
    item = take(database, "ann")
    assert item is not None
    result = decide(database, verdict(item, "ann", "metal"))
    assert result.agrees is False
    found = write(database, lambda unit: unit.predictions.get("prediction-00000"))
    assert (found.status, found.decided_by) == (Status.FINAL, DecidedBy.HUMAN)
    assert found.answer is not None
    assert (found.answer.prediction, found.answer.index) == ("metal", 1)
    (row,) = write(
        database, lambda unit: unit.registry.evidence.read("rollout-1", Stage.LIMITED_SCOPE)
    )
    assert (row.verdict, row.human_label, row.reviewer) == (Verdict.ERROR, "metal", "ann")


def test_none_of_these_is_an_answer_without_a_label(database: Database):
    fill(database, 1)
    item = take(database, "ann")
    assert item is not None
    decide(database, verdict(item, "ann", None))
    found = write(database, lambda unit: unit.predictions.get(item.item.prediction_id))
    assert found.answer is not None
    assert found.answer.prediction is None


def test_a_label_that_the_model_does_not_have_is_refused_and_changes_nothing(database: Database):
    fill(database, 1)
    item = take(database, "ann")
    assert item is not None
    with pytest.raises(Invalid, match="glass, metal, paper"):
        decide(database, verdict(item, "ann", "wood"))
    assert take(database, "ann") == item


def test_a_request_is_answered_once_by_the_person_or_by_the_deadline(database: Database):
    fill(database, 30)
    items = [take(database, f"r{n}") for n in range(30)]
    due = NOW + timedelta(seconds=1)
    start = threading.Barrier(2, timeout=PATIENCE)

    def people() -> set[str]:
        start.wait()
        results = [
            decide(database, verdict(item, item.slot.holder or ""), due) for item in items if item
        ]
        assert all(result.opinion.counted for result in results)
        return {result.task.item.prediction_id for result in results if result.answered}

    def deadline() -> set[str]:
        start.wait()
        answered: set[str] = set()
        for _ in range(10):
            late = write(database, lambda unit: settle.answer_late(unit, due, limit=3))
            answered |= {found.id for found in late}
        return answered

    with ThreadPoolExecutor(2) as pool:
        by_person, by_deadline = pool.submit(people), pool.submit(deadline)
        human, fallback = by_person.result(), by_deadline.result()
    assert not human & fallback
    assert len(human | fallback) == 30
    for prediction_id in human | fallback:
        found = write(database, lambda unit, p=prediction_id: unit.predictions.get(p))
        expected = (DecidedBy.HUMAN, 2) if prediction_id in human else (DecidedBy.BASELINE, 1)
        assert found.status is Status.FINAL
        assert (found.decided_by, found.version) == expected
        assert found.answer is not None
        assert found.answer.prediction == ("metal" if prediction_id in human else "paper")


def test_an_item_that_the_deadline_has_answered_stays_open_to_learn_from(database: Database):
    fill(database, 1)
    (late,) = write(database, lambda unit: settle.answer_late(unit, NOW))
    assert (late.id, late.decided_by) == ("prediction-00000", DecidedBy.BASELINE)
    assert write(database, lambda unit: settle.answer_late(unit, NOW)) == ()
    item = take(database, "ann")
    assert item is not None
    result = decide(database, verdict(item, "ann"))
    assert (result.opinion.counted, result.answered) == (True, None)


def test_a_request_that_is_not_due_is_left_alone(database: Database):
    fill(database, 1)
    assert write(database, lambda unit: settle.answer_late(unit, NOW - timedelta(seconds=1))) == ()


def test_a_skipped_item_goes_to_somebody_else(database: Database):
    fill(database, 1)
    item = take(database, "ann")
    assert item is not None
    write(database, lambda u: actions.skip(u, passing(item, "ann", "too dark"), NOW))
    assert take(database, "ann") is None
    other = take(database, "bob")
    assert other is not None
    assert other.slot.epoch == item.slot.epoch + 1
    with pytest.raises(Conflict):
        write(database, lambda u: actions.skip(u, passing(item, "ann", key="other"), NOW))


def test_a_renewed_lease_keeps_others_out(database: Database):
    fill(database, 1)
    item = take(database, "ann")
    assert item is not None
    near = NOW + timedelta(minutes=9)
    until = write(database, lambda u: actions.renew(u, item.item.id, "ann", item.slot.epoch, near))
    assert until == near + review.LEASE
    assert take(database, "bob", LATER) is None
    with pytest.raises(Conflict):
        write(database, lambda u: actions.renew(u, item.item.id, "bob", item.slot.epoch, near))


def test_a_clock_set_back_keeps_no_item_from_others(database: Database):
    fill(database, 2, due_at=None)
    before = NOW + timedelta(hours=5)
    held, answered = taken(database, "ann", before), taken(database, "bob", before)
    decide(database, verdict(answered, "bob"), before, WINDOW)
    assert take(database, "cleo", before) is None
    assert taken(database, "cleo", NOW).item.id == held.item.id
    closed = write(database, lambda u: settle.close_due(u, NOW))
    assert [one.id for one in closed.answered] == [answered.item.prediction_id]


def test_clocks_that_differ_by_seconds_take_nothing_from_anybody(database: Database):
    fill(database, 2, due_at=None)
    ahead = NOW + timedelta(seconds=30)
    taken(database, "ann", ahead)
    decide(database, verdict(taken(database, "bob", ahead), "bob"), ahead, WINDOW)
    assert take(database, "cleo", NOW) is None
    assert write(database, lambda u: settle.close_due(u, NOW)).items == 0


def test_a_cancelled_request_keeps_its_place_in_the_evidence_but_comes_last(database: Database):
    fill(database, 2)

    def evidence(unit: ServingUnit) -> None:
        row = EvidenceRow(
            "rollout-1", Stage.LIMITED_SCOPE, 0, "prediction-00000", 2, "glass", 1.0, True, NOW
        )
        unit.registry.evidence.add([row])

    write(database, evidence)
    found = write(database, lambda u: settle.cancel(u, "prediction-00000", NOW))
    assert found.status is Status.CANCELLED
    first, last = take(database, "ann"), take(database, "bob")
    assert first is not None
    assert last is not None
    assert (first.item.id, last.item.id) == ("item-00001", "item-00000")
    result = decide(database, verdict(last, "bob", "glass"))
    assert (result.opinion.counted, result.answered) == (True, None)
    (row,) = write(
        database, lambda unit: unit.registry.evidence.read("rollout-1", Stage.LIMITED_SCOPE)
    )
    assert row.verdict is Verdict.CORRECT
    assert write(database, lambda u: u.predictions.get("prediction-00000")).answer is None


def test_a_cancelled_request_that_no_version_answered_leaves_the_queue(database: Database):
    def add(unit: ServingUnit) -> None:
        unit.predictions.add(a_prediction(0))
        unit.reviews.add(an_item(0, version=None, model_answer=None))

    write(database, add)
    write(database, lambda u: settle.cancel(u, "prediction-00000", NOW))
    assert take(database, "ann") is None
    with pytest.raises(Conflict):
        write(database, lambda u: settle.cancel(u, "prediction-00000", NOW))
    with pytest.raises(NotFound):
        write(database, lambda u: settle.cancel(u, "prediction-99999", NOW))


def test_stats_and_lists_say_what_waits_and_each_reason_why(database: Database):
    def add(unit: ServingUnit) -> None:
        both = (Code.OUT_OF_DOMAIN, Code.LOW_CONFIDENCE)
        for number, codes in enumerate([(Code.AUDIT,), both, (Code.AUDIT,)]):
            unit.predictions.add(a_prediction(number))
            unit.reviews.add(an_item(number, reasons=tuple(Flag(c, "why") for c in codes)))

    write(database, add)
    item = take(database, "ann")
    assert item is not None
    decide(database, verdict(item, "ann"))
    stats = write(database, lambda u: u.reviews.stats(NOW + timedelta(seconds=90)))
    assert stats == {
        "open": 2,
        "oldest_seconds": 90.0,
        "held": 2,
        "decided": 1,
        "closing": 0,
        "leased": 0,
        "snoozed": 0,
        "due_soon": 0,
        "overdue": 2,
        "by_reason": {"out-of-domain": 1, "low-confidence": 1, "audit": 1},
        "by_queue": {"work": 2},
        "by_queue_reason": stats["by_queue_reason"],
    }
    assert sorted(stats["by_queue_reason"]) == [
        ["work", "audit", 1], ["work", "low-confidence", 1], ["work", "out-of-domain", 1],
    ]  # fmt: skip
    done = write(database, lambda u: u.reviews.find(state=ItemState.DECIDED, model=None, limit=9))
    assert [found.item.id for found in done] == [item.item.id]
    assert write(database, lambda u: u.reviews.find(state=None, model="other", limit=9)) == ()


def test_the_items_of_one_version_are_found_behind_those_of_another(database: Database):
    def add(unit: ServingUnit) -> None:
        for number in range(6):
            unit.predictions.add(a_prediction(number))
            unit.reviews.add(an_item(number, version=2 if number == 5 else 3))

    write(database, add)
    found = write(
        database,
        lambda unit: unit.reviews.find(state="ready", model="waste", version=2, limit=2),
    )
    assert [task.item.id for task in found] == ["item-00005"]


def test_a_daily_quota_is_exact_however_many_ask_at_once(database: Database):
    quota = Quota("rollout-1", NOW.date(), 7)
    tomorrow = Quota("rollout-1", NOW.date() + timedelta(days=1), 7)

    def ask(_: int) -> bool:
        return write(database, lambda unit: unit.admit(quota, 1))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(ask, range(40))) == 7
    assert write(database, lambda unit: unit.admit(tomorrow, 1))
    assert not write(database, lambda unit: unit.admit(Quota("rollout-2", NOW.date(), 0), 1))


def test_a_clock_set_back_over_midnight_finds_the_day_as_full_as_it_was(database: Database):
    today, tomorrow = (Quota("rollout-1", NOW.date() + timedelta(days=n), 2) for n in (0, 1))
    days = [today, today, tomorrow, today, tomorrow, tomorrow]
    admitted = [write(database, lambda unit, day=day: unit.admit(day, 1)) for day in days]
    assert admitted == [True, True, True, False, True, False]
