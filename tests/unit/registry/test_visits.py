"""Answers to one unit within a visit count once: bursts promote nobody and roll nobody back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from evidence_rows import answers_of
from hypothesis import given
from hypothesis import strategies as st

from bench.gates import ALPHA, HARM, burst
from registry.documents.plan_file import lint, parse_plan
from registry.documents.plan_record import plan_document, plan_from_document
from registry.domain.evidence import EvidenceRow, Verdict
from registry.domain.gate_table import judge_gates
from registry.domain.gates import Evidence, Failed, Passed, Result
from registry.domain.plan import Defaults, GateSpec
from registry.domain.stages import Stage
from registry.domain.visits import Visits

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
RATE = GateSpec("error-rate", {"at_most": 0.05})
PLAN = """\
apiVersion: stagegate/v1
model: {name: bears, version: 2, baseline: none}
unit: user_id
stages:
- stage: manual-review
  gates: [{type: error-rate, at_most: 0.05}]
  deadline: {after: 30d, then: roll-back}
"""

streams = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400)), max_size=40)


def firsts(stream: list[tuple[int, int]], seconds: float, cuts: list[int]) -> list[bool]:
    """Which answers count when they come in these portions, each kept for good."""
    found: list[bool] = []
    visits = Visits(seconds)
    for start, end in pairwise([0, *sorted(c for c in cuts if c < len(stream)), len(stream)]):
        units, asked = (np.array([row[k] for row in stream[start:end]]) for k in (0, 1))
        first, visits = visits.meet(units.astype(np.int64), asked.astype(float))
        visits = visits.kept()
        found += first.tolist()
    return found


@given(streams, st.lists(st.integers(0, 40), max_size=5))
def test_a_visit_counts_once_and_a_unit_counts_again_when_it_is_over(
    stream: list[tuple[int, int]], cuts: list[int]
) -> None:
    stream.sort(key=lambda row: row[1])
    found = firsts(stream, 60, cuts)
    assert found == firsts(stream, 60, [])
    counted: dict[int, int] = {}
    for (unit, moment), first in zip(stream, found, strict=True):
        over = unit == 0 or unit not in counted or moment - counted[unit] >= 60
        assert first is over
        if first:
            counted[unit] = moment


@pytest.mark.parametrize("sure", ["in order", "one late", "many visits"])
def test_many_answers_at_once_count_as_one_after_the_other(sure: str) -> None:
    rng, count = np.random.default_rng(8), 6_000
    units = rng.integers(0, 90, count)
    asked = rng.uniform(0, 3_000 if sure == "many visits" else 500, count).cumsum() / 100
    if sure == "one late":
        asked[4_000] -= 100
    seconds = 1.0 if sure == "many visits" else 90.0
    first, visits = Visits(seconds).meet(units, asked)
    stepped, state = [], Visits(seconds)
    for start in range(0, count, 500):
        some, state = state.meet(units[start : start + 500], asked[start : start + 500])
        stepped += some.tolist()
    assert first.tolist() == stepped
    assert visits.fresh == state.fresh
    again, _ = visits.kept().meet(units, asked + 80)
    expected, _ = state.kept().meet(units[:100], asked[:100] + 80)
    assert again[:100].tolist() == expected.tolist()


def test_without_a_visit_every_answer_counts() -> None:
    assert firsts([(1, 0), (1, 0), (1, 1)], 0, []) == [True] * 3


def asked(unit: int | None, right: bool, minute: float = 0, **changes: object) -> EvidenceRow:
    verdict = Verdict.CORRECT if right else Verdict.ERROR
    made = EvidenceRow(
        "r", Stage.MANUAL_REVIEW, 0, "p", 2, "teddy", 1.0, True,
        NOW + timedelta(minutes=minute), verdict=verdict, unit=unit,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def said(rows: list[EvidenceRow], visit_seconds: float = 3_600.0) -> Result:
    answers = answers_of(rows, NOW + timedelta(days=9), visit_seconds=visit_seconds)
    (judged,) = judge_gates([RATE], Evidence(answers, None, Defaults(), NOW))
    return judged.result


def test_one_unit_that_asks_two_hundred_times_says_no_more_than_one_answer() -> None:
    right = said([asked(7, True, n / 10) for n in range(200)])
    assert right.sentence.startswith(
        "error rate: 1 reviewed, 0 errors, 199 more of the same visits, needs about"
    )
    wrong = said([asked(7, False, n / 10) for n in range(200)])
    assert not isinstance(wrong, Failed)
    assert wrong.numbers["errors"] == 1
    many = [asked(unit, True) for unit in range(1, 80)]
    assert isinstance(said(many), Passed)
    assert isinstance(said([asked(None, True)] * 80), Passed)  # nobody knows who asked


def test_a_verdict_that_counts_for_nothing_holds_nothing_up() -> None:
    pending = asked(1, True, 1, verdict=None, due_at=NOW + timedelta(days=99))
    rows = [asked(1, True), pending, *[asked(unit, True, 2) for unit in range(2, 90)]]
    assert isinstance(said(rows), Passed)


@pytest.mark.parametrize("crowd", [400, 20_000])
def test_units_that_ask_in_bursts_promote_and_roll_back_no_more_often_than_stated(
    crowd: int,
) -> None:
    rng, runs = np.random.default_rng(2), 120
    found = np.array([burst(rng, crowd) for _ in range(runs)]).mean(axis=0)
    for rate, alpha in zip(found[:7], (*(ALPHA, HARM) * 3, ALPHA), strict=True):
        assert rate <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / runs)
    assert found[7] > 0.5  # each answer by itself
    assert found[8] > 0.3


def test_a_plan_that_names_a_unit_counts_a_days_answers_once_unless_it_says_otherwise() -> None:
    assert parse_plan(PLAN).visit_seconds == 86_400
    assert parse_plan(PLAN.replace("stages:", "visit: 10m\nstages:", 1)).visit_seconds == 600
    assert parse_plan(PLAN.replace("unit: user_id\n", "")).visit_seconds == 0
    (problem,) = lint(PLAN.replace("unit: user_id", "visit: 1h"))
    assert problem.line == 3
    assert "the plan names none; write for example `unit: user_id`" in problem.message


def test_plans_from_before_there_were_visits_keep_their_digest_and_count_every_answer() -> None:
    plan = replace(parse_plan(PLAN), visit_seconds=0.0)
    document = plan_document(plan)
    assert "visit_seconds" not in document
    assert plan_from_document(document) == plan
    assert plan_from_document(plan_document(parse_plan(PLAN))).visit_seconds == 86_400
