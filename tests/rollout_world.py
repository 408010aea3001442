"""A small world for tests of rollouts: versions, plans, and reviewed answers on demand."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from fastapi import APIRouter

from registry.adapters.database.engine import Database
from registry.adapters.database.tables import outbox
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.api import rollouts
from registry.documents.plan_file import parse_plan
from registry.domain.errors import Invalid
from registry.domain.evidence import DriftMeasurement, EvidenceRow, Verdict
from registry.domain.rollout import Rollout
from registry.domain.versions import ModelVersion
from registry.services.record import NOTIFICATION
from registry.services.start_rollout import start_rollout
from serving.adapters.traffic import SqlTraffic

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

PLAN = """\
apiVersion: stagegate/v1
model: {name: bears, version: 2, baseline: none}
unit: user_id
stages:
- stage: manual-review
  gates: [{type: error-rate, at_most: 0.05}]
  deadline: {after: 30d, then: roll-back}
- stage: limited-scope
  scope: {where: {site: [ranger-7]}}
  review: {sample: 1.0}
  gates: [{type: error-rate, at_most: 0.05}, {type: drift}]
  deadline: {after: 14d, then: hold}
- stage: gradual
  steps: [{weight: 5, bake: 1h}, {weight: 50}]
  review: {sample: 0.5}
  gates: [{type: error-rate, at_most: 0.05}]
"""


def a_version(number: int, author: str = "ann") -> ModelVersion:
    return ModelVersion(
        model="bears",
        version=number,
        digest=f"sha256:{number}",
        bundle_uri="file:///nowhere",
        source_format="fastai",
        labels=("grizzly", "teddy"),
        environment={"torch": "2.13"},
        author=author,
        created_at=NOW,
    )


class World:
    """One database with bears@1 to bears@3, and a clock that tests move."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOW
        self.rows = 0
        self.starts = 0
        with database.begin() as connection:
            for number in (1, 2, 3):
                SqlUnitOfWork(connection).versions.add(a_version(number))

    def do(self, change: Callable[[SqlUnitOfWork], object]) -> object:
        with self.database.begin() as connection:
            return change(SqlUnitOfWork(connection))

    def start(self, text: str = PLAN, actor: str = "bob") -> Rollout:
        self.starts += 1
        self.wait(seconds=1)
        plan, identity = parse_plan(text), f"rollout-{self.starts}"
        with self.database.begin() as connection:
            unit = SqlUnitOfWork(connection)
            return start_rollout(unit, plan, actor, self.now, identity, "salt")

    def rollout(self, model: str = "bears") -> Rollout:
        with self.database.read() as connection:
            found = SqlUnitOfWork(connection).rollouts.latest(model)
        assert found is not None
        return found

    def review(self, correct: int = 0, errors: int = 0, pending: int = 0) -> None:
        """Answers of the candidate in its present stage, with these verdicts, in this order."""
        rollout = self.rollout()
        verdicts = [Verdict.CORRECT] * correct + [Verdict.ERROR] * errors + [None] * pending
        rows = [self._row(rollout, verdict) for verdict in verdicts]
        self.do(lambda unit: unit.evidence.add(rows))

    def measure_drift(self, alarm: bool) -> None:
        rollout = self.rollout()
        measurement = DriftMeasurement(
            "bears",
            rollout.version,
            self.now - timedelta(hours=1),
            self.now,
            500,
            alarm,
            "brightness moved",
            {},
            self.now,
        )
        self.do(lambda unit: unit.drift.add(measurement))

    def require_level(self, version: ModelVersion, level: float) -> None:
        """As of a scorer that was calibrated on 399 rows."""
        if level < 1 / 400:
            raise Invalid(f"{version.name} cannot flag at {level:g}")

    def router(self) -> APIRouter:
        return rollouts.router(self.database, lambda: self.now, self.require_level, SqlTraffic)

    def wait(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    def actions(self) -> list[tuple[str, str]]:
        with self.database.read() as connection:
            events = SqlUnitOfWork(connection).audit.read()
        return [(event.actor, event.action) for event in events]

    def effects(self) -> list[tuple[str, object, object]]:
        """What was asked of MLflow: (alias or "stage", version, stage or None)."""
        with self.database.read() as connection:
            wanted = sa.select(outbox.c.payload).where(outbox.c.topic.startswith("mlflow."))
            asked = connection.execute(wanted.order_by(outbox.c.id)).scalars()
            return [(p.get("alias", "stage"), p["version"], p.get("stage")) for p in asked]

    def told(self) -> list[tuple[str, str]]:
        """What people were told of: (event, sentence)."""
        with self.database.read() as connection:
            wanted = sa.select(outbox.c.payload).where(outbox.c.topic == NOTIFICATION)
            found = connection.execute(wanted.order_by(outbox.c.id)).scalars()
            return [(p["event"], p["sentence"]) for p in found]

    def live(self) -> tuple[int | None, int | None]:
        with self.database.read() as connection:
            return SqlUnitOfWork(connection).live.get("bears")

    def _row(self, rollout: Rollout, verdict: Verdict | None) -> EvidenceRow:
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
            self.now,
            due_at=self.now + timedelta(hours=1),
            verdict=verdict,
        )
