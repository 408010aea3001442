"""Whether a decision that was acknowledged is ever lost, doubled or stuck while everything dies.

    python -m bench.review_chaos [--items 5000] [--reviewers 20] [--every 4]
        [--database sqlite|postgresql|both]

Reviewers work over HTTP on held requests. The service is killed (SIGKILL) every few seconds and
started again; on PostgreSQL every other kill takes the database down as well. Reviewers repeat what
was not answered, under the same key, undo some answers, skip some items and walk away from others.
At the end the database is compared with what they were told. The full run is --items 100000.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import postgresql
from service_process import running

from bench.review_claims import databases, fill
from console.migrate import upgrade
from registry.adapters.database.engine import Database
from registry.adapters.database.tables import outbox
from serving.adapters.review_tables import review_decision, review_item, review_slot
from serving.adapters.tables import prediction

LEASE_SECONDS, UNDO_SECONDS, GRACE_SECONDS = 4.0, 0.5, 5.0
LABELS = ("glass", "metal", "paper", None)


def main() -> None:
    args = _arguments()
    os.environ["STAGEGATE_LEASE_SECONDS"] = str(LEASE_SECONDS)
    os.environ["STAGEGATE_UNDO_SECONDS"] = str(UNDO_SECONDS)
    for kind in ["sqlite", "postgresql"] if args.database == "both" else [args.database]:
        with databases(kind) as (url, folder):
            upgrade(url)
            database = Database(url)
            fill(database, args.items, closed=0)
            database.close()
            _torture(kind, url, folder, args)


@dataclass
class World:
    """Where the service is now, when it was away, and what reviewers were told."""

    items: int
    url: str = ""
    done: threading.Event = field(default_factory=threading.Event)
    away: list[tuple[float, float]] = field(default_factory=list)
    acknowledged: dict[tuple[str, str], str | None] = field(default_factory=dict)
    abandoned: dict[str, float] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def up_between(self, begin: float, end: float) -> float:
        """Seconds between two moments in which the service was there."""
        lost = sum(max(0.0, min(end, to) - max(begin, at)) for at, to in self.away)
        return end - begin - lost


def _torture(kind: str, url: str, folder: Path, args: argparse.Namespace) -> None:
    world, began = World(args.items), time.monotonic()
    with ThreadPoolExecutor(args.reviewers + 1) as pool:
        killer = pool.submit(_kill_and_restart, world, kind, url, folder, args.every)
        people = [pool.submit(_review, world, n) for n in range(args.reviewers)]
        for person in people:
            person.result()
        world.done.set()
        killer.result()
    seconds = time.monotonic() - began
    database = Database(url)
    wrong = list(_check(database, world))
    database.close()
    print(
        f"{kind}: {args.items:,} items, {args.reviewers} reviewers, {dict(world.counts)}, "
        f"{len(world.acknowledged):,} acknowledged decisions, {seconds:.0f} s, "
        f"longest wait for an abandoned item beyond its lease "
        f"{max(world.late, default=0.0):.1f} s of service",
        flush=True,
    )
    for sentence in wrong:
        print(f"{kind}: WRONG: {sentence}")
    if wrong:
        sys.exit(1)
    print(f"{kind}: nothing lost, doubled or stuck", flush=True)


def _kill_and_restart(world: World, kind: str, url: str, folder: Path, every: float) -> None:
    rng, gone = random.Random(0), time.monotonic()
    while not world.done.is_set():
        with running(folder / "home", url) as service:
            world.url = str(service.http.base_url)
            world.away.append((gone, time.monotonic()))
            if world.done.wait(every * rng.uniform(0.5, 1.5)):
                return
            gone = time.monotonic()  # what follows, the database's own recovery too, is no service
            world.counts["service kills"] += 1
            service.kill()
            if kind == "postgresql" and world.counts["service kills"] % 2:
                _crash(url)
                world.counts["database kills"] += 1


def _crash(url: str) -> None:
    """Kill the database's first process; the others see it and die. Then start it again."""
    folder = Path(parse_qs(urlsplit(url).query)["host"][0])
    pid = int((folder / "data/postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    where = postgresql.binaries()
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    start = [
        *user,
        f"{where}/pg_ctl",
        "-D",
        f"{folder}/data",
        "-w",
        "-l",
        f"{folder}/log",
        "restart",
    ]
    for _ in range(100):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        if subprocess.run(start, cwd="/", check=False, **quiet).returncode == 0:
            return
        time.sleep(0.2)
    raise RuntimeError(f"PostgreSQL did not start again; see {folder}/log")


def _review(world: World, number: int) -> None:
    who, rng = f"reviewer-{number}", random.Random(number)
    with httpx.Client(timeout=10) as client:
        while True:
            item = _ask(world, client, "GET", "/v1/review/next", who)
            if item is None:
                if not _left(world, client, who):
                    return
                time.sleep(0.25)
                continue
            _note_return(world, item)
            _treat(world, client, who, item, rng)


def _left(world: World, client: httpx.Client, who: str) -> bool:
    return bool(_ask(world, client, "GET", "/v1/review/stats", who)["open"])


def _note_return(world: World, item: dict[str, Any]) -> None:
    since = world.abandoned.pop(item["id"], None)
    if since is not None:
        world.late.append(world.up_between(since, time.monotonic()) - LEASE_SECONDS)


def _treat(
    world: World, client: httpx.Client, who: str, item: dict[str, Any], rng: random.Random
) -> None:
    path, fate = f"/v1/review/{item['id']}", rng.random()
    if fate < 0.01:
        world.counts["abandoned"] += 1
        world.abandoned[item["id"]] = time.monotonic()
        time.sleep(LEASE_SECONDS + 0.5)  # or they would get it again themselves
        return
    if fate < 0.03:
        body = {"epoch": item["epoch"], "reason": "unsure"}
        _ask(world, client, "POST", f"{path}/skip", who, body)
        world.counts["skipped"] += 1
        return
    if not _decide(world, client, who, path, item["epoch"], rng) or fate > 0.06:
        return
    back = _ask(world, client, "POST", f"{path}/undo", who, {"epoch": item["epoch"]})
    if back is not None:
        world.counts["undone"] += 1
        _decide(world, client, who, path, back["epoch"], rng)


def _decide(
    world: World, client: httpx.Client, who: str, path: str, epoch: int, rng: random.Random
) -> bool:
    key, label = uuid.uuid4().hex, rng.choice(LABELS)
    body = {"epoch": epoch, "label": label, "idempotency_key": key}
    found = _ask(world, client, "POST", f"{path}/decision", who, body)
    if found is None:
        world.counts["told that it came too late"] += 1
        return False
    world.acknowledged[path.rsplit("/", 1)[1], key] = label
    return True


def _ask(
    world: World, client: httpx.Client, method: str, path: str, who: str, body: Any = None
) -> Any:
    """The document; None for 204 and 409. Whatever got no answer is asked again."""
    headers = {"X-Stagegate-Actor": who}
    while True:
        try:
            answer = client.request(method, world.url + path, json=body, headers=headers)
        except (httpx.TransportError, httpx.UnsupportedProtocol):
            world.counts["repeated"] += 1
            time.sleep(0.2)
            continue
        if answer.status_code >= 500:
            world.counts["refused for now"] += 1
            time.sleep(0.2)
            continue
        if answer.status_code in {204, 409}:
            return None
        answer.raise_for_status()
        return answer.json()


def _check(database: Database, world: World) -> Iterator[str]:
    with database.read() as connection:
        decisions = {r.id: r for r in connection.execute(sa.select(review_decision))}
        yield from _what_was_acknowledged(world, decisions.values())
        yield from _what_stands(connection, world.items)
        yield from _what_callers_heard(connection, decisions)
        yield from _what_was_sent(connection, world.items)
    stuck = [late for late in world.late if late > GRACE_SECONDS]
    if stuck:
        yield f"{len(stuck)} items were stuck beyond their lease, up to {max(stuck):.1f} s"


def _what_was_acknowledged(world: World, decisions: Iterable[Any]) -> Iterator[str]:
    stored = {(r.item_id, r.idempotency_key): r.label for r in decisions if r.counted}
    lost = {k for k, label in world.acknowledged.items() if stored.get(k, "no") != label}
    if lost:
        yield f"{len(lost)} acknowledged decisions are not stored, such as {min(lost)}"


def _what_stands(connection: sa.Connection, items: int) -> Iterator[str]:
    for column, wanted in ((review_item.c.state, "decided"), (review_slot.c.state, "done")):
        states = {r[0]: r.n for r in connection.execute(_counted(column))}
        if states != {wanted: items}:
            yield f"{column.table.name} stands so: {states}"


def _what_callers_heard(connection: sa.Connection, decisions: Mapping[int, Any]) -> Iterator[str]:
    """One current decision a slot, and the answer of the request is that decision's."""
    slots = sa.select(review_slot.c.item_id, review_slot.c.decision_id)
    current = {r.item_id: decisions.get(r.decision_id) for r in connection.execute(slots)}
    p = prediction.c
    for row in connection.execute(sa.select(p.id, p.status, p.decided_by, p.answer)):
        last = current[row.id]
        if last is None or last.item_id != row.id:
            yield f"{row.id} has no decision of its own"
        elif (row.status, row.decided_by) != ("final", "human"):
            yield f"{row.id} is {row.status} by {row.decided_by}"
        elif row.answer["prediction"] != last.label:
            yield f"{row.id} was answered {row.answer['prediction']}, decided was {last.label}"


def _what_was_sent(connection: sa.Connection, items: int) -> Iterator[str]:
    payloads = connection.execute(sa.select(outbox.c.payload)).scalars()
    told = Counter(payload["detail"]["id"] for payload in payloads)
    if set(told.values()) != {1} or len(told) != items:
        yield f"{len(told)} webhook ids for {items} answers; {told.most_common(1)}"


def _counted(column: sa.Column[Any]) -> sa.Select[Any]:
    return sa.select(column, sa.func.count().label("n")).group_by(column)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--reviewers", type=int, default=20)
    parser.add_argument("--every", type=float, default=4.0, help="seconds between kills")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    return parser.parse_args()


if __name__ == "__main__":
    main()
