"""The real services, driven by random commands, races, crashes and clocks, beside a plain model."""

import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import postgresql
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from rollout_world import NOW, World, a_version
from waiting import PATIENCE

from registry.adapters.database.engine import Database
from registry.adapters.database.tables import rollout as rollouts
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.errors import StagegateError
from registry.domain.evidence import EvidenceRow, Verdict
from registry.domain.rollout import Rollout
from registry.domain.transitions import Command
from registry.services import control
from registry.services.approve import approve
from registry.services.check_audit import check_audit
from registry.services.judge import judge
from registry.services.promote import promote
from registry.services.tick import tick
from registry.services.watch import watch

pytestmark = pytest.mark.integration

PLAN = """\
apiVersion: stagegate/v1
model: {name: bears, version: VERSION, baseline: BASELINE}
unit: user_id
stages:
- stage: manual-review
  gates: [{type: error-rate, at_most: 0.05}]
  advance: {approvals: 1}
  deadline: {after: 30d, then: roll-back}
- stage: gradual
  steps: [{weight: 5}, {weight: 50}]
  review: {sample: 1.0}
  gates: [{type: error-rate, at_most: 0.05}]
  advance: {automatic: AUTOMATIC}
  deadline: {after: 10d, then: hold}
- {stage: live, watch: 20d}
"""
WAY = (("manual-review", 0), ("gradual", 0), ("gradual", 1), ("live", 0))
LIVE = len(WAY) - 1
VERSIONS = 5
TO = {"gradual": 1, "live": LIVE}
RACERS = ("promote", "pause", "resume", "abort", "tick")


class Crash(Exception):
    """The process is gone before the commit."""


@dataclass
class Try:
    """What the model knows of one rollout."""

    version: int
    baseline: int | None
    automatic: bool
    since: datetime
    generation: int = 1
    at: int = 0
    end: str | None = None
    paused: bool = False
    held_once: bool = False
    watched_until: datetime | None = None
    good: set[str] = field(default_factory=set)  # stages with enough good answers
    seen: set[int] = field(default_factory=set)  # places where answers were looked at
    bad: set[str] = field(default_factory=set)
    approved: set[tuple[int, bool, bool]] = field(default_factory=set)

    @property
    def stage(self) -> str:
        return self.end or WAY[self.at][0]

    @property
    def active(self) -> bool:
        return self.end is None and self.at < LIVE

    @property
    def evidence(self) -> tuple[int, bool, bool]:
        """What an approval binds to."""
        return self.at, self.passes_gates, self.stage in self.bad

    @property
    def passes_gates(self) -> bool:
        looked = self.stage != "gradual" or self.at in self.seen
        return self.stage in self.good and self.stage not in self.bad and looked

    @property
    def ready(self) -> bool:
        approved = self.stage != "manual-review" or self.evidence in self.approved
        return self.passes_gates and approved

    def move(self, at: int, now: datetime) -> None:
        if WAY[at][0] != self.stage:
            self.paused, self.since = False, now
        self.at, self.generation = at, self.generation + 1
        if at == LIVE:
            self.watched_until = now + timedelta(days=20)

    def finish(self, end: str) -> None:
        self.end, self.paused, self.generation = end, False, self.generation + 1


class Machine(RuleBasedStateMachine):
    database_url: ClassVar[Callable[[], AbstractContextManager[str]]]

    @initialize()
    def begin(self) -> None:
        self.closing = ExitStack()
        self.world = World(Database(self.closing.enter_context(type(self).database_url())))
        self.closing.callback(self.world.database.close)
        self.only_thinking = False
        self.tries: list[Try] = []
        self.live: Try | None = None
        self.previous: Try | None = None
        self.rows = 0
        more = range(4, VERSIONS + 1)
        self.world.do(lambda u: [u.versions.add(a_version(number)) for number in more])

    def teardown(self) -> None:
        self.closing.close()

    @property
    def now(self) -> datetime:
        return self.world.now

    @property
    def candidate(self) -> Try | None:
        return next((one for one in self.tries if one.active), None)

    @property
    def latest(self) -> Try | None:
        return self.candidate or (self.tries[-1] if self.tries else None)

    def do(self, allowed: bool, change: Callable[[SqlUnitOfWork], object]) -> bool:
        """Run a command that the model allows or refuses; a refusal changes nothing."""
        if self.only_thinking:
            return allowed
        if allowed:
            self.world.do(change)
        else:
            with pytest.raises(StagegateError):
                self.world.do(change)
        return allowed

    # Commands of people.

    @precondition(lambda self: self.candidate is None)
    @rule(version=st.integers(1, VERSIONS), automatic=st.booleans())
    def start(self, version: int, automatic: bool) -> None:
        self._start(version, "live" if self.live else "none", automatic)

    @rule(version=st.integers(1, VERSIONS), baseline=st.sampled_from(["live", "none", "1", "9"]))
    def start_whatever_runs(self, version: int, baseline: str) -> None:
        self._start(version, baseline, automatic=False)

    def _start(self, version: int, baseline: str, automatic: bool) -> None:
        live = self.live.version if self.live else None
        last = next((one for one in reversed(self.tries) if one.version == version), None)
        number = {"live": live, "none": None}.get(
            baseline, int(baseline) if baseline.isdigit() else None
        )
        allowed = (
            self.candidate is None
            and version != live
            and (last is None or last.stage != "rejected")
            and (baseline != "live" or live is not None)
            and number not in (version, 9)
        )
        text = PLAN.replace("VERSION", str(version)).replace("BASELINE", baseline)
        text = text.replace("AUTOMATIC", str(automatic).lower())
        try:
            self.world.start(text)
        except StagegateError:
            assert not allowed
            return
        assert allowed
        self.tries.append(Try(version, number, automatic, self.now))

    @precondition(lambda self: self.candidate)
    @rule(stale=st.sampled_from([False, False, True]))
    def promote(self, stale: bool) -> None:
        self._promote(None, override=False, stale=stale)

    @precondition(lambda self: self.candidate)
    @rule()
    def promote_on_evidence(self) -> None:
        """What leads on most often, in one go."""
        self._good(self.candidate)
        self._approve("kim", lapsed=False)
        self._promote(None, override=False, stale=False)

    @precondition(lambda self: self.candidate)
    @rule(
        to=st.sampled_from([None, "gradual", "live"]),
        override=st.booleans(),
        stale=st.sampled_from([False, False, True]),
    )
    def promote_in_a_hurry(self, to: str | None, override: bool, stale: bool) -> None:
        self._promote(to, override=override, stale=stale)

    def _promote(
        self, to: str | None, *, override: bool, stale: bool, seen: int | None = None
    ) -> bool:
        """seen: the generation that is expected, if it is not the present one."""
        latest = self.latest
        at = None
        stale = stale or (latest is not None and seen not in (None, latest.generation))
        if latest is not None and latest.active and not latest.paused and not stale:
            at = latest.at + 1 if to in (None, WAY[latest.at + 1][0]) else TO[str(to)]
            behind = at <= latest.at
            straight = at == latest.at + 1
            if behind or not (override or (straight and latest.ready)):
                at = None
        generation = (latest.generation if latest else 1) + stale
        wish = {"to": to, "override": override, "reason": "hurry"}
        self.do(
            at is not None,
            lambda u: promote(u, "bears", "bob", self.now, generation, **wish),  # type: ignore[arg-type]
        )
        if at is not None and latest is not None:
            self._promoted(latest, at)
        return at is not None

    @precondition(lambda self: self.candidate)
    @rule(stop=st.booleans())
    def pause_or_resume(self, stop: bool) -> None:
        self._pause_or_resume(stop)

    @precondition(lambda self: self.candidate is None)
    @rule(command=st.sampled_from(["promote", "pause", "resume", "approve"]))
    def want_what_needs_a_candidate(self, command: str) -> None:
        if command == "promote":
            self._promote("live", override=True, stale=False)
        elif command == "approve" and self.latest is not None:
            self._approve("kim", lapsed=False)
        else:
            self._pause_or_resume(command == "pause")

    def _pause_or_resume(self, stop: bool) -> bool:
        latest = self.latest
        allowed = latest is not None and latest.active and latest.paused is not stop
        act = control.pause if stop else control.resume
        if self.do(allowed, lambda u: act(u, "bears", "eve", self.now)) and latest:
            latest.paused, latest.generation = stop, latest.generation + 1
        return allowed

    @rule(reject=st.sampled_from([False, False, True]), sure=st.sampled_from([False, False, True]))
    def abort(self, reject: bool, sure: bool) -> None:
        """Whatever is a candidate or live can be aborted, and nothing else."""
        if sure:
            self._abort(reject)

    def _abort(self, reject: bool) -> bool:
        command = Command.REJECT if reject else Command.ABORT
        end = "rejected" if reject else "rolled-back"
        out = self.candidate or self.live
        self.do(
            out is not None,
            lambda u: control.abort(u, "bears", "eve", self.now, command=command),
        )
        if out is not None and out is self.candidate:
            out.finish(end)
        elif out is not None:
            self._taken_back(end)
        return out is not None

    @precondition(lambda self: self.live)
    @rule(stale=st.sampled_from([False, False, True]))
    def undo(self, stale: bool) -> None:
        live, previous = self.live, self.previous
        allowed = live is not None and previous is not None and not stale
        allowed = allowed and self._last_of(previous).stage == "retained"  # type: ignore[arg-type]
        rollout = live or self.latest
        generation = (rollout.generation if rollout else 1) + stale
        change = lambda u: control.undo(u, "bears", "eve", self.now, "", generation)  # noqa: E731
        if self.do(allowed, change):
            self._taken_back("rolled-back")

    @precondition(lambda self: self.latest is not None)
    @rule(
        who=st.sampled_from(["kim", "kim", "kim", "ann"]),
        lapsed=st.sampled_from([False, False, False, True]),
    )
    def approve(self, who: str, lapsed: bool) -> None:
        """Ann registered the versions."""
        self._approve(who, lapsed=lapsed)

    def _approve(self, who: str, *, lapsed: bool) -> None:
        latest = self.latest
        digest = "sha256:old"
        if latest is not None and not lapsed:
            with self.world.database.read() as connection:
                unit = SqlUnitOfWork(connection)
                digest = judge(unit, self.world.rollout(), self.now).evidence_digest
        allowed = latest is not None and latest.active and who == "kim" and not lapsed
        if self.do(allowed, lambda u: approve(u, "bears", who, digest, self.now)) and latest:
            latest.approved.add(latest.evidence)

    # The world.

    @precondition(lambda self: self.candidate or self.live)
    @rule(of_live=st.sampled_from([False, False, False, True]))
    def good_answers(self, of_live: bool) -> None:
        self._good(self.live if of_live else self.candidate)

    def _good(self, one: Try | None) -> None:
        if one is not None and one.stage not in one.bad:
            self._review(one, 80, Verdict.CORRECT)
            one.good.add(one.stage)

    @precondition(lambda self: self.candidate or self.live)
    @rule(of_live=st.booleans(), sure=st.booleans())
    def harm(self, of_live: bool, sure: bool) -> None:
        if not sure:
            return
        one = self.live if of_live else self.candidate
        if one is not None and one.stage not in one.bad:
            self._review(one, 40, Verdict.ERROR)
            one.bad.add(one.stage)

    @rule(hours=st.sampled_from([-48, -1, 1, 30, 24 * 9, 24 * 31]))
    def clock(self, hours: int) -> None:
        self.world.wait(hours=hours)

    @rule(command=st.sampled_from(["promote", "abort", "pause", "undo", "tick", "watch"]))
    def crash(self, command: str) -> None:
        """Whatever was done before the crash was not done; the invariants see to the rest."""

        def half(unit: SqlUnitOfWork) -> None:
            if command == "promote":
                promote(unit, "bears", "bob", self.now, None, "live", True, "x")
            elif command in ("abort", "pause", "undo"):
                getattr(control, command)(unit, "bears", "bob", self.now)
            else:
                {"tick": tick, "watch": watch}[command](unit, "bears", self.now)
            raise Crash

        with pytest.raises((Crash, StagegateError)):
            self.world.do(half)

    # The controller.

    @precondition(lambda self: self.candidate)
    @rule()
    def tick(self) -> None:
        before, may_raise = _exposure(self._stored_candidate()), self._may_raise()
        self.world.do(lambda u: tick(u, "bears", self.now))
        assert _exposure(self._stored_candidate()) <= before or may_raise
        self._ticked()

    def _may_raise(self) -> bool:
        one = self.candidate
        if one is None or not one.automatic or one.paused:
            return False
        return one.stage == "gradual" and one.ready

    def _ticked(self) -> None:
        one = self.candidate
        if one is None:
            return
        deadline = timedelta(days=30 if one.stage == "manual-review" else 10)
        overdue = self.now >= one.since + deadline
        if one.stage in one.bad:
            one.finish("rolled-back")
        elif overdue and one.stage == "manual-review":
            one.finish("expired")
        elif overdue and not one.paused and not one.held_once:
            one.paused = one.held_once = True
            one.generation += 1
        elif self._may_raise():
            self._promoted(one, one.at + 1)

    @precondition(lambda self: self.live)
    @rule()
    def watch(self) -> None:
        one = self.live
        self.world.do(lambda u: watch(u, "bears", self.now))
        if one is None or one.watched_until is None:
            return
        if "live" in one.bad:
            self._taken_back("rolled-back")
        elif self.now >= one.watched_until:
            one.watched_until, one.generation = None, one.generation + 1

    # What must always be true.

    @invariant()
    def the_database_agrees_with_the_model(self) -> None:
        found = self._stored()
        assert found == self._modelled()
        assert found[-1].count("live") <= 1

    def _stored(self) -> tuple[Any, ...]:
        with self.world.database.read() as connection:
            unit = SqlUnitOfWork(connection)
            stored = unit.rollouts.active("bears")
            live = unit.rollouts.live("bears")
            numbers = unit.live.get("bears")
            every = sa.select(rollouts.c.stage).order_by(rollouts.c.number)
            stages = list(connection.execute(every).scalars())
        return _described(stored), _described(live), numbers, stages

    def _modelled(self) -> tuple[Any, ...]:
        numbers = tuple(one.version if one else None for one in (self.live, self.previous))
        stages = [one.stage for one in self.tries]
        return _expected(self.candidate), _expected(self.live), numbers, stages

    @invariant()
    def the_log_is_whole(self) -> None:
        with self.world.database.read() as connection:
            found = check_audit(SqlUnitOfWork(connection))
        assert found.intact, found.sentence

    @precondition(lambda self: self.tries)
    @invariant()
    def mlflow_will_show_the_truth(self) -> None:
        aliases = {alias: version for alias, version, _ in self.world.effects()}
        assert aliases.get("live") == (self.live.version if self.live else None)
        assert aliases.get("candidate") == (self.candidate.version if self.candidate else None)

    # Helpers of the model.

    def _promoted(self, one: Try, at: int) -> None:
        one.move(at, self.now)
        if at == LIVE:
            if self.live is not None:
                self.live.end, self.live.generation = "retained", self.live.generation + 1
                self.previous = self.live
            self.live = one

    def _taken_back(self, end: str) -> None:
        out, back = self.live, self.previous
        assert out is not None
        if back is not None and self._last_of(back).stage != "retained":
            back = None
        out.finish(end)
        candidate = self.candidate
        if candidate is not None and candidate.baseline == out.version:
            candidate.baseline = back.version if back else None
            candidate.generation += 1
        self.live, self.previous = back, None
        if back is not None:
            back.end, back.since, back.generation = None, self.now, back.generation + 1

    def _last_of(self, one: Try) -> Try:
        return next(other for other in reversed(self.tries) if other.version == one.version)

    def _stored_candidate(self) -> Rollout | None:
        with self.world.database.read() as connection:
            return SqlUnitOfWork(connection).rollouts.active("bears")

    def _review(self, one: Try, count: int, verdict: Verdict) -> None:
        one.seen.add(one.at)
        with self.world.database.read() as connection:
            unit = SqlUnitOfWork(connection)
            stored = unit.rollouts.of_version("bears", one.version)
        assert stored is not None
        rows = [self._row(stored, verdict) for _ in range(count)]
        self.world.do(lambda u: u.evidence.add(rows))

    def _row(self, rollout: Rollout, verdict: Verdict) -> EvidenceRow:
        self.rows += 1
        return EvidenceRow(
            rollout.id,
            rollout.stage,
            rollout.step,
            f"p{self.rows}",
            rollout.version,
            "teddy",
            1.0,
            True,
            NOW,
            verdict=verdict,
        )


class Races(Machine):
    """The same with commands at once, after each of which everything is taken back."""

    @precondition(lambda self: self.candidate)
    @rule(commands=st.lists(st.sampled_from(RACERS), min_size=2, max_size=4))
    def race(self, commands: list[str]) -> None:
        """What came of commands at once is what comes of them one by one, in some order."""
        seen = self.candidate.generation  # type: ignore[union-attr]
        wish = {"override": True, "reason": "hurry"}
        acts: dict[str, Callable[[SqlUnitOfWork], object]] = {
            "promote": lambda u: promote(u, "bears", "bob", self.now, seen, **wish),  # type: ignore[arg-type]
            "pause": lambda u: control.pause(u, "bears", "eve", self.now),
            "resume": lambda u: control.resume(u, "bears", "eve", self.now),
            "abort": lambda u: control.abort(u, "bears", "eve", self.now),
            "tick": lambda u: tick(u, "bears", self.now),
        }
        gate = threading.Barrier(len(commands))

        def run(command: str) -> bool:
            gate.wait(PATIENCE)
            try:
                self.world.do(acts[command])
            except StagegateError:
                return False
            return True

        with ThreadPoolExecutor(len(commands)) as pool:
            done = list(pool.map(run, commands))
        before, stored = (self.tries, self.live, self.previous), self._stored()
        for order in permutations(range(len(commands))):
            self.tries, self.live, self.previous = deepcopy(before)
            told = [self._thought(commands[place], seen) for place in order]
            if told == [done[place] for place in order] and self._modelled() == stored:
                break
        else:
            raise AssertionError(f"{commands} gave {done} and {stored}: no order of them does")
        while self.candidate or self.live:  # nothing that comes may depend on who won
            self._abort(reject=False)

    def _thought(self, command: str, seen: int) -> bool:
        """What the model makes of a command, and whether it allows it."""
        self.only_thinking = True
        try:
            if command == "promote":
                return self._promote(None, override=True, stale=False, seen=seen)
            if command == "abort":
                return self._abort(reject=False)
            if command == "tick":
                self._ticked()
                return True
            return self._pause_or_resume(command == "pause")
        finally:
            self.only_thinking = False


def _exposure(rollout: Rollout | None) -> float:
    if rollout is None:
        return 0.0
    return 1.0 + rollout.weight if rollout.stage == "gradual" else 0.5


def _described(rollout: Rollout | None) -> object:
    if rollout is None:
        return None
    return (
        rollout.version,
        rollout.stage.value,
        rollout.baseline,
        rollout.generation,
        rollout.paused is not None,
        rollout.watched_until,
    )


def _expected(one: Try | None) -> object:
    if one is None:
        return None
    until = one.watched_until
    return (one.version, one.stage, one.baseline, one.generation, one.paused, until)


@contextmanager
def _copied(template: Path) -> Iterator[str]:
    with TemporaryDirectory() as folder:
        yield f"sqlite:///{shutil.copyfile(template, Path(folder) / 'machine.db')}"


class OnSqlite(Machine):
    pass


class RacesOnSqlite(Races):
    pass


class RacesOnPostgresql(Races):
    pass


@pytest.fixture(scope="module", autouse=True)
def databases(migrated_sqlite: Path, postgresql_server: str, migrated_postgresql: str) -> None:
    OnSqlite.database_url = RacesOnSqlite.database_url = partial(_copied, migrated_sqlite)
    RacesOnPostgresql.database_url = partial(
        postgresql.database, postgresql_server, migrated_postgresql
    )


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        # Shrinking drives the services for minutes; so few commands can be read as they are.
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
    )


TestOnSqlite, TestRacesOnSqlite = OnSqlite.TestCase, RacesOnSqlite.TestCase
TestRacesOnPostgresql = RacesOnPostgresql.TestCase
TestOnSqlite.settings = _settings(12)
TestRacesOnSqlite.settings = TestRacesOnPostgresql.settings = _settings(6)
