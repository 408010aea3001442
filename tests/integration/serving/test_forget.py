"""Deleting stored inputs: a subject's, old ones, and never one that somebody still needs."""

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import serving_app
from review_calls import Serve
from serving_fakes import image
from starlette.testclient import TestClient

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.plan import Review, StagePlan, Step
from registry.domain.stages import Stage
from serving.adapters.inputs import SqlInputs, inputs
from serving.adapters.payloads import PayloadStore
from serving.api.parts import Serving
from serving.services.forget import FOLDERS, Retention, delete_forgotten
from serving.services.predict import digest_of

pytestmark = pytest.mark.integration
FORGET = "/v1/models/waste/inputs:forget"
# What is unlike the training data is held for a person, all else is answered.
PART = StagePlan(Stage.GRADUAL, steps=(Step(100.0, 0.0),), review=Review(sample=0.0, flagged=1.0))
MINE, BOTH, HELD = image("glass"), image("metal"), image("paper", p_value=0.005)
DAY = timedelta(days=1)


@pytest.fixture
def asked(serve: Serve) -> tuple[TestClient, Serving]:
    """User 7 has sent three inputs, of which user 8 has sent one as well."""
    client, serving = serve(PART)
    for user, data in ((7, MINE), ("7", BOTH), (7, HELD), ("8", BOTH)):
        sent = {"X-Stagegate-Attributes": json.dumps({"user_id": user})}
        answer = client.post("/v1/models/waste/predict", content=data, headers=sent)
        assert answer.status_code == (202 if data is HELD else 200)
    # The tests' own clock says noon; the files have the real time.
    before = serving_app.now().timestamp() - 1
    for data in (MINE, BOTH, HELD):
        os.utime(path_of(serving, data), (before, before))
    return client, serving


def forget(client: TestClient, value: str = "7", attribute: str = "user_id") -> Any:
    return client.post(FORGET, json={"attribute": attribute, "value": value})


def delete_all(database: Database, store: PayloadStore) -> int:
    return delete_forgotten(store, inputs(database.read), inputs(database.begin))


def deleted(serving: Serving) -> int:
    return delete_all(serving.database, serving.payloads)


def stored(serving: Serving) -> set[bytes]:
    return {data for data in (MINE, BOTH, HELD) if serving.payloads.has(digest_of(data))}


def test_a_subjects_inputs_go_and_what_others_need_stays(asked: tuple[TestClient, Serving]):
    client, serving = asked
    said = forget(client).json()
    counts = {name: said[name] for name in ("requests", "inputs", "waiting", "shared")}
    assert counts == {"requests": 3, "inputs": 1, "waiting": 1, "shared": 1}
    assert stored(serving) == {MINE, BOTH, HELD}, "before the log has it"
    assert deleted(serving) == 1
    assert stored(serving) == {BOTH, HELD}


def test_a_dry_run_counts_and_leaves_everything_as_it_is(asked: tuple[TestClient, Serving]):
    client, serving = asked
    body = {"attribute": "user_id", "value": "7", "dry_run": True}
    said = client.post(FORGET, json=body).json()
    assert said["sentence"].startswith("3 requests; 1 stored input would be deleted; 1 stays")
    assert deleted(serving) == 0
    with serving.database.read() as connection:
        assert SqlUnitOfWork(connection).audit.read("waste", action="forgot inputs") == ()
    counts = ("requests", "inputs", "waiting", "shared")
    done = forget(client).json()
    assert [said[name] for name in counts] == [done[name] for name in counts]
    assert done["sentence"].startswith("3 requests; 1 stored input is being deleted")


def test_the_log_tells_of_a_deletion_and_not_whose_inputs_went(asked: tuple[TestClient, Serving]):
    client, serving = asked
    forget(client)
    with serving.database.read() as connection:
        (event,) = SqlUnitOfWork(connection).audit.read("waste", action="forgot inputs")
    assert event.detail["subject"] == "veiled"
    assert (event.detail["requests"], event.detail["inputs"]) == (3, 1)


def test_an_input_that_a_person_is_asked_about_goes_once_they_have_answered(
    asked: tuple[TestClient, Serving],
):
    client, serving = asked
    assert "1 stays until a person has answered" in forget(client).json()["sentence"]
    deleted(serving)
    assert stored(serving) == {BOTH, HELD}
    item = client.get("/v1/review/next").json()
    assert item["payload_missing"] is None
    body = {"epoch": item["epoch"], "label": "paper", "final": True}
    assert client.post(f"/v1/review/{item['id']}/decision", json=body).status_code == 200
    deleted(serving)
    assert stored(serving) == {BOTH}, "nobody had to ask for it again"
    assert deleted(serving) == 0
    gone = client.get(f"/v1/predictions/{item['prediction_id']}/payload")
    assert gone.status_code == 404
    assert "no longer stored" in gone.json()["detail"]
    record = client.get(f"/v1/predictions/{item['prediction_id']}").json()
    assert record["prediction"] == "paper", "what was decided stays on record"


def test_an_input_that_is_sent_again_after_the_deletion_was_asked_for_stays(
    asked: tuple[TestClient, Serving],
):
    client, serving = asked
    forget(client)
    later = serving_app.now().timestamp() + 1
    os.utime(path_of(serving, MINE), (later, later))
    deleted(serving)
    assert MINE in stored(serving)


def path_of(serving: Serving, data: bytes) -> str:
    name = digest_of(data).removeprefix("sha256:")
    return f"{serving.payloads._root}/{name[:2]}/{name}"


def test_a_subject_that_nobody_is_leaves_everything(asked: tuple[TestClient, Serving]):
    client, serving = asked
    said = forget(client, "9").json()
    assert (said["requests"], said["inputs"]) == (0, 0)
    assert deleted(serving) == 0
    unknown = client.post(FORGET.replace("waste", "nobody"), json={"attribute": "a", "value": "b"})
    assert unknown.status_code == 404
    assert forget(client, "", "user_id").status_code == 422
    assert forget(client, "7", 'user"id').status_code == 422
    assert client.post(FORGET, json={"attribute": "user_id", "value": 7}).status_code == 422


def test_whoever_dies_while_deleting_leaves_the_rest_to_the_next(
    database: Database, tmp_path: Path
):
    folder, now = tmp_path / "payloads", datetime.now(UTC)
    store = PayloadStore(str(folder))
    digests = [store.put(f"input {number}".encode()) for number in range(4)]
    with database.begin() as connection:
        SqlInputs(connection).forget(digests, now + DAY)
    child = Path(serving_app.__file__).with_name("forgetting_child.py")
    words = [sys.executable, str(child), database.url, str(folder)]
    root = str(child.parents[1])
    died = subprocess.run(words, check=False, env={**os.environ, "PYTHONPATH": root})
    assert died.returncode == 9
    names = [path.name for path in files(folder)]
    assert len(names) == 3
    assert sum(name.endswith(".forgotten") for name in names) == 1, "it died in the middle of one"
    assert delete_all(database, store) == 4
    assert files(folder) == []
    assert delete_all(database, store) == 0


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> PayloadStore:
    """One on a disk, and one on a storage that is none."""
    root = str(tmp_path) if request.param == "disk" else f"memory://{uuid.uuid4().hex}"
    return PayloadStore(root)


def whole_turn(store: PayloadStore, needed: Collection[str], now: datetime, days: int = 30) -> int:
    retention = Retention(store, lambda inputs: needed, days)
    return sum(retention.turn(now) for _ in FOLDERS)


def test_inputs_are_deleted_some_days_after_they_were_last_sent(store: PayloadStore):
    digests = [store.put(f"input {number}".encode()) for number in range(20)]
    now = datetime.now(UTC)
    assert whole_turn(store, (), now + 29 * DAY) == 0
    assert all(map(store.has, digests))
    needed = digests[:3]
    assert whole_turn(store, needed, now + 31 * DAY) == 17
    assert [one for one in digests if store.has(one)] == needed


def test_an_old_input_that_is_sent_again_is_as_a_new_one(tmp_path: Path):
    store = PayloadStore(str(tmp_path))
    digest = store.put(b"input")
    (file,) = files(tmp_path)
    os.utime(file, (0, 0))
    assert store.put(b"input") == digest
    assert whole_turn(store, (), datetime.now(UTC)) == 0
    os.utime(file, (0, 0))
    assert whole_turn(store, (), datetime.now(UTC)) == 1


def test_an_input_that_is_sent_again_just_after_its_deletion_was_asked_for_stays(
    store: PayloadStore, database: Database
):
    again, gone = store.put(b"sent again"), store.put(b"sent once")
    with database.begin() as connection:
        SqlInputs(connection).forget((again, gone), datetime.now(UTC))
    store.put(b"sent again")
    delete_all(database, store)
    assert store.has(again)
    assert not store.has(gone)


def test_what_was_asked_for_again_while_it_was_being_deleted_is_still_to_go(
    database: Database, tmp_path: Path
):
    store, now = PayloadStore(str(tmp_path)), datetime.now(UTC)
    digest = store.put(b"input")
    with database.begin() as connection:
        wishes = SqlInputs(connection)
        wishes.forget((digest,), now)
        first = wishes.to_go(10)
        wishes.forget((digest,), now + DAY)
        wishes.gone(first)
        assert wishes.to_go(10) == ((digest, now + DAY),)


def test_more_inputs_than_a_query_may_name_are_looked_up(database: Database):
    with database.read() as connection:
        assert SqlInputs(connection).waiting([f"sha256:{n}" for n in range(70_000)]) == frozenset()


def test_what_died_with_an_input_in_its_hands_is_finished_by_the_next_turn(tmp_path: Path):
    store = PayloadStore(str(tmp_path))
    old, new = store.put(b"old"), store.put(b"new")
    for path in files(tmp_path):
        path.rename(f"{path}.forgotten")
        if path.name == old.removeprefix("sha256:"):
            os.utime(f"{path}.forgotten", (0, 0))
    whole_turn(store, (), datetime.now(UTC))
    assert not store.has(old)
    assert store.has(new), "it is not old, so it comes back"
    assert len(files(tmp_path)) == 1


def test_an_input_that_is_sent_while_it_is_being_deleted_is_never_lost(tmp_path: Path):
    store = PayloadStore(str(tmp_path))

    def at_once(*acts: Callable[[], object]) -> None:
        ready = threading.Barrier(len(acts))
        threads = [threading.Thread(target=lambda act=act: (ready.wait(), act())) for act in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    for round_ in range(300):
        data = f"input {round_ % 7}".encode()
        digest = store.put(data)
        before = datetime.fromtimestamp(time.time_ns() / 1e9, UTC)
        at_once(partial(store.forget, digest, before), partial(store.put, data))
        assert store.get(digest) == data
