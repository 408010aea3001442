"""What an exposure costs to write, and what a look at a million of them costs.

    python -m bench.exposures [--rows 1000000] [--seed 0]

Writes go to SQLite in groups of 64, as the ledger makes them under load. The look is that of a
controller which has seen all rows but the last hundred; `from nothing` is that of a new one.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from console import migrate
from registry.adapters.database.engine import Database
from registry.adapters.database.tables import exposure
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.documents.plan_file import parse_plan
from registry.domain.evidence import Arm
from registry.domain.exposure import Exposure
from registry.domain.gate_table import judge_gates
from registry.domain.gates import Evidence
from registry.domain.plan import Defaults
from registry.domain.rollout import Rollout
from registry.domain.running import Answers
from registry.domain.stages import Stage
from registry.services.follow_traffic import TrafficMemory

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PLAN = """\
apiVersion: stagegate/v1
model: {name: bears, version: 2, baseline: 1}
unit: user_id
stages:
- stage: gradual
  steps: [{weight: 25}, {weight: 50}]
  gates: [{type: split}, {type: failures}, {type: latency, p99_ratio_at_most: 1.5},
          {type: action-rate}]
"""


def a_rollout() -> Rollout:
    plan = parse_plan(PLAN)
    return Rollout("r", "bears", 2, "d", 1, plan, "p", "salt", Stage.GRADUAL, 0, 1, "ann",
                   NOW, NOW, NOW)  # fmt: skip


def fill(
    database: Database,
    rows: int,
    rng: np.random.Generator,
    rollout: str = "r",
    until: datetime = NOW,
) -> None:
    """A tenth as many units as requests, a hundred requests a second up to a moment."""
    units = rng.integers(0, max(rows // 10, 1), rows)
    times = rng.lognormal(3, 0.5, rows)
    labels = rng.choice(["bear", "fox", "nothing"], rows, p=[0.2, 0.1, 0.7])
    failed = rng.random(rows) < 0.001
    for start in range(0, rows, 50_000):
        values = [
            {
                "rollout_id": rollout, "stage": "gradual", "step": 0, "epoch": 1, "share": 0.25,
                "candidate": bool(units[i] % 4 == 0), "unit": int(units[i]),
                "action": str(labels[i]), "failed": bool(failed[i]), "answer_ms": float(times[i]),
                "created_at": until - timedelta(seconds=(rows - i) / 100),
            }
            for i in range(start, min(start + 50_000, rows))
        ]  # fmt: skip
        with database.begin() as connection:
            connection.execute(sa.insert(exposure), values)


def write_cost(database: Database, group: int, groups: int) -> float:
    """Seconds for a row in a group, in the median over groups."""
    row = Exposure("w", Stage.GRADUAL, 0, 1, 0.25, Arm.CANDIDATE, 1, "bear", False, 20.0, NOW)
    found = []
    for _ in range(groups):
        with database.begin() as connection:
            unit = SqlUnitOfWork(connection)
            began = time.perf_counter()
            for _ in range(group):
                unit.exposures.add(row)
            found.append((time.perf_counter() - began) / group)
    return statistics.median(found)


def took(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'bench.db'}"
        migrate.upgrade(url)
        database = Database(url)
        print(f"insert beside a prediction: {write_cost(database, 64, 100) * 1e6:.0f} µs a row")
        fill(database, options.rows, np.random.default_rng(options.seed))
        memory, rollout = TrafficMemory(), a_rollout()

        def look() -> None:
            with database.read() as connection:
                traffic = memory.traffic(SqlUnitOfWork(connection).exposures, rollout, NOW)
            evidence = Evidence(Answers(), None, Defaults(), NOW, step=0, traffic=traffic.whole)
            judge_gates(rollout.stage_plan.gates, replace(evidence, baseline=True))

        print(f"a look from nothing at {options.rows:,} rows: {took(look) / 1_000:.1f} s")
        looks = []
        for number in range(20):
            fill(database, 100, np.random.default_rng(options.seed + 1 + number))
            looks.append(took(look))
        print(f"a look after 100 more: median {statistics.median(looks):.1f} ms, "
              f"largest {max(looks):.1f} ms")  # fmt: skip
        database.close()


if __name__ == "__main__":
    main()
