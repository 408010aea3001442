"""Gates on traffic in a plan file: what they mean, and where they cannot stand."""

import pytest

from registry.documents.plan_file import lint, parse_plan, plan_document, plan_from_document
from registry.domain.plan import GateSpec
from registry.domain.stages import Stage

PLAN = """\
apiVersion: stagegate/v1
model: {name: bears, version: 12, baseline: live}
unit: user_id
stages:
- stage: limited-scope
  scope: {where: {site: [ranger-7]}}
  gates: [{type: failures, at_most: 0.02}]
  deadline: {after: 14d, then: hold}
- stage: gradual
  steps: [{weight: 5, bake: 24h}, {weight: 100, bake: 48h}]
  gates:
  - {type: action-rate, ratio: [0.5, 2]}
  - {type: failures}
  - {type: latency, p99_ratio_at_most: 1.5}
  - {type: split}
"""


def problems(old: str, new: str) -> list[str]:
    assert old in PLAN
    return [f"{problem.line}: {problem.message}" for problem in lint(PLAN.replace(old, new))]


def test_every_option_has_a_default_and_p99_is_a_quantile() -> None:
    plan = parse_plan(PLAN)
    assert plan.stage(Stage.GRADUAL).gates == (
        GateSpec("action-rate", {"ratio": [0.5, 2.0], "against": "baseline", "rare_below": 0.05}),
        GateSpec("failures", {"at_most": 0.01, "ratio_at_most": 2.0}),
        GateSpec("latency", {"quantile": 0.99, "ratio_at_most": 1.5}),
        GateSpec("split", {"after_units": 100}),
    )
    assert plan_from_document(plan_document(plan)) == plan


def test_a_general_quantile_and_stated_rates() -> None:
    text = PLAN.replace("p99_ratio_at_most: 1.5", "quantile: 0.9, ratio_at_most: 2")
    text = text.replace("ratio: [0.5, 2]", "against: {bear: 0.2, nothing: 0.8}")
    rate, _, latency, _ = parse_plan(text).stage(Stage.GRADUAL).gates
    assert latency.options == {"quantile": 0.9, "ratio_at_most": 2.0}
    assert rate.options["against"] == {"bear": 0.2, "nothing": 0.8}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("p99_ratio_at_most: 1.5", "quantile: 0.9", "14: a latency gate needs one quantile"),
        ("p99_ratio_at_most", "ratio_at_most", "14: a latency gate needs one quantile"),
        ("ratio: [0.5, 2]", "ratio: [2, 0.5]", "12: [2.0, 0.5] must rise from below 1"),
        ("ratio: [0.5, 2]", "against: people", "12: 'people' is nothing to compare with; write"),
        ("ratio: [0.5, 2]", "against: {a: 0.7, b: 0.6}", "12: {'a': 0.7, 'b': 0.6} are no rates"),
        ("ratio: [0.5, 2]", "against: {}", "12: {} are no rates"),
        ("{type: split}", "{type: split, after: 9}", "unknown key `after`; write `after_units`"),
        (
            "{type: failures, at_most: 0.02}",
            "{type: latency, p99_ratio_at_most: 2}",
            "7: latency is measured in gradual, not in limited-scope",
        ),
        (
            "{type: failures, at_most: 0.02}",
            "{type: action-rate}",
            "7: in limited-scope no baseline answers beside the candidate for action-rate to",
        ),
        ("baseline: live", "baseline: none", "14: there is no baseline for latency to compare"),
        ("{weight: 5, bake: 24h}, ", "", "15: split compares candidate and baseline side by side"),
        ("unit: user_id\n", "", "6: failures counts units, and the plan names none"),
    ],
)
def test_what_cannot_work_is_said_with_its_line(old: str, new: str, says: str) -> None:
    assert any(says in problem for problem in problems(old, new)), problems(old, new)


def test_with_stated_rates_action_rate_needs_no_baseline() -> None:
    new = "{type: action-rate, against: {bear: 0.2}}"
    assert problems("{type: failures, at_most: 0.02}", new) == []
