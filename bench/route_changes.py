"""How long after the commit of a change of routes a replica routes by it.

    python -m bench.route_changes [--changes 100]

Two replicas follow one database, with models that cost nothing, while changes are committed at
random moments; the time runs from the end of the commit until both have applied it.
"""

import argparse
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import postgresql
import serving_app
from serving_fakes import FakeRunner, Measured, a_version

from console.migrate import upgrade
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from serving.adapters.engine import Batching
from serving.adapters.fleet import LiveFleet
from serving.adapters.route_changes import NobodyTells, RouteChanges

MODELS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=100)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, postgresql.server(durable=True) as server:
        with postgresql.database(server) as url:
            _measure("PostgreSQL, told", url, args.changes)
        with postgresql.database(server) as url:
            _measure("PostgreSQL, looked at", url, args.changes, looking=True)
        _measure("SQLite, looked at", f"sqlite:///{folder}/test.db", args.changes)


def _measure(name: str, url: str, changes: int, *, looking: bool = False) -> None:
    upgrade(url)
    database = Database(url)
    _fill(database)
    seconds = []
    with ExitStack() as closing:
        closing.callback(database.close)
        fleets = [_following(database, NobodyTells() if looking else None) for _ in range(2)]
        for fleet in fleets:
            closing.callback(fleet.close)
        draw = random.Random(1)
        for number in range(changes):
            time.sleep(draw.uniform(0.05, 0.25))
            value = _change(database, f"m{number % MODELS}", 2 - number // MODELS % 2)
            began = time.perf_counter()
            while any(_clock(fleet) < value for fleet in fleets):
                time.sleep(0.0002)
            seconds.append(time.perf_counter() - began)
    found = np.quantile(np.array(seconds) * 1000, [0.5, 0.99, 1.0])
    print(f"{name}: median {found[0]:.1f} ms, p99 {found[1]:.1f}, longest {found[2]:.1f}")


def _fill(database: Database) -> None:
    with database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        for model in (f"m{number}" for number in range(MODELS)):
            for version in (1, 2):
                unit.versions.add(a_version(version, model))
            unit.live.put(model, 1, 2, serving_app.now())
        unit.routing_clock.tick()


def _following(database: Database, changes: RouteChanges | None) -> LiveFleet:
    fleet = LiveFleet(
        database,
        lambda _: FakeRunner(),
        lambda _: None,
        Measured(),
        serving_app.now,
        Batching(8, 0.001, 64),
        changes=changes,
    )
    fleet.start()
    return fleet


def _change(database: Database, model: str, version: int) -> int:
    with database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        unit.routing_clock.tick()
        unit.live.put(model, version, 3 - version, serving_app.now())
        return unit.routing_clock.value()


def _clock(fleet: LiveFleet) -> int:
    with fleet.admit() as generation:
        return generation.snapshot.clock


if __name__ == "__main__":
    main()
