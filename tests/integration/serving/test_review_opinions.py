"""Several people on one item, on SQLite and PostgreSQL: nobody twice, nothing before its time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from review_desk import LATER, WINDOW, decide, fill, passing, take, taken, verdict, write
from serving_fakes import NOW, a_prediction, an_item
from waiting import PATIENCE

from registry.adapters.database.engine import Database
from registry.domain.errors import Conflict, Forbidden, Invalid, NotFound
from registry.domain.evidence import CheckKind, EvidenceRow, Second, Verdict
from registry.domain.evidence_table import Standing
from registry.domain.people import Identity, Role
from registry.domain.stages import Stage
from serving.domain.opinions import Passing
from serving.domain.prediction import DecidedBy, Status
from serving.domain.review import ItemState, Planting, Presentation, Queue, SlotState, Source, drawn
from serving.ports import ServingUnit
from serving.services import review, settle
from serving.services import review_actions as actions

pytestmark = pytest.mark.integration
SHUT = NOW + WINDOW


def state(database: Database, number: int = 0) -> ItemState:
    return write(database, lambda u: u.reviews.get(f"item-{number:05d}").item.state)


def status(database: Database, number: int = 0) -> Status:
    return write(database, lambda u: u.predictions.get(f"prediction-{number:05d}").status)


def notices(database: Database) -> list[tuple[str, str]]:
    def read(unit: ServingUnit) -> list[tuple[str, str]]:
        told = []
        while due := unit.registry.outbox.due(LATER):
            for message in due:
                told.append((message.payload["event"], message.payload["detail"]["prediction_id"]))
                unit.registry.outbox.done([message], LATER)
        return told

    return write(database, read)


def checks(database: Database) -> list[tuple[CheckKind, str, bool, bool | None]]:
    made = write(database, lambda u: u.registry.checks.read("waste", NOW))
    return [(one.kind, one.reviewer, one.agreed, one.model_was_right) for one in made]


def add_evidence(database: Database) -> None:
    row = EvidenceRow(
        "rollout-1", Stage.LIMITED_SCOPE, 0, "prediction-00000", 2, "glass", 1.0, True, NOW,
        due_at=NOW + timedelta(hours=1), second=Second.WANTED,
    )  # fmt: skip
    write(database, lambda unit: unit.registry.evidence.add([row]))


def evidence(database: Database) -> Verdict | None:
    return row(database).verdict


def second(database: Database) -> Second | None:
    return row(database).second


def row(database: Database) -> EvidenceRow:
    return write(database, lambda u: u.registry.evidence.read("rollout-1", Stage.LIMITED_SCOPE))[0]


def test_a_second_opinion_is_somebody_elses_and_the_caller_waits_for_both(database: Database):
    fill(database, 1, opinions=2)
    add_evidence(database)
    decide(database, verdict(taken(database, "ann"), "ann"))
    assert (status(database), evidence(database)) == (Status.HELD, None)
    assert take(database, "ann") is None
    second = taken(database, "bob")
    assert (second.slot.number, second.item.id) == (2, "item-00000")
    result = decide(database, verdict(second, "bob"))
    assert result.answered is not None
    assert result.answered.decided_by is DecidedBy.HUMAN
    assert evidence(database) is Verdict.ERROR
    item = write(database, lambda u: u.reviews.get("item-00000").item)
    assert (item.state, item.source) == (ItemState.DECIDED, Source.AGREED)


def test_a_disagreement_goes_to_a_lead_who_has_not_seen_the_item(database: Database):
    fill(database, 1, opinions=2)
    add_evidence(database)
    decide(database, verdict(taken(database, "ann"), "ann", "metal"))
    assert second(database) is Second.WANTED
    decide(database, verdict(taken(database, "bob"), "bob", "glass"))
    assert status(database) is Status.HELD
    assert second(database) is Second.DISAGREED
    assert take(database, "cleo") is None
    assert take(database, "ann", lead=True) is None
    dispute = taken(database, "lea", lead=True)
    assert dispute.slot.queue is Queue.LEAD
    decide(database, verdict(dispute, "lea", "glass"))
    item = write(database, lambda u: u.reviews.get("item-00000").item)
    assert (item.source, item.outcome and item.outcome.prediction) == (Source.ADJUDICATED, "glass")
    assert status(database) is Status.FINAL


def test_a_lead_judges_from_the_list_unless_they_had_a_say(database: Database):
    fill(database, 1)
    task = taken(database, "ann")
    asked = replace(verdict(task, "lea", "glass"), epoch=0)
    with pytest.raises(Conflict, match="waits for no lead"):
        write(database, lambda u: actions.adjudicate(u, asked, NOW))
    write(database, lambda u: actions.escalate(u, passing(task, "ann", "unsure"), NOW))
    assert take(database, "ann") is None
    mine = replace(asked, reviewer="ann")
    with pytest.raises(Forbidden, match="had a say"):
        write(database, lambda u: actions.adjudicate(u, mine, NOW))
    first = write(database, lambda u: actions.adjudicate(u, asked, NOW))
    again = write(database, lambda u: actions.adjudicate(u, asked, NOW))
    assert (first.opinion, again.repeated) == (again.opinion, True)
    assert state(database) is ItemState.DECIDED


def test_nobody_gets_an_item_twice_whatever_was_done_with_it(database: Database):
    """Skips, late answers and second opinions of one item, until everybody has had it once."""
    fill(database, 1, opinions=2)
    names = ["ann", "bob", "cleo", "dora"]
    skipped = taken(database, "ann")
    write(database, lambda u: actions.skip(u, passing(skipped, "ann"), NOW))
    slow = taken(database, "bob")
    quick = taken(database, "cleo", LATER)
    late = decide(database, verdict(slow, "bob", "glass"), LATER)
    assert not late.opinion.counted
    decide(database, verdict(quick, "cleo"), LATER)
    assert [take(database, name, LATER) for name in names[:3]] == [None] * 3
    assert taken(database, "dora", LATER).slot.number == 2


def test_an_undone_answer_was_never_heard(database: Database):
    fill(database, 1, due_at=None)
    add_evidence(database)
    task = taken(database, "ann")
    given = decide(database, verdict(task, "ann"), window=WINDOW)
    assert (given.undo_until, given.answered) == (SHUT, None)
    assert state(database) is ItemState.CLOSING
    assert write(database, lambda u: settle.close_due(u, NOW)).items == 0
    back = write(database, lambda u: review.undo(u, "item-00000", "ann", 1, NOW))
    assert (back.slot.state, back.slot.holder) == (SlotState.LEASED, "ann")
    assert write(database, lambda u: settle.close_due(u, SHUT)).items == 0
    assert (status(database), evidence(database), notices(database)) == (Status.HELD, None, [])
    decide(database, verdict(back, "ann", "glass"), window=WINDOW)
    (answered,) = write(database, lambda u: settle.close_due(u, SHUT)).answered
    assert answered.answer is not None
    assert answered.answer.prediction == "glass"
    assert evidence(database) is Verdict.CORRECT
    with pytest.raises(Conflict, match="over"):
        write(database, lambda u: review.undo(u, "item-00000", "ann", back.slot.epoch, SHUT))
    assert notices(database) == [("prediction.decided", "prediction-00000")]


def test_only_whoever_answered_can_undo_it(database: Database):
    fill(database, 1, due_at=None)
    decide(database, verdict(taken(database, "ann"), "ann"), window=WINDOW)
    with pytest.raises(Conflict, match="not yours"):
        write(database, lambda u: review.undo(u, "item-00000", "bob", 1, NOW))


def test_an_undo_and_the_end_of_the_window_cannot_both_win(database: Database):
    fill(database, 12, due_at=None)
    tasks = [taken(database, f"r{number}") for number in range(12)]
    for task in tasks:
        decide(database, verdict(task, task.slot.holder or ""), window=WINDOW)
    start = threading.Barrier(2, timeout=PATIENCE)
    near = SHUT - timedelta(microseconds=1)

    def undo() -> set[str]:
        start.wait()
        undone = set()
        for task in tasks:
            name, holder = task.item.id, task.slot.holder or ""
            try:
                write(database, lambda u, n=name, h=holder: review.undo(u, n, h, 1, near))
            except Conflict:
                continue
            undone.add(task.item.prediction_id)
        return undone

    def close() -> set[str]:
        start.wait()
        closed: set[str] = set()
        for _ in range(12):
            found = write(database, lambda u: settle.close_due(u, SHUT, limit=1))
            closed |= {prediction.id for prediction in found.answered}
        return closed

    with ThreadPoolExecutor(2) as pool:
        undone, closed = (one.result() for one in [pool.submit(undo), pool.submit(close)])
    assert not undone & closed
    assert len(undone | closed) == 12
    assert {name for _, name in notices(database)} == closed


def test_a_person_who_answered_in_time_is_heard_at_the_deadline_not_the_fallback(
    database: Database,
):
    due = NOW + timedelta(seconds=2)
    write(database, lambda u: u.predictions.add(a_prediction(0, due_at=due)))
    write(database, lambda u: u.reviews.add(an_item(0, due_at=due)))
    given = decide(database, verdict(taken(database, "ann"), "ann"), window=WINDOW)
    assert given.undo_until == due
    (answered,) = write(database, lambda u: settle.answer_late(u, due))
    assert answered.decided_by is DecidedBy.HUMAN
    assert notices(database) == [("prediction.decided", "prediction-00000")]


@pytest.mark.parametrize(
    ("seconds_late", "standing"),
    [(0, Standing.CORRECT), (60, Standing.CORRECT), (61, Standing.OVERDUE)],
)
def test_an_answer_in_time_counts_for_gates_though_its_window_ends_at_the_deadline(
    database: Database, seconds_late: int, standing: Standing
):
    due = NOW + timedelta(seconds=2)
    held(database, due)
    decide(database, verdict(taken(database, "ann"), "ann", "glass"), window=WINDOW)
    late = due + timedelta(seconds=seconds_late)
    (answered,) = write(database, lambda u: settle.answer_late(u, late))
    assert answered.decided_by is DecidedBy.HUMAN
    assert stood(database, late) == standing


def test_who_takes_an_answer_back_before_the_deadline_leaves_it_to_the_fallback(
    database: Database,
):
    due = NOW + timedelta(seconds=2)
    held(database, due)
    decide(database, verdict(taken(database, "ann"), "ann"), window=WINDOW)
    again = write(database, lambda u: review.undo(u, "item-00000", "ann", 1, NOW))
    (answered,) = write(database, lambda u: settle.answer_late(u, due))
    assert answered.decided_by is DecidedBy.BASELINE
    decide(database, verdict(again, "ann"), now=due)
    found = write(database, lambda u: u.predictions.get("prediction-00000"))
    assert found.amended is not None
    assert stood(database, due) == Standing.OVERDUE


def test_at_the_deadline_an_answer_can_no_longer_be_taken_back_or_corrected(database: Database):
    due = NOW + timedelta(seconds=2)
    held(database, due)
    task = taken(database, "ann")
    decide(database, verdict(task, "ann"), window=WINDOW)
    with pytest.raises(Conflict, match="is over"):
        write(database, lambda u: review.undo(u, "item-00000", "ann", 1, due))
    with pytest.raises(Conflict, match="cannot be corrected"):
        decide(database, verdict(task, "ann", "glass", revises=True), now=due, window=WINDOW)
    (answered,) = write(database, lambda u: settle.answer_late(u, due))
    assert answered.decided_by is DecidedBy.HUMAN


def held(database: Database, due: datetime) -> None:
    """A request that waits for a person until then, and whose answer a gate waits for."""
    row = EvidenceRow(
        "rollout-1", Stage.LIMITED_SCOPE, 0, "prediction-00000", 2, "glass", 1.0, True, NOW,
        due_at=due,
    )  # fmt: skip
    write(database, lambda u: u.predictions.add(a_prediction(0, due_at=due)))
    write(database, lambda u: u.registry.evidence.add([row]))
    write(database, lambda u: u.reviews.add(an_item(0, due_at=due)))


def stood(database: Database, now: datetime) -> Standing:
    """Where the verdict on it stands for the gates."""
    table = write(database, lambda u: u.registry.evidence.table("rollout-1", Stage.LIMITED_SCOPE))
    (standing,) = table.at(now).tolist()
    return Standing(standing)


def test_an_answer_after_the_fallback_amends_it_once(database: Database):
    fill(database, 2)
    write(database, lambda u: settle.answer_late(u, NOW, limit=1))
    fresh = taken(database, "bob")
    assert fresh.item.id == "item-00001", "what nobody waits for comes last"
    decide(database, verdict(taken(database, "ann"), "ann"))
    found = write(database, lambda u: u.predictions.get("prediction-00000"))
    assert (found.decided_by, found.answer and found.answer.prediction) == ("baseline", "paper")
    assert found.amended is not None
    assert found.amended.prediction == "metal"
    assert notices(database) == [
        ("prediction.decided", "prediction-00000"),
        ("prediction.amended", "prediction-00000"),
    ]


def test_both_the_first_and_the_corrected_answer_are_kept(database: Database):
    fill(database, 1, due_at=None)
    task = taken(database, "ann")
    with pytest.raises(Invalid, match="your own answer"):
        write(database, lambda u: review.agree(u, "item-00000", "ann", 1, "k", NOW, WINDOW))
    first = decide(database, verdict(task, "ann", "metal"), window=WINDOW)
    assert first.revealed is not None
    assert (first.opinion.informed, first.agrees) == (False, False)
    write(database, lambda u: review.agree(u, "item-00000", "ann", 1, "k", NOW, WINDOW))
    write(database, lambda u: settle.close_due(u, SHUT))
    said = write(database, lambda u: u.review_log.all("item-00000"))
    assert [(one.label, one.informed) for one in said] == [("metal", False), ("glass", True)]
    assert said[1].supersedes == said[0].id
    found = write(database, lambda u: u.predictions.get("prediction-00000"))
    assert found.answer is not None
    assert found.answer.prediction == "glass"


def test_a_blind_item_cannot_be_agreed_with(database: Database):
    fill(database, 1, presentation=Presentation.BLIND)
    taken(database, "ann")
    with pytest.raises(Invalid, match="shows no answer"):
        write(database, lambda u: review.agree(u, "item-00000", "ann", 1, "k", NOW))


def test_a_gold_item_looks_like_an_audit_item_and_answers_nobody(database: Database):
    plan = {"plants": Planting("seed", 0.1, 1), "opinions": 2, "presentation": Presentation.BLIND}
    fill(database, 1, queue=Queue.AUDIT, reasons=(drawn(),), due_at=None, **plan)
    for name in ("ann", "bob"):
        decide(database, verdict(taken(database, name), name))
    assert take(database, "ann") is None, "whoever knows the item is not tested with it"
    gold = taken(database, "cleo")
    source = write(database, lambda u: u.reviews.get("item-00000").item)
    for shown in (
        "model",
        "version",
        "stage",
        "reasons",
        "labels",
        "presentation",
        "payload_digest",
    ):
        assert getattr(gold.item, shown) == getattr(source, shown)
    assert gold.item.gold is not None
    assert gold.item.gold.of == source.id
    told = notices(database)
    decide(database, verdict(gold, "cleo", "paper"))
    assert notices(database) == []
    assert told == [("prediction.decided", "prediction-00000")]
    found = write(database, lambda u: u.predictions.get("prediction-00000"))
    assert found.answer is not None
    assert found.answer.prediction == "metal"
    assert checks(database) == [
        (CheckKind.GOLD, "cleo", False, False),
    ]


def test_urgent_work_does_not_starve_the_audit_items_and_they_come_by_their_number(
    database: Database,
):
    def add(unit: ServingUnit) -> None:
        for number in range(12):
            unit.predictions.add(a_prediction(number))
            audit = number % 4 == 0
            u = 1 - number / 100
            changes = {"queue": Queue.AUDIT, "sort_key": u} if audit else {}
            unit.reviews.add(an_item(number, **changes))

    write(database, add)
    queues, audits = [], []
    for turn in range(10):
        task = taken(database, "ann", draw=turn / 10)
        queues.append(task.slot.queue)
        audits += [task.item.sort_key] if task.slot.queue is Queue.AUDIT else []
        decide(database, verdict(task, "ann"))
    assert queues.count(Queue.AUDIT) == 2
    assert audits == sorted(audits)


def test_a_snoozed_item_rests_and_comes_back(database: Database):
    fill(database, 1)
    task = taken(database, "ann")
    until = NOW + timedelta(hours=1)
    write(database, lambda u: actions.snooze(u, passing(task, "ann"), until, NOW))
    assert take(database, "bob") is None
    assert taken(database, "bob", until).item.id == "item-00000"
    with pytest.raises(Invalid, match="within"):
        write(database, lambda u: actions.snooze(u, passing(task, "bob", epoch=2), NOW, NOW))


def test_a_released_item_is_free_and_its_holders_answer_counts_until_it_is_taken(
    database: Database,
):
    fill(database, 2)
    mine, other = taken(database, "ann"), taken(database, "bob")
    for name in ("item-00000", "item-00001"):
        write(database, lambda u, n=name: actions.release(u, Passing(n, "lea", 1, ""), NOW))
    assert decide(database, verdict(mine, "ann")).opinion.counted
    assert taken(database, "cleo").item.id == other.item.id
    assert not decide(database, verdict(other, "bob")).opinion.counted
    with pytest.raises(Conflict, match="Nobody has"):
        write(database, lambda u: actions.release(u, Passing("item-00000", "lea", 2, ""), NOW))


def test_who_has_an_item_may_give_it_back_and_nobody_else_but_a_lead(database: Database):
    fill(database, 1)
    task = taken(database, "ann")

    def release(who: str) -> Any:
        sent = Passing(task.item.id, who, task.slot.epoch, "")
        return write(database, lambda u: actions.release(u, sent, NOW, lead=False))

    with pytest.raises(Forbidden, match="bob does not have review item"):
        release("bob")
    assert release("ann").slot.state == "ready"
    assert taken(database, "bob").item.id == task.item.id
    assert release("ann").slot.holder == "bob"  # sent again it takes nothing from anybody


def test_one_answer_to_a_grid_of_likes_counts_and_is_undone_as_a_whole(database: Database):
    fill(database, 30, presentation=Presentation.SHOWN, due_at=None)
    first = taken(database, "ann")
    grid = write(database, lambda u: actions.grid(u, first.item.id, "ann", 1, NOW))
    assert len(grid) == 25
    verdicts = [verdict(task, "ann", key="k", bulk="k") for task in grid]
    stolen = [*verdicts[:-1], replace(verdicts[-1], epoch=7)]
    with pytest.raises(Conflict, match="nothing was answered"):
        write(database, lambda u: actions.decide_bulk(u, stolen, NOW, WINDOW))
    assert state(database) is ItemState.OPEN
    done = write(database, lambda u: actions.decide_bulk(u, verdicts, NOW, WINDOW))
    assert all(result.opinion.counted for result in done)
    back = write(database, lambda u: actions.undo_bulk(u, "k", "ann", NOW))
    assert len(back) == 25
    assert write(database, lambda u: settle.close_due(u, SHUT)).items == 0
    with pytest.raises(NotFound):
        write(database, lambda u: actions.undo_bulk(u, "k", "bob", NOW))


@pytest.mark.parametrize("changes", [{"queue": Queue.AUDIT}, {"presentation": Presentation.BLIND}])
def test_audit_and_blind_items_are_never_answered_in_bulk(
    database: Database, changes: dict[str, object]
):
    fill(database, 2, **{"presentation": Presentation.SHOWN, **changes})
    task = taken(database, "ann")
    with pytest.raises(Invalid, match="together"):
        write(database, lambda u: actions.grid(u, task.item.id, "ann", 1, NOW))
    answers = [verdict(task, "ann", bulk="k")]
    with pytest.raises(Invalid, match="alike"):
        write(database, lambda u: actions.decide_bulk(u, answers, NOW))


def test_the_next_item_can_be_had_ready_while_one_is_being_answered(database: Database):
    fill(database, 3)
    who = Identity("ann", Role.REVIEWER)
    first = taken(database, "ann")
    ready = [
        write(database, lambda u: review.next_item(u, who, NOW, besides=first.item.id))
        for _ in range(2)
    ]
    assert [task.item.id for task in ready if task] == ["item-00001"] * 2
