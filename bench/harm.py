"""How long a candidate that has shown harm goes on answering, with four serving processes.

    python -m bench.harm [--crossings 50] [--database sqlite|postgresql|both] [--seed 0]

Four services share one database and are asked without a pause, half of the units being the
candidate's. At a random moment one transaction commits failures that cross the threshold of the
`failures` gate; every other rollout is paused before. What is printed is the time from that commit
to the last request that any of the processes routed to the candidate; and the load of the machine,
which tells what others did to the cores meanwhile.
"""

import argparse
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import httpx
import numpy as np
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import colours
from service_process import Service, running
from waiting import eventually

from bench.review_claims import databases
from console.migrate import upgrade
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.evidence import Arm
from registry.domain.exposure import Exposure
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from serving.adapters.tables import prediction

SERVICES, FAILURES = 4, 400
PLAN = """\
apiVersion: stagegate/v1
model: {name: colours, version: 2, baseline: 1}
unit: user
stages:
- stage: gradual
  steps: [{weight: 50}]
  gates: [{type: failures}]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--crossings", type=int, default=50)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for kind in ["sqlite", "postgresql"] if args.database == "both" else [args.database]:
        with databases(kind) as (url, folder):
            _measure(kind, url, folder, args)


def _measure(kind: str, url: str, folder: Path, args: argparse.Namespace) -> None:
    before = os.getloadavg()[0]
    upgrade(url)
    database, rng = Database(url), np.random.default_rng(args.seed)
    colours.record_versions(
        database, colours.make_bundle(folder, datetime.now(UTC)), datetime.now(UTC)
    )
    with database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        unit.live.put("colours", 1, None, datetime.now(UTC))
        unit.routing_clock.tick()
    with ExitStack() as stack:
        homes = [folder / f"home-{number}" for number in range(SERVICES)]
        services = [stack.enter_context(running(home, url)) for home in homes]
        callers = stack.enter_context(_load(services))
        crossings = [
            _cross(database, services[0], rng, paused=number % 2 == 1, number=number)
            for number in range(args.crossings)
        ]
        asked = callers.asked
    database.close()
    looked, seconds = zip(*crossings, strict=True)
    both = (
        ("until the controller looked", looked), ("running", seconds[::2]),
        ("paused", seconds[1::2]), ("all", seconds),
    )  # fmt: skip
    for name, found in both:
        if found:
            print(
                f"{kind}, {name}: {len(found)} crossings, p50 {np.quantile(found, 0.5):.2f} s, "
                f"p99 {np.quantile(found, 0.99):.2f} s, longest {max(found):.2f} s", flush=True,
            )  # fmt: skip
    print(f"{kind}: {asked:,} requests answered meanwhile, {callers.failed} failed", flush=True)
    load = os.getloadavg()[0]
    print(f"{kind}: load {before:.1f} before and {load:.1f} at the end, {os.cpu_count()} cores")


@dataclass
class Callers:
    """What those who ask have met."""

    asked: int = 0
    failed: int = 0
    units: Iterator[int] = field(default_factory=count)


@contextmanager
def _load(services: list[Service]) -> Iterator[Callers]:
    callers, over = Callers(), threading.Event()
    picture = colours.encode(colours.pictures(np.random.default_rng(3), 1)[0][0])

    def work(service: Service) -> None:
        with httpx.Client(base_url=str(service.http.base_url), timeout=60) as client:
            while not over.wait(0.01):
                attributes = f'{{"user": "u{next(callers.units)}"}}'
                headers = {"Content-Type": "image/png", "X-Stagegate-Attributes": attributes}
                answer = client.post("/v1/models/colours/predict", content=picture, headers=headers)
                callers.asked += 1
                callers.failed += answer.status_code != 200

    with ThreadPoolExecutor(len(services)) as pool:
        work_of = [pool.submit(work, service) for service in services]
        try:
            yield callers
        finally:
            over.set()
            for one in work_of:
                one.result()


def _cross(
    database: Database, service: Service, rng: np.random.Generator, *, paused: bool, number: int
) -> tuple[float, float]:
    """Start a rollout, wait until all answer by it, cross the threshold, and look who answered.

    Gives the seconds until the controller's look that found it, and until the last request.
    """
    service.post("/v1/rollouts", plan=PLAN)
    with database.read() as connection:
        rollout = SqlUnitOfWork(connection).rollouts.active("colours")
    if rollout is None:
        raise SystemExit("the rollout that was started is not there")
    time.sleep(1.0)
    if paused:
        service.post("/v1/rollouts/colours:pause")
    time.sleep(float(rng.random()) * 1.5)
    with database.begin() as connection:
        exposures = SqlUnitOfWork(connection).exposures
        for unit in range(FAILURES):
            exposures.add(_failure(rollout, number * FAILURES + unit))
    crossed = datetime.now(UTC)

    def over() -> bool:
        with database.read() as connection:
            found = SqlUnitOfWork(connection).rollouts.latest("colours")
        return found is not None and found.stage is Stage.ROLLED_BACK

    if not eventually(over, 30):
        raise SystemExit(
            f"nobody took rollout {rollout.id} back:\n{service.get('/v1/rollouts/colours')}"
        )
    time.sleep(1.5)
    of_candidate = (prediction.c.rollout_id == rollout.id, prediction.c.version == 2)
    with database.read() as connection:
        last = connection.execute(
            sa.select(sa.func.max(prediction.c.created_at)).where(*of_candidate)
        ).scalar()
    if last is None:
        raise SystemExit("the candidate was never asked")
    with database.read() as connection:
        ended = SqlUnitOfWork(connection).rollouts.latest("colours")
    found = ended.ended_at if ended and ended.ended_at else last
    return tuple(max(0.0, (moment - crossed).total_seconds()) for moment in (found, last))


def _failure(rollout: Rollout, unit: int) -> Exposure:
    return Exposure(
        rollout.id, rollout.stage, rollout.step, rollout.generation, 0.5, Arm.CANDIDATE,
        -1 - unit, None, True, None, datetime.now(UTC),
    )  # fmt: skip


if __name__ == "__main__":
    main()
