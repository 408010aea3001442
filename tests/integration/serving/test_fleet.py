"""Hot swap: loaded before routed, unloaded after the last request, rollbacks wait for no load."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
import serving_app
from serving_fakes import FakeRunner, Measured, a_version, image
from waiting import PATIENCE, eventually

from monitoring.domain.window import LiveWindow, WindowCounts
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.errors import NotFound, Unavailable
from registry.domain.versions import ModelVersion
from serving.adapters.engine import Batching, Engine
from serving.adapters.fleet import KEEP_SECONDS, POLL_SECONDS, LiveFleet
from serving.adapters.keeper import Keeper
from serving.adapters.payloads import PayloadStore, media_type

pytestmark = pytest.mark.integration


class Stable:
    """Loads fakes; a version in `slow` waits for its gate."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.asked: list[str] = []
        self.slow: dict[str, threading.Event] = {}
        self.broken: set[str] = set()

    def __call__(self, version: ModelVersion) -> FakeRunner:
        self.asked.append(version.name)
        if version.name in self.broken:
            raise FileNotFoundError("no such file")
        gate = self.slow.get(version.name)
        if gate:
            gate.wait(PATIENCE)
        self.loaded.append(version.name)
        return FakeRunner()


@pytest.fixture
def stable() -> Stable:
    return Stable()


@pytest.fixture
def fleet(database: Database, stable: Stable) -> Iterator[LiveFleet]:
    made = LiveFleet(
        database, stable, lambda _: None, Measured(), serving_app.now, Batching(8, 0.001, 64)
    )
    yield made
    for gate in stable.slow.values():
        gate.set()
    made.close()


def live(
    database: Database,
    model: str,
    version: int,
    now: datetime | None = None,
    previous: int | None = None,
) -> None:
    with database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        unit.live.put(model, version, previous, now or serving_app.now())
        unit.routing_clock.tick()


def add(database: Database, *names: tuple[str, int]) -> None:
    with database.begin() as connection:
        for model, version in names:
            SqlUnitOfWork(connection).versions.add(a_version(version, model))


def answers(fleet: LiveFleet, model: str) -> int | None:
    with fleet.admit() as generation:
        return generation.snapshot.assign(model, {}, serving_app.now()).answering


def test_only_versions_that_a_route_names_are_loaded(
    database: Database, fleet: LiveFleet, stable: Stable
):
    add(database, ("a", 1), ("a", 2), ("b", 1))
    live(database, "a", 2)
    fleet.refresh()
    assert stable.loaded == ["a@2"]
    assert fleet.problems() == ()


def test_the_version_before_the_live_one_stays_loaded_until_no_undo_can_need_it(
    database: Database, fleet: LiveFleet, stable: Stable
):
    add(database, ("a", 1), ("a", 2), ("a", 3))
    for version, previous in ((1, None), (2, 1)):
        live(database, "a", version, previous=previous)
        fleet.refresh()
    fleet.tick()
    assert fleet.loaded == {("a", 1), ("a", 2)}
    live(database, "a", 1)
    fleet.follow()
    assert answers(fleet, "a") == 1
    assert stable.asked == ["a@1", "a@2"]
    live(database, "a", 3, previous=1)
    fleet.refresh()
    fleet.tick()
    assert fleet.loaded == {("a", 1), ("a", 3)}


def test_a_version_that_cannot_be_returned_to_is_a_warning_and_no_outage(
    database: Database, fleet: LiveFleet, stable: Stable
):
    stable.broken.add("a@1")
    add(database, ("a", 1), ("a", 2))
    live(database, "a", 2, previous=1)
    fleet.refresh()
    assert fleet.problems() == ()
    assert fleet.warnings() == ("a@1: no such file",)
    assert answers(fleet, "a") == 2


def test_a_change_of_a_route_applies_at_once_where_it_was_made(
    database: Database, fleet: LiveFleet, stable: Stable
):
    add(database, ("a", 1), ("a", 2))
    for version in (1, 2):
        live(database, "a", version)
        fleet.refresh()
    live(database, "a", 1)
    assert answers(fleet, "a") == 2
    fleet.follow()
    assert answers(fleet, "a") == 1


def test_before_the_first_look_the_fleet_is_not_ready(fleet: LiveFleet):
    assert fleet.problems() == ("the routes have not been read yet",)


def test_a_rollback_of_one_model_does_not_wait_for_the_load_of_another(
    database: Database, fleet: LiveFleet, stable: Stable
):
    add(database, ("a", 1), ("a", 2), ("b", 1), ("b", 2))
    for model, version in (("a", 1), ("a", 2), ("b", 1)):
        live(database, model, version)
        fleet.refresh()
    stable.slow["b@2"] = threading.Event()
    live(database, "b", 2)
    live(database, "a", 1)
    loader = threading.Thread(target=fleet.refresh)
    loader.start()
    assert eventually(lambda: answers(fleet, "a") == 1)
    assert answers(fleet, "b") == 1  # the old route stands until the new version is warm
    stable.slow["b@2"].set()
    loader.join(PATIENCE)
    assert answers(fleet, "b") == 2


def test_a_rollback_during_a_load_applies_while_the_load_goes_on(
    database: Database, fleet: LiveFleet, stable: Stable
):
    add(database, ("a", 1), ("a", 2), ("b", 1), ("b", 2))
    for model, version in (("a", 1), ("a", 2), ("b", 1)):
        live(database, model, version)
    fleet.start()
    stable.slow["b@2"] = threading.Event()
    live(database, "b", 2)
    assert eventually(lambda: "b@2" in stable.asked)
    live(database, "a", 1)  # committed after the load of b has begun
    assert eventually(lambda: answers(fleet, "a") == 1)
    assert "b@2" not in stable.loaded
    assert POLL_SECONDS < 1  # so within a second
    live(database, "b", 1)  # the model whose version is being loaded can be rolled back too
    stable.slow["b@2"].set()
    assert eventually(lambda: fleet.loaded == {("a", 1), ("b", 1)})
    assert answers(fleet, "b") == 1


def test_a_version_that_failed_to_load_is_tried_again(
    database: Database, fleet: LiveFleet, stable: Stable
):
    stable.broken.add("a@1")
    add(database, ("a", 1))
    live(database, "a", 1)
    fleet.refresh()
    assert fleet.problems() == ("a@1: no such file",)
    stable.broken.clear()
    fleet.refresh()
    assert fleet.problems() == ()


def test_a_version_stays_loaded_until_the_last_request_that_can_call_it_is_done(
    database: Database, fleet: LiveFleet
):
    add(database, ("a", 1), ("a", 2))
    live(database, "a", 1)
    fleet.refresh()
    with fleet.admit() as old:
        live(database, "a", 2)
        fleet.refresh()
        fleet.tick()
        assert asyncio.run(old.run("a", 1, image("metal"))).label == "metal"
        assert ("a", 1) in fleet.loaded
    fleet.tick()
    assert fleet.loaded == {("a", 2)}


class Counting(FakeRunner):
    """Has counted something each time it is asked."""

    def drain(self, now: datetime) -> LiveWindow | None:
        epoch = int(now.timestamp() * 1e6)
        return LiveWindow("a", 1, "here", epoch, now, now, WindowCounts(rows=1))


class Store:
    """Keeps windows, unless it is away."""

    def __init__(self) -> None:
        self.kept: list[LiveWindow] = []
        self.away = False

    def __call__(self, window: LiveWindow) -> None:
        if self.away:
            raise ConnectionError("the database is away")
        self.kept.append(window)


def test_a_window_that_could_not_be_stored_is_stored_later():
    store, clock = Store(), serving_app.now
    keeper = Keeper(store, clock)
    with ThreadPoolExecutor(1) as pool:
        engine = Engine("a@1", 1, Counting(), pool, Measured(), clock, Batching())
    engines = {("a", 1): engine}
    store.away = True
    for _ in range(5):
        keeper.keep(engines).result(PATIENCE)
    assert store.kept == []
    store.away = False
    keeper.keep(engines).result(PATIENCE)
    assert len(store.kept) == 1  # the one that could not be stored: the rest counts on
    keeper.keep(engines).result(PATIENCE)
    keeper.retire("a@1", engine)
    keeper.close()
    assert len({window.epoch for window in store.kept}) == len(store.kept) == 3


def test_live_windows_are_kept_and_the_last_one_when_the_fleet_stops(database: Database):
    add(database, ("a", 1))
    live(database, "a", 1)
    kept: list[LiveWindow] = []
    fleet = LiveFleet(
        database, lambda _: Counting(), kept.append, Measured(), serving_app.now, Batching()
    )
    fleet.refresh()
    began = time.monotonic()
    for _ in range(5):
        fleet.tick()
    seconds = (time.monotonic() - began) / KEEP_SECONDS
    assert eventually(lambda: kept)
    fleet.close()
    assert 2 <= len(kept) <= 2 + seconds  # at once, then once a second, and at the end


def test_a_request_for_a_version_that_is_not_loaded_is_refused(
    database: Database, fleet: LiveFleet
):
    with fleet.admit() as generation, pytest.raises(Unavailable, match="a@9 is not loaded"):
        asyncio.run(generation.run("a", 9, image()))


def test_payloads_are_stored_once_under_their_digest(tmp_path: Path):
    store = PayloadStore(f"file://{tmp_path}/payloads")
    digest = store.put(b"photo")
    assert store.put(b"photo") == digest
    assert store.get(digest) == b"photo"
    assert len([p for p in (tmp_path / "payloads").rglob("*") if p.is_file()]) == 1
    with pytest.raises(NotFound):
        store.get("sha256:" + "0" * 64)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n0", "image/png"),
        (b"RIFF0000WEBPVP8", "image/webp"),
        (b"<svg onload=alert(1)>", "application/octet-stream"),
        (b"<html>", "application/octet-stream"),
    ],
)
def test_the_type_of_a_payload_is_read_from_its_bytes(data: bytes, kind: str):
    assert media_type(data) == kind
