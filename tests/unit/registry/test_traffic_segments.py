"""Gates on traffic and the error ratio, in each segment by itself."""

from dataclasses import replace
from itertools import count as numbers

import numpy as np
import pytest
from evidence_rows import answers_of
from exposure_rows import NOW, an_exposure, exposures_of
from hypothesis import given
from hypothesis import strategies as st

from registry.documents.exposure_record import exposures_of as exposures_back
from registry.documents.exposure_record import exposures_record
from registry.documents.plan_file import lint, parse_plan
from registry.domain.evidence import Arm, EvidenceRow, Verdict
from registry.domain.exposure import Exposure, ExposureTable
from registry.domain.gate_table import judge_gates
from registry.domain.gates import Evidence, Failed, Inconclusive, Judged, Passed
from registry.domain.plan import Defaults, GateSpec
from registry.domain.running import Answers
from registry.domain.segmented_traffic import SegmentedTraffic
from registry.domain.segments import Segment, Values, numbered
from registry.domain.stages import Stage
from registry.domain.traffic import count, no_traffic

LATENCIES = [(0.9, 1.5)]
START = no_traffic(LATENCIES)
FAILURES = {"at_most": 0.01, "ratio_at_most": 2.0, "per_segment": True}
GATES = (
    GateSpec("failures", FAILURES),
    GateSpec("latency", {"quantile": 0.9, "ratio_at_most": 1.5, "per_segment": True}),
    GateSpec("split", {"after_units": 50, "per_segment": True}),
    GateSpec(
        "action-rate",
        {"ratio": [0.5, 2.0], "against": "baseline", "rare_below": 0.05, "per_segment": True},
    ),
)


def table(
    rows: list[Exposure], names: tuple[str, ...] = ("site",), first: int = 1
) -> ExposureTable:
    found = exposures_of(rows, first)
    values = {n: Values.of([(row.segments or {}).get(n) for row in rows]) for n in names}
    return replace(found, segments=values)


def judged(rows: list[Exposure], *specs: GateSpec, **expected: tuple[str, ...]) -> list[Judged]:
    names = expected or {"site": ()}
    traffic = SegmentedTraffic.before(START, names).after(table(rows, tuple(names)))
    evidence = Evidence(
        Answers(),
        None,
        Defaults(),
        NOW.replace(hour=20),
        traffic=traffic.whole,
        traffic_of=traffic.segments,
        baseline=True,
    )
    return list(judge_gates(specs, evidence))


_units = numbers(1)


def at(site: str | None, times: int, **changes: object) -> list[Exposure]:
    segments = {} if site is None else {"site": site}
    return [an_exposure(next(_units), segments=segments, **changes) for _ in range(times)]  # type: ignore[arg-type]


def both(site: str, times: int, mine: dict[str, object] | None = None) -> list[Exposure]:
    return [*at(site, times, candidate=False), *at(site, times // 3, **(mine or {}))]


def test_harm_in_one_segment_fails_there_and_names_it() -> None:
    rows = [*both("north", 1_500), *both("south", 90, {"failed": True, "answer_ms": None})]
    whole, north, south = judged(rows, GATES[0])
    assert isinstance(south.result, Failed)
    assert south.result.sentence.startswith("failures (site=south): 30 of 30 units met one")
    assert (str(north.segment), north.result.verdict) == ("site=north", "passed")
    assert north.result.sentence.startswith("failures (site=north): 0 of 500 units")
    assert whole.segment is None


def test_every_gate_on_traffic_looks_at_each_segment() -> None:
    rows = [
        *at("north", 300, candidate=False),
        *at("north", 100),
        *at("south", 300, candidate=False),
        *at("south", 100, answer_ms=900.0, action="metal"),
        *at("west", 400),
    ]
    found = {(g.type, str(g.segment)): g.result for g in judged(rows, *GATES)}
    assert isinstance(found["latency", "site=south"], Failed)
    assert isinstance(found["action-rate", "site=south"], Failed)
    assert "action rate (site=south)" in found["action-rate", "site=south"].sentence
    assert isinstance(found["split", "site=west"], Failed)
    assert isinstance(found["split", "site=north"], Passed)
    assert not any(isinstance(found[gate.type, "site=north"], Failed) for gate in GATES)


def test_a_segment_that_was_expected_and_never_came_holds() -> None:
    found = judged(both("north", 900), GATES[0], site=("north", "south"))
    assert isinstance(found[2].result, Inconclusive)
    assert found[2].result.sentence.startswith("failures (site=south): no unit of the candidate")


def test_where_no_request_carries_the_attribute_the_gate_says_so() -> None:
    (_, nothing) = judged([*at(None, 900, candidate=False), *at(None, 300)], GATES[0])
    assert nothing.result.sentence == (
        "failures (site): no answered request carried the attribute site, so its segments cannot "
        "be told apart; send it with the requests, or leave it out of the plan"
    )


def test_all_that_may_ever_come_spends_alpha_once_and_no_number_changes() -> None:
    sites = {Segment("site", str(n)): n for n in range(500)}
    cameras = {Segment("camera", str(n)): n for n in range(500)}
    few = {Segment("site", "0"): 0}
    tests = {segment: tests for tests, segment, _ in numbered({"s": sites, "c": cameras})}
    assert 1 / 2 + sum(1 / number for number in tests.values()) <= 1
    earlier = {segment: tests for tests, segment, _ in numbered({"s": few, "c": cameras})}
    assert all(tests[segment] == number for segment, number in earlier.items())
    assert [number for number, _, _ in numbered({"s": few})] == [6]


def test_harm_in_a_segment_takes_the_stronger_evidence_that_it_pays_for() -> None:
    found = judged([*both("north", 900), *both("south", 900)], GATES[0])
    needed = [g.result.numbers["log_e_harm_needed"] for g in found]
    assert needed == pytest.approx(np.log([2 / 0.01, 6 / 0.01, 12 / 0.01]))


rows = st.lists(
    st.builds(
        lambda unit, mine, site, failed, share: an_exposure(
            unit,
            candidate=mine,
            share=share,
            failed=failed,
            segments={} if site is None else {"site": site},
        ),
        st.integers(1, 5),
        st.booleans(),
        st.sampled_from([None, "a", "b"]),
        st.booleans(),
        st.sampled_from([0.25, 0.5]),
    ),
    max_size=20,
)


@given(rows, st.integers(0, 20))
def test_a_segment_counts_its_own_rows_however_they_come(made: list[Exposure], cut: int) -> None:
    start = SegmentedTraffic.before(START, {"site": ("a",)})
    parts = (made[:cut], made[cut:])
    found = start.after(table(parts[0])).after(table(parts[1], first=1 + len(parts[0])))
    for segment, traffic in found.segments["site"].items():
        own = [row for row in made if (row.segments or {}).get("site") == segment.value]
        alone = count(START, table(own))
        for name in ("draws", "joined", "failed", "actions", "steps", "rows"):
            assert getattr(traffic, name) == getattr(alone, name)
    assert found.rows == len(made)


def test_a_certificate_holds_the_values_of_segments_exactly() -> None:
    one = table([*at("north", 2), *at(None, 1), *at("south", 1)])
    record = exposures_record(one)
    back = exposures_back(record)
    assert back.segments["site"].listed() == ["north", "north", None, "south"]
    chosen = exposures_record(back.where(np.array([False, False, True, True])))
    assert chosen["segments"]["site"]["values"] == [None, "south"]
    assert "segments" not in exposures_record(table([], ()))


def compared(site: str, right: bool, **changes: object) -> EvidenceRow:
    label = "teddy" if right else "panda"
    row = EvidenceRow(
        "r", Stage.MANUAL_REVIEW, 0, "p", 2, label, 1.0, True, NOW,
        baseline_label="panda" if right else "teddy", segments={"site": site},
        verdict=Verdict.CORRECT if right else Verdict.ERROR, human_label="teddy", reviewer="rae",
    )  # fmt: skip
    return replace(row, **changes)  # type: ignore[arg-type]


RATIO = GateSpec("error-ratio", {"at_most": 1.5, "per_segment": True})


def test_the_error_ratio_of_pairs_is_told_for_each_segment() -> None:
    rows = [*[compared("north", True)] * 60, *[compared("south", False)] * 60]
    answers = answers_of(rows, NOW, {"site": ()})
    found = judge_gates([RATIO], Evidence(answers, None, Defaults(), NOW))
    verdicts = {str(g.segment): g.result for g in found}
    assert isinstance(verdicts["site=north"], Passed)
    assert isinstance(verdicts["site=south"], Failed)
    assert verdicts["site=south"].sentence.startswith("error ratio (site=south): 60 pairs")


def test_the_error_ratio_side_by_side_is_told_for_each_segment() -> None:
    def error(arm: Arm, unit: int, site: str) -> EvidenceRow:
        changes = {"arm": arm, "unit": unit, "drawn": True, "baseline_label": None}
        return compared(site, False, stage=Stage.GRADUAL, **changes)

    rows = [error(Arm.CANDIDATE, unit, "south") for unit in range(1, 40)]
    rows += [error(Arm.BASELINE, unit, "north") for unit in range(41, 100)]
    answers = answers_of(rows, NOW, {"site": ()})
    evidence = Evidence(
        answers, None, Defaults(), NOW, step=0, weights=(50.0, 100.0), baseline=True
    )
    verdicts = {str(g.segment): g.result for g in judge_gates([RATIO], evidence)}
    assert list(verdicts) == ["None", "site=south", "site=north"]
    assert isinstance(verdicts["site=south"], Failed)
    assert isinstance(verdicts["site=north"], Passed)
    lacking = answers_of([replace(row, segments={}) for row in rows], NOW, {"site": ()})
    told = judge_gates([RATIO], replace(evidence, answers=lacking))[1].result
    assert told.sentence.startswith("error ratio (site): no answered request carried")


PLAN = """\
apiVersion: stagegate/v1
model: {name: bears, version: 12, baseline: live}
unit: user_id
segments: [site]
stages:
- stage: gradual
  steps: [{weight: 5}, {weight: 100}]
  review: {sample: 0.5, gold: 0.1}
  gates:
  - {type: failures, per_segment: true}
  - {type: error-ratio, at_most: 1.5, per_segment: true}
"""


def test_plans_may_ask_for_segments_where_a_gate_knows_them() -> None:
    failures, ratio = parse_plan(PLAN).stage(Stage.GRADUAL).gates
    assert failures.options["per_segment"] is ratio.options["per_segment"] is True
    plain = parse_plan(PLAN.replace(", per_segment: true", "")).stage(Stage.GRADUAL).gates
    assert not any("per_segment" in gate.options for gate in plain)
    (problem, other) = lint(PLAN.replace("segments: [site]\n", ""))
    assert (problem.line, other.line) == (9, 10)
    assert "the plan names no segments" in problem.message


@pytest.mark.parametrize(
    ("gate", "what"), [("drift", "inputs"), ("gold, at_least: 0.9", "what reviewers do")]
)
def test_gates_that_look_at_everything_refuse_segments_in_a_sentence(gate: str, what: str) -> None:
    text = PLAN + f"  - {{type: {gate}, per_segment: true}}\n"
    (problem,) = lint(text)
    name = gate.split(",")[0]
    assert problem.line == 12
    assert problem.message == (
        f"{name} looks at {what} as a whole; leave `per_segment` out, and put it on a gate that "
        "judges the candidate's answers, such as error-rate"
    )
