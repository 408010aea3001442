"""Memory returns after a hot swap: a service that swaps versions many times does not grow."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import colours
import numpy as np
import pytest
from service_process import Service, running
from waiting import PATIENCE, eventually

from console.memory import in_kibibytes
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
ROWS = 8192
WEIGHTS = ROWS * 4096  # bytes, of each version
FIRST, MORE = 4, 16
PICTURE = colours.encode(colours.pictures(np.random.default_rng(1), 1)[0][0])


@contextmanager
def asked_all_the_while(service: Service) -> Iterator[None]:
    """Somebody asks the whole time, and is answered each time."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            service.ask("colours", PICTURE)

    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(ask)
        try:
            yield
        finally:
            stop.set()
        asking.result(PATIENCE)


def taken(service: Service) -> int:
    """Bytes that only this process has, resident."""
    found = in_kibibytes(Path(f"/proc/{service.process.pid}/status"), "RssAnon")
    assert found is not None
    return found


def test_a_service_that_swaps_versions_many_times_does_not_grow(
    migrated_sqlite_url: str, tmp_path: Path
):
    database, now = Database(migrated_sqlite_url), datetime.now(UTC)
    bundle = colours.make_bundle(tmp_path, now, ballast=ROWS)
    colours.record_versions(database, bundle, now, count=1 + FIRST + MORE)
    home = tmp_path / "home"

    def make_live(version: int) -> None:
        with database.begin() as connection:
            unit = SqlUnitOfWork(connection)
            unit.routing_clock.tick()
            unit.live.put("colours", version, None, now)

    def unloaded() -> int:
        return home.with_suffix(".log").read_text().count("version unloaded")

    def swap(service: Service, version: int) -> None:
        make_live(version)
        assert eventually(lambda: unloaded() == version - 1)
        assert service.ask("colours", PICTURE)["version"] == version

    make_live(1)
    with running(home, migrated_sqlite_url) as service, asked_all_the_while(service):
        assert service.ask("colours", PICTURE)["version"] == 1
        for version in range(2, 2 + FIRST):
            swap(service, version)
        before = taken(service)
        for version in range(2 + FIRST, 2 + FIRST + MORE):
            swap(service, version)
        assert taken(service) - before < 2 * WEIGHTS, f"{MORE} that stayed would be {MORE} times"
    database.close()
