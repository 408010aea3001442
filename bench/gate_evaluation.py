"""What one look at all gates costs after a long rollout: from running counts, and read afresh.

    python -m bench.gate_evaluation [--answers 1000000] [--share 0.1] [--looks 20] [--seed 0]
        [--stage manual-review|gradual] [--database sqlite|postgresql]

In gradual every answer is an exposure, too, and the plan has the gates on traffic besides. Of the
answers a share is sampled and has a verdict, but for every tenth of the last 5,000 sampled, which
is pending: the tail that a look keeps in memory begins there. Between two looks 20 answers (and
exposures) and 10 verdicts come in.
"""

import argparse
import os
import resource
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from statistics import median

import numpy as np
import sqlalchemy as sa

from bench.exposures import fill
from bench.review_claims import databases
from console.collector import start_left_out
from console.migrate import upgrade
from registry.adapters.database.engine import Database
from registry.adapters.database.tables import evidence
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.documents.plan_file import parse_plan
from registry.domain.evidence import EvidenceRow
from registry.domain.gates import Judged
from registry.domain.rollout import Rollout
from registry.domain.versions import ModelVersion
from registry.services.judge import GateMemory
from registry.services.start_rollout import start_rollout

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PLANS = {
    "manual-review": """\
apiVersion: stagegate/v1
model: {name: bears, version: 2, baseline: 1}
unit: user_id
segments: [site, camera]
stages:
- stage: manual-review
  review: {sample: 0.1, due: 24h, gold: 0.01, opinions: {audit: 2}}
  gates:
  - {type: error-rate, at_most: 0.05, per_segment: true}
  - {type: paired-loss, margin: 0.02, per_segment: true}
  - {type: error-ratio, at_most: 1.5}
  - {type: agreement, at_least: 0.9}
  - {type: gold, at_least: 0.9}
  - {type: drift}
  deadline: {after: 300d, then: hold}
""",
    "gradual": """\
apiVersion: stagegate/v1
model: {name: bears, version: 2, baseline: 1}
unit: user_id
segments: [site, camera]
stages:
- stage: gradual
  steps: [{weight: 25}, {weight: 50}]
  review: {sample: 0.1, due: 24h, gold: 0.01, opinions: {audit: 2}}
  gates:
  - {type: error-rate, at_most: 0.05, per_segment: true}
  - {type: error-ratio, at_most: 1.5}
  - {type: agreement, at_least: 0.9}
  - {type: gold, at_least: 0.9}
  - {type: drift}
  - {type: action-rate}
  - {type: failures}
  - {type: latency, p99_ratio_at_most: 1.5}
  - {type: split}
""",
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--answers", type=int, default=1_000_000)
    arguments.add_argument("--share", type=float, default=0.1)
    arguments.add_argument("--looks", type=int, default=20)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--stage", choices=list(PLANS), default="manual-review")
    arguments.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    chosen = arguments.parse_args()
    with databases(chosen.database) as (url, _):
        upgrade(url)
        with closing(Database(url)) as database, start_left_out():  # as the service does
            run(database, chosen)


def run(database: Database, chosen: argparse.Namespace) -> None:
    rng = np.random.default_rng(chosen.seed)
    rollout = a_rollout(database, PLANS[chosen.stage])
    verdicts, waiting, now = 0, [], NOW
    stream = answers(rollout, chosen.answers, chosen.share, rng)
    with database.begin() as connection:
        while rows := list(islice(stream, 20_000)):
            connection.execute(sa.insert(evidence), rows)
            verdicts += sum(row["verdict"] is not None for row in rows)
            waiting += [r["prediction_id"] for r in rows if r["sampled"] and not r["verdict"]]
            now = rows[-1]["created_at"] + timedelta(seconds=1)
    traffic = chosen.stage == "gradual"
    if traffic:
        fill(database, chosen.answers, rng, rollout.id, now)
    print(f"{chosen.answers} answers, {verdicts} verdicts, {len(waiting)} pending, {peak()}")
    memory = GateMemory()
    took, gates = look(database, rollout, now, memory)
    print(f"from the beginning: {took:.0f} ms, {len(gates)} verdicts of gates, {peak()}")
    times, worked = [], []
    for number in range(chosen.looks):
        now += timedelta(seconds=20)
        with database.begin() as connection:
            unit = SqlUnitOfWork(connection)
            unit.evidence.add(fresh(rollout, number, now))
        if traffic:
            fill(database, 20, rng, rollout.id, now)
        with database.begin() as connection:
            unit = SqlUnitOfWork(connection)
            for name in waiting[number * 10 : number * 10 + 10]:
                unit.evidence.settle(name, "teddy", "rae", now)
        began = time.process_time()
        times.append(look(database, rollout, now, memory)[0])
        worked.append((time.process_time() - began) * 1_000)
    afresh, again = look(database, rollout, now, GateMemory())
    same = again == look(database, rollout, now, memory)[1]
    print(
        f"{chosen.database}, {chosen.stage}, after 20 answers and 10 verdicts more: "
        f"median {median(times):.1f} ms, slowest {max(times):.1f} ms over {len(times)} looks; "
        f"of the processor median {median(worked):.1f} ms, most {max(worked):.1f} ms; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    print(f"read afresh: {afresh:.0f} ms; the same verdicts: {same}; {peak()}")


def look(
    database: Database, rollout: Rollout, now: datetime, memory: GateMemory
) -> tuple[float, tuple[Judged, ...]]:
    with database.read() as connection:
        unit = SqlUnitOfWork(connection)
        began = time.perf_counter()
        gates = memory.gates(unit, rollout, now)
        return (time.perf_counter() - began) * 1_000, gates


def a_rollout(database: Database, plan: str) -> Rollout:
    with database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        for number in (1, 2):
            unit.versions.add(
                ModelVersion(
                    model="bears",
                    version=number,
                    digest=f"sha256:{number}",
                    bundle_uri="file:///nowhere",
                    source_format="fastai",
                    labels=("grizzly", "teddy"),
                    environment={},
                    author="ann",
                    created_at=NOW,
                )
            )
        return start_rollout(unit, parse_plan(plan), "bob", NOW, str(uuid.uuid4()), "salt")


def answers(rollout: Rollout, count: int, share: float, rng: np.random.Generator) -> Iterator[dict]:
    """30 days of answers of the one rollout, as rows of the table."""
    with_verdict = rng.random(count) < share
    wrong, theirs = rng.random(count) < 0.02, rng.random(count) < 0.02
    sites, cameras = rng.integers(0, 10, count), rng.integers(0, 5, count)
    sampled = 0
    total = int(with_verdict.sum())
    for i in range(count):
        moment = NOW + timedelta(seconds=i * 2.592)
        looked = bool(with_verdict[i])
        sampled += looked
        pending = looked and sampled > total - 5_000 and sampled % 10 == 0
        yield {
            "rollout_id": rollout.id, "stage": rollout.stage.value, "step": 0,
            "prediction_id": f"p{i}",
            "version": 2, "arm": "candidate", "model_label": "panda" if wrong[i] else "teddy",
            "baseline_label": "panda" if theirs[i] else "teddy", "inclusion_probability": share,
            "sampled": looked, "drawn": looked, "unit": i % 5_000,
            "segments": {"site": f"s{sites[i]}", "camera": f"c{cameras[i]}"},
            "due_at": moment + timedelta(days=9) if looked else None,
            "human_label": "teddy" if looked and not pending else None,
            "verdict": ("error" if wrong[i] else "correct") if looked and not pending else None,
            "reviewer": "rae" if looked and not pending else None,
            "created_at": moment,
            "decided_at": moment + timedelta(minutes=5) if looked and not pending else None,
        }  # fmt: skip


def fresh(rollout: Rollout, number: int, now: datetime) -> list[EvidenceRow]:
    return [
        EvidenceRow(
            rollout_id=rollout.id,
            stage=rollout.stage,
            step=0,
            prediction_id=f"f{number}-{i}",
            version=2,
            model_label="teddy",
            inclusion_probability=0.1,
            sampled=i % 10 == 0,
            created_at=now,
            due_at=now + timedelta(days=1) if i % 10 == 0 else None,
            baseline_label="teddy",
            segments={"site": f"s{i % 10}", "camera": f"c{i % 5}"},
        )
        for i in range(20)
    ]


def peak() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most"


if __name__ == "__main__":
    main()
