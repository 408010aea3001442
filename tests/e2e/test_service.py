"""The service as a program, on SQLite and PostgreSQL: the stages, and death at the worst moment."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import colours
import httpx
import numpy as np
import pytest
from service_process import Service, run_command, running
from waiting import PATIENCE

from registry.adapters.bundle import Bundle
from registry.adapters.database.engine import Database

pytestmark = pytest.mark.e2e

PLAN = """
apiVersion: stagegate/v1
model: {name: colours, version: 1, baseline: none}
unit: user
flags: {out_of_domain: 0.01, then: hold}
stages:
- stage: manual-review
  review: {sample: 1.0, due: 1h}
  gates: [{type: error-rate, at_most: 0.5}]
  advance: {approvals: 1}
  deadline: {after: 1d, then: hold}
- stage: limited-scope
  scope: {where: {site: ["north-*"]}}
  answers: immediately
  review: {sample: 1.0, due: 1h}
  gates: [{type: error-rate, at_most: 0.5}]
  deadline: {after: 1d, then: hold}
- stage: gradual
  steps: [{weight: 50}, {weight: 100}]
  review: {flagged: 1.0, sample: 1.0, due: 1h}
  gates: [{type: error-rate, at_most: 0.5}]
- stage: live
"""
KEY = {"Idempotency-Key": "order-7"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return colours.make_bundle(tmp_path_factory.mktemp("bundle"), datetime.now(UTC))


@pytest.fixture(scope="module")
def registered(new_database: Callable[[], str], bundle: Bundle) -> Callable[[], str]:
    """Makes databases that know two versions of the model."""

    def make() -> str:
        url = new_database()
        database = Database(url)
        colours.record_versions(database, bundle, datetime.now(UTC))
        database.close()
        return url

    return make


@dataclass(frozen=True)
class Restarted:
    """A service that began anew on the home and database of one that was killed."""

    service: Service
    home: Path
    database_url: str
    held: Sequence[dict]  # what the killed one had said
    keyed: dict  # and to a request with an idempotency key
    truth: dict[str, str]


@pytest.fixture(scope="module")
def restarted(
    registered: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Restarted]:
    home, url = tmp_path_factory.mktemp("restarted") / "home", registered()
    with running(home, url) as service:
        service.post("/v1/rollouts", plan=PLAN)
        held, truth = predictions(service, range(5), "{}")
        keyed = service.ask("colours", a_picture(5)[0], **KEY)
        service.kill()
    with running(home, url) as service:
        yield Restarted(service, home, url, held, keyed, truth | {keyed["id"]: a_picture(5)[1]})


@pytest.fixture
def service(restarted: Restarted) -> Service:
    """One in whose first stage, manual review, version 1 is."""
    return restarted.service


@pytest.fixture(scope="module")
def live(
    registered: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service in which version 1 went through every stage."""
    with running(tmp_path_factory.mktemp("live") / "home", registered()) as service:
        take_to_live(service)
        yield service


def test_a_server_that_answers_unpickles_nothing_and_needs_no_torch(live: Service):
    live.ask("colours", a_picture(3)[0])
    live.get("/v1/models")
    live.get("/v1/review/stats")
    assert live.forbidden() == ""


def test_the_watch_on_servers_would_tell(tmp_path: Path):
    code = (
        "import pathlib, sys, forbidden\n"
        "forbidden.watch(pathlib.Path(sys.argv[1]))\n"
        "import pickle, fastcore\n"
        "pickle.loads(pickle.dumps(pathlib.PurePath))\n"
    )
    log, tests = tmp_path / "log", Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", code, str(log)], cwd=tests, check=True)
    assert "unpickled pathlib.PurePath" in log.read_text()
    assert "imported fastcore" in log.read_text()


def a_picture(seed: int) -> tuple[bytes, str]:
    """A picture and its colour."""
    inputs, labels = colours.pictures(np.random.default_rng(seed), 1)
    return colours.encode(inputs[0]), colours.COLOURS[labels[0]]


def review(service: Service, truth: dict[str | bytes, str], reviewer: str = "rosa") -> int:
    """Answer everything that waits, truly; gives how many items there were."""
    done = 0
    while item := service.get("/v1/review/next", actor=reviewer):
        # A blind item does not tell its prediction, but the picture is there to look at.
        picture = service.http.get(item["payload_url"]).content
        path = f"/v1/review/{item['id']}/decision"
        label = truth[item["prediction_id"] or picture]
        service.post(path, actor=reviewer, epoch=item["epoch"], label=label, final=True)
        done += 1
    return done


def predictions(service: Service, seeds: range, attributes: str) -> tuple[list[dict], dict]:
    """Send pictures; gives the replies and the true label of each by its id."""
    replies, truth = [], {}
    for seed in seeds:
        image, label = a_picture(seed)
        reply = service.ask("colours", image, attributes.replace("SEED", str(seed)))
        replies.append(reply)
        truth[reply["id"]] = truth[image] = label
    return replies, truth


def take_to_live(service: Service) -> None:
    service.post("/v1/rollouts", plan=PLAN)
    refused = service.http.post("/v1/rollouts/colours:promote", json={})
    assert refused.status_code == 409
    assert "nothing reviewed yet" in refused.json()["reasons"][0]

    held, truth = predictions(service, range(10), '{"site": "north-1", "user": "SEED"}')
    assert {reply["status"] for reply in held} == {"held"}
    assert not any("prediction" in reply for reply in held)
    assert review(service, truth) == 10
    answered = service.get(f"/v1/predictions/{held[0]['id']}")
    assert (answered["decided_by"], answered["prediction"]) == ("human", truth[held[0]["id"]])

    digest = service.get("/v1/rollouts/colours")["evidence_digest"]
    service.post("/v1/rollouts/colours:approve", actor="lea", evidence=digest)
    assert service.post("/v1/rollouts/colours:promote")["stage"] == "limited-scope"

    inside, truth = predictions(service, range(20, 30), '{"site": "north-1", "user": "SEED"}')
    assert {r["stage"] for r in inside if r["status"] == "final"} == {"limited-scope"}
    outside, more = predictions(service, range(40, 42), '{"site": "south", "user": "SEED"}')
    assert {reply["status"] for reply in outside} == {"held"}
    review(service, truth | more)
    assert service.post("/v1/rollouts/colours:promote")["stage"] == "gradual"

    after = service.get("/v1/rollouts/colours")
    for weight, callers in ((50, 40), (100, 10)):  # six of 40 suffice, and come for certain
        assert after["weight"] == weight
        _, truth = predictions(service, range(100, 100 + callers), '{"user": "SEED"}')
        review(service, truth)
        after = service.post("/v1/rollouts/colours:promote")
    assert after["stage"] == "live"


def test_a_version_goes_from_manual_review_to_live(live: Service):
    image, label = a_picture(1)
    reply = live.ask("colours", image)
    assert (reply["version"], reply["prediction"], reply["stage"]) == (1, label, "live")
    assert live.get("/v1/audit:verify")["intact"]


def test_a_held_request_survives_a_kill_and_its_caller_gets_the_answer(restarted: Restarted):
    service = restarted.service
    path = "/v1/predictions/{id}"
    kept = [service.get(path.format(**reply)) for reply in restarted.held]
    assert [reply["status"] for reply in kept] == ["held"] * 5
    assert review(service, restarted.truth) >= 5
    for reply in restarted.held:
        answered = service.get(path.format(**reply), wait=5)
        assert answered["prediction"] == restarted.truth[reply["id"]]


def test_a_repeat_with_the_same_key_gets_the_same_answer_after_a_restart(restarted: Restarted):
    service = restarted.service
    before = service.get("/v1/review/stats")
    again = service.ask("colours", a_picture(5)[0], **KEY)
    assert again["id"] == restarted.keyed["id"]
    assert service.get("/v1/review/stats")["open"] == before["open"]


def test_a_foreign_input_is_held_and_a_waiting_caller_gets_the_reviewers_answer(live: Service):
    noise = np.random.default_rng(1).integers(0, 255, (3, 16, 16), dtype=np.uint8)
    held = live.ask("colours", colours.encode(noise))
    assert held["status"] == "held"
    assert held["flags"][0]["code"] == "out-of-domain"
    review(live, {held["id"]: "green"})
    answered = live.get(f"/v1/predictions/{held['id']}", wait=5)
    assert (answered["prediction"], answered["decided_by"]) == ("green", "human")


def test_hostile_bodies_are_refused_and_nothing_is_stored(service: Service):
    url = "/v1/models/colours/predict"
    image = a_picture(1)[0]
    service.ask("colours", image)
    before = service.get("/v1/review/stats")["open"]
    assert service.http.post(url, content=b"no image").status_code == 415
    assert service.http.post(url, content=image[: len(image) // 2]).status_code in {415, 422}
    assert service.http.post("/v1/models/nobody/predict", content=image).status_code == 404
    bad = {"X-Stagegate-Attributes": "[1, 2"}
    refused = service.http.post(url, content=image, headers=bad)
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert service.get("/v1/review/stats")["open"] == before >= 1


def test_a_service_that_stops_tells_who_waits_ends_cleanly_and_takes_its_address_away(
    registered: Callable[[], str], tmp_path: Path
):
    with running(tmp_path / "home", registered()) as service:
        service.post("/v1/rollouts", plan=PLAN)
        (held,), _ = predictions(service, range(1), "{}")
        with service.http.stream("GET", f"/v1/predictions/{held['id']}/events") as events:
            lines = events.iter_lines()
            assert next(lines) == "event: held"  # the caller waits now
            service.process.terminate()
            rest = {line for line in lines if line.startswith("event: ")}  # a cut stream raises
        assert service.process.wait(PATIENCE) == 0
    # Said again, or not at all when the signal came before the service began to wait.
    assert rest <= {"event: held"}
    assert not (tmp_path / "home" / "service.json").exists()


def test_a_home_that_is_served_is_not_served_twice(restarted: Restarted):
    again = run_command(restarted.home, restarted.database_url, "up")
    assert again.returncode == 1
    assert "already served" in again.stderr


def test_a_wrong_revision_is_refused_with_the_command_that_mends_it(
    registered: Callable[[], str], tmp_path: Path
):
    url = registered()
    database = Database(url)
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    refused = run_command(tmp_path / "home", url, "up")
    assert refused.returncode == 1
    assert "9999" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_command_line_answers_in_process_and_over_the_network_alike(
    restarted: Restarted, tmp_path: Path
):
    def rollout(home: Path) -> dict[str, object]:
        done = run_command(home, restarted.database_url, "--json", "rollout", "get", "colours")
        document: dict[str, object] = json.loads(done.stdout)
        return document

    assert rollout(restarted.home) == rollout(tmp_path / "another-home")


def test_a_version_says_on_how_many_rows_its_flags_are_calibrated(service: Service):
    (first, _) = service.get("/v1/models/colours")["versions"]
    alone = service.get("/v1/models/colours/versions/1")
    assert alone.pop("reference")["rows"] > 0, "what live inputs are compared with"
    assert first == alone
    assert first["out_of_domain"]["calibration_rows"] == 450
    page = service.http.get("/models/colours").text
    assert "calibrated on 450 held-out inputs" in page


def test_pages_and_documents_of_the_running_service_answer(service: Service):
    paths = ["/", "/review", "/review/queues", "/models/colours", "/rollouts/colours", "/audit"]
    for path in [*paths, "/drift/colours", "/docs", "/openapi.json", "/metrics", "/healthz"]:
        answer: httpx.Response = service.http.get(path, follow_redirects=True)
        assert answer.status_code == 200, (path, answer.text[:300])
