"""The same application on a Ray cluster of two nodes, with PostgreSQL; needs stagegate[ray]."""

import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import colours
import httpx
import numpy as np
import pytest
import sqlalchemy as sa
import yaml
from service_process import command, run_command
from waiting import PATIENCE, eventually

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from serving.adapters.tables import prediction

pytestmark = pytest.mark.e2e
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs stagegate[ray]")

ASK = "/v1/models/colours/predict"
PICTURE = colours.encode(colours.pictures(np.random.default_rng(1), 1)[0][0])
CONFIG = Path(__file__).parents[2] / "deploy/ray/serve.yaml"
CLUSTER = Path(__file__).parents[1] / "ray_cluster.py"


@dataclass
class Deployed:
    """A service that Ray runs."""

    process: "subprocess.Popen[bytes]"
    url: str
    log: Path

    def replicas(self) -> set[int]:
        """The processes that answer."""
        return set(_pids("ray::ServeReplica:stagegate"))


def _pids(title: str) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            said = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if said.startswith(title):
            yield int(folder.name)


@pytest.fixture(scope="module")
def database(
    new_database: Callable[[], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Database]:
    """One in which version 1 is live."""
    url = new_database()
    if url.startswith("sqlite"):
        pytest.skip("two nodes share PostgreSQL")
    opened, now = Database(url), datetime.now(UTC)
    bundle = colours.make_bundle(tmp_path_factory.mktemp("bundle"), now)
    colours.record_versions(opened, bundle, now, count=2)
    with opened.begin() as connection:
        unit = SqlUnitOfWork(connection)
        unit.live.put("colours", 1, None, now)
        unit.routing_clock.tick()
    yield opened
    opened.close()


@contextmanager
def two_nodes(environment: dict[str, str]) -> Iterator[str]:
    """The address of a cluster whose nodes have this environment."""
    words = [sys.executable, str(CLUSTER)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, env=environment) as cluster:
        assert cluster.stdout
        assert cluster.stdin
        lines = iter(cluster.stdout.readline, b"")
        yield next(line.decode().strip() for line in lines if line.startswith(b"127.0.0."))
        cluster.stdin.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def deployed(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Two replicas on two nodes."""
    home = tmp_path_factory.mktemp("ray") / "home"
    log, port = home.with_suffix(".log"), _free_port()
    settings = {
        **os.environ,
        "RAY_AUTH_MODE": "disabled",
        "RAY_SERVE_PROXY_PREFER_LOCAL_NODE_ROUTING": "0",  # else one node has all, while it can
        "STAGEGATE_HOME": str(home),
        "STAGEGATE_DATABASE_URL": database.url,
        "STAGEGATE_RAY_MIN_REPLICAS": "2",
    }
    up = command(home, "up", "--engine", "ray", "--workers", "2", "--port", str(port))
    with two_nodes(settings) as address, log.open("ab") as output:
        process = subprocess.Popen(
            up, env={**settings, "RAY_ADDRESS": address}, stdout=output, stderr=output
        )
        made = Deployed(process, f"http://127.0.0.1:{port}", log)
        try:
            came = eventually(lambda: process.poll() is not None or _is_ready(made))
            assert came, log.read_text()[-4000:]
            assert process.poll() is None, log.read_text()[-4000:]
            yield made
        finally:
            process.kill()
            process.wait(PATIENCE)


def _is_ready(made: Deployed) -> bool:
    try:
        ready = httpx.get(f"{made.url}/readyz", timeout=PATIENCE).is_success
    except httpx.TransportError:
        return False
    return ready and len(made.replicas()) == 2


@dataclass
class Caller:
    """Sends one request after another, each until it is answered, and keeps what it was told."""

    url: str
    name: str
    done: threading.Event
    told: dict[str, str] = field(default_factory=dict)
    lost: int = 0

    def run(self) -> None:
        while not self.done.is_set():
            key = f"{self.name}-{len(self.told)}"
            assert eventually(partial(self._told, key)), "nobody answered"

    def _told(self, key: str) -> bool:
        headers = {"Content-Type": "image/png", "Idempotency-Key": key}
        try:
            answer = httpx.post(self.url + ASK, content=PICTURE, headers=headers, timeout=PATIENCE)
        except httpx.TransportError:
            self.lost += 1
            return False
        if answer.status_code != 200:
            self.lost += answer.status_code != 503
            return False
        self.told[key] = answer.json()["id"]
        return True


@contextmanager
def load(deployed: Deployed, name: str) -> Iterator[list[Caller]]:
    """Four callers who ask until it is over; then everybody has an answer."""
    done = threading.Event()
    callers = [Caller(deployed.url, f"{name}-{n}", done) for n in range(4)]
    with ThreadPoolExecutor(len(callers)) as pool:
        running: list[Future[None]] = [pool.submit(caller.run) for caller in callers]
        try:
            assert eventually(lambda: answered(callers) > 20)
            yield callers
            before = answered(callers)
            assert eventually(lambda: answered(callers) > before + 20)
        finally:
            done.set()
    for one in running:
        one.result()


def answered(callers: list[Caller]) -> int:
    return sum(len(caller.told) for caller in callers)


def stored(database: Database, name: str) -> dict[str, str]:
    keyed = sa.select(prediction.c.idempotency_key, prediction.c.id)
    with database.read() as connection:
        rows = connection.execute(keyed.where(prediction.c.idempotency_key.like(f"{name}-%")))
        return {row.idempotency_key: row.id for row in rows}


def told(callers: list[Caller]) -> dict[str, str]:
    return {key: name for caller in callers for key, name in caller.told.items()}


@needs_ray
def test_both_nodes_answer_and_a_key_is_one_answer(deployed: Deployed):
    with httpx.Client(base_url=deployed.url, timeout=PATIENCE) as client:
        workers = set()

        def both() -> bool:
            workers.add(client.get("/healthz").json()["worker"])
            return len(workers) == 2

        assert eventually(both)
        headers = {"Content-Type": "image/png", "Idempotency-Key": "one"}
        ids = {client.post(ASK, content=PICTURE, headers=headers).json()["id"] for _ in range(20)}
    assert len(ids) == 1


@needs_ray
def test_a_replica_that_is_killed_is_replaced_and_nothing_acknowledged_is_lost(
    deployed: Deployed, database: Database
):
    with load(deployed, "killed") as callers:
        dead = min(deployed.replicas())
        os.kill(dead, signal.SIGKILL)
        assert eventually(lambda: len(deployed.replicas() - {dead}) == 2)
    assert stored(database, "killed") == told(callers)


@needs_ray
def test_another_deployment_takes_over_without_losing_a_request(
    deployed: Deployed, database: Database
):
    old = deployed.replicas()
    with load(deployed, "rolling") as callers:
        deployed.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: not old & deployed.replicas())
    assert sum(caller.lost for caller in callers) == 0
    assert stored(database, "rolling") == told(callers)


@needs_ray
def test_it_ends_at_a_signal_with_its_replicas(deployed: Deployed):
    deployed.process.terminate()
    assert deployed.process.wait(PATIENCE) == 0
    assert eventually(lambda: not deployed.replicas())


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_it_says_what_to_install(tmp_path: Path, migrated_sqlite_url: str):
    ended = run_command(tmp_path / "home", migrated_sqlite_url, "up", "--engine", "ray")
    assert ended.returncode == 1
    assert "install stagegate[ray]" in ended.stderr


def test_a_free_port_without_a_number_is_refused(tmp_path: Path, migrated_sqlite_url: str):
    words = ("up", "--engine", "ray", "--port", "0")
    ended = run_command(tmp_path / "home", migrated_sqlite_url, *words)
    assert ended.returncode == 1
    assert "the same on every node" in ended.stderr


@needs_ray
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray's own
def test_the_config_file_is_one_of_serve():
    from ray.serve.schema import ServeDeploySchema

    from console.ray_application import Scaling

    said = yaml.safe_load(CONFIG.read_text())
    (application,) = ServeDeploySchema.model_validate(said).applications
    module, _, name = application.import_path.partition(":")
    assert getattr(importlib.import_module(module), name)(Scaling(**application.args))
