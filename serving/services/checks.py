"""Writing down what answers say about the people who gave them."""

from collections.abc import Sequence
from datetime import datetime

from registry.domain.evidence import CheckKind, ReviewerCheck, Second
from serving.domain.opinions import Opinion
from serving.domain.review import Gold, Item, Queue
from serving.ports import ServingUnit


def check_second(unit: ServingUnit, item: Item, opinions: Sequence[Opinion], now: datetime) -> None:
    """Compare the newest opinion with the first, whether a lead is still to judge them or not.

    The first comparison stays; it stands beside the verdict, so gold items have none. now: when the
    opinion counts as given. What each said before seeing the model's answer counts: a model that
    sways both makes them agree, and says nothing of the people.
    """
    if len(opinions) < 2 or opinions[-1].queue is Queue.LEAD or item.gold is not None:
        return
    said = {one.slot: one.label for one in reversed(unit.review_log.all(item.id)) if one.counted}
    first, last = opinions[0], opinions[-1]
    second = Second.AGREED if said[first.slot] == said[last.slot] else Second.DISAGREED
    unit.registry.evidence.second(item.prediction_id, second, now)


def ask_gold(unit: ServingUnit, item: Item, now: datetime) -> None:
    """Expect an answer to a gold item; it counts in the order of the planting."""
    if item.gold is not None:
        unit.registry.checks.add(_check(item, item.gold, "", False, now, waiting=True))


def check_gold(unit: ServingUnit, item: Item, opinion: Opinion, now: datetime) -> None:
    """Compare the first answer to a gold item with what is known to be true; the others give none.

    Whether several overlook the same thing hangs together: what is missed is estimated from items.
    now: when the answer counts as given.
    """
    if item.gold is not None:
        agreed = opinion.label == item.gold.truth.prediction
        check = _check(item, item.gold, opinion.reviewer, agreed, now)
        unit.registry.checks.answer(check)


def _check(
    item: Item, gold: Gold, reviewer: str, agreed: bool, at: datetime, *, waiting: bool = False
) -> ReviewerCheck:
    model = item.model_answer
    return ReviewerCheck(
        kind=CheckKind.GOLD,
        model=item.model,
        item_id=item.id,
        reviewer=reviewer,
        agreed=agreed,
        at=at,
        model_was_right=None if model is None else model.prediction == gold.truth.prediction,
        waiting=waiting,
        due_at=item.due_at,
    )
