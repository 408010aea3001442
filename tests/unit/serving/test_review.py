"""The rules of reviewing as values: presentation, opinions, windows, gold."""

from dataclasses import replace
from datetime import timedelta

import pytest
from serving_fakes import NOW, an_item

from registry.domain.people import Identity, Role
from registry.domain.plan import Review
from serving.domain.opinions import Disagreed, MoreWanted, Opinion, Settled, resolve
from serving.domain.prediction import Code, Flag, Label
from serving.domain.review import (
    AUDIT_SHARE,
    Planting,
    Presentation,
    Queue,
    Source,
    closes_at,
    drawn,
    gold_item,
    on_trial,
    opinions_wanted,
    planting,
    presentation,
    queue_of,
    queues,
    sort_key,
    uniform,
)

HOUR = timedelta(hours=1)

WINDOW = timedelta(seconds=5)


def said(label: str | None, slot: int, queue: Queue = Queue.WORK) -> Opinion:
    return Opinion(
        slot, "item", slot, queue, f"r{slot}", 1, label, "", True, False, None, None, 1.0, "", "k",
        NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("draw", "expected"),
    [(0.05, Presentation.BLIND), (0.15, Presentation.SHOWN), (0.25, Presentation.ANSWER_FIRST)],
)
def test_the_plans_shares_say_how_an_item_is_shown(draw: float, expected: Presentation):
    review = Review(blind=0.1, shown=0.1)
    assert presentation(review, Queue.WORK, draw) is expected
    assert presentation(review, Queue.AUDIT, draw) is Presentation.BLIND


@pytest.mark.parametrize(
    ("draw", "expected"),
    [(0.1, Presentation.SHOWN), (0.3, Presentation.BLIND), (0.4, None)],
)
def test_half_of_the_trials_hide_what_all_of_them_would_show(
    draw: float, expected: Presentation | None
):
    review = Review(blind=0.1, shown=0.1, gold=0.4)
    assert on_trial(review, Presentation.SHOWN, draw) is expected
    assert on_trial(review, Presentation.ANSWER_FIRST, draw) is None
    assert on_trial(review, Presentation.BLIND, draw) is None


def test_only_what_was_drawn_and_is_not_waited_for_is_audit():
    assert queue_of([drawn()], held=False) is Queue.AUDIT
    assert queue_of([drawn()], held=True) is Queue.WORK
    assert queue_of([drawn(), Flag(Code.ASKED, "")], held=False) is Queue.WORK


def test_a_reason_that_matters_more_comes_earlier():
    codes = [Code.SUPERVISED, Code.ASKED, Code.OUT_OF_DOMAIN, Code.LOW_CONFIDENCE]
    keys = [
        sort_key([Flag(code, "")], NOW, 0.5, held=held, waiting=waiting)
        for held, waiting in ((True, True), (True, False), (False, False))
        for code in codes
    ]
    assert keys == sorted(keys)


def test_an_item_needs_as_many_opinions_as_its_most_demanding_reason():
    review = Review(opinions={"out-of-domain": 2, "low-confidence": 3})
    reasons = [Flag(Code.OUT_OF_DOMAIN, ""), Flag(Code.SUPERVISED, "")]
    assert opinions_wanted(review, reasons) == 2
    assert opinions_wanted(review, [drawn()]) == 1


def test_opinions_settle_an_item_when_enough_agree_and_a_lead_when_they_do_not():
    one, same, other = said("a", 1), said("a", 2), said("b", 2)
    assert isinstance(resolve(2, [one]), MoreWanted)
    assert isinstance(resolve(3, [one, other]), Disagreed)
    assert resolve(1, [one]) == Settled("a", Source.SINGLE, one)
    assert resolve(2, [one, same]) == Settled("a", Source.AGREED, same)
    lead = said(None, 3, Queue.LEAD)
    assert resolve(2, [one, other, lead]) == Settled(None, Source.ADJUDICATED, lead)
    assert isinstance(resolve(1, []), MoreWanted)


def test_a_window_ends_at_the_due_time_of_whoever_waits():
    def end(due: timedelta | None) -> timedelta:
        item = an_item(0, due_at=None if due is None else NOW + due)
        return closes_at(item, NOW, WINDOW) - NOW

    assert end(None) == end(timedelta(hours=1)) == end(timedelta(hours=-1)) == WINDOW
    assert end(timedelta(seconds=2)) == timedelta(seconds=2)


def test_a_share_of_every_reviewers_time_goes_to_the_audit_queue():
    ann, lea = Identity("ann", Role.REVIEWER), Identity("lea", Role.REVIEWER, lead=True)
    assert queues(ann, 0.9) == (Queue.WORK, Queue.AUDIT)
    assert queues(ann, AUDIT_SHARE - 0.01)[0] is Queue.AUDIT
    assert queues(lea, 0.0)[0] is Queue.LEAD


def test_a_gold_item_is_told_from_an_audit_item_by_nothing_that_is_shown():
    made = Planting("seed", 0.1, 2)
    sample = an_item(1, plants=made, queue=Queue.AUDIT, reasons=(drawn(),), version=3)
    source = replace(an_item(2), outcome=Label("paper", 2))
    gold = gold_item(source, sample, NOW)
    assert (gold.version, gold.stage, gold.reasons) == (3, sample.stage, sample.reasons)
    assert (gold.queue, gold.presentation) == (Queue.AUDIT, Presentation.BLIND)
    assert gold.gold is not None
    assert gold.gold.truth.prediction == "paper"
    assert gold.likeness is None
    assert (gold.opinions, gold.inclusion_probability) == (2, 0.1)


def test_gold_items_are_numbered_named_and_dated_as_items_that_were_drawn_by_chance():
    """Audit items have numbers below their chance; at 30 % of it lie 30 % of them."""
    later, chance = NOW + timedelta(hours=5), 0.1
    gold = [
        gold_item(
            an_item(1),
            an_item(2, plants=Planting(f"seed-{n}", chance, 1), due_at=NOW + timedelta(hours=9)),
            later,
        )
        for n in range(2000)
    ]
    below = [sum(one.random_number < share * chance for one in gold) for share in (0.3, 0.7, 1)]
    assert below[2] == 2000
    assert abs(below[0] - 600) < 80
    assert abs(below[1] - 1400) < 80
    assert all(one.sort_key == one.random_number for one in gold)
    assert len({one.id for one in gold}) == 2000
    for one in gold:
        assert NOW <= one.created_at <= later
        assert one.due_at == one.created_at + timedelta(hours=9)  # as far off as its sample's
        named = int(one.id.replace("-", "")[:12], 16) / 1000
        assert abs(named - one.created_at.timestamp()) < 0.002
    early = sum(one.created_at < NOW + timedelta(hours=1) for one in gold)
    assert abs(early - 400) < 80


def test_nobody_is_late_for_a_gold_item_when_it_is_planted():
    """Its sample may have been answered long after it was due."""
    later = NOW + timedelta(hours=5)
    for n in range(200):
        made = Planting(f"seed-{n}", 0.1, 1)
        gold = gold_item(an_item(1), an_item(2, plants=made, due_at=NOW + HOUR), later)
        assert later - HOUR <= gold.created_at <= later <= gold.created_at + HOUR == gold.due_at


def test_where_every_answer_waits_a_gold_item_looks_like_any_other_that_does():
    """What its sample was flagged for is about another input: it gives the stage's reason alone."""
    stage, odd = Flag(Code.SUPERVISED, "all wait here"), Flag(Code.OUT_OF_DOMAIN, "odd")
    review = Review(sample=1.0, opinions={"supervised": 2, "out-of-domain": 3})
    due = NOW + timedelta(hours=9)
    golds = [
        gold_item(
            an_item(1, due_at=due, reasons=(drawn(),)),
            an_item(2, due_at=due, reasons=reasons, plants=planting(review, "seed", reasons)),
            NOW + HOUR,
        )
        for reasons in ((stage,), (stage, odd))
    ]
    assert golds[0] == golds[1]
    gold = golds[0]
    assert (gold.queue, gold.reasons, gold.opinions) == (Queue.WORK, (stage,), 2)
    assert (gold.presentation, gold.likeness) == (Presentation.BLIND, None)
    assert gold.due_at is not None
    like = sort_key((stage,), gold.due_at, 0.5, held=True, waiting=False)
    assert gold.sort_key == like


def test_numbers_drawn_from_a_name_are_spread_evenly_and_always_the_same():
    numbers = [uniform(f"item-{n}") for n in range(2000)]
    assert numbers == [uniform(f"item-{n}") for n in range(2000)]
    assert all(0 <= number < 1 for number in numbers)
    assert abs(sum(numbers) / len(numbers) - 0.5) < 0.03
