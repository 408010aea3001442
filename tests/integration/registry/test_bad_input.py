"""Bad input to rollouts: refused in a sentence that says what to do, and nothing is half done."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from rollout_world import PLAN, World

from console import problems
from registry.adapters.database.engine import Database
from registry.adapters.database.schema import METADATA

pytestmark = pytest.mark.integration


@pytest.fixture
def world(migrated_sqlite_url: str) -> World:
    return World(Database(migrated_sqlite_url))


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(world.router())
    problems.install(app)
    with TestClient(app) as client:
        yield client


def everything(world: World) -> dict[str, list[object]]:
    """Every row of every table."""
    with world.database.read() as connection:
        return {
            table.name: list(connection.execute(sa.select(table)).all())
            for table in METADATA.sorted_tables
        }


@pytest.mark.parametrize(
    ("old", "new", "status", "says"),
    [
        ("version: 2", "version: 9", 404, "bears has no version 9; it has 1, 2, 3"),
        ("name: bears", "name: foxes", 404, "there is no model 'foxes'"),
        ("baseline: none", "baseline: 2", 422, "version 2 cannot be its own baseline"),
        ("baseline: none", "baseline: live", 422, "no live version to be the baseline; write"),
        ("baseline: none", "baseline: 7", 404, "bears has no version 7; it has 1, 2, 3"),
        (
            "scope: {where",
            "scope: {when: [{days: [mo], from: 08:00, to: 09:00, timezone: Mars/Base}], where",
            422,
            "line 9: there is no time zone 'Mars/Base'; write a name such as",
        ),
        (
            "scope: {where",
            "scope: {area: {geojson: {type: Polygon, coordinates: "
            "[[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}}, where",
            422,
            "line 9: the polygon crosses or touches itself near longitude 2, latitude 0; list its "
            "corners in their order along its edge",
        ),
        ("weight: 50", "weight: 3", 422, "weight 3 does not rise above the 5 of the step before"),
        ("sample: 0.5", "sample: 0", 422, "none would be sampled; write for example"),
        ("  deadline: {after: 14d, then: hold}\n", "", 422, "`deadline` is missing; write"),
    ],
)
def test_a_plan_that_cannot_be_followed_starts_nothing(
    client: TestClient, world: World, old: str, new: str, status: int, says: str
) -> None:
    assert old in PLAN
    before = everything(world)
    refused = client.post("/v1/rollouts", json={"plan": PLAN.replace(old, new, 1)})
    assert refused.status_code == status
    assert says in refused.json()["detail"]
    assert everything(world) == before


def test_a_second_rollout_is_refused_and_the_first_goes_on(
    client: TestClient, world: World
) -> None:
    client.post("/v1/rollouts", json={"plan": PLAN}).raise_for_status()
    before = everything(world)
    other = PLAN.replace("version: 2", "version: 3")
    refused = client.post("/v1/rollouts", json={"plan": other})
    assert refused.status_code == 409
    assert refused.json()["detail"].startswith("bears@2 is already a candidate, in manual review")
    assert everything(world) == before


@pytest.mark.parametrize(
    ("command", "body", "says"),
    [
        ("promote", {"to": "manual-review"}, "from there it can go to limited-scope, gradual"),
        ("promote", {"to": "everywhere"}, "not to everywhere"),
        ("promote", {"to": "live"}, "going from manual review to live skips part of the plan"),
        ("promote", {"expected_generation": 8}, "is at generation 1, not 8"),
        ("pause", {"expected_generation": 8}, "is at generation 1, not 8"),
        ("resume", {}, "bears@2 is not paused"),
        ("undo", {}, "bears@2 is in manual review, which undo cannot leave; undo works in live"),
        ("approve", {"evidence": "sha256:0"}, "there is no evidence sha256:0 now; look at the"),
    ],
)
def test_a_command_that_leads_nowhere_changes_nothing(
    client: TestClient, world: World, command: str, body: dict[str, object], says: str
) -> None:
    client.post("/v1/rollouts", json={"plan": PLAN}).raise_for_status()
    before = everything(world)
    refused = client.post(f"/v1/rollouts/bears:{command}", json=body)
    assert refused.status_code == 409
    assert says in refused.json()["detail"]
    assert everything(world) == before
