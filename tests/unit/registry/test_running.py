"""The running state of evidence is what counting everything afresh would give, to the last bit."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.domain.evidence import Arm, EvidenceRow, Second, Verdict
from registry.domain.evidence_table import EvidenceTable, Standing, table_of
from registry.domain.gate_table import judge_gates
from registry.domain.gates import Evidence
from registry.domain.horizon import IN_ORDER, Horizon
from registry.domain.plan import Defaults, GateSpec, Scope
from registry.domain.rollout import Rollout
from registry.domain.running import Answers, Counting, Running
from registry.domain.segments import Values
from registry.domain.stages import Stage
from registry.ports import UnitOfWork
from registry.services.follow_evidence import Followed, follow

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
EXPECTED = {"site": ("north",), "camera": ()}
GATES = [
    GateSpec("error-rate", {"at_most": 0.2, "per_segment": True}),
    GateSpec("paired-loss", {"margin": 0.05, "per_segment": True}),
    GateSpec("error-ratio", {"at_most": 1.5, "per_segment": True}),
    GateSpec("agreement", {"at_least": 0.7}),
]
ROLLOUT = cast(
    Rollout,
    SimpleNamespace(
        id="r",
        stage=Stage.GRADUAL,
        baseline_generation=2,
        stage_plan=SimpleNamespace(gates=GATES, scope=Scope({"site": ("north", "s*")})),
        plan=SimpleNamespace(segments=("site", "camera"), visit_seconds=90.0),
    ),
)


@dataclass
class Stored:
    """A row and, later, its verdict; others see each when its transaction has ended."""

    row: EvidenceRow
    visible: datetime
    verdict: tuple[Verdict, str, datetime] | None = None
    verdict_visible: datetime = NOW
    verdict_begun: datetime = NOW

    def at(self, now: datetime) -> EvidenceRow:
        if self.verdict is None or self.verdict_visible > now:
            return self.row
        verdict, label, decided = self.verdict
        return replace(
            self.row, verdict=verdict, human_label=label, reviewer="rae", decided_at=decided
        )


@dataclass
class Shelf:
    """The evidence port over rows in memory, as of one moment."""

    stored: list[Stored]
    now: datetime = NOW
    read: int = field(default=0)
    in_order: bool = False

    def _rows(self) -> list[tuple[int, EvidenceRow]]:
        numbered = enumerate(self.stored, start=1)
        return [(i, one.at(self.now)) for i, one in numbered if one.visible <= self.now]

    def _table(self, rows: list[tuple[int, EvidenceRow]], names: Any) -> EvidenceTable:
        self.read += len(rows)
        found = table_of([row for _, row in rows], names)
        return replace(found, ids=np.array([i for i, _ in rows], np.int64))

    def table(
        self, _: str, __: Stage, names: Any = (), *, after: int = 0, most: int | None = None
    ) -> EvidenceTable:
        return self._table([(i, r) for i, r in self._rows() if i > after][:most], names)

    def rows(self, ids: Any, names: Any = ()) -> EvidenceTable:
        return self._table([(i, r) for i, r in self._rows() if i in ids], names)

    def open(self, _: str, __: Stage, due_after: datetime) -> frozenset[int]:
        return frozenset(
            i
            for i, r in self._rows()
            if r.sampled and r.verdict is None and (r.due_at is None or r.due_at > due_after)
        )

    def horizon(self) -> Horizon:
        """Transactions are numbered by when they begin, a row's when it is created."""
        if self.in_order:
            return IN_ORDER
        spans = [(one.row.created_at, one.visible) for one in self.stored]
        spans += [(one.verdict_begun, one.verdict_visible) for one in self.stored if one.verdict]
        after = self.now + timedelta(microseconds=1)
        open_ = [begun for begun, ended in spans if begun <= self.now < ended]
        return Horizon(_number(min(open_, default=after)), _number(after))


def _number(moment: datetime) -> int:
    return round((moment - NOW) / timedelta(microseconds=1))


def looked(shelf: Shelf, before: Followed | None = None) -> Followed:
    unit = cast(UnitOfWork, SimpleNamespace(evidence=shelf))
    return follow(unit, ROLLOUT, shelf.now, before)


def said(answers: Answers, now: datetime) -> list[object]:
    evidence = Evidence(answers, None, Defaults(), now, inclusion=0.25, step=1, weights=(5, 50))
    order = [list(found) for found in (*answers.segments.values(), *answers.arms_of.values())]
    return [answers, order, judge_gates(GATES, evidence)]


seconds = st.integers(0, 100)
slow = st.one_of(st.integers(0, 14), st.integers(0, 2_000))  # how long a transaction takes


@st.composite
def stores(draw: st.DrawFn) -> list[Stored]:
    found = []
    moment = NOW
    for number in range(draw(st.integers(0, 25))):
        moment += timedelta(seconds=draw(seconds))
        sampled = draw(st.booleans())
        row = EvidenceRow(
            rollout_id="r",
            stage=Stage.GRADUAL,
            step=draw(st.sampled_from([0, 1])),
            prediction_id=f"p{number}",
            version=2,
            model_label="teddy",
            inclusion_probability=draw(st.sampled_from([0.25, 1.0])),
            sampled=sampled,
            created_at=moment,
            due_at=moment + timedelta(seconds=draw(seconds)) if draw(st.booleans()) else None,
            baseline_label=draw(st.sampled_from([None, "teddy", "panda"])),
            segments=draw(
                st.sampled_from([{}, {"site": "north"}, {"site": "south", "camera": "c"}])
            ),
            arm=draw(st.sampled_from(Arm)),
            drawn=draw(st.booleans()),
            unit=draw(st.sampled_from([None, 1, 2, 3])),
            epoch=draw(st.sampled_from([1, 2])),
            second=draw(st.sampled_from([None, *Second])),
        )
        stored = Stored(row, moment + timedelta(seconds=draw(slow)))
        if sampled and draw(st.booleans()):
            right = draw(st.booleans())
            verdict = Verdict.CORRECT if right else Verdict.ERROR
            decided = stored.visible + timedelta(seconds=draw(seconds))
            stored.verdict = (verdict, "teddy" if right else "panda", decided)
            stored.verdict_begun = decided + timedelta(seconds=draw(st.integers(0, 110)))
            stored.verdict_visible = stored.verdict_begun + timedelta(seconds=draw(slow))
        found.append(stored)
    return found


@settings(deadline=None, max_examples=50)
@given(stores(), st.lists(st.integers(0, 400), max_size=8))
def test_however_the_stream_is_cut_into_looks_the_result_is_that_of_one_look(
    stored: list[Stored], waits: list[int]
) -> None:
    shelf, followed = Shelf(stored), None
    for wait in [*waits, 9, 3_000, 16, 200, 5_000, 1]:
        shelf.now += timedelta(seconds=wait)
        followed = looked(shelf, followed)
        afresh = answers_of_all(shelf)
        assert said(followed.running.answers(shelf.now), shelf.now) == said(afresh, shelf.now)
        assert said(looked(shelf).running.answers(shelf.now), shelf.now) == said(afresh, shelf.now)


def answers_of_all(shelf: Shelf) -> Answers:
    rows = [row for _, row in shelf._rows()]
    counting = Counting(EXPECTED, 2, 90.0, sides_by_segment=True)
    fresh = table_of(rows, tuple(EXPECTED))
    return Running.start(counting).take(0, table_of([], tuple(EXPECTED)), fresh).answers(shelf.now)


def a_stored(at: int, **changes: object) -> Stored:
    moment = NOW + timedelta(seconds=at)
    row = EvidenceRow("r", Stage.GRADUAL, 0, f"p{at}", 2, "teddy", 1.0, True, moment, due_at=moment)
    return Stored(replace(row, **changes), moment)  # type: ignore[arg-type]


def test_a_look_reads_what_is_new_and_keeps_what_may_still_change() -> None:
    later = NOW + timedelta(hours=2)
    waiting = a_stored(500, due_at=later)
    waiting.verdict_begun = waiting.verdict_visible = NOW + timedelta(minutes=90)
    waiting.verdict = (Verdict.ERROR, "panda", waiting.verdict_visible)
    shelf = Shelf([*map(a_stored, range(500)), waiting, *map(a_stored, range(501, 800))])
    shelf.now = NOW + timedelta(hours=1)
    followed = looked(shelf)
    assert shelf.read == 800
    assert len(followed.running.tail) == 300
    shelf.stored += [a_stored(3_601, segments={"site": "south"})]
    shelf.now += timedelta(minutes=1)
    followed = looked(shelf, followed)
    assert shelf.read == 801
    shelf.now += timedelta(minutes=30)
    followed = looked(shelf, followed)
    assert shelf.read == 802  # the row with the verdict
    assert len(followed.running.tail) == 0
    assert followed.running.answers(shelf.now).whole.answers == 801


def test_a_verdict_past_its_due_time_never_counts() -> None:
    row = a_stored(0, due_at=NOW + timedelta(minutes=1)).row
    told = {"verdict": Verdict.ERROR, "human_label": "panda", "reviewer": "rae"}
    for decided, standing in (
        (59, Standing.ERROR),
        (60, Standing.OVERDUE),
        (999, Standing.OVERDUE),
    ):
        late = replace(row, decided_at=NOW + timedelta(seconds=decided), **told)  # type: ignore[arg-type]
        for now in (NOW, NOW + timedelta(days=1)):
            assert table_of([late]).at(now).tolist() == [standing]


def test_a_clock_that_is_set_back_is_followed_from_the_beginning() -> None:
    shelf = Shelf([a_stored(0, due_at=NOW + timedelta(hours=1))])
    shelf.now = NOW + timedelta(hours=3)
    followed = looked(shelf)
    assert followed.running.answers(shelf.now).whole.pending == 0
    shelf.now = NOW
    assert looked(shelf, followed).running.answers(NOW).whole.pending == 1


def test_other_segments_or_another_rollout_are_counted_from_the_beginning() -> None:
    shelf = Shelf([a_stored(0)])
    followed = looked(shelf)
    other = replace(followed, rollout_id="another")
    assert looked(shelf, other) == followed


@pytest.mark.parametrize("count", [60_000, 50_000])
def test_a_long_history_is_counted_in_portions(count: int) -> None:
    one = a_stored(0)
    shelf = Shelf([], in_order=True)
    table = table_of([one.row], ("site", "camera"))
    many = replace(
        table.where(np.zeros(count, np.intp)), ids=np.arange(1, count + 1, dtype=np.int64)
    )
    sizes = []

    def portion(
        _: str, __: Stage, names: Any = (), *, after: int = 0, most: int | None = None
    ) -> EvidenceTable:
        found = many.where(slice(after, None if most is None else after + most))
        sizes.append(len(found))
        return found

    shelf.table = portion  # type: ignore[method-assign]
    shelf.now = NOW + timedelta(days=1)
    followed = looked(shelf)
    assert max(sizes) <= 50_000
    assert len(sizes) == 2
    assert len(followed.running.tail) == 0
    assert followed.running.answers(shelf.now).whole.answers == count


@given(st.lists(st.lists(st.sampled_from([None, "a", "b", "c"]), max_size=9), max_size=6))
def test_a_column_of_values_holds_what_was_put_into_it(parts: list[list[str | None]]) -> None:
    column = Values.of([])
    for part in parts:
        column = column.followed_by(Values.of(part))
    whole = [value for part in parts for value in part]
    assert column.listed() == whole
    assert column.where(slice(2, None)).listed() == whole[2:]


def test_values_that_are_gone_are_not_kept() -> None:
    column = Values.of([str(i) for i in range(1_000)]).where(slice(990, None))
    assert len(column.distinct) == 10
