"""The stage machine, driven by random commands beside a plain model of what they should do."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from registry.documents.plan_file import parse_plan
from registry.domain.errors import StageConflict
from registry.domain.rollout import Rollout
from registry.domain.stages import ACTIVE, ENDED, Stage
from registry.domain.transitions import (
    TABLE,
    Command,
    Place,
    complete,
    end,
    move,
    next_place,
    pause,
    resume,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PLAN = parse_plan("""\
apiVersion: stagegate/v1
model: {name: bears, version: 2, baseline: none}
unit: user_id
stages:
- {stage: manual-review, gates: [{type: drift}], deadline: {after: 1d, then: hold}}
- stage: gradual
  review: {sample: 0.1}
  gates: [{type: error-rate, at_most: 0.05}]
  steps: [{weight: 5}, {weight: 50}, {weight: 100}]
- {stage: live, watch: 30d}
""")
ENDS = {
    Command.ABORT: Stage.ROLLED_BACK,
    Command.UNDO: Stage.ROLLED_BACK,
    Command.REJECT: Stage.REJECTED,
    Command.EXPIRE: Stage.EXPIRED,
}
WAY = [
    Place(Stage.MANUAL_REVIEW),
    Place(Stage.GRADUAL, 0),
    Place(Stage.GRADUAL, 1),
    Place(Stage.GRADUAL, 2),
    Place(Stage.LIVE),
]


def a_rollout() -> Rollout:
    return Rollout(
        id="r",
        model="bears",
        version=2,
        version_digest="sha256:2",
        baseline=None,
        plan=PLAN,
        plan_digest="sha256:p",
        salt="s",
        stage=Stage.MANUAL_REVIEW,
        step=0,
        generation=1,
        started_by="bob",
        started_at=NOW,
        stage_since=NOW,
        step_since=NOW,
    )


class Machine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.rollout, self.now = a_rollout(), NOW
        self.at, self.paused, self.end = 0, False, None
        self.changes, self.watched = 0, False

    def _try(self, allowed: bool, change: object) -> bool:
        self.now += timedelta(seconds=1)
        before = self.rollout
        if not allowed:
            with pytest.raises(StageConflict):
                change()  # type: ignore[operator]
            assert self.rollout is before
            return False
        self.rollout = change()  # type: ignore[operator]
        self.changes += 1
        return True

    @property
    def active(self) -> bool:
        return self.end is None and self.at < len(WAY) - 1

    @rule()
    def promote(self) -> None:
        if not self.active:
            return
        target = next_place(self.rollout)
        assert target == WAY[self.at + 1]
        if self._try(True, lambda: move(self.rollout, Command.PROMOTE, target, self.now)):
            self.at += 1
            self.watched = self.at == len(WAY) - 1
            if WAY[self.at].stage is not WAY[self.at - 1].stage:
                self.paused = False

    @rule(to=st.sampled_from(WAY))
    def promote_anywhere(self, to: Place) -> None:
        allowed = self.active and WAY.index(to) > self.at
        old = WAY[self.at].stage
        if self._try(allowed, lambda: move(self.rollout, Command.PROMOTE, to, self.now)):
            self.at = WAY.index(to)
            self.watched = to.stage is Stage.LIVE
            if to.stage is not old:
                self.paused = False

    @rule()
    def pause(self) -> None:
        allowed = self.active and not self.paused
        if self._try(allowed, lambda: pause(self.rollout, "eve", "looking", self.now)):
            self.paused = True

    @rule()
    def resume(self) -> None:
        allowed = self.active and self.paused
        if self._try(allowed, lambda: resume(self.rollout, self.now)):
            self.paused = False

    @rule(command=st.sampled_from(list(ENDS)))
    def go_back(self, command: Command) -> None:
        live = self.end is None and not self.active
        allowed = live if command is Command.UNDO else self.end is None
        if command is Command.EXPIRE:
            allowed = self.active
        if self._try(allowed, lambda: end(self.rollout, command, self.now)):
            self.end, self.paused = ENDS[command], False

    @rule()
    def complete(self) -> None:
        allowed = self.end is None and not self.active
        if self._try(allowed, lambda: complete(self.rollout, self.now)):
            self.watched = False

    @rule()
    def retain(self) -> None:
        allowed = self.end is None and not self.active
        if self._try(
            allowed, lambda: move(self.rollout, Command.RETAIN, Place(Stage.RETAINED), self.now)
        ):
            self.end = Stage.RETAINED

    @rule()
    def restore(self) -> None:
        allowed = self.end is Stage.RETAINED
        if self._try(
            allowed, lambda: move(self.rollout, Command.RESTORE, Place(Stage.LIVE), self.now)
        ):
            self.end = None

    @invariant()
    def agrees_with_the_model(self) -> None:
        rollout = self.rollout
        assert rollout.stage is (self.end or WAY[self.at].stage)
        assert (rollout.paused is not None) == self.paused
        assert rollout.generation == 1 + self.changes
        assert (rollout.ended_at is not None) == (rollout.stage in ENDED)
        assert rollout.active == self.active
        assert rollout.watched == (self.watched and rollout.stage is Stage.LIVE)
        assert rollout.stage_since <= rollout.step_since <= self.now
        if self.active:
            assert rollout.step == WAY[self.at].step


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_every_active_stage_can_be_aborted_and_a_rejected_version_goes_nowhere() -> None:
    for stage in ACTIVE | {Stage.LIVE}:
        assert TABLE[stage, Command.ABORT] == {Stage.ROLLED_BACK}
        assert TABLE[stage, Command.REJECT] == {Stage.REJECTED}
    leaving = {(stage, command) for stage, command in TABLE if stage in ENDED}
    again = {(s, Command.START) for s in (Stage.RETAINED, Stage.ROLLED_BACK, Stage.EXPIRED)}
    assert leaving == {(Stage.RETAINED, Command.RESTORE)} | again


def test_every_stage_can_be_reached_and_only_registered_has_no_way_in() -> None:
    reached = {to for ways in TABLE.values() for to in ways}
    assert set(Stage) - reached == {Stage.REGISTERED}


def test_only_a_promotion_brings_a_version_nearer_to_everybody() -> None:
    order = [Stage.MANUAL_REVIEW, Stage.LIMITED_SCOPE, Stage.GRADUAL, Stage.LIVE]
    for (stage, command), ways in TABLE.items():
        if stage in order and command is not Command.PROMOTE:
            assert all(to is stage or to not in order for to in ways)


def test_a_conflict_says_where_the_version_is_and_where_the_command_works() -> None:
    with pytest.raises(StageConflict, match="bears@2 is in manual review, which undo cannot leave"):
        move(a_rollout(), Command.UNDO, Place(Stage.ROLLED_BACK), NOW)
    with pytest.raises(StageConflict, match="from there promote leads to gradual, limited scope"):
        move(a_rollout(), Command.PROMOTE, Place(Stage.RETAINED), NOW)
