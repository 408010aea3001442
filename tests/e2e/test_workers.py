"""Several workers behind one port, on SQLite and PostgreSQL: whoever answers, whoever dies."""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import colours
import httpx
import numpy as np
import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families
from service_process import run_command
from waiting import PATIENCE, eventually
from workers import Workers, connected, is_gone, two_workers

from console.controller import LEASE_SECONDS
from console.replica import FILE
from registry.adapters.bundle import Bundle
from registry.adapters.database.engine import Database
from registry.adapters.database.tables import lease
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from serving.adapters.tables import prediction, scope_count

pytestmark = pytest.mark.e2e

ASK = "/v1/models/colours/predict"
PLAN = """
apiVersion: stagegate/v1
model: {name: colours, version: %d, baseline: %s}
unit: user
stages:
- %s
  review: {sample: 1.0, due: 1h}
  gates: [{type: error-rate, at_most: 0.5}]
  deadline: {after: 1d, then: hold}
- stage: live
"""
MANUAL = "stage: manual-review"
HALF = "stage: gradual\n  steps: [{weight: 50}, {weight: 100}]"
LIMIT = 20
LIMITED = f"""stage: limited-scope
  scope: {{where: {{site: [north]}}, at_most: {LIMIT}/day}}
  answers: immediately"""
PICTURE = colours.encode(colours.pictures(np.random.default_rng(1), 1)[0][0])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return colours.make_bundle(tmp_path_factory.mktemp("bundle"), datetime.now(UTC))


@pytest.fixture(scope="module")
def database(new_database: Callable[[], str], bundle: Bundle) -> Iterator[Database]:
    """One in which version 1 is live, and others could be."""
    opened, now = Database(new_database()), datetime.now(UTC)
    colours.record_versions(opened, bundle, now, count=4)
    with opened.begin() as connection:
        unit = SqlUnitOfWork(connection)
        unit.live.put("colours", 1, None, now)
        unit.routing_clock.tick()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workers") / "home"


@pytest.fixture(scope="module")
def workers(database: Database, home: Path) -> Iterator[Workers]:
    """Two workers of a service in which version 1 is live."""
    with two_workers(home, database.url) as opened:
        yield opened


def ask(client: httpx.Client, attributes: str = "{}", **headers: str) -> Any:
    """A prediction; it is tried again while its version is being loaded."""
    sent = {"Content-Type": "image/png", "X-Stagegate-Attributes": attributes, **headers}
    answers: list[httpx.Response] = []

    def answered() -> bool:
        answers.append(client.post(ASK, content=PICTURE, headers=sent))
        return answers[-1].status_code != 503

    assert eventually(answered)
    answers[-1].raise_for_status()
    return answers[-1].json()


def of(user: int) -> str:
    return f'{{"user": "{user}", "site": "north"}}'


@contextmanager
def rollout(workers: Workers, version: int, stage: str) -> Iterator[None]:
    """A rollout of this version, which both workers follow; taken out again afterwards."""
    workers.service.post("/v1/rollouts", plan=PLAN % (version, "live", stage))
    users = iter(range(10**6, 10**7))
    for client in (workers.one, workers.other):
        assert eventually(lambda to=client: ask(to, of(next(users)))["version"] == version)
    yield
    workers.service.post("/v1/rollouts/colours:abort")


def count(database: Database, wanted: Any) -> Any:
    with database.read() as connection:
        return connection.execute(wanted).scalar()


def test_all_workers_answer_at_one_port_and_follow_the_same_routes(workers: Workers):
    with rollout(workers, 2, HALF):
        pass
    for client in (workers.one, workers.other):
        assert eventually(lambda to=client: {ask(to, of(u))["version"] for u in range(20)} == {1})


def test_a_user_gets_the_same_version_from_every_worker(workers: Workers):
    with rollout(workers, 3, HALF):
        by_one = [ask(workers.one, of(user))["version"] for user in range(40)]
        by_other = [ask(workers.other, of(user))["version"] for user in range(40)]
    assert by_one == by_other
    assert set(by_one) == {1, 3}


def test_a_repeat_with_the_same_key_gets_the_same_answer_from_another_worker(workers: Workers):
    first = ask(workers.one, **{"Idempotency-Key": "order-7"})
    assert ask(workers.other, **{"Idempotency-Key": "order-7"}) == first


def test_the_limit_of_a_day_is_exact_whoever_answers(workers: Workers, database: Database):
    with rollout(workers, 4, LIMITED), ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        clients = [stack.enter_context(connected(workers.url, "12"[n % 2])) for n in range(8)]
        asked = [pool.submit(ask, clients[n % 8], of(n)) for n in range(6 * LIMIT)]
        versions = Counter(one.result()["version"] for one in asked)
    assert set(versions) == {1, 4}
    # The tests may run over midnight, which begins another day's count.
    today = sa.select(sa.func.max(scope_count.c.admitted))
    assert count(database, today) == LIMIT
    by_candidate = sa.select(sa.func.count()).where(prediction.c.version == 4)
    admitted = sa.select(sa.func.sum(scope_count.c.admitted))
    assert count(database, by_candidate) == count(database, admitted)


@dataclass
class Caller:
    """Sends one request after another, each until it is answered, and keeps what it was told."""

    url: str
    name: int
    done: threading.Event
    told: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        while not self.done.is_set():
            key = f"caller-{self.name}-{len(self.told)}"
            assert eventually(partial(self._told, key)), "nobody answered"

    def _told(self, key: str) -> bool:
        headers = {"Content-Type": "image/png", "Idempotency-Key": key}
        try:
            answer = httpx.post(self.url + ASK, content=PICTURE, headers=headers, timeout=PATIENCE)
        except httpx.TransportError:
            return False  # its worker was killed
        answer.raise_for_status()
        self.told[key] = answer.json()["id"]
        return True


def test_a_worker_that_is_killed_is_replaced_and_nothing_acknowledged_is_lost(
    workers: Workers, database: Database
):
    done = threading.Event()
    callers = [Caller(workers.url, name, done) for name in range(4)]

    def answered() -> int:
        return sum(len(caller.told) for caller in callers)

    with ThreadPoolExecutor(len(callers)) as pool:
        running = [pool.submit(caller.run) for caller in callers]
        try:
            assert eventually(lambda: answered() > 20)
            workers.kill("2")
            before = answered()
            assert eventually(lambda: answered() > before + 20)
        finally:
            done.set()
    for one in running:
        one.result()
    told = {key: name for caller in callers for key, name in caller.told.items()}
    keyed = sa.select(prediction.c.idempotency_key, prediction.c.id).where(
        prediction.c.idempotency_key.like("caller-%")
    )
    with database.read() as connection:
        stored = {row.idempotency_key: row.id for row in connection.execute(keyed)}
    assert stored == told


def samples(client: httpx.Client, name: str) -> dict[str, float]:
    """The values of a metric by worker; under no number if it belongs to none."""
    text = client.get("/metrics").text
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name:
                found[sample.labels.get("worker", "")] += sample.value
    return dict(found)


def test_whichever_worker_is_asked_tells_the_metrics_of_all(workers: Workers):
    total, started = "stagegate_predictions_total", "stagegate_review_decisions_created"
    for client in (workers.one, workers.other):
        ask(client)
    assert eventually(lambda: samples(workers.one, total).keys() == {"1", "2"})
    first = samples(workers.one, total)
    assert eventually(lambda: samples(workers.other, total)["1"] >= first["1"])
    assert samples(workers.other, total)["2"] >= first["2"]
    assert samples(workers.one, "stagegate_review_oldest_seconds").keys() == {""}
    before = samples(workers.one, started)
    workers.kill("2")
    assert eventually(lambda: samples(workers.one, started).get("2", 0) > before["2"])
    assert samples(workers.one, started)["1"] == before["1"]


def test_what_must_run_once_goes_on_in_another_process(
    workers: Workers, database: Database, home: Path
):
    def processes() -> dict[str, str]:
        """The number of the worker that each process is, the one in place of a killed one too."""
        return {(home / f"{FILE}-{number}").read_text(): number for number in "12"}

    def held() -> Any:
        with database.read() as connection:
            wanted = sa.select(lease.c.holder, lease.c.expires_at)
            return connection.execute(wanted.where(lease.c.name == "controller")).one()

    assert eventually(lambda: held().holder in processes())
    leader = held().holder
    workers.kill(processes()[leader])
    killed = datetime.now(UTC)
    assert eventually(lambda: held().expires_at > killed + timedelta(seconds=LEASE_SECONDS))
    assert held().holder in processes().keys() - {leader}


@contextmanager
def everybody_waits(workers: Workers, turn: int) -> Iterator[list[Future[httpx.Response]]]:
    """A caller at each worker who waits for a person's answer; the first turn begins a rollout."""
    if turn == 1:
        workers.service.post("/v1/rollouts", plan=PLAN % (1, "none", MANUAL))
    for client in (workers.one, workers.other):
        assert ask(client)["status"] == "held"
    headers = {"Content-Type": "image/png", "Prefer": "wait=100"}
    with ThreadPoolExecutor(2) as pool:
        asked = [
            pool.submit(client.post, ASK, content=PICTURE, headers=headers)
            for client in (workers.one, workers.other)
        ]
        assert eventually(lambda: workers.service.get("/v1/review/stats")["open"] == 4 * turn)
        yield asked


def test_workers_drain_when_their_parent_is_killed_and_when_it_is_asked_to_end(
    bundle: Bundle, migrated_sqlite_url: str, tmp_path: Path
):
    home, url = tmp_path / "home", migrated_sqlite_url
    database = Database(url)
    colours.record_versions(database, bundle, datetime.now(UTC))
    database.close()
    with two_workers(home, url) as workers:
        pids = workers.pids().values()
        with everybody_waits(workers, 1) as asked:
            workers.service.kill()
        held = [one.result() for one in asked]
        assert [one.status_code for one in held] == [202, 202]
        assert eventually(lambda: all(is_gone(pid) for pid in pids))
    with two_workers(home, url) as workers:
        pids = workers.pids().values()
        for one in held:
            assert workers.service.get(one.headers["Location"])["status"] == "held"
        with everybody_waits(workers, 2) as asked:
            assert workers.service.stop() == 0
        assert [one.result().status_code for one in asked] == [202, 202]
        assert all(is_gone(pid) for pid in pids)
    assert not (home / "service.json").exists()


def test_workers_that_cannot_start_end_the_service_with_their_error(
    migrated_sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("STAGEGATE_GRPC_PORT", str(taken.getsockname()[1]))
        up = ("up", "--port", "0", "--workers", "2")
        ended = run_command(tmp_path / "home", migrated_sqlite_url, *up)
    assert ended.returncode == 1
    assert "gRPC could not listen" in ended.stderr
    assert "before any answered" in ended.stderr
    assert "Traceback (most recent call last)" not in ended.stderr.splitlines()[-1]


def test_a_port_that_is_taken_is_said_before_any_worker_starts(
    migrated_sqlite_url: str, tmp_path: Path
):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        up = ("up", "--workers", "2", "--port", str(taken.getsockname()[1]))
        ended = run_command(tmp_path / "home", migrated_sqlite_url, *up)
    assert ended.returncode == 1
    assert "could not listen" in ended.stderr
    assert "worker" not in ended.stderr
