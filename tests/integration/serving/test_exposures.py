"""Every drawn request leaves one row, whichever arm it is in and whatever became of it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import serving_app
from serving_fakes import FakeRunner, image
from starlette.testclient import TestClient

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.evidence import Arm
from registry.domain.exposure import Exposure
from registry.domain.plan import Answers, FlaggedThen, Flags, Review, Scope, StagePlan, Step
from registry.domain.stages import Stage
from serving.adapters.payloads import PayloadStore
from serving.domain.routing import PARTS, place, unit_hash

pytestmark = pytest.mark.integration
URL = "/v1/models/waste/predict"
HALF = StagePlan(Stage.GRADUAL, steps=(Step(50.0, 0.0),), review=Review(sample=0.0))
BROKEN = FakeRunner(fails=ValueError())


@contextmanager
def served(
    database: Database,
    home: Path,
    part: StagePlan,
    flags: Flags = serving_app.ROLLOUT_FLAGS,
    **runners: FakeRunner,
) -> Iterator[TestClient]:
    with ExitStack() as stack:
        serving_app.register(database, part, flags=flags)
        found = {1: runners.get("one", FakeRunner("paper")), 2: runners.get("two", FakeRunner())}
        made = serving_app.parts(database, str(home / "payloads"), found)
        yield stack.enter_context(serving_app.client(made))


def ask(client: TestClient, attributes: str, picture: bytes = image()) -> int:
    headers = {"Content-Type": "image/jpeg", "X-Stagegate-Attributes": attributes}
    return client.post(URL, content=picture, headers=headers).status_code


def kept(database: Database, stage: Stage = Stage.GRADUAL) -> tuple[Exposure, ...]:
    with database.read() as connection:
        return SqlUnitOfWork(connection).exposures.read("rollout-1", stage)


def test_each_request_of_a_unit_is_kept_with_its_arm_and_what_was_told(
    database: Database, tmp_path: Path
):
    with served(database, tmp_path, HALF) as client:
        names = [f"user {n}" for n in range(12)]
        codes = [ask(client, f'{{"user_id": "{name}"}}') for name in names]
        assert codes == [200] * 12
        assert ask(client, "{}") == 200  # no unit, no lot
    rows = kept(database)
    assert [row.unit for row in rows] == [unit_hash("salt", name) for name in names]
    assert {row.arm for row in rows} == {Arm.CANDIDATE, Arm.BASELINE}
    for row in rows:
        assert (row.arm is Arm.CANDIDATE) is (place(row.unit) < PARTS / 2)
        assert row.action == ("glass" if row.arm is Arm.CANDIDATE else "paper")
        assert (row.share, row.step, row.epoch, row.failed) == (0.5, 0, 1, False)
        assert row.answer_ms is not None
        assert row.answer_ms > 0


def test_failures_of_both_arms_are_kept_although_the_baselines_are_no_predictions(
    database: Database, tmp_path: Path
):
    with served(database, tmp_path, HALF, one=BROKEN, two=BROKEN) as client:
        codes = {ask(client, f'{{"user_id": {n}}}') for n in range(12)}
    assert codes == {500, 202}  # nobody to answer; or held, where the candidate failed
    rows = kept(database)
    assert [row.failed for row in rows] == [True] * 12
    assert {row.arm for row in rows} == {Arm.CANDIDATE, Arm.BASELINE}


@dataclass
class SlowStore(PayloadStore):
    """A store far away; a body takes it so many seconds."""

    root: str
    seconds: float
    passed: timedelta = timedelta()
    is_near = False

    def __post_init__(self) -> None:
        super().__init__(self.root)

    def put(self, data: bytes) -> str:
        self.passed += timedelta(seconds=self.seconds)
        return super().put(data)

    def clock(self) -> datetime:
        return serving_app.now() + self.passed


@pytest.mark.parametrize(("seconds", "code"), [(15, 200), (50, 503), (70, 503)])
def test_a_row_that_would_appear_after_a_promotion_counted_it_is_refused(
    database: Database, tmp_path: Path, seconds: float, code: int
):
    serving_app.register(database, HALF, flags=serving_app.ROLLOUT_FLAGS)
    store = SlowStore(str(tmp_path / "payloads"), seconds)
    runners = {1: FakeRunner("paper"), 2: FakeRunner()}
    made = serving_app.parts(database, str(tmp_path / "payloads"), runners)
    with serving_app.client(replace(made, payloads=store, clock=store.clock)) as client:
        assert ask(client, '{"user_id": "u"}') == code
    assert len(kept(database)) == (code == 200)


def test_a_held_request_told_no_label(database: Database, tmp_path: Path):
    with served(database, tmp_path, HALF) as client:
        doubtful = image(confidence=0.4)
        codes = [ask(client, f'{{"user_id": {n}}}', doubtful) for n in range(12)]
    rows = kept(database)
    told = {row.arm: row.action for row in rows}
    assert told == {Arm.CANDIDATE: None, Arm.BASELINE: "paper"}
    assert codes.count(202) == sum(row.arm is Arm.CANDIDATE for row in rows)


def test_limited_scope_keeps_the_candidates_requests_and_none_from_outside(
    database: Database, tmp_path: Path
):
    part = StagePlan(
        Stage.LIMITED_SCOPE,
        scope=Scope(where={"site": ("north-*",)}),
        answers=Answers.AFTER_APPROVAL,
    )
    with served(database, tmp_path, part) as client:
        assert ask(client, '{"site": "north-1", "user_id": "u"}') == 202
        assert ask(client, '{"site": "south-1", "user_id": "u"}') == 200
        assert ask(client, '{"site": "north-1"}') == 202
    (row,) = kept(database, Stage.LIMITED_SCOPE)
    assert (row.arm, row.share, row.action) == (Arm.CANDIDATE, 1.0, "glass")  # as proposed
    assert row.unit == unit_hash("salt", "u")


def test_a_caller_that_repeats_its_request_is_counted_once(database: Database, tmp_path: Path):
    with served(database, tmp_path, HALF) as client:
        headers = {
            "Content-Type": "image/jpeg",
            "X-Stagegate-Attributes": '{"user_id": "u"}',
            "Idempotency-Key": "once",
        }
        for _ in range(3):
            assert client.post(URL, content=image(), headers=headers).status_code == 200
    assert len(kept(database)) == 1


def test_where_the_baseline_stands_in_its_label_is_what_was_told(
    database: Database, tmp_path: Path
):
    flags = Flags(min_confidence=0.7, then=FlaggedThen.BASELINE)
    with served(database, tmp_path, HALF, flags=flags) as client:
        doubtful = image(confidence=0.4)
        assert {ask(client, f'{{"user_id": {n}}}', doubtful) for n in range(8)} == {200}
    rows = kept(database)
    assert {row.arm for row in rows} == {Arm.CANDIDATE, Arm.BASELINE}
    assert {row.action for row in rows} == {"paper"}
