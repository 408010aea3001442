"""What a replica does while something that it needs is away, full, or hangs."""

import errno
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import serving_app
import sqlalchemy as sa
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]
from serving_fakes import FakeRunner, image
from starlette.testclient import TestClient
from waiting import PATIENCE, eventually

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.plan import Answers, Flags, Review, StagePlan, Step
from registry.domain.stages import Stage
from serving.adapters.payloads import PayloadStore
from serving.adapters.tables import prediction
from serving.api.parts import Serving
from serving.services.run import Patience

pytestmark = pytest.mark.integration
URL = "/v1/models/waste/predict"
GRADUAL = StagePlan(Stage.GRADUAL, steps=(Step(100.0, 0.0),), review=Review(sample=0.0))
SUPERVISED = StagePlan(Stage.LIMITED_SCOPE, answers=Answers.AFTER_APPROVAL)
UNIT = {"X-Stagegate-Attributes": json.dumps({"user_id": "u"})}


@dataclass
class Outage:
    """Makes every connection to a database fail while it lasts."""

    on: threading.Event = field(default_factory=threading.Event)

    def over(self, database: Database) -> None:
        @sa.event.listens_for(database.engine, "begin")
        def fail(_: sa.Connection) -> None:
            if self.on.is_set():
                raise sa.exc.OperationalError("connect", {}, OSError("the database is away"))


class FullDisk(LocalFileSystem):
    """No space is left on it while `full`."""

    full = True

    def pipe_file(self, path: str, value: bytes, **options: Any) -> None:
        super().pipe_file(path, value[:1] if self.full else value, **options)
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def outage(database: Database) -> Outage:
    made = Outage()
    made.over(database)
    return made


Serve = Callable[..., TestClient]


@pytest.fixture
def serve(database: Database, tmp_path: Path, outage: Outage) -> Iterator[Serve]:
    """Version 1, live, says paper; version 2, the candidate, says what it is shown."""
    with ExitStack() as stack:

        def start(
            part: StagePlan | None, candidate: FakeRunner | None = None, **parts: Any
        ) -> TestClient:
            serving_app.register(database, part, flags=Flags())
            runners = {1: FakeRunner("paper"), 2: candidate or FakeRunner()}
            made: Serving = serving_app.parts(database, str(tmp_path / "p"), runners)
            return stack.enter_context(serving_app.client(replace(made, **parts)))

        yield start
        outage.on.clear()


def ids(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.execute(sa.select(prediction.c.id)).scalars())


@pytest.mark.parametrize("part", [GRADUAL, SUPERVISED])
def test_while_the_database_is_away_requests_are_refused_and_nothing_acknowledged_is_lost(
    serve: Serve, database: Database, outage: Outage, part: StagePlan
):
    """An answer is a promise that it can be looked up; what cannot be kept is not given."""
    client = serve(part)
    before = [client.post(URL, content=image(), headers=UNIT) for _ in range(3)]
    assert {one.status_code for one in before} == {202 if part is SUPERVISED else 200}
    outage.on.set()
    for headers in (UNIT, {**UNIT, "Idempotency-Key": "k"}):
        refused = client.post(URL, content=image(), headers=headers)
        assert refused.status_code == 503, refused.text
        assert refused.headers["retry-after"]
        assert "database" in refused.json()["detail"]
    assert client.get("/healthz").status_code == 200
    outage.on.clear()
    after = client.post(URL, content=image(), headers={**UNIT, "Idempotency-Key": "k"})
    assert after.status_code == before[0].status_code
    assert ids(database) == {one.json()["id"] for one in [*before, after]}


def test_a_route_that_changed_during_an_outage_is_followed_after_it(
    serve: Serve, database: Database, outage: Outage
):
    client = serve(None)
    outage.on.set()
    assert client.post(URL, content=image()).status_code == 503
    outage.on.clear()
    with database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        unit.live.put("waste", 2, 1, serving_app.now())
        unit.routing_clock.tick()

    def answered_by() -> int:
        return client.post(URL, content=image("metal")).json().get("version")

    assert eventually(lambda: answered_by() == 2)


def test_a_full_disk_refuses_the_request_and_leaves_no_row_that_names_nothing(
    serve: Serve, database: Database, tmp_path: Path
):
    store, disk = PayloadStore(str(tmp_path / "p")), FullDisk(skip_instance_cache=True)
    store._files = disk
    client = serve(GRADUAL, payloads=store)
    refused = client.post(URL, content=image(), headers=UNIT)
    assert refused.status_code == 503, refused.text
    assert "stored" in refused.json()["detail"]
    assert ids(database) == set()
    assert not [path for path in (tmp_path / "p").rglob("*") if path.is_file()]
    disk.full = False
    assert client.post(URL, content=image(), headers=UNIT).status_code == 200


def test_a_body_that_a_crash_has_torn_is_written_again(tmp_path: Path):
    store = PayloadStore(str(tmp_path))
    digest = store.put(b"the whole body")
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    file.write_bytes(b"the who")
    assert store.put(b"the whole body") == digest
    assert store.get(digest) == b"the whole body"


def test_a_full_database_refuses_the_request_and_keeps_what_it_has(
    migrated_sqlite_url: str, tmp_path: Path
):
    """SQLite that may grow no further; PostgreSQL says so with an error of the same class."""
    database, first = Database(migrated_sqlite_url), {}

    @sa.event.listens_for(database.engine, "begin")
    def no_more(connection: sa.Connection) -> None:
        if first:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")  # as many as there are

    serving_app.register(database, None)
    parts = serving_app.parts(database, str(tmp_path / "p"), {1: FakeRunner()})
    with serving_app.client(parts) as client:
        first |= client.post(URL, content=image()).json()
        large = {"X-Stagegate-Attributes": json.dumps({str(n): "x" * 1000 for n in range(60)})}
        refused = [client.post(URL, content=image("metal"), headers=large) for _ in range(5)]
        assert refused[-1].status_code == 503, refused[-1].text
        assert client.get(f"/v1/predictions/{first['id']}").json() == first
    database.close()


def test_a_store_that_is_away_refuses_what_it_should_keep_and_says_so_of_what_it_kept(
    serve: Serve, tmp_path: Path
):
    client = serve(None)
    found = client.post(URL, content=image()).json()
    (tmp_path / "p").rename(tmp_path / "away")
    (tmp_path / "p").write_text("where a folder was is a file")
    refused = client.post(URL, content=image("metal"))
    assert refused.status_code == 503, refused.text
    assert client.get(f"/v1/predictions/{found['id']}/payload").status_code in {404, 503}
    assert client.get(f"/v1/predictions/{found['id']}").status_code == 200


@pytest.mark.parametrize("fails", [RuntimeError("broken"), MemoryError(), ValueError("nan")])
def test_a_candidate_that_raises_costs_its_callers_nothing_and_counts_against_it(
    serve: Serve, database: Database, fails: Exception
):
    client = serve(GRADUAL, FakeRunner(fails=fails))
    found = client.post(URL, content=image("metal"), headers=UNIT)
    assert found.status_code == 200, found.text
    assert (found.json()["version"], found.json()["prediction"]) == (1, "paper")
    assert found.json()["flags"][0]["code"] == "model-failed"
    with database.read() as connection:
        failed = connection.exec_driver_sql("select count(*) from exposure where failed")
        assert failed.scalar() == 1


def test_a_candidate_that_hangs_is_given_up_and_the_others_go_on(serve: Serve):
    gate = threading.Event()
    client = serve(GRADUAL, FakeRunner(gate=gate), patience=Patience(answer_seconds=0.1))
    with ThreadPoolExecutor(8) as callers:
        asked = [
            callers.submit(client.post, URL, content=image("metal"), headers=UNIT) for _ in range(8)
        ]
        answers = [one.result(PATIENCE) for one in asked]
    assert {one.status_code for one in answers} == {200}
    assert {one.json()["version"] for one in answers} == {1}
    gate.set()
