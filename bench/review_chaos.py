"""Whether a decision that was acknowledged is ever lost, doubled or stuck while everything dies.

    python -m bench.review_chaos [--items 5000] [--reviewers 20] [--every 6]
        [--database sqlite|postgresql|both] [--deliver]

Reviewers work over HTTP on held requests. The service is killed (SIGKILL) every few seconds and
started again; on PostgreSQL every other kill takes the database down as well. Reviewers repeat what
was not answered, under the same key, undo some answers, skip some items and walk away from others.
At the end the database is compared with what they were told. The full run is --items 100000.
A webhook is told of every answer; without --deliver it says that it is gone, so that messages are
made and not sent, because to send them one after another takes longer than all the rest.
"""

import argparse
import http.server
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import postgresql
from service_process import Service, running
from waiting import eventually

from bench.review_chaos_check import check, settled
from bench.review_claims import databases, fill
from bench.reviewers import Client
from console.migrate import upgrade
from registry.adapters.database.engine import Database

LEASE_SECONDS, UNDO_SECONDS, GRACE_SECONDS = 4.0, 0.5, 5.0
LABELS = ("glass", "metal", "paper", None)
WALKED_AWAY = 50  # items, or one in a hundred if that is less


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
    there: threading.Event = field(default_factory=threading.Event)
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
    with (
        _receiver(args.deliver) as (address, heard),
        ThreadPoolExecutor(args.reviewers + 1) as pool,
    ):
        killer = pool.submit(_kill_and_restart, world, kind, url, folder, args.every, address)
        people = [pool.submit(_review, world, n) for n in range(args.reviewers)]
        for person in people:
            person.result()
        seconds = time.monotonic() - began
        database = Database(url)
        _wait_for_messages(database, args, heard)
        world.done.set()
        killer.result()
    told = {name: set(ids) for name, ids in heard.items()} if args.deliver else None
    wrong = [*check(database, args.items, world.acknowledged, told), *_stuck(world)]
    database.close()
    _report(kind, world, args, seconds, wrong)
    if wrong:
        sys.exit(1)


def _wait_for_messages(
    database: Database, args: argparse.Namespace, heard: dict[str, list[str]]
) -> None:
    eventually(lambda: time.sleep(0.5) or settled(database, args.items), 600)
    if args.deliver:
        eventually(lambda: time.sleep(0.5) or len(heard) >= args.items, 600)


def _stuck(world: World) -> Iterator[str]:
    stuck = [late for late in world.late if late > GRACE_SECONDS]
    if stuck:
        yield f"{len(stuck)} items were stuck beyond their lease, up to {max(stuck):.1f} s"


def _report(
    kind: str, world: World, args: argparse.Namespace, seconds: float, wrong: list[str]
) -> None:
    away = sum(end - begin for begin, end in world.away)
    longest = max(world.late, default=0.0)
    rows = {
        "items, reviewers": f"{args.items:,}, {args.reviewers}",
        "seconds, of them without a service": f"{seconds:.0f}, {away:.0f}",
        "acknowledged decisions": f"{len(world.acknowledged):,}",
        **{name: f"{world.counts[name]:,}" for name in sorted(world.counts)},
        "longest wait beyond the lease of an abandoned item": f"{longest:.1f} s",
        "lost, doubled or stuck": "; ".join(wrong) or "nothing",
    }
    print(f"| {kind} | |\n|-|-|")
    print("\n".join(f"| {name} | {value} |" for name, value in rows.items()), flush=True)


def _kill_and_restart(
    world: World, kind: str, url: str, folder: Path, every: float, address: str
) -> None:
    rng, gone = random.Random(0), time.monotonic()
    while not world.done.is_set():
        with running(folder / "home", url) as service:
            if not world.url:
                service.post("/v1/webhooks", url=address, events=["prediction.*"])
            world.url = str(service.http.base_url)
            world.away.append((gone, time.monotonic()))
            world.there.set()
            if world.done.wait(every * rng.uniform(0.5, 1.5)):
                return
            gone = time.monotonic()  # what follows, the database's own recovery too, is no service
            _kill(world, service, kind, url)


def _kill(world: World, service: Service, kind: str, url: str) -> None:
    world.there.clear()
    world.counts["kills of the service"] += 1
    service.kill()
    if kind == "postgresql" and world.counts["kills of the service"] % 2:
        _crash(url)
        world.counts["kills of the database"] += 1


def _crash(url: str) -> None:
    """Kill the database's first process; the others see it and die. Then start it again."""
    folder = Path(parse_qs(urlsplit(url).query)["host"][0])
    pid = int((folder / "data/postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    place = ["-D", f"{folder}/data", "-w", "-l", f"{folder}/log"]
    start = [*user, f"{postgresql.binaries()}/pg_ctl", *place, "restart"]
    for _ in range(100):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        if subprocess.run(start, cwd="/", check=False, **quiet).returncode == 0:
            return
        time.sleep(0.2)
    raise RuntimeError(f"PostgreSQL did not start again; see {folder}/log")


@contextmanager
def _receiver(accepts: bool) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """A webhook, and the ids under which it has heard of each prediction."""
    heard: dict[str, list[str]] = defaultdict(list)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["content-length"]))
            if len(sent) < int(self.headers["content-length"]):
                return  # its sender has been killed over it
            body = json.loads(sent)
            heard[body["data"]["detail"]["prediction_id"]].append(self.headers["webhook-id"])
            self.send_response(204 if accepts else 410)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/told", heard
    server.shutdown()
    server.server_close()


class _Reviewer:
    """Somebody at a keyboard that never loses an answer: what got no reply is sent again."""

    def __init__(self, world: World, number: int) -> None:
        self.world, self.who, self.rng = world, f"reviewer-{number}", random.Random(number)
        self._client: tuple[str, Client] | None = None

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The document; None for 204 and 409."""
        while True:
            self.world.there.wait()
            try:
                status, said = self._connected().ask(method, path, body)
            except (OSError, HTTPException):
                self._client = None
                self.world.counts["repeated"] += 1
                time.sleep(0.05)
                continue
            if status >= 500:
                self.world.counts["refused for now"] += 1
                time.sleep(0.2)
                continue
            if status not in {200, 204, 409}:
                raise AssertionError(f"{method} {path} was answered {status}: {said}")
            return said if status == 200 else None

    def _connected(self) -> Client:
        if self._client is None or self._client[0] != self.world.url:
            self._client = self.world.url, Client(self.world.url, self.who)
        return self._client[1]

    def treat(self, item: dict[str, Any]) -> None:
        """Answer an item, or do one of the other things that people do with it."""
        world, fate = self.world, self.rng.random()
        path, away = f"/v1/review/{item['id']}", min(0.01, WALKED_AWAY / world.items)
        if fate < away:
            world.counts["abandoned"] += 1
            world.abandoned[item["id"]] = time.monotonic()
            time.sleep(LEASE_SECONDS + 0.5)  # or they would get it again themselves
        elif fate < away + 0.02:
            self.ask("POST", f"{path}/skip", {"epoch": item["epoch"], "reason": "unsure"})
            world.counts["skipped"] += 1
        elif self.decide(path, item["epoch"]) and fate < away + 0.05:
            self.undo(path, item["epoch"])

    def decide(self, path: str, epoch: int) -> bool:
        """Answer under a new key; whether it counted."""
        key, label = uuid.UUID(int=self.rng.getrandbits(128)).hex, self.rng.choice(LABELS)
        body = {"epoch": epoch, "label": label, "idempotency_key": key}
        if self.ask("POST", f"{path}/decision", body) is None:
            self.world.counts["told that it came too late"] += 1
            return False
        self.world.acknowledged[path.rsplit("/", 1)[1], key] = label
        return True

    def undo(self, path: str, epoch: int) -> None:
        """Take the answer back and give another."""
        back = self.ask("POST", f"{path}/undo", {"epoch": epoch})
        if back is not None:
            self.world.counts["undone"] += 1
            self.decide(path, back["epoch"])


def _review(world: World, number: int) -> None:
    reviewer = _Reviewer(world, number)
    while True:
        item = reviewer.ask("GET", "/v1/review/next")
        if item is None:
            if not reviewer.ask("GET", "/v1/review/stats")["open"]:
                return
            time.sleep(0.5)
            continue
        since = world.abandoned.pop(item["id"], None)
        if since is not None:
            world.late.append(world.up_between(since, time.monotonic()) - LEASE_SECONDS)
        reviewer.treat(item)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--reviewers", type=int, default=20)
    parser.add_argument("--every", type=float, default=6.0, help="seconds between kills")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--deliver", action="store_true", help="send the webhooks, too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
