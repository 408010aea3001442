"""A model that eats memory fails alone: others answer, and it is rolled back."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import colours
import numpy as np
import pytest
from service_process import Service, running
from waiting import eventually

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork

pytestmark = pytest.mark.e2e
LIMIT = 3 << 30  # a hungry model wants 8 GiB
PLAN = """
apiVersion: stagegate/v1
model: {name: colours, version: %d, baseline: live}
unit: user
stages:
- stage: limited-scope
  scope: {where: {site: [north]}}
  answers: immediately
  review: {sample: 0.01, due: 1h}
  gates: [{type: failures, at_most: 0.1}]
  deadline: {after: 1d, then: hold}
- stage: live
"""
PICTURE = colours.pictures(np.random.default_rng(1), 1)[0][0]
BRIGHT = PICTURE.copy()
BRIGHT[0, 0, 0] = 255


@pytest.fixture(scope="module")
def service(
    new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Version 1 is live; 2 eats memory over bright pictures, 3 as soon as it is loaded."""
    url, now = new_database(), datetime.now(UTC)
    database = Database(url)
    for number, eats_from in enumerate((None, 250, 0), start=1):
        folder = tmp_path_factory.mktemp("bundle")
        bundle = colours.make_bundle(folder, now, eats_from=eats_from)
        colours.record_versions(database, bundle, now, count=1, first=number)
    with database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        unit.live.put("colours", 1, None, now)
        unit.routing_clock.tick()
    database.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAGEGATE_MEMORY_BYTES", str(LIMIT))
        with running(tmp_path_factory.mktemp("hungry") / "home", url) as started:
            yield started


def ask(service: Service, picture: np.ndarray, user: int = 1) -> Any:
    return service.ask("colours", colours.encode(picture), f'{{"user": "{user}", "site": "north"}}')


def test_a_model_that_eats_memory_over_an_input_fails_alone_and_is_rolled_back(service: Service):
    service.post("/v1/rollouts", plan=PLAN % 2)
    assert eventually(lambda: ask(service, PICTURE)["version"] == 2)
    hungry = ask(service, BRIGHT)
    assert (hungry["version"], hungry["decided_by"]) == (1, "baseline")
    assert hungry["flags"][0]["code"] == "model-failed"
    assert ask(service, PICTURE)["version"] == 2, "it goes on with others"
    users = iter(range(2, 100_000))

    def is_taken_back() -> bool:
        ask(service, BRIGHT, next(users))
        return service.get("/v1/models/colours")["candidate"] is None

    assert eventually(is_taken_back)
    assert eventually(lambda: ask(service, PICTURE)["version"] == 1)
    assert _most_bytes(service) < 2 * LIMIT


def test_a_model_that_eats_memory_while_it_is_loaded_is_refused_and_others_answer(
    service: Service,
):
    if service.get("/v1/models/colours")["candidate"] is not None:
        service.post("/v1/rollouts/colours:abort")
    service.post("/v1/rollouts", plan=PLAN % 3)

    def warned() -> bool:
        said = service.get("/readyz").get("warnings", [])
        return any("colours@3" in one and "memory" in one for one in said)

    assert eventually(warned)
    assert ask(service, PICTURE)["version"] == 1
    service.post("/v1/rollouts/colours:abort")


def _most_bytes(service: Service) -> int:
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    (line,) = (one for one in status.splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
