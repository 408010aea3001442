"""Reviewers who follow the machine, and what the queue does about it."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import serving_app
from review_desk import LATER, decide, take, taken, verdict, write
from serving_fakes import NOW, an_item

from console.duties import duties
from console.wiring import Wiring
from monitoring.adapters.metrics import Metrics
from registry.adapters.database.engine import Database
from registry.domain.errors import Invalid
from registry.domain.plan import Review, StagePlan, Step
from registry.domain.stages import Stage
from serving.domain.bias import Accepted, Standing, Trials
from serving.domain.prediction import Label
from serving.domain.review import Gold, Planting, Presentation, Queue, Task
from serving.ports import ServingUnit
from serving.services import bias
from serving.services import review_actions as actions

pytestmark = pytest.mark.integration
TRUTH, MODEL = "metal", "glass"  # the model is wrong on every item here
Says = Callable[[bool], str]


def follows(often: float, seed: int) -> Says:
    """Somebody who says what the model says this often when they see it, and the truth else."""
    rng = np.random.default_rng(seed)
    return lambda sees: MODEL if sees and rng.random() < often else TRUTH


def sees(task: Task) -> bool:
    return task.presentation is Presentation.SHOWN


def trials(database: Database, first: int, items: int, says: Says) -> None:
    """As many items with the model's answer as without, checked by a second person, and a lead."""

    def add(unit: ServingUnit) -> None:
        for n in range(first, first + 2 * items):
            how = Presentation.BLIND if n % 2 else Presentation.SHOWN
            unit.reviews.add(
                an_item(n, presentation=how, opinions=2, plants=Planting(f"gold-{n}", 1.0, 1))
            )

    write(database, add)
    for _ in range(2 * items):
        for who in ("ann", "bob"):
            task = taken(database, who)
            decide(database, verdict(task, who, says(sees(task))))
    while task := take(database, "lea", lead=True):  # disputes, and gold items planted meanwhile
        assert not sees(task)
        decide(database, verdict(task, "lea", TRUTH))


def measured(database: Database, at_most: float = 0.3) -> Standing:
    def measure(unit: ServingUnit) -> Standing:
        found = bias.measure(unit, "waste", at_most, NOW)
        if bias.is_news(unit, "waste", found):
            bias.keep(unit, "waste", found, NOW)
        return found

    return write(database, measure)


def logged(database: Database) -> list[str]:
    return [e.action for e in write(database, lambda u: u.registry.audit.read("waste", limit=9))]


def next_shown(database: Database, number: int, **changes: object) -> Task:
    item = an_item(number, presentation=Presentation.SHOWN, **changes)
    write(database, lambda u: u.reviews.add(item))
    return taken(database, f"reader-{number}")


def test_who_follows_the_machine_sees_it_later_until_they_no_longer_do(database: Database):
    trials(database, 0, 14, follows(0.9, seed=1))
    found = measured(database)
    assert (found.shown.errors, found.blind.errors) == (14, 14)
    assert (found.shown.accepted > 10, found.blind.accepted) == (True, 0)
    assert found.bias is not None
    assert found.bias.low > 0.3
    assert "beyond the limit of 30 points" in found.sentence
    assert logged(database) == ["review fell back to answer-first"]

    task = next_shown(database, 900)
    assert (task.presentation, task.item.likeness) == (Presentation.ANSWER_FIRST, None)
    assert not task.informed
    stored = write(database, lambda u: u.reviews.get("item-00900"))
    assert stored.item.presentation is Presentation.ANSWER_FIRST
    fell, given = write(database, lambda u: u.review_log.events("item-00900"))
    assert (fell.action, fell.detail["shown"]) == ("fell back", "answer-first")
    assert (given.action, given.detail["presentation"]) == ("taken", "answer-first")
    decide(database, verdict(task, "reader-900"))

    trials(database, 100, 24, follows(0.0, seed=2))
    assert not measured(database).has_fallen_back
    assert logged(database)[-1] == "review shows answers again"
    assert next_shown(database, 901).presentation is Presentation.SHOWN


def test_who_looks_for_themselves_keeps_the_answer_in_sight(database: Database):
    trials(database, 0, 6, follows(0.0, seed=3))
    assert not measured(database).has_fallen_back
    assert logged(database) == []
    assert next_shown(database, 900).presentation is Presentation.SHOWN


def test_what_was_seen_before_a_fall_back_stays_as_it_was_seen(database: Database):
    early = next_shown(database, 900, sort_key=1e9)
    trials(database, 0, 8, follows(1.0, seed=4))
    assert measured(database).has_fallen_back
    again = taken(database, "late", LATER)
    assert (again.item.id, again.presentation) == (early.item.id, Presentation.SHOWN)
    with pytest.raises(Invalid, match="followed the model's answer too often"):
        write(database, lambda u: actions.grid(u, again.item.id, "late", again.slot.epoch, LATER))


def test_the_controller_measures_it_where_the_plan_shows_answers_first(database: Database):
    review = Review(shown=0.5, gold=0.1, bias_at_most=0.2)
    part = StagePlan(Stage.GRADUAL, steps=(Step(5.0),), review=review)
    serving_app.register(database, part)
    trials(database, 0, 8, follows(1.0, seed=5))
    wiring = SimpleNamespace(database=database, metrics=Metrics())
    (duty,) = (one for one in duties(cast(Wiring, wiring)) if one.name == "automation bias")
    for _ in range(2):
        duty.run(NOW)
    assert logged(database) == ["review fell back to answer-first"]
    value = wiring.metrics.registry.get_sample_value
    assert value("stagegate_review_fallen_back", {"model": "waste"}) == 1.0
    low = value("stagegate_review_automation_bias", {"model": "waste", "bound": "low"})
    assert low is not None
    assert low > 0.2


def answered(database: Database, first: str, second: str, truth: str, **changes: Any) -> None:
    """An item of a trial on which two people say this, and a lead that if they disagree."""
    number = write(database, lambda u: len(u.reviews.find(state=None, model=None, limit=99)))
    made = {"opinions": 2, "plants": Planting(f"gold-{number}", 1.0, 1)} | changes
    write(database, lambda u: u.reviews.add(an_item(number, **made)))
    for who, label in (("ann", first), ("bob", second)):
        decide(database, verdict(taken(database, who), who, label))
    if first != second:
        decide(database, verdict(taken(database, "lea", lead=True), "lea", truth))


def test_errors_count_that_a_second_person_found(database: Database):
    """What the first one said must not decide whether an error is known of at all."""
    shown, blind = ({"presentation": how} for how in (Presentation.SHOWN, Presentation.BLIND))
    answered(database, MODEL, TRUTH, TRUTH, **shown)  # followed
    answered(database, TRUTH, TRUTH, TRUTH, **shown)
    answered(database, TRUTH, TRUTH, TRUTH, **blind)
    answered(database, MODEL, TRUTH, MODEL, **blind)  # the model was right
    answered(database, TRUTH, MODEL, TRUTH, **blind)  # overlooked by the second one
    answered(database, MODEL, MODEL, TRUTH, **shown)  # overlooked by both
    answered(database, TRUTH, TRUTH, TRUTH, **shown, plants=None)  # no trial
    answered(database, TRUTH, TRUTH, TRUTH)  # shown after the answer
    answered(database, TRUTH, TRUTH, TRUTH, **blind, stage=Stage.LIVE)
    trials = write(database, lambda u: u.bias.trials("waste", NOW))
    assert trials == (
        Trials(Accepted(2, 1), Accepted(1, 0)), Trials(Accepted(), Accepted(1, 0)),
    )  # fmt: skip


def test_gold_items_are_no_trials(database: Database):
    """They are always blind, so none of them could have been shown."""
    gold = Gold("item-90000", Label(TRUTH, 1))
    blind = {"queue": Queue.AUDIT, "presentation": Presentation.BLIND}
    write(database, lambda u: u.reviews.add(an_item(0, gold=gold, **blind)))
    decide(database, verdict(taken(database, "ann", draw=0.0), "ann", MODEL))
    found = measured(database)
    assert (found.trials, found.bias, found.has_fallen_back) == ((), None, False)
    assert found.sentence.startswith("automation bias: not measured yet")
