"""How long a reviewer waits for the next item of a long queue, on the server and over HTTP.

    python -m bench.review_claims [--items 1000000] [--reviewers 20] [--claims 2000]
        [--database sqlite|postgresql|both] [--http]

Half of the items, those at the head of the queue, are closed to the first reviewer, who has had a
say in each of them. All reviewers take and answer items, one in --pause seconds each, and the
controller makes their answers final meanwhile. What is timed is `next`: from the call until the
lease is committed. With --http a service runs, and both its own time (Server-Timing) and the
client's are given. PostgreSQL is started for the purpose, its disk writes as safe as in production.
"""

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import postgresql
from service_process import running
from serving_fakes import a_prediction, an_item

from bench.reviewers import Client
from console.migrate import upgrade
from registry.adapters.database.engine import Database
from registry.domain.people import Identity, Role
from serving.adapters.ledger import GroupLedger
from serving.adapters.review_lanes import lane_for
from serving.adapters.review_tables import review_item, review_slot
from serving.adapters.tables import prediction
from serving.adapters.unit import SqlServingUnit
from serving.domain.opinions import Verdict
from serving.domain.review import Queue
from serving.services import review
from serving.services.settle import close_due

EXCLUDED = "reviewer-0"
AT_ONCE = 100_000
WINDOW = timedelta(seconds=5)
_MODEL = "model"
_SOON = timedelta(days=1)
# What a reviewer can do: the item that they get, its epoch, and the seconds that the server took.
Take = Callable[[], tuple[str, int, float] | None]
Answer = Callable[[str, int], None]
Desk = Callable[[str], tuple[Take, Answer]]


def main() -> None:
    args = _arguments()
    kinds = ["sqlite", "postgresql"] if args.database == "both" else [args.database]
    for kind in kinds:
        with databases(kind) as (url, folder):
            _measure(kind, url, folder, args)


def _measure(kind: str, url: str, folder: Path, args: argparse.Namespace) -> None:
    upgrade(url)
    database = Database(url)
    began = time.monotonic()
    fill(database, args.items, args.items // 2)
    _settle(database)
    print(f"{kind}: {args.items:,} items in {time.monotonic() - began:.0f} s", flush=True)
    if args.http:
        database.close()
        with running(folder / "home", url) as service:
            address = str(service.http.base_url)
            _report(kind, "over HTTP", *_work(lambda who: _over_http(address, who), args))
        return
    ledger = GroupLedger(database)
    with _closing(ledger):
        _report(kind, "in the server", *_work(lambda who: _direct(ledger, who), args))
    ledger.close()
    database.close()


def _over_http(address: str, who: str) -> tuple[Take, Answer]:
    client = Client(address, who)

    def take() -> tuple[str, int, float] | None:
        _, found = client.ask("GET", "/v1/review/next")
        return (found["id"], found["epoch"], client.server_seconds) if found else None

    def answer(item: str, epoch: int) -> None:
        body = {"epoch": epoch, "label": "glass"}
        status, said = client.ask("POST", f"/v1/review/{item}/decision", body)
        if status != 200:
            raise AssertionError(f"{who} was told {status}: {said}")

    return take, answer


def _direct(ledger: GroupLedger, who: str) -> tuple[Take, Answer]:
    me = Identity(who, Role.REVIEWER)

    def take() -> tuple[str, int, float] | None:
        now, began = datetime.now(UTC), time.perf_counter()
        found = ledger.write(lambda unit: review.next_item(unit, me, now)).result()
        took = time.perf_counter() - began
        return (found.item.id, found.slot.epoch, took) if found else None

    def answer(item: str, epoch: int) -> None:
        verdict = Verdict(item, who, epoch, "glass", "", f"{who}:{epoch}")
        now = datetime.now(UTC)
        ledger.write(lambda unit: review.decide(unit, verdict, now, WINDOW)).result()

    return take, answer


@contextmanager
def _closing(ledger: GroupLedger) -> Iterator[None]:
    """Close windows as the controller does."""
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.5):
            now = datetime.now(UTC)
            while ledger.write(lambda u, at=now: close_due(u, at, limit=1)).result().items:
                pass

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _work(desk: Desk, args: argparse.Namespace) -> tuple[np.ndarray, np.ndarray, float]:
    """Seconds that each claim took the server and the client: of all, and of the excluded one.

    The first claim of each reviewer opens their connection, and is not counted.
    """
    share = args.claims // args.reviewers
    start = threading.Barrier(args.reviewers)

    def reviewer(number: int) -> list[tuple[float, float]]:
        who, took, draw = f"reviewer-{number}", [], random.Random(number)
        take, answer = desk(who)
        start.wait()
        time.sleep(args.pause * draw.random())  # people do not begin at one stroke
        for _ in range(share + 1):
            began = time.perf_counter()
            found = take()
            whole = time.perf_counter() - began
            if found is None:
                raise AssertionError(f"{who} found nothing to do")
            item, epoch, served = found
            took.append((served, whole))
            answer(item, epoch)
            time.sleep(args.pause * draw.uniform(0.5, 1.5))
        return took[1:]

    began = time.monotonic()
    with ThreadPoolExecutor(args.reviewers) as pool:
        took = list(pool.map(reviewer, range(args.reviewers)))
    seconds = time.monotonic() - began
    return np.array([one for each in took for one in each]), np.array(took[0]), seconds


def _report(kind: str, where: str, took: np.ndarray, excluded: np.ndarray, seconds: float) -> None:
    for name, times in (("all reviewers", took), ("the excluded one", excluded)):
        (server, client), n = np.percentile(times * 1000, [50, 99], axis=0).T, len(times)
        print(
            f"{kind} {where}, next item, {name}, n {n}: server p50 {server[0]:.1f} ms, "
            f"p99 {server[1]:.1f} ms; client p50 {client[0]:.1f} ms, p99 {client[1]:.1f} ms"
        )
    load = os.getloadavg()[0]
    print(
        f"{kind} {where}: {len(took) / seconds:.0f} items taken and answered a second; "
        f"load of the machine in the last minute {load:.1f}",
        flush=True,
    )


def fill(database: Database, items: int, closed: int) -> None:
    """Copies of one item, made by the database itself; the first `closed` in a closed lane."""
    now = datetime.now(UTC)
    with database.begin() as connection:
        unit = SqlServingUnit(connection)
        unit.predictions.add(a_prediction(0, id=_MODEL, created_at=now, due_at=now + _SOON))
        about = {"id": _MODEL, "prediction_id": _MODEL, "created_at": now, "due_at": now + _SOON}
        unit.reviews.add(replace(an_item(0), **about))
        open_lane = lane_for(connection, Queue.WORK, "waste")
        closed_lane = lane_for(connection, Queue.WORK, "waste", [EXCLUDED])
    number = sa.literal_column("numbers.n", sa.Integer)
    lane = sa.case((number < closed, closed_lane), else_=open_lane)
    name = sa.literal("item-") + sa.cast(number + 10_000_000, sa.String)
    for first in range(0, items, AT_ONCE):
        numbers = _numbers(first, min(first + AT_ONCE, items))
        with database.begin() as connection:
            _copy(connection, numbers, prediction, {"id": name})
            _copy(connection, numbers, review_item, {"id": name, "prediction_id": name})
            slot = {"item_id": name, "lane_id": lane, "sort_key": sa.cast(number, sa.Float)}
            _copy(connection, numbers, review_slot, slot)
    with database.begin() as connection:
        for table, column in ((prediction, "id"), (review_item, "id"), (review_slot, "item_id")):
            connection.execute(sa.delete(table).where(table.c[column] == _MODEL))


def _settle(database: Database) -> None:
    """Let the database finish with a million rows that no queue ever gets at once."""
    words = ["PRAGMA wal_checkpoint(TRUNCATE)"] if database.is_sqlite else ["VACUUM ANALYZE"]
    words += [] if database.is_sqlite else ["CHECKPOINT"]
    with database.engine.connect() as connection:
        raw = connection.connection.driver_connection
        if not database.is_sqlite:
            raw.autocommit = True
        for statement in words:
            raw.execute(statement)
        connection.invalidate()


def _numbers(first: int, end: int) -> sa.CTE:
    number = sa.select(sa.literal(first).label("n")).cte("numbers", recursive=True)
    return number.union_all(sa.select(number.c.n + 1).where(number.c.n < end - 1))


def _copy(
    connection: sa.Connection, numbers: sa.CTE, table: sa.Table, changes: dict[str, Any]
) -> None:
    model = table.alias("model")
    own = [
        c.name
        for c in table.c
        if c.name in changes or not (c.name == "id" and table is review_slot)
    ]
    columns = [changes.get(column, model.c[column]) for column in own]
    key = "item_id" if table is review_slot else "id"
    rows = sa.select(*columns).select_from(numbers.join(model, model.c[key] == _MODEL))
    connection.execute(sa.insert(table).from_select(own, rows))


@contextmanager
def databases(kind: str) -> Iterator[tuple[str, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        if kind == "sqlite":
            yield f"sqlite:///{folder}/queue.db", Path(folder)
            return
        with postgresql.server(durable=True) as server, postgresql.database(server) as url:
            yield url, Path(folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--reviewers", type=int, default=20)
    parser.add_argument("--claims", type=int, default=2000)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between items")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--http", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
