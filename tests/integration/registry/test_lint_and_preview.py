"""Before a rollout: what is wrong with a plan here and now, and what it would do."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from rollout_world import PLAN, World

from console import problems
from registry.adapters.database.engine import Database
from registry.domain.transitions import Command
from registry.services import control
from registry.services.promote import promote
from serving.adapters.tables import prediction
from serving.adapters.traffic import SqlTraffic

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


def linted(client: TestClient, text: str) -> list[str]:
    found = client.post("/v1/rollouts:lint", json={"plan": text}).json()["problems"]
    return [f"{problem['line']}: {problem['message']}" for problem in found]


def to_live(world: World) -> None:
    world.do(lambda u: promote(u, "bears", "bob", world.now, to="live", override=True, reason="x"))


def plan(version: int, baseline: str = "none") -> str:
    return PLAN.replace("version: 2", f"version: {version}").replace("none", baseline, 1)


def test_lint_looks_up_versions_and_what_runs(client: TestClient, world: World) -> None:
    assert linted(client, plan(2)) == []
    assert linted(client, plan(9)) == ["2: bears has no version 9; it has 1, 2, 3"]
    assert linted(client, plan(2, "8")) == ["2: bears has no version 8; it has 1, 2, 3"]
    assert linted(client, plan(2, "live")) == [
        "2: bears has no live version to be the baseline; write `baseline: none`"
    ]
    world.start(plan(1))
    busy = "2: bears@1 is already a candidate, in manual review; abort it first, or wait until"
    (found,) = linted(client, plan(2))
    assert found.startswith(busy)
    to_live(world)
    assert linted(client, plan(1).replace("50", "60")) == [
        "2: bears@1 is live already; name another version in the plan"
    ]
    assert linted(client, plan(2, "live")) == []


def test_a_level_that_the_version_cannot_tell_is_found_before_the_start(
    client: TestClient, world: World
) -> None:
    fine = PLAN.replace("stages:", "flags: {out_of_domain: 0.001}\nstages:", 1)
    line = fine[: fine.index("flags:")].count("\n") + 1
    assert linted(client, fine) == [f"{line}: bears@2 cannot flag at 0.001"]
    found = client.post("/v1/rollouts:plan", json={"plan": fine}).json()
    assert found["objections"] == ["bears@2 cannot flag at 0.001"]
    refused = client.post("/v1/rollouts", json={"plan": fine})
    assert (refused.status_code, refused.json()["detail"]) == (422, "bears@2 cannot flag at 0.001")
    coarse = fine.replace("0.001", "0.01")
    assert linted(client, coarse) == []
    assert client.post("/v1/rollouts:plan", json={"plan": coarse}).json()["objections"] == []
    unknown = fine.replace("version: 2", "version: 9")
    assert linted(client, unknown) == ["2: bears has no version 9; it has 1, 2, 3"]
    assert client.post("/v1/rollouts", json={"plan": unknown}).status_code == 404


def test_a_rejected_version_is_refused_by_lint(client: TestClient, world: World) -> None:
    world.start()
    world.do(lambda u: control.abort(u, "bears", "bob", world.now, "odd", command=Command.REJECT))
    assert linted(client, PLAN) == [
        "2: bears@2 was rejected; register a new version and name it in the plan"
    ]


def test_what_is_no_problem_is_a_note(client: TestClient, world: World) -> None:
    other = PLAN.replace("name: bears", "name: foxes")
    found = client.post("/v1/rollouts:lint", json={"plan": other}).json()
    assert found == {
        "problems": [],
        "notes": ["there is no model 'foxes' here, so its versions were not looked up"],
    }
    world.start()
    found = client.post("/v1/rollouts:lint", json={"plan": PLAN}).json()
    assert found == {"problems": [], "notes": ["bears@2 is following this very plan"]}


def requests(world: World, count: int, days: float, site: str) -> None:
    rows = [
        {
            "id": f"{site}{n}", "model": "bears", "stage": "live", "reason": "", "status": "final",
            "attributes": {"site": site, "user_id": "u"}, "payload_digest": "d",
            "payload_type": "image/png", "flags": [], "random_number": 0.5,
            "inclusion_probability": 0.0, "request_digest": "r",
            "created_at": world.now - timedelta(days=days * (n + 1) / count),
        }
        for n in range(count)
    ]  # fmt: skip
    with world.database.begin() as connection:
        connection.execute(sa.insert(prediction), rows)


def test_a_dry_run_says_what_would_change_and_cost_and_writes_nothing(
    client: TestClient, world: World
) -> None:
    world.start(plan(1))
    to_live(world)
    requests(world, 30, 10, "ranger-7")
    requests(world, 63, 7, "ranger-8")
    before = (world.actions(), world.effects())
    new = plan(2, "live").replace("weight: 50", "weight: 60")
    found = client.post("/v1/rollouts:plan", json={"plan": new}).json()
    assert (world.actions(), world.effects()) == before
    assert found["objections"] == []
    assert found["standing"] == "bears@1 is live; bears@2 would start in manual review"
    assert found["compared_with"] == "bears@1"
    assert found["requests_per_day"] == pytest.approx((20 + 62) / 7, abs=0.2)
    assert found["traffic"].endswith("requests a day, over the last week")
    assert "the plan: baseline goes from none to live" in found["differences"]
    limited = found["stages"][1]
    assert limited["answers_per_day"] == pytest.approx(20 / 7, abs=0.2)
    assert "(24% of the requests so far)" in limited["exposure"]
    assert limited["gates"][0]["days"] > 50
    assert limited["deadline"].startswith("after 14 d in limited scope, if nobody acts")


def test_little_traffic_is_told_in_hours(client: TestClient, world: World) -> None:
    requests(world, 4, 1 / 24, "ranger-7")
    found = client.post("/v1/rollouts:plan", json={"plan": PLAN}).json()
    assert found["traffic"] == ("bears has about 96 requests a day, over the 1 h since the first")


def test_traffic_is_told_by_units_and_by_visits(world: World) -> None:
    requests(world, 40, 4, "ranger-7")  # ten a day of the one user
    with world.database.begin() as connection:
        connection.execute(
            sa.update(prediction)
            .where(prediction.c.id.in_(["ranger-70", "ranger-71"]))
            .values(attributes={"site": "ranger-7"})
        )
        connection.execute(
            sa.update(prediction)
            .where(prediction.c.id == "ranger-72")
            .values(attributes={"user_id": 7})
        )
    with world.database.read() as connection:
        traffic = SqlTraffic(connection, "bears", world.now)
        assert traffic.values_per_day("user_id") == pytest.approx(2 / 4, rel=0.01)
        # Two without a user, one of the other user, and four or five days' visits of the first.
        assert traffic.share_first("user_id", 86_400.0) == pytest.approx((3 + 4.5) / 40, abs=0.02)
        assert traffic.share_first("user_id", 0.0) == 1.0
        assert SqlTraffic(connection, "foxes", world.now).share_first("user_id", 60.0) == 1.0


def test_without_traffic_a_dry_run_says_so(client: TestClient) -> None:
    found = client.post("/v1/rollouts:plan", json={"plan": PLAN}).json()
    assert "has had no requests in the last week" in found["traffic"]
    assert found["differences"] == [
        "manual-review: new",
        "limited-scope: new",
        "gradual: new",
        "live: new",
    ]
    assert found["standing"].startswith("no version of bears is live")


def test_a_dry_run_of_a_broken_plan_names_its_lines(client: TestClient) -> None:
    refused = client.post("/v1/rollouts:plan", json={"plan": PLAN.replace("50", "3")})
    assert refused.status_code == 422
    assert refused.json()["reasons"][0].startswith("line 14: weight 3 does not rise")
