"""A request that is sent again under its key: the same answer, on every protocol and replica."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serving_app
import sqlalchemy as sa
from keyed_child import BODIES, KEYS, ONE, PROTOCOLS, TWO, ids, send_all
from serving_fakes import FakeRunner, image
from starlette.testclient import TestClient
from waiting import PATIENCE, eventually

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.plan import Flags, Review, StagePlan, Step
from registry.domain.stages import Stage
from serving.adapters.tables import prediction

pytestmark = pytest.mark.integration
CHILD = Path(__file__).parents[2] / "keyed_child.py"
GRADUAL = StagePlan(Stage.GRADUAL, steps=(Step(100.0, 0.0),), review=Review(sample=0.0))
OTHER = (image("paper"), image("paper"))


@pytest.fixture
def ready(database: Database) -> Database:
    serving_app.register(database, GRADUAL, flags=Flags())
    return database


@contextmanager
def replica(database: Database, folder: Path) -> Iterator[tuple[TestClient, FakeRunner]]:
    """A replica in this process, and its model."""
    runner = FakeRunner()
    parts = serving_app.parts(database, str(folder / "p"), {1: FakeRunner("paper"), 2: runner})
    with serving_app.client(parts) as client:
        yield client, runner


@contextmanager
def child(database: Database, folder: Path, what: str) -> Iterator["subprocess.Popen[str]"]:
    """A replica in a process of its own, which is ready."""
    process = subprocess.Popen(
        [sys.executable, str(CHILD), database.url, str(folder / "p"), what],
        env={**os.environ, "PYTHONPATH": str(CHILD.parents[1])},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)


def names(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.execute(sa.select(prediction.c.id)).scalars())


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_a_repeat_gets_the_same_answer_and_another_request_under_its_key_is_refused(
    ready: Database, tmp_path: Path, protocol: str
):
    send, body = PROTOCOLS[protocol], BODIES[protocol]
    with replica(ready, tmp_path) as (client, runner):
        first = send(client, "key", *body)
        assert send(client, "key", *body).content == first.content
        assert sum(runner.batches) == len(body)
        others = [OTHER[:1]] if protocol == "predict" else [OTHER, TWO[:1], TWO[1:], TWO + ONE]
        for other in others:
            refused = send(client, "key", *other)
            assert refused.status_code == 422, refused.text
            assert "different request" in refused.text
        assert len(names(ready)) == len(body)


@pytest.mark.parametrize("name", ["a%00b", "a" * 257])
def test_a_name_that_no_model_can_have_is_refused_with_a_key_as_well(
    ready: Database, tmp_path: Path, name: str
):
    headers = {"Idempotency-Key": "k", "Content-Type": "image/png"}
    with replica(ready, tmp_path) as (client, _):
        answer = client.post(f"/v1/models/{name}/predict", content=ONE[0], headers=headers)
        assert answer.status_code == 422, answer.text


def test_one_row_under_a_key_is_the_same_request_on_every_protocol(ready: Database, tmp_path: Path):
    with replica(ready, tmp_path) as (client, _):
        found = {name: ids(send(client, "key", *ONE)) for name, send in PROTOCOLS.items()}
    assert len({tuple(one) for one in found.values()}) == 1


def test_a_version_that_was_asked_for_by_number_still_answers_a_repeat(
    ready: Database, tmp_path: Path
):
    path = "/v2/models/waste/versions/2/infer"
    headers = {"Idempotency-Key": "key", "X-Stagegate-Attributes": '{"user_id": "u"}'}
    tensor = {
        "name": "image",
        "datatype": "BYTES",
        "shape": [1],
        "data": ["/9j/bWV0YWwgMC45IDAuNQ=="],
    }
    with replica(ready, tmp_path) as (client, _):
        first = client.post(path, json={"inputs": [tensor]}, headers=headers)
        assert first.status_code == 200, first.text
        with ready.begin() as connection:
            unit = SqlUnitOfWork(connection)
            connection.exec_driver_sql("delete from rollout")
            unit.routing_clock.tick()
        where = "/v2/models/waste/versions/2/ready"
        assert eventually(lambda: client.get(where).status_code == 404)
        assert client.post(path, json={"inputs": [tensor]}, headers=headers).json() == first.json()


def test_two_replicas_that_get_every_request_at_once_give_the_same_answers(
    ready: Database, tmp_path: Path
):
    with replica(ready, tmp_path) as (client, _), child(ready, tmp_path, "all") as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdin.write("go\n")
        other.stdin.flush()
        mine = send_all(client)
        theirs = json.loads(other.stdout.readline())
    assert mine == theirs
    assert len(names(ready)) == sum(len(BODIES[name]) for name, _ in KEYS)


@pytest.mark.parametrize("protocol", ["predict", "infer"])
def test_an_answer_that_was_stored_and_never_sent_is_given_after_the_restart(
    ready: Database, tmp_path: Path, protocol: str
):
    """The child is killed after the commit and before its answer goes out."""
    with child(ready, tmp_path, protocol) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "committed\n"
        killed.send_signal(signal.SIGKILL)
        killed.wait(PATIENCE)
    before = names(ready)
    assert before
    with replica(ready, tmp_path) as (client, runner):
        found = ids(PROTOCOLS[protocol](client, "key", *BODIES[protocol]))
        assert sum(runner.batches) == len(BODIES[protocol]) - len(before)
    assert before <= set(found) == names(ready)
