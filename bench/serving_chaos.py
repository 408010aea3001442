"""Whether a request is ever lost or decided twice while versions change and replicas die.

    python -m bench.serving_chaos [--moves 100] [--callers 6] [--seed 1]
        [--database sqlite|postgresql] [--workers 1]

Two replicas share a database. Callers send pictures, each under an idempotency key, to either, and
repeat what was not answered. Meanwhile rollouts are started, promoted, aborted and undone at random
moments; at half of these moments a replica is killed (SIGKILL) and started again, or, with several
workers each, one worker, which its parent replaces. At the end each answer that a caller was given
is compared with what is stored. The full run is --moves 1000.
"""

import argparse
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import colours
from service_process import Service, running
from waiting import eventually
from workers import children, connected

from bench.api_conformance import register
from bench.review_claims import databases
from registry.adapters.database.engine import Database
from serving.adapters.tables import prediction

PLAN = """
apiVersion: stagegate/v1
model: {name: colours, version: %d, baseline: live}
unit: user
stages:
- stage: gradual
  steps: [{weight: 20}, {weight: 60}, {weight: 100}]
  review: {flagged: 1.0, sample: 0.1, due: 1h}
  gates: [{type: error-rate, at_most: 0.5}]
  deadline: {after: 1d, then: hold}
- stage: live
"""
_REPLICAS = 2


@dataclass
class World:
    """Where the replicas are, and what callers were told under each key."""

    urls: list[str] = field(default_factory=lambda: [""] * _REPLICAS)
    done: threading.Event = field(default_factory=threading.Event)
    told: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)


class Replica:
    """One service that can be killed and started again, as a whole or one worker of it."""

    def __init__(self, number: int, folder: Path, url: str, world: World, workers: int) -> None:
        self._number, self._home, self._url = number, folder / f"home-{number}", url
        self._world, self._stack, self._workers = world, ExitStack(), workers
        self._service: Service | None = None

    def start(self) -> None:
        """Returns when it is ready."""
        words = ("--workers", str(self._workers))
        self._service = self._stack.enter_context(running(self._home, self._url, *words))
        self._world.urls[self._number] = str(self._service.http.base_url)

    def kill_and_replace(self, rng: random.Random) -> None:
        """As a power cut would; returns when another is there that answers."""
        if self._service is None:
            return
        if self._workers == 1:
            self._service.kill()
            self._stack.close()
            self.start()
            return
        found = children(self._service.process.pid)
        number = rng.choice(sorted(found))
        os.kill(found[number], signal.SIGKILL)
        parent, dead = self._service.process.pid, found[number]
        if not eventually(lambda: children(parent).get(number, dead) != dead):
            raise TimeoutError(f"nobody replaced worker {number}")
        with connected(str(self._service.http.base_url), number):
            return

    def close(self) -> None:
        """End it."""
        self._stack.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=100)
    parser.add_argument("--callers", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="of each of the two replicas")
    parser.add_argument("--seconds", type=float, default=1e9, help="end after this time at most")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="postgresql")
    args = parser.parse_args()
    with databases(args.database) as (url, folder):
        os.environ["STAGEGATE_PAYLOAD_ROOT"] = f"file://{folder}/payloads"
        register(url, folder)
        wrong = torture(url, folder, args)
    sys.exit(1 if wrong else 0)


def torture(url: str, folder: Path, args: argparse.Namespace) -> list[str]:
    """The whole run; gives what went wrong."""
    world, began = World(), time.monotonic()
    replicas = [Replica(n, folder, url, world, args.workers) for n in range(_REPLICAS)]
    for replica in replicas:
        replica.start()
    with ThreadPoolExecutor(args.callers) as pool:
        callers = [pool.submit(call, world, n) for n in range(args.callers)]
        try:
            _move_about(world, replicas, args, began)
        finally:
            world.done.set()
        for caller in callers:
            caller.result()
    for replica in replicas:
        replica.close()
    database = Database(url)
    wrong = check(database, world)
    database.close()
    _report(world, time.monotonic() - began, wrong)
    return wrong


def _move_about(
    world: World, replicas: list[Replica], args: argparse.Namespace, began: float
) -> None:
    rng = random.Random(args.seed)
    while world.counts["moves"] < args.moves and time.monotonic() - began < args.seconds:
        time.sleep(rng.uniform(0.0, 0.5))
        victim = replicas[rng.randrange(_REPLICAS)] if rng.random() < 0.5 else None
        stays = next(one for one in replicas if one is not victim)
        asked = threading.Thread(target=_move, args=(world, world.urls[replicas.index(stays)], rng))
        asked.start()
        if victim:
            time.sleep(rng.uniform(0.0, 0.1))  # the move is on its way, or just done
            world.counts["kills"] += 1
            victim.kill_and_replace(rng)
        asked.join()


def _move(world: World, url: str, rng: random.Random) -> None:
    """One change of what answers: whichever is possible now."""
    with httpx.Client(base_url=url, timeout=60) as http:
        found = http.get("/v1/models/colours").json()
        if found["candidate"] is None:
            _started_or_undone(world, http, found, rng)
        elif rng.random() < 0.6:
            _tell(world, http, "promote", override=True, reason="chaos")
        else:
            _tell(world, http, "abort", reason="chaos")


def _started_or_undone(world: World, http: httpx.Client, found: Any, rng: random.Random) -> None:
    if found["previous"] is not None and rng.random() < 0.5:
        _tell(world, http, "undo", reason="chaos")
        return
    _count(world, "start", http.post("/v1/rollouts", json={"plan": PLAN % (3 - found["live"])}))


def _tell(world: World, http: httpx.Client, verb: str, **body: object) -> None:
    _count(world, verb, http.post(f"/v1/rollouts/colours:{verb}", json=body))


def _count(world: World, verb: str, answer: httpx.Response) -> None:
    if answer.is_success:
        world.counts["moves"] += 1
        world.counts[verb] += 1
    else:
        world.refused[f"{verb}: {answer.status_code} {answer.json()['detail'][:90]}"] += 1


def call(world: World, number: int) -> None:
    """Send pictures one after another, each until it is answered, and some of them twice."""
    rng = random.Random(number)
    inputs, _ = colours.pictures(np.random.default_rng(number), 16)
    pictures = [colours.encode(one) for one in inputs]
    with httpx.Client(timeout=60) as http:
        sent = 0
        while not world.done.is_set():
            key, picture = f"{number}-{sent}", pictures[sent % len(pictures)]
            world.told[key] = [_ask(world, http, key, picture, number, sent, rng)]
            if rng.random() < 0.2:
                world.told[key].append(_ask(world, http, key, picture, number, sent, rng))
            sent += 1


def _ask(
    world: World, http: httpx.Client, key: str, picture: bytes, who: int, sent: int,
    rng: random.Random,
) -> tuple[Any, ...]:  # fmt: skip
    headers = {
        "Idempotency-Key": key,
        "Content-Type": "image/png",
        "X-Stagegate-Attributes": f'{{"user": "{who}-{sent % 40}"}}',
    }
    while True:
        path = f"{rng.choice(world.urls)}/v1/models/colours/predict"
        try:
            answer = http.post(path, content=picture, headers=headers)
        except httpx.TransportError:
            world.counts["connections that broke"] += 1
        else:
            if answer.status_code in {200, 202}:
                said = answer.json()
                return said["id"], said["status"], said.get("version"), said.get("prediction")
            world.refused[f"predict: {answer.status_code} {answer.text[:160]}"] += 1
        time.sleep(0.02)


def check(database: Database, world: World) -> list[str]:
    """Each acknowledged key has one row, which says what its caller was told every time."""
    with database.read() as connection:
        rows = connection.execute(sa.select(prediction)).all()
    by_key: dict[str, list[Any]] = {}
    for row in rows:
        by_key.setdefault(row.idempotency_key, []).append(row)
    wrong = [f"{key} is stored {len(some)} times" for key, some in by_key.items() if len(some) > 1]
    for key, answers in world.told.items():
        if key not in by_key:
            wrong.append(f"{key} was acknowledged and is lost")
        elif set(answers) != {_stored(by_key[key][0])}:
            wrong.append(f"{key} was told {answers} and is stored as {_stored(by_key[key][0])}")
    world.counts["acknowledged requests"] = len(world.told)
    world.counts["repeats"] = sum(len(answers) - 1 for answers in world.told.values())
    return wrong


def _stored(row: Any) -> tuple[Any, ...]:
    if row.status != "final":
        return row.id, row.status, None, None
    return row.id, row.status, row.version, row.answer["prediction"]


def _report(world: World, seconds: float, wrong: list[str]) -> None:
    print(f"| seconds | {seconds:.0f} |\n|-|-|")
    for name, count in sorted(world.counts.items()):
        print(f"| {name} | {count:,} |")
    print(f"| lost, or decided twice | {'; '.join(wrong[:10]) or 'none'} |")
    for name, count in world.refused.most_common(12):
        print(f"    {count:6} {name}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
