"""The repositories keep what they are given, on SQLite and on PostgreSQL."""

from dataclasses import fields, replace
from datetime import UTC, datetime, time, timedelta

import pytest

from registry.adapters.database.engine import Database
from registry.adapters.database.leases import SqlLeases
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.errors import Conflict, NotFound
from registry.domain.evidence import (
    Arm,
    CheckKind,
    DriftMeasurement,
    EvidenceRow,
    ReviewerCheck,
    ReviewerTally,
    Verdict,
)
from registry.domain.evidence_log import tally
from registry.domain.evidence_table import EvidenceTable, table_of
from registry.domain.plan import (
    Area,
    Deadline,
    DeadlineThen,
    GateSpec,
    Plan,
    Review,
    Scope,
    StagePlan,
    Step,
    TimeWindow,
)
from registry.domain.rollout import Pause, Rollout
from registry.domain.stages import Stage
from registry.domain.versions import ModelVersion
from registry.services.lease import hold

pytestmark = pytest.mark.integration

NOW = datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)


def a_version(number: int = 1) -> ModelVersion:
    return ModelVersion(
        model="bears",
        version=number,
        digest=f"sha256:{number}",
        bundle_uri="file:///nowhere",
        source_format="fastai",
        labels=("grizzly", "teddy"),
        environment={"torch": "2"},
        author="ann",
        created_at=NOW,
        tags={},
        parity={},
    )


def a_plan() -> Plan:
    scope = Scope(
        where={"site": ("ranger-*",)},
        area=Area((44.1, 45.1), (-111.2, -109.8)),
        when=(
            TimeWindow(
                frozenset({4, 0, 2}),
                time(8),
                time(18),
                "America/Denver",
            ),
        ),
        until=NOW.date(),
        at_most_per_day=500,
    )
    gates = (GateSpec("error-rate", {"at_most": 0.05, "per_segment": True}),)
    return Plan(
        model="bears",
        version=1,
        baseline="none",
        stages=(
            StagePlan(
                Stage.LIMITED_SCOPE,
                review=Review(sample=0.5),
                gates=gates,
                scope=scope,
                deadline=Deadline(60, DeadlineThen.HOLD),
            ),
            StagePlan(Stage.GRADUAL, steps=(Step(5, 1.5), Step(100))),
        ),
    )


def a_rollout(**changes: object) -> Rollout:
    rollout = Rollout(
        id="r1",
        model="bears",
        version=1,
        version_digest="sha256:1",
        baseline=None,
        plan=a_plan(),
        plan_digest="sha256:p",
        salt="s",
        stage=Stage.LIMITED_SCOPE,
        step=0,
        generation=1,
        started_by="bob",
        started_at=NOW,
        stage_since=NOW,
        step_since=NOW,
    )
    return replace(rollout, **changes)  # type: ignore[arg-type]


def a_row(prediction_id: str, **changes: object) -> EvidenceRow:
    row = EvidenceRow("r1", Stage.LIMITED_SCOPE, 0, prediction_id, 1, "teddy", 1.0, True, NOW)
    return replace(row, **changes)  # type: ignore[arg-type]


def test_a_version_is_read_as_it_was_stored(database: Database) -> None:
    with database.begin() as connection:
        SqlUnitOfWork(connection).versions.add(a_version())
    with database.read() as connection:
        versions = SqlUnitOfWork(connection).versions
        assert versions.get("bears", 1) == a_version()
        assert versions.list() == versions.list("bears") == (a_version(),)


def test_a_number_is_given_once_and_an_unknown_one_names_those_that_exist(
    database: Database,
) -> None:
    with database.begin() as connection:
        versions = SqlUnitOfWork(connection).versions
        versions.add(a_version(1))
        versions.add(a_version(3))
        with pytest.raises(Conflict, match="bears@1 is already registered"):
            versions.add(a_version(1))
        with pytest.raises(NotFound, match="bears has no version 2; it has 1, 3"):
            versions.get("bears", 2)
        with pytest.raises(NotFound, match="there is no model 'cats'; registered are bears"):
            versions.get("cats", 1)


def test_a_rollout_with_a_whole_plan_is_read_as_it_was_stored(database: Database) -> None:
    rollout = a_rollout(paused=Pause("eve", "looking"))
    with database.begin() as connection:
        SqlUnitOfWork(connection).rollouts.add(rollout)
    with database.read() as connection:
        rollouts = SqlUnitOfWork(connection).rollouts
        assert rollouts.active("bears") == rollout
        assert rollouts.latest("bears") == rollouts.of_version("bears", 1) == rollout
        assert rollouts.all_active() == (rollout,)


def test_a_model_has_one_active_rollout_and_may_have_another_when_it_ended(
    database: Database,
) -> None:
    with database.begin() as connection:
        rollouts = SqlUnitOfWork(connection).rollouts
        rollouts.add(a_rollout())
        with pytest.raises(Conflict, match="already has an active rollout"):
            rollouts.add(a_rollout(id="r2"))
        ended = a_rollout(stage=Stage.ROLLED_BACK, generation=2, ended_at=NOW)
        rollouts.save(ended, expected_generation=1)
        later = a_rollout(id="r2", started_at=NOW - timedelta(days=1))  # by a clock set back
        assert rollouts.active("bears") is None
        assert rollouts.latest("bears") == ended
        rollouts.add(later)
        assert rollouts.latest("bears") == later


def test_a_save_at_the_wrong_generation_changes_nothing(database: Database) -> None:
    with database.begin() as connection:
        rollouts = SqlUnitOfWork(connection).rollouts
        rollouts.add(a_rollout())
        with pytest.raises(Conflict, match="no longer at generation 7"):
            rollouts.save(a_rollout(generation=8), expected_generation=7)
        assert rollouts.active("bears") == a_rollout()


def test_the_live_version_and_the_routing_clock_move(database: Database) -> None:
    with database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        assert unit.live.get("bears") == (None, None)
        before = unit.routing_clock.value()
        unit.routing_clock.tick()
        unit.routing_clock.tick()
        assert unit.routing_clock.value() == before + 2
        unit.live.put("bears", 1, None, NOW)
        unit.live.put("bears", 2, 1, NOW)
        assert unit.live.get("bears") == (2, 1)
        assert unit.live.all() == {"bears": 2}


def test_one_label_settles_every_answer_to_a_prediction_once(database: Database) -> None:
    with database.begin() as connection:
        evidence = SqlUnitOfWork(connection).evidence
        evidence.add(
            [a_row("p1", segments={"site": "x"}), a_row("p1", model_label="grizzly"), a_row("p2")]
        )
        evidence.settle("p1", "teddy", "rae", NOW)
        evidence.settle("p1", "grizzly", "sam", NOW)
        evidence.settle("p2", None, "rae", NOW)
        rows = evidence.read("r1", Stage.LIMITED_SCOPE)
    assert [(r.prediction_id, r.verdict, r.reviewer) for r in rows] == [
        ("p1", Verdict.CORRECT, "rae"),
        ("p1", Verdict.ERROR, "rae"),
        ("p2", Verdict.ERROR, "rae"),
    ]
    assert rows[0].segments == {"site": "x"}
    assert rows[0].human_label == "teddy"
    assert rows[2].human_label is None


def some_rows() -> list[EvidenceRow]:
    soon, past = NOW + timedelta(hours=1), NOW - timedelta(hours=1)
    return [
        a_row("p1", verdict=Verdict.CORRECT, segments={"site": 'a "quoted" one', "x": "1"}),
        a_row("p2", verdict=Verdict.ERROR, step=1),
        a_row("p3", due_at=soon, segments={"site": "b"}),
        a_row("p4", due_at=past, inclusion_probability=0.25),
        a_row("p5", due_at=NOW),
        a_row("p6", due_at=None),
        a_row("p7", sampled=False, inclusion_probability=0.25),
        a_row("p8", sampled=False, verdict=Verdict.ERROR),
        a_row("p9", baseline_label="teddy"),
        a_row("p10", baseline_label="teddy", verdict=Verdict.ERROR),  # it failed
        a_row("p11", baseline_label="teddy", **said("teddy", Verdict.CORRECT, NOW)),
        a_row("p12", baseline_label="panda", **said(None, Verdict.ERROR, NOW)),
        a_row("p13", baseline_label="teddy", due_at=NOW, **said("teddy", Verdict.CORRECT, NOW)),
        a_row("p14", due_at=NOW, **said("teddy", Verdict.CORRECT, past)),
        a_row("p15", arm=Arm.BASELINE, drawn=True, unit=-(2**63)),
    ]


def said(label: str | None, verdict: Verdict, at: datetime) -> dict[str, object]:
    return {"human_label": label, "verdict": verdict, "reviewer": "rae", "decided_at": at}


@pytest.mark.parametrize("segments", [(), ("site",), ("site", "x", 'odd "name" $.a[0]')])
def test_rows_as_columns_say_the_same_as_rows(
    database: Database, segments: tuple[str, ...]
) -> None:
    rows = some_rows()
    with database.begin() as connection:
        evidence = SqlUnitOfWork(connection).evidence
        evidence.add([*rows, a_row("other", stage=Stage.GRADUAL)])
        stored = evidence.read("r1", Stage.LIMITED_SCOPE)
        found = evidence.table("r1", Stage.LIMITED_SCOPE, segments)
        nothing = evidence.table("r2", Stage.LIMITED_SCOPE, segments)
        ids = found.ids.tolist()
        some = evidence.table("r1", Stage.LIMITED_SCOPE, segments, after=ids[1], most=3)
        chosen = evidence.rows({ids[4], ids[2]}, segments)
    assert stored == tuple(rows)
    assert ids == sorted(ids)
    assert some.ids.tolist() == ids[2:5]
    assert chosen.ids.tolist() == [ids[2], ids[4]]
    for got, expected in ((found, rows), (nothing, []), (some, rows[2:5])):
        assert_same(got, table_of(expected, segments))
    assert_same(chosen, table_of([rows[2], rows[4]], segments))


def assert_same(got: EvidenceTable, expected: EvidenceTable) -> None:
    for field in fields(EvidenceTable):
        if field.name not in ("ids", "segments"):
            assert getattr(got, field.name).tolist() == getattr(expected, field.name).tolist()
    assert listed(got) == listed(expected)


def listed(table: EvidenceTable) -> dict[str, list[str | None]]:
    return {name: values.listed() for name, values in table.segments.items()}


def test_open_rows_and_the_newest_of_a_moment_are_found(database: Database) -> None:
    later = NOW + timedelta(minutes=1)
    with database.begin() as connection:
        evidence = SqlUnitOfWork(connection).evidence
        evidence.add(some_rows())
        evidence.add([a_row("late", created_at=later)])
        ids = evidence.table("r1", Stage.LIMITED_SCOPE).ids.tolist()
        here = ("r1", Stage.LIMITED_SCOPE)
        assert evidence.open(*here, NOW) == {ids[2], ids[5], ids[8], ids[14], ids[-1]}
        yesterday = NOW - timedelta(days=1)
        assert evidence.open(*here, yesterday) == {*ids[2:6], ids[8], ids[14], ids[-1]}


def test_the_mark_of_evidence_moves_with_every_answer_and_every_verdict(
    database: Database,
) -> None:
    with database.begin() as connection:
        evidence = SqlUnitOfWork(connection).evidence
        here = ("r1", Stage.LIMITED_SCOPE, NOW)
        empty = evidence.mark(*here)
        assert (empty.last, empty.open, empty.next_due) == (0, 0, None)
        evidence.add(some_rows())
        first = evidence.mark(*here)
        assert (first.open, first.next_due) == (6, NOW + timedelta(hours=1))
        assert evidence.mark(*here) == first
        evidence.settle("p4", "teddy", "rae", NOW)
        settled = evidence.mark(*here)
        assert (settled.last, settled.open) == (first.last, 5)
        evidence.add([a_row("p99", sampled=False)])
        assert evidence.mark(*here).last > first.last
        assert evidence.mark("r1", Stage.LIMITED_SCOPE, NOW + timedelta(hours=1)).next_due is None


def test_the_answers_of_a_stage_are_counted_up_to_a_moment(database: Database) -> None:
    with database.begin() as connection:
        evidence = SqlUnitOfWork(connection).evidence
        evidence.add([a_row(f"p{i}", created_at=NOW + timedelta(seconds=i)) for i in range(6)])
        until = NOW + timedelta(seconds=3)
        assert evidence.answers_until("r1", Stage.LIMITED_SCOPE, until, 30) == 4
        assert evidence.answers_until("r1", Stage.LIMITED_SCOPE, until, 2) == 2
        assert evidence.answers_until("r1", Stage.GRADUAL, until, 30) == 0


def test_gold_items_count_in_the_order_in_which_they_were_asked_for(database: Database):
    """What is answered wrongly may take longer, and the good answers must not come before it."""
    asked = [
        ReviewerCheck(
            CheckKind.GOLD, "bears", f"i{number}", "", False, NOW, model_was_right=False,
            waiting=True, due_at=NOW + timedelta(hours=1),
        )
        for number in range(4)
    ]  # fmt: skip

    def answered(number: int, minutes: int, agreed: bool) -> None:
        at = NOW + timedelta(minutes=minutes)
        change = {"waiting": False, "reviewer": "rae", "agreed": agreed, "at": at}
        with database.begin() as connection:
            SqlUnitOfWork(connection).checks.answer(replace(asked[number], **change))

    def found(minutes: int) -> ReviewerTally:
        now = NOW + timedelta(minutes=minutes)
        with database.read() as connection:
            unit = SqlUnitOfWork(connection)
            by_rows = tally(unit.checks.read("bears", NOW), now)
            assert by_rows == unit.checks.tally("bears", NOW, now)
        return by_rows

    with database.begin() as connection:
        for check in asked:
            SqlUnitOfWork(connection).checks.add(check)
    answered(1, 1, agreed=True)
    answered(2, 1, agreed=True)
    assert found(2) == ReviewerTally()
    answered(0, 30, agreed=False)
    answered(0, 31, agreed=True)  # the first answer stays
    assert found(32) == ReviewerTally(3, 1, 3, 1, 0)
    assert found(60) == ReviewerTally(4, 1, 4, 2, 1)
    answered(3, 60, agreed=True)  # too late
    assert found(61) == ReviewerTally(4, 1, 4, 2, 1)


def test_an_answer_to_an_item_from_before_checks_were_kept_since_then_counts(database: Database):
    with database.begin() as connection:
        checks = SqlUnitOfWork(connection).checks
        for agreed in (False, True):  # sent again
            checks.answer(ReviewerCheck(CheckKind.GOLD, "bears", "i1", "rae", agreed, NOW))
        assert checks.tally("bears", NOW, NOW) == ReviewerTally(1, 1)


def test_checks_of_reviewers_count_once_each_and_from_a_moment_on(database: Database) -> None:
    gold = ReviewerCheck(CheckKind.GOLD, "bears", "i1", "rae", True, NOW, "r1", False)
    checks = [
        gold,
        gold,  # sent again
        replace(gold, reviewer="sam", agreed=False),
        replace(gold, item_id="i2", model_was_right=True, agreed=False),
        replace(gold, item_id="i3", kind=CheckKind.SECOND, model_was_right=None),  # an older one
        replace(gold, item_id="i5", model="cats"),
        replace(gold, item_id="i6", at=NOW - timedelta(seconds=1)),
    ]
    with database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        for check in checks:
            unit.checks.add(check)
        found = unit.checks.read("bears", NOW)
        assert found == (checks[0], *checks[2:4])
        assert unit.checks.tally("bears", NOW, NOW) == ReviewerTally(3, 2, 2, 1)
        assert unit.checks.tally("dogs", NOW, NOW) == ReviewerTally()


def test_the_newest_drift_measurement_comes_first(database: Database) -> None:
    first = DriftMeasurement("bears", 1, NOW, NOW, 10, False, "calm", {"a": 1}, NOW)
    second = replace(first, alarm=True, at=NOW + timedelta(minutes=1))
    with database.begin() as connection:
        drift = SqlUnitOfWork(connection).drift
        drift.add(first)
        drift.add(second)
        assert drift.recent("bears", 1, limit=5) == (second, first)
        assert drift.recent("bears", 1) == (second,)
        assert drift.recent("bears", 2) == ()


def test_an_approval_counts_for_the_evidence_and_step_that_it_saw(database: Database) -> None:
    with database.begin() as connection:
        approvals = SqlUnitOfWork(connection).approvals
        for _ in range(2):
            approvals.add(a_rollout(), "ann", "sha256:e", "fine", NOW)
        assert approvals.actors(a_rollout(), "sha256:e") == ("ann",)
        assert approvals.actors(a_rollout(), "sha256:other") == ()
        assert approvals.actors(a_rollout(step=1), "sha256:e") == ()


def test_an_effect_waits_until_it_is_done(database: Database) -> None:
    with database.begin() as connection:
        outbox = SqlUnitOfWork(connection).outbox
        outbox.add("mlflow.alias", {"model": "bears", "alias": "live"}, NOW)
        (message,) = outbox.due(NOW)
        outbox.failed(message, "no network", NOW + timedelta(seconds=5))
        assert outbox.due(NOW) == ()
        (again,) = outbox.due(NOW + timedelta(seconds=5))
        assert (again.topic, again.payload, again.attempts) == (
            "mlflow.alias",
            {"model": "bears", "alias": "live"},
            1,
        )
        outbox.done([again], NOW + timedelta(seconds=6))
        assert outbox.due(NOW + timedelta(days=1)) == ()


def test_a_lease_has_one_holder_until_it_expires(database: Database) -> None:
    ttl = timedelta(seconds=5)
    with database.begin() as connection:
        leases = SqlLeases(connection)
        assert hold(leases, "controller", "a", NOW, ttl)
        assert not hold(leases, "controller", "b", NOW + timedelta(seconds=4), ttl)
        assert hold(leases, "controller", "a", NOW + timedelta(seconds=4), ttl)
        assert not hold(leases, "controller", "b", NOW + timedelta(seconds=6), ttl)
        assert hold(leases, "controller", "b", NOW + timedelta(seconds=9), ttl)
        assert not hold(leases, "controller", "a", NOW + timedelta(seconds=9), ttl)
        leases.release("controller", "b")
        assert hold(leases, "controller", "a", NOW + timedelta(seconds=10), ttl)
