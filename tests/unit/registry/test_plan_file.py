"""A plan file is understood, or every problem is named with its line and what to write."""

import json
from datetime import date, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_world import PLAN as PLAN_OF_THE_WORLD

from registry.documents.plan_file import (
    lint,
    parse_plan,
    plan_digest,
    plan_document,
    plan_from_document,
)
from registry.domain.errors import Invalid
from registry.domain.plan import (
    Answers,
    Area,
    Deadline,
    DeadlineThen,
    FailedThen,
    FlaggedThen,
    Freeze,
    Late,
    Step,
    TimeWindow,
)
from registry.domain.stages import Stage

PLAN = """\
apiVersion: stagegate/v1
model: {name: bears, version: 12, baseline: live}
unit: user_id
segments: [site, camera]
defaults: {confidence: 0.95, rollback_confidence: 0.99}
flags: {out_of_domain: 0.01, min_confidence: 0.70, then: hold}
stages:
- stage: manual-review
  review: {sample: 1.0, blind: 0.1, due: 24h}
  gates: [{type: error-rate, at_most: 0.05}]
  advance: {after: 7d, approvals: 1}
  deadline: {after: 30d, then: roll-back}
- stage: limited-scope
  scope:
    where: {site: [ranger-7, ranger-9], camera: ["north-*"]}
    area: {latitude: [44.1, 45.1], longitude: [-111.2, -109.8]}
    when: [{days: [mo, tu, we, th, fr], from: 08:00, to: 18:00, timezone: America/Denver}]
    until: 2027-01-31
    at_most: 500/day
  answers: after-approval
  review: {sample: 1.0, due: 10m, late: baseline}
  gates: [{type: error-rate, at_most: 0.05, per_segment: true}, {type: drift}]
  deadline: {after: 14d, then: hold}
- stage: gradual
  steps: [{weight: 5, bake: 24h}, {weight: 25, bake: 48h}, {weight: 100, bake: 0.5s}]
  review: {flagged: 1.0, sample: 0.1}
  gates: [{type: error-rate, at_most: 0.05, dry_run: true}, {type: drift}]
- stage: live
  watch: 30d
"""


def problems(old: str, new: str) -> list[str]:
    assert old in PLAN
    return [f"{p.line}: {p.message}" for p in lint(PLAN.replace(old, new, 1))]


def test_the_whole_plan_of_the_contract_is_understood() -> None:
    assert lint(PLAN) == ()
    plan = parse_plan(PLAN)
    assert (plan.model, plan.version, plan.baseline, plan.unit) == ("bears", 12, "live", "user_id")
    assert plan.segments == ("site", "camera")
    assert plan.flags.then is FlaggedThen.HOLD
    manual, limited, gradual, live = plan.stages
    assert (manual.advance.after_seconds, manual.advance.approvals) == (604_800, 1)
    assert manual.deadline == Deadline(30 * 86_400, DeadlineThen.ROLL_BACK)
    assert limited.scope.where == {"site": ("ranger-7", "ranger-9"), "camera": ("north-*",)}
    assert limited.scope.area == Area((44.1, 45.1), (-111.2, -109.8))
    assert limited.scope.when == (
        TimeWindow(frozenset(range(5)), time(8), time(18), "America/Denver"),
    )
    assert (limited.scope.until, limited.scope.at_most_per_day) == (date(2027, 1, 31), 500)
    assert (limited.answers, limited.review.late) == (Answers.AFTER_APPROVAL, Late.BASELINE)
    assert limited.review.due_seconds == 600
    assert limited.gates[0].options == {
        "at_most": 0.05,
        "per_segment": True,
        "reviewers": "faultless",
    }
    assert gradual.steps == (Step(5, 86_400), Step(25, 172_800), Step(100, 0.5))
    assert (gradual.gates[0].dry_run, gradual.deadline) == (True, None)
    assert (live.stage, live.watch_seconds) == (Stage.LIVE, 30 * 86_400)


def test_a_watched_version_is_reviewed_and_judged_as_in_the_stage_before() -> None:
    *_, gradual, live = parse_plan(PLAN).stages
    assert (live.review, live.gates) == (gradual.review, gradual.gates)
    *_, own = parse_plan(PLAN + "  review: {sample: 0.02}\n").stages
    assert own.review.sample == 0.02
    *_, unwatched = parse_plan(PLAN.replace("  watch: 30d\n", "")).stages
    assert (unwatched.watch_seconds, unwatched.gates, unwatched.review.sample) == (None, (), 0.0)


def test_a_watch_always_looks_at_drift() -> None:
    plan = parse_plan(PLAN.replace("dry_run: true}, {type: drift}]", "dry_run: true}]"))
    assert [gate.type for gate in plan.stages[-1].gates] == ["error-rate", "drift"]


def test_a_plan_survives_the_database_and_its_digest_ignores_comments_and_layout() -> None:
    plan = parse_plan(PLAN)
    assert plan_from_document(plan_document(plan)) == plan
    commented = "# looks the same\n" + PLAN.replace("[mo, tu, we, th, fr]", "[fr, th, we, tu, mo]")
    assert plan_digest(parse_plan(commented)) == plan_digest(plan)
    assert plan_digest(parse_plan(PLAN.replace("0.70", "0.71"))) != plan_digest(plan)


def test_a_plan_without_live_ends_in_live_and_manual_review_looks_at_everything() -> None:
    text = PLAN[: PLAN.index("- stage: limited")].replace(
        "  review: {sample: 1.0, blind", "  review: {blind"
    )
    plan = parse_plan(text)
    assert [part.stage for part in plan.stages] == [Stage.MANUAL_REVIEW, Stage.LIVE]
    assert plan.stages[0].review.sample == 1.0


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("blind: 0.1", "blnd: 0.1", "9: unknown key `blnd`; write `blind`"),
        ("unit: user_id", "unti: user_id", "3: unknown key `unti`; write `unit`"),
        (
            "stagegate/v1",
            "stagegate/v9",
            "1: `apiVersion`: input should be 'stagegate/v1', not 'stagegate/v9'; "
            "write for example `apiVersion: stagegate/v1`",
        ),
        (
            "  deadline: {after: 14d, then: hold}\n",
            "",
            "13: `deadline` is missing; write for example `deadline: {after: 14d, then: hold}`",
        ),
        (
            "{after: 14d, then: hold}",
            "",
            "23: `deadline` is empty; write for example `{after: 14d, then: hold}`",
        ),
        (
            "review: {sample: 1.0, blind: 0.1",
            "review: {sample: 0, blind: 0.1",
            "10: an error-rate gate needs reviewed answers, and none would be sampled; "
            "write for example `review: {sample: 0.1}`",
        ),
        (
            "{flagged: 1.0, sample: 0.1}",
            "{flagged: 1.0}",
            "27: reviewing flagged answers only says nothing about the others; add a random "
            "sample to the stage's review, such as `sample: 0.1`",
        ),
        (
            "{flagged: 1.0, sample: 0.1}",
            "{flagged: 0, sample: 0.1}",
            "26: never reviewing flagged answers says nothing about them; write `flagged: 1.0`",
        ),
        (
            "{flagged: 1.0, sample: 0.1}",
            "{flagged: 1.0, sample: 0.1, shown: 0.2}",
            "26: nothing would tell whether reviewers follow the answer that they are shown; write "
            "for example `gold: 0.05` beside it",
        ),
        (
            "{sample: 1.0, due: 10m, late: baseline}",
            "{sample: 1.0, due: 10m, gold: 0.02}",
            "21: gold items are always blind, and here nothing else would be, so that reviewers "
            "knew them; write for example `blind: 0.1` beside it",
        ),
        (
            "watch: 30d",
            "watch: 30d\n  review: {sample: 0}",
            "30: watching after live needs reviewed answers; write for example `sample: 0.05`",
        ),
        (
            "weight: 25",
            "weight: 5",
            "25: weight 5 does not rise above the 5 of the step before; "
            "write the steps in rising order",
        ),
        (
            "weight: 100",
            "weight: 101",
            "25: `stages.2.gradual.steps.2.weight`: input should be less than or equal to 100, "
            "not 101; write for example `weight: 5`",
        ),
        (
            "{type: drift}]\n- stage: live",
            "{type: vibes}]\n- stage: live",
            "27: gate type 'vibes' is not known here; write one of 'error-rate', ",
        ),
        (
            "stage: limited-scope",
            "stage: pilot",
            "13: 'pilot' is no stage that a plan can name; write one of 'manual-review', "
            "'limited-scope', 'gradual', 'live'",
        ),
        (
            "after: 7d",
            "after: 7 fortnights",
            "11: '7 fortnights' is no duration; write a number and s, m, h, d or w, such as `24h`",
        ),
        ("due: 10m", "due: 0s", "21: '0s' is no time at all; write for example `24h`"),
        ("500/day", "500", "19: 500 is no daily limit; write for example `500/day`"),
        (
            "[mo, tu",
            "[monday, tu",
            "17: 'monday' is no day; write one of mo, tu, we, th, fr, sa, su",
        ),
        (
            "America/Denver",
            "America/Dever",
            "17: there is no time zone 'America/Dever'; write a name such as `America/Denver`",
        ),
        (
            "from: 08:00",
            "from: 8am",
            "17: '8am' is no time of day; write hours and minutes, such as \"08:00\"",
        ),
        (
            "2027-01-31",
            "2027-02-31x",
            "18: '2027-02-31x' is no day; write year, month and day, such as `2027-01-31`",
        ),
        (
            "[44.1, 45.1]",
            "[45.1, 44.1]",
            "16: [45.1, 44.1] must rise and lie within -90 and 90 degrees",
        ),
        (
            "baseline: live",
            "baseline: 12",
            "2: version 12 cannot be its own baseline; write `live` or `none`",
        ),
        (
            "baseline: live",
            "baseline: none",
            "21: there is no baseline to answer; write `late: abstain`",
        ),
        (
            "unit: user_id\n",
            "",
            "23: gradual gives each caller one version by an attribute of the request, and the "
            "plan names none; write for example `unit: user_id` beside `model`",
        ),
        (
            "segments: [site, camera]\n",
            "",
            "21: the plan names no segments; write for example `segments: [site]` beside `model`",
        ),
        (
            "review: {sample: 1.0, due: 10m",
            "review: {sample: 0.5, due: 10m",
            "21: after-approval means that a person sees every answer; write `sample: 1.0`",
        ),
        (
            "stage: gradual",
            "stage: manual-review",
            "24: manual-review cannot come after limited-scope; the order is manual-review, "
            "limited-scope, gradual, live, each once",
        ),
    ],
)
def test_a_problem_is_named_with_its_line_and_what_to_write(
    old: str, new: str, expected: str
) -> None:
    assert any(problem.startswith(expected) for problem in problems(old, new))


@pytest.mark.parametrize("days", ["3000000", "9" * 400])
@pytest.mark.parametrize("written", ["deadline: {after: 30d", "advance: {after: 7d", "due: 24h"])
def test_no_duration_is_longer_than_ten_years(written: str, days: str) -> None:
    key = written.rpartition(" ")[0]
    (found,) = problems(written, f"{key} {days}d")
    assert "is longer than ten years; write at most `3650d`" in found


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("version: 12", f"version: {2**31}", "less than or equal to 2147483647"),
        ("baseline: live", f"baseline: {2**31}", "is no baseline"),
        ("500/day", "9" * 400 + "/day", "is no limit at all"),
    ],
)
def test_a_number_that_no_database_can_keep_is_refused(old: str, new: str, says: str) -> None:
    (found,) = problems(old, new)
    assert says in found


def test_all_problems_are_named_at_once() -> None:
    broken = (
        PLAN.replace("blind", "blnd")
        .replace("weight: 25", "weight: 1")
        .replace("watch: 30d", "watch: 0d")
    )
    assert [problem.line for problem in lint(broken)] == [9, 25, 29]
    with pytest.raises(Invalid, match=r"line 9: .*; line 25: .*; line 29: ") as refused:
        parse_plan(broken)
    assert len(refused.value.reasons) == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the plan is empty"),
        ("- 1", "a plan is a mapping"),
        ("a: [", "not valid YAML"),
        ("a: 1\na: 2", "`a` was already written on line 1"),
        ("a: &x [1]\nb: *x", "an alias"),
        ("[" * 50_000, "nested too deeply"),
        ("a" * 300_000, "longer than"),
        ("a: !!python/object/apply:os.system [ls]", "not valid YAML"),
        ("a: !!int ''", "not valid YAML"),
        ("a: !!bool maybe", "not valid YAML"),
        ('a: ["b\\0c"]', "cannot be stored"),
        ('{"\\ud800": 1}', "cannot be stored"),
    ],
)
def test_what_is_no_plan_is_refused_in_one_sentence(text: str, says: str) -> None:
    (problem,) = lint(text)
    assert says in problem.message


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["stage", "stages", "model", "gates", "review", "type", "steps", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_JUNK)
@settings(max_examples=60, deadline=None)
def test_no_text_makes_lint_fail(value: object) -> None:
    assert lint(f"apiVersion: stagegate/v1\nstages: {value!r}") != ()
    assert lint(str(value)) != ()


@pytest.mark.parametrize(
    ("gate", "baseline", "stage", "problem"),
    [
        ("{type: paired-loss, margin: 0.02}", "live", "manual-review", None),
        ("{type: error-ratio, at_most: 1.5}", "live", "manual-review", None),
        (
            "{type: error-ratio, at_most: 1.5}",
            "live",
            "limited-scope",
            "error-ratio belongs into manual-review or gradual",
        ),
        ("{type: paired-loss, margin: 0.02}", "none", "manual-review", "there is no baseline"),
        (
            "{type: paired-loss, margin: 0.02}",
            "live",
            "limited-scope",
            "paired-loss belongs into manual-review",
        ),
        ("{type: paired-loss}", "live", "manual-review", "`margin` is missing; write for example"),
        ("{type: agreement, at_least: 0.9}", "none", "manual-review", "reviewed by two people"),
        ("{type: agreement, at_least: 0.9}", "none", "limited-scope", None),
        ("{type: gold, at_least: 0.9}", "none", "manual-review", "no gold items would test"),
        ("{type: gold, at_least: 0.9}", "none", "limited-scope", None),
        (
            "{type: error-rate, at_most: 0.1, reviewers: gold}",
            "none",
            "manual-review",
            "no gold items would test",
        ),
    ],
)
def test_gates_need_something_to_compare_with_and_reviewers_that_are_checked(
    gate: str, baseline: str, stage: str, problem: str | None
) -> None:
    scope = (
        "  scope: {where: {site: [a]}}\n  review: {sample: 1.0, gold: 0.02, opinions: {audit: 2}}\n"
    )
    text = (
        "apiVersion: stagegate/v1\n"
        f"model: {{name: bears, version: 2, baseline: {baseline}}}\n"
        f"stages:\n- stage: {stage}\n{scope if stage == 'limited-scope' else ''}"
        f"  gates: [{gate}]\n  deadline: {{after: 14d, then: hold}}\n"
    )
    found = [one.message for one in lint(text)]
    assert len(found) == (problem is not None)
    assert problem is None or problem in found[0]


def test_a_plan_that_was_digested_before_promotions_had_hours_has_the_same_digest_today():
    digest = "sha256:29b5d1ce2ecb59630a86c0878cbf264e50a75dfe5cc7c3432fcab19f48011928"
    assert plan_digest(parse_plan(PLAN_OF_THE_WORLD)) == digest
    hours = 'advance: {when: [{days: [tu, mo], from: "09:00", to: "10:00", timezone: UTC}]}'
    text = PLAN_OF_THE_WORLD.replace(
        "  deadline: {after: 30d", f"  {hours}\n  deadline: {{after: 30d"
    )
    plan = parse_plan(text)
    assert plan_from_document(json.loads(json.dumps(plan_document(plan)))) == plan
    turned = parse_plan(text.replace("tu, mo", "mo, tu"))
    assert plan_digest(plan) == plan_digest(turned) != digest
    with pytest.raises(Invalid, match="someday"):
        parse_plan(text.replace("tu, mo", "tu, someday"))


def test_gold_hides_among_what_is_drawn_or_blind() -> None:
    said = "gold items are always blind"
    alone = PLAN.replace("baseline: live", "baseline: none")
    golden = alone.replace("blind: 0.1, due: 24h", "gold: 0.02, due: 24h")
    assert any(said in one.message for one in lint(golden))
    for hidden in (
        golden.replace("gold: 0.02", "gold: 0.02, blind: 0.1"),
        golden.replace("baseline: none", "baseline: live"),
    ):
        assert not any(said in one.message for one in lint(hidden))


def test_a_plan_that_was_digested_before_there_were_freezes_and_pausing_gates_reads_as_it_was():
    plain = parse_plan(PLAN_OF_THE_WORLD)
    document = plan_document(plain)
    assert "freezes" not in document
    assert not any("then" in gate for part in document["stages"] for gate in part["gates"])
    assert plan_from_document(json.loads(json.dumps(document))) == plain
    text = PLAN_OF_THE_WORLD.replace(
        "stages:",
        "freezes: [{from: 2026-12-20, to: 2027-01-03, timezone: America/Denver}]\nstages:",
        1,
    ).replace("at_most: 0.05}]", "at_most: 0.05, then: pause}]", 1)
    plan = parse_plan(text)
    assert plan.freezes == (Freeze(date(2026, 12, 20), date(2027, 1, 3), "America/Denver"),)
    assert plan.stages[0].gates[0].then is FailedThen.PAUSE
    assert plan.stages[1].gates[0].then is FailedThen.ROLL_BACK
    assert plan_from_document(json.loads(json.dumps(plan_document(plan)))) == plan
    assert plan_digest(plan) != plan_digest(plain)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("{from: 2027-01-03, to: 2026-12-20, timezone: UTC}", "write the earlier day first"),
        ("{from: 2026-12-20, to: 9999-12-31, timezone: UTC}", "9999-12-31 never comes"),
        ("{from: 2026-12-20, to: soon, timezone: UTC}", "'soon' is no day"),
        ("{from: 2026-12-20, to: 2027-01-03, timezone: Mars/One}", "no time zone 'Mars/One'"),
        ("{from: 2026-12-20, to: 2027-01-03}", "`timezone` is missing"),
    ],
)
def test_a_freeze_that_cannot_be_says_what_to_write(wrong: str, says: str):
    (problem,) = lint(PLAN_OF_THE_WORLD.replace("stages:", f"freezes: [{wrong}]\nstages:", 1))
    assert (problem.line, says in problem.message) == (4, True)


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        ("{type: drift, then: pause}", "drift never fails"),
        (
            "{type: error-rate, at_most: 0.05, dry_run: true, then: pause}",
            "a dry run decides nothing",
        ),
        ("{type: error-rate, at_most: 0.05, then: hold}", "input should be 'roll-back' or 'pause'"),
    ],
)
def test_a_gate_says_what_follows_only_where_something_can(gate: str, says: str):
    text = PLAN_OF_THE_WORLD.replace("{type: error-rate, at_most: 0.05}]", f"{gate}]", 1)
    (problem,) = lint(text)
    assert says in problem.message
