"""How long a reviewer waits for the next item of a long queue, on the server and over HTTP.

    python -m bench.review_claims [--items 1000000] [--reviewers 20] [--claims 2000]
        [--database sqlite|postgresql|both] [--http]

Half of the items, those at the head of the queue, are closed to the first reviewer, who has had a
say in each of them. Every reviewer takes and answers items at once; what is timed is `next`: from
the call until the lease is committed. With --http it is the answer of a running service instead.
PostgreSQL is started for the purpose, with its disk writes as safe as in production.
"""

import argparse
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
Take = Callable[[str], tuple[str, int] | None]
Answer = Callable[[str, str, int], None]


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

            def take(who: str) -> tuple[str, int] | None:
                found = service.get("/v1/review/next", actor=who)
                return (found["id"], found["epoch"]) if found else None

            def answer(who: str, item: str, epoch: int) -> None:
                path = f"/v1/review/{item}/decision"
                service.post(path, actor=who, epoch=epoch, label="glass")

            _report(kind, "over HTTP", *_work(take, answer, args))
        return
    ledger = GroupLedger(database)
    with _closing(ledger):
        _report(kind, "in the server", *_work(*_direct(ledger), args))
    ledger.close()
    database.close()


def _direct(ledger: GroupLedger) -> tuple[Take, Answer]:
    def take(who: str) -> tuple[str, int] | None:
        me = Identity(who, Role.REVIEWER)
        now = datetime.now(UTC)
        found = ledger.write(lambda unit: review.next_item(unit, me, now)).result()
        return (found.item.id, found.slot.epoch) if found else None

    def answer(who: str, item: str, epoch: int) -> None:
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


def _work(
    take: Take, answer: Answer, args: argparse.Namespace
) -> tuple[list[float], list[float], float]:
    """Seconds that each claim took: of all reviewers, and of the excluded one."""
    share = args.claims // args.reviewers
    start = threading.Barrier(args.reviewers)

    def reviewer(number: int) -> list[float]:
        who, took, draw = f"reviewer-{number}", [], random.Random(number)
        start.wait()
        time.sleep(args.pause * draw.random())  # people do not begin at one stroke
        for _ in range(share):
            began = time.perf_counter()
            found = take(who)
            took.append(time.perf_counter() - began)
            if found is None:
                raise AssertionError(f"{who} found nothing to do")
            answer(who, *found)
            time.sleep(args.pause * draw.uniform(0.5, 1.5))
        return took

    began = time.monotonic()
    with ThreadPoolExecutor(args.reviewers) as pool:
        took = list(pool.map(reviewer, range(args.reviewers)))
    return [one for each in took for one in each], took[0], time.monotonic() - began


def _report(
    kind: str, where: str, took: list[float], excluded: list[float], seconds: float
) -> None:
    for name, times in (("all reviewers", took), ("the excluded one", excluded)):
        p50, p99 = np.percentile(np.array(times) * 1000, [50, 99])
        print(
            f"{kind} {where}, next item, {name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, n {len(times)}"
        )
    print(
        f"{kind} {where}: {len(took) / seconds:.0f} items taken and answered a second", flush=True
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
