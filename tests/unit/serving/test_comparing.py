"""In gradual both versions' answers are drawn for review by one lot, if a gate compares them."""

from dataclasses import replace

import pytest
from serving_fakes import NOW, a_plan, a_raw, a_route, gradual

from registry.domain.evidence import Arm
from registry.domain.plan import FlaggedThen, Flags, GateSpec, Review, StagePlan
from registry.domain.stages import Stage
from serving.domain.admission import Record, record
from serving.domain.asked import Asked
from serving.domain.decide import decide
from serving.domain.routing import assign

RATIO = GateSpec("error-ratio", {"at_most": 1.5})


def written(
    number: float,
    weight: float = 0.0001,
    user: str | None = "7",
    gates: tuple[GateSpec, ...] = (RATIO,),
    confidence: float = 0.9,
) -> Record:
    """A request of one user; with a small weight the baseline answers it."""
    part = replace(gradual(weight), gates=gates, review=Review(sample=0.25, flagged=1.0))
    attributes = {} if user is None else {"user_id": user}
    plan = a_plan(part, flags=Flags(min_confidence=0.7, then=FlaggedThen.REVIEW))
    assignment = assign(a_route(part, plan=plan), attributes, NOW)
    said = a_raw(version=assignment.answering or 0, confidence=confidence)
    asked = Asked(
        "p", "i", "sha256:d", "image/jpeg", attributes, None, "r", False, number, 0.9, NOW
    )
    return record(asked, assignment, decide(assignment, said), {said.version: said})


def test_a_drawn_answer_of_the_baseline_is_reviewed_and_stands_beside_the_candidate() -> None:
    found = written(0.24)
    (row,) = found.evidence
    assert (row.arm, row.version, row.model_label) == (Arm.BASELINE, 1, "glass")
    assert (row.sampled, row.drawn, row.inclusion_probability) == (True, True, 0.25)
    assert row.due_at is not None
    assert found.item is not None
    assert found.item.version == 1


def test_what_is_not_drawn_leaves_nothing() -> None:
    found = written(0.25)
    assert (found.evidence, found.item) == ((), None)


@pytest.mark.parametrize(("user", "gates"), [(None, (RATIO,)), ("7", ()), ("", (RATIO,))])
def test_without_a_unit_or_without_such_a_gate_the_baseline_is_not_reviewed(
    user: str | None, gates: tuple[GateSpec, ...]
) -> None:
    found = written(0.1, user=user, gates=gates)
    assert (found.evidence, found.item) == ((), None)


def test_a_unit_has_one_number_whichever_version_answers_it() -> None:
    (theirs,) = written(0.1).evidence
    (mine,) = written(0.1, weight=100).evidence
    assert mine.arm is Arm.CANDIDATE
    assert mine.unit == theirs.unit is not None
    (other,) = written(0.1, weight=100, user="8").evidence
    assert other.unit != mine.unit


@pytest.mark.parametrize(("number", "drawn"), [(0.24, True), (0.25, False)])
def test_the_same_lot_is_drawn_for_the_candidate_also_where_a_flag_has_it_reviewed(
    number: float, drawn: bool
) -> None:
    (row,) = written(number, weight=100).evidence
    assert (row.sampled, row.drawn) == (drawn, drawn)
    (flagged,) = written(number, weight=100, confidence=0.6).evidence
    assert (flagged.sampled, flagged.drawn) == (True, drawn)


def test_evidence_says_who_asked_in_every_stage_where_the_request_does() -> None:
    """What a unit asks in a visit counts once, in shadow as well."""
    part = StagePlan(Stage.MANUAL_REVIEW, review=Review(sample=1.0))
    units = []
    for attributes in ({"user_id": "7"}, {"user_id": "7"}, {"user_id": "8"}, {}):
        assignment = assign(a_route(part, plan=a_plan(part)), attributes, NOW)
        raws = {version: a_raw(version=version) for version in (1, 2)}
        asked = Asked(
            "p", "i", "sha256:d", "image/jpeg", attributes, None, "r", False, 0.5, 0.9, NOW
        )
        (row,) = record(asked, assignment, decide(assignment, raws[1]), raws).evidence
        units.append(row.unit)
        assert row.epoch == 1
    assert units[0] == units[1] is not None
    assert units[2] not in (units[0], None)
    assert units[3] is None
