"""The HTTP of rollouts gives what its contract says."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from certificates import certified, checked
from fastapi import FastAPI
from fastapi.testclient import TestClient
from rollout_world import NOW, PLAN, World

from console import problems
from console.web.views.way import ways
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.api import audit
from registry.domain.errors import NotFound
from registry.domain.evidence import AuditEvent
from registry.domain.standing import standing_at
from registry.services.keep_readings import ReadingMemory, keep_readings
from registry.services.tick import intent, tick

pytestmark = pytest.mark.integration


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(world.router())
    app.include_router(audit.router(world.database))
    problems.install(app)
    with TestClient(app, headers={"X-Stagegate-Actor": "bob"}) as client:
        yield client


def test_a_started_rollout_is_described_in_full(client: TestClient) -> None:
    answer = client.post("/v1/rollouts", json={"plan": PLAN})
    assert answer.status_code == 201
    document = answer.json()
    assert client.get("/v1/rollouts/bears").json() == document
    assert client.get("/v1/rollouts").json() == {"rollouts": [document]}
    shown = {key: document[key] for key in ("model", "version", "baseline", "stage", "step")}
    assert shown == {
        "model": "bears",
        "version": 2,
        "baseline": None,
        "stage": "manual-review",
        "step": 0,
    }
    assert document["stages"] == ["manual-review", "limited-scope", "gradual", "live"]
    assert document["steps"] == [
        {"weight": 5.0, "bake_seconds": 3600.0},
        {"weight": 50.0, "bake_seconds": 0.0},
    ]
    assert (document["weight"], document["generation"], document["paused"]) == (0, 1, None)
    assert (document["live"], document["previous"], document["next"]) == (
        None,
        None,
        "limited-scope",
    )
    assert document["started_by"] == "bob"
    assert document["approvals"] == {"needed": 0, "given": []}
    (gate,) = document["gates"]
    assert gate["sentence"] == "error rate: nothing reviewed yet, needs about 74 more"
    assert (gate["type"], gate["segment"], gate["verdict"]) == ("error-rate", None, "inconclusive")
    assert document["decision"] == {"action": "hold", "reasons": [gate["sentence"]]}


def test_a_level_that_the_version_cannot_flag_at_is_refused_before_the_rollout_starts(
    client: TestClient,
) -> None:
    fine = PLAN.replace("unit:", "flags: {out_of_domain: 0.001}\nunit:", 1)
    refused = client.post("/v1/rollouts", json={"plan": fine})
    assert (refused.status_code, refused.json()["detail"]) == (
        422,
        "bears@2 cannot flag at 0.001",
    )
    assert client.get("/v1/rollouts").json() == {"rollouts": []}


def test_a_plan_is_linted_by_line_and_a_bad_one_is_not_started(client: TestClient) -> None:
    bad = PLAN.replace("weight: 50", "weight: 3")
    found = client.post("/v1/rollouts:lint", json={"plan": bad}).json()["problems"]
    assert found == [
        {
            "line": 14,
            "message": "weight 3 does not rise above the 5 of the step before; write the steps in "
            "rising order",
        }
    ]
    refused = client.post("/v1/rollouts", json={"plan": bad})
    assert refused.status_code == 422
    assert refused.json()["reasons"] == [f"line 14: {found[0]['message']}"]
    assert client.post("/v1/rollouts:lint", json={"plan": PLAN}).json() == {
        "problems": [],
        "notes": [],
    }


def test_a_refused_promotion_gives_its_reasons(client: TestClient) -> None:
    client.post("/v1/rollouts", json={"plan": PLAN})
    refused = client.post("/v1/rollouts/bears:promote", json={"expected_generation": 1})
    assert refused.status_code == 409
    assert refused.json()["reasons"] == ["error rate: nothing reviewed yet, needs about 74 more"]


def test_it_is_said_what_would_answer_if_the_live_version_were_taken_back(
    client: TestClient, world: World
) -> None:
    hurry = {"override": True, "to": "live", "reason": "the fair"}
    first, last = PLAN.replace("version: 2", "version: 1"), PLAN.replace("version: 2", "version: 3")
    world.start(first)
    assert client.post("/v1/rollouts/bears:promote", json=hurry).json()["returns_to"] is None
    assert client.post("/v1/rollouts/bears:undo").status_code == 409
    world.start()
    assert client.post("/v1/rollouts/bears:promote", json=hurry).json()["returns_to"] == 1
    world.start(first)
    client.post("/v1/rollouts/bears:abort", json={"reject": True})
    live = client.get("/v1/rollouts/bears").json()
    assert (live["live"], live["previous"], live["returns_to"]) == (2, 1, None)
    assert client.post("/v1/rollouts/bears:undo").status_code == 409
    world.start(last)
    assert client.post("/v1/rollouts/bears:promote", json=hurry).json()["returns_to"] == 2
    assert client.post("/v1/rollouts/bears:undo").status_code == 200


def test_the_page_of_an_override_ticks_nothing_that_was_skipped(
    client: TestClient, world: World
) -> None:
    world.start()
    world.review(correct=80)
    client.post("/v1/rollouts/bears:promote")
    skip = {"override": True, "to": "live", "reason": "the fair"}
    document = client.post("/v1/rollouts/bears:promote", json=skip).json()
    events = client.get("/v1/rollouts/bears/history").json()["events"]
    stages, steps = ways(document, events)
    assert [place.state for place in stages] == ["done", "overridden", "overridden", "here"]
    assert {(step.state, step.note) for step in steps} == {
        ("overridden", "overridden by bob: the fair")
    }


def test_commands_work_with_and_without_a_body(client: TestClient, world: World) -> None:
    client.post("/v1/rollouts", json={"plan": PLAN})
    paused = client.post("/v1/rollouts/bears:pause", json={"reason": "lunch"}).json()
    assert paused["paused"] == {"by": "bob", "reason": "lunch"}
    assert client.post("/v1/rollouts/bears:resume").json()["paused"] is None
    digest = client.get("/v1/rollouts/bears").json()["evidence_digest"]
    approved = client.post("/v1/rollouts/bears:approve", json={"evidence": digest, "note": "ok"})
    assert approved.json()["approvals"]["given"] == ["bob"]
    world.review(correct=80)
    assert client.post("/v1/rollouts/bears:promote").json()["stage"] == "limited-scope"
    aborted = client.post("/v1/rollouts/bears:abort", json={"reason": "enough"}).json()
    assert (aborted["stage"], aborted["next"], aborted["gates"]) == ("rolled-back", None, [])
    assert client.post("/v1/rollouts/bears:undo").status_code == 409
    events = client.get("/v1/rollouts/bears/history").json()["events"]
    assert [e["action"] for e in events] == [
        "started",
        "paused",
        "resumed",
        "approved",
        "promoted",
        "aborted",
    ]
    assert (
        client.get("/v1/audit", params={"model": "bears", "limit": 2}).json()["events"]
        == (events[-2:])
    )
    assert (
        client.get("/v1/audit:verify")
        .json()["sentence"]
        .startswith("the audit log is intact: 6 events")
    )


def test_a_model_that_does_not_exist_is_not_found(client: TestClient) -> None:
    assert client.get("/v1/rollouts/cats").status_code == 404
    assert "registered: bears" in client.get("/v1/rollouts/cats").json()["detail"]
    assert "rollout start" in client.get("/v1/rollouts/bears").json()["detail"]
    assert client.post("/v1/rollouts/cats:abort").status_code == 404


@pytest.mark.parametrize("limit", ["0", "-5", "9" * 22])
def test_a_limit_that_is_none_is_refused(client: TestClient, limit: str) -> None:
    for path in ("/v1/audit", "/v1/rollouts/bears/history"):
        assert client.get(path, params={"limit": limit}).status_code == 422


@pytest.mark.parametrize("escape", ["\\ud800", "\\u0000"])
def test_a_text_that_cannot_be_stored_is_refused(client: TestClient, escape: str) -> None:
    client.post("/v1/rollouts", json={"plan": PLAN})
    body = f'{{"reason": "{escape}"}}'
    for command in ("pause", "abort", "undo", "promote"):
        path = f"/v1/rollouts/bears:{command}"
        refused = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert refused.status_code == 422
        assert "body.reason" in refused.json()["detail"]
    assert client.get("/v1/rollouts/%00").status_code == 422
    assert client.get("/v1/audit", params={"model": "\x00"}).status_code == 422


def test_a_version_that_no_database_can_number_is_not_found(world: World) -> None:
    with pytest.raises(NotFound, match="bears has no version 99999999999999999999"):
        world.do(lambda unit: unit.versions.get("bears", 99_999_999_999_999_999_999))


def test_the_audit_log_is_taken_away_line_by_line(client: TestClient, world: World) -> None:
    assert client.get("/v1/audit", params={"format": "jsonl"}).text == ""
    client.post("/v1/rollouts", json={"plan": PLAN})
    many = 1_003  # more than one part
    world.do(lambda u: [u.audit.append(world.now, "eve", "looked", "cats") for _ in range(many)])
    answer = client.get("/v1/audit", params={"format": "jsonl"})
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    events = [json.loads(line) for line in answer.text.splitlines()]
    assert events == client.get("/v1/audit").json()["events"]
    assert len(events) == many + 1
    mine = client.get("/v1/audit", params={"format": "jsonl", "model": "bears"}).text
    assert [json.loads(line)["action"] for line in mine.splitlines()] == ["started"]
    kept = events[-1]["hash"]
    assert client.get("/v1/audit:verify", params={"expect_head": kept}).json()["intact"]
    other = client.get("/v1/audit:verify", params={"expect_head": "0" * 63 + "1"}).json()
    assert (other["intact"], other["broken_at"], other["contains_expected"]) == (False, None, False)
    assert f"does not contain sha256:{'0' * 63}1" in other["sentence"]
    mistyped = client.get("/v1/audit:verify", params={"expect_head": "sha256:00"})
    assert mistyped.status_code == 422
    assert "'sha256:00' is no SHA-256" in mistyped.json()["detail"]


def test_an_event_says_who_moved_what_from_where_to_where_on_what(
    client: TestClient, world: World
) -> None:
    client.post("/v1/rollouts", json={"plan": PLAN})
    world.review(correct=80)
    client.post("/v1/rollouts/bears:promote", json={"reason": "on to the rangers"})
    started, promoted = client.get("/v1/rollouts/bears/history").json()["events"]
    detail = promoted["detail"]
    assert (promoted["actor"], detail["reason"]) == ("bob", "on to the rangers")
    assert (detail["from"]["stage"], detail["to"]["stage"]) == ("manual-review", "limited-scope")
    assert detail["plan_digest"] == started["detail"]["plan_digest"]
    assert detail["version_digest"] == "sha256:2"
    assert started["detail"]["environment"] == {"torch": "2.13"}
    assert detail["gates"][0]["numbers"]["reviewed"] == 80
    assert detail["log"]["frontier"] is None
    assert detail["log"]["rows"] == 80


def test_every_event_of_a_rollout_tells_by_itself_what_it_is_about_and_what_was_known(
    client: TestClient, world: World
) -> None:
    approved = "  advance: {approvals: 1}\n  deadline: {after: 30d"
    plan = PLAN.replace("  deadline: {after: 30d", approved)
    document = client.post("/v1/rollouts", json={"plan": plan}).json()
    world.review(correct=70)

    def look() -> None:
        """As the controller does: it writes down how far the gates are, and acts."""
        with world.database.read() as connection:
            seen = intent(SqlUnitOfWork(connection), world.rollout(), world.now)
        news = ReadingMemory().news(world.rollout(), seen.judgement.gates, world.now)
        world.do(lambda unit: keep_readings(unit, world.rollout(), news))
        world.do(lambda unit: tick(unit, "bears", world.now, seen))

    look()
    world.review(pending=1)
    for name, body in (("pause", {"reason": "lunch"}), ("resume", {"reason": "back"})):
        assert client.post(f"/v1/rollouts/bears:{name}", json=body).status_code == 200
    world.review(correct=10)
    world.wait(hours=2)  # what was pending is past due, and counts as an error for a pass
    world.review(correct=60)
    look()
    document = client.get("/v1/rollouts/bears").json()
    given = {"evidence": document["evidence_digest"], "note": "fine"}
    eve = {"X-Stagegate-Actor": "eve"}
    assert client.post("/v1/rollouts/bears:approve", json=given, headers=eve).status_code == 200
    client.post("/v1/rollouts/bears:promote", json={"reason": "on"})
    world.wait(days=14)
    look()
    client.post("/v1/rollouts/bears:abort", json={"reason": "enough"})

    events = client.get("/v1/rollouts/bears/history").json()["events"]
    assert [event["action"] for event in events] == [
        "started", "paused", "resumed", "waiting-for-approval", "approved", "promoted",
        "paused", "aborted",
    ]  # fmt: skip
    for event in events:
        detail = event["detail"]
        assert detail["environment"] == {"torch": "2.13"}
        assert detail["version_digest"] == "sha256:2"
        assert detail["plan_digest"] == document["plan_digest"]
        assert event["actor"]
        assert "to" in detail or detail["stage"] == "manual-review"
    by_hand, resumed, waiting, approval, promotion, by_itself, aborted = (
        event["detail"] for event in events[1:]
    )
    for one in (by_hand, resumed):
        (reading,) = one["readings"]
        assert (reading["type"], reading["verdict"]) == ("error-rate", "inconclusive")
        assert 0.5 < reading["for_pass"] < 1
        assert one["frontier"] == 71, "the answer that was pending"
    for one in (waiting, approval, promotion):
        (gate,) = one["gates"]
        assert (gate["verdict"], gate["numbers"]["overdue"]) == ("passed", 1)
    assert (waiting["frontier"], approval["frontier"], promotion["log"]["frontier"]) == (None,) * 3
    assert [gate["type"] for gate in by_itself["gates"]] == ["error-rate", "drift"]
    assert {one["type"] for one in aborted["readings"]} == {"error-rate", "drift"}
    assert [one["reason"] for one in (by_hand, resumed, promotion, aborted)] == [
        "lunch", "back", "on", "enough"
    ]  # fmt: skip
    assert by_itself["reason"] == "limited scope reached its deadline of 14 d"


def test_nothing_is_promoted_outside_of_the_plans_hours_and_harm_is_taken_back_at_any_time(
    client: TestClient, world: World
) -> None:
    hours = '{days: [tu], from: "09:00", to: "10:00", timezone: UTC}'
    advance = f"  advance: {{automatic: true, when: [{hours}]}}\n  deadline: {{after: 30d"
    started = client.post(
        "/v1/rollouts", json={"plan": PLAN.replace("  deadline: {after: 30d", advance)}
    )
    assert started.status_code == 201, started.text
    world.review(correct=80)

    def turn() -> str:
        with world.database.read() as connection:
            seen = intent(SqlUnitOfWork(connection), world.rollout(), world.now)
        world.do(lambda unit: tick(unit, "bears", world.now, seen))
        return world.rollout().stage

    assert turn() == "manual-review"
    refused = client.post("/v1/rollouts/bears:promote").json()
    assert refused["reasons"] == ["nothing is promoted before Tue 2026-06-02 09:00 in UTC"]
    world.wait(hours=21, minutes=30)
    assert turn() == "limited-scope"
    assert checked(certified(world.database))[1][0].judgement.decision.action == "promote"
    world.wait(hours=5)
    world.review(errors=40)
    assert turn() == "rolled-back"


def test_the_log_tells_which_version_was_live_at_any_moment(
    client: TestClient, world: World
) -> None:
    def said(hours: float) -> str:
        at = (NOW + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S")
        return str(client.get("/v1/rollouts/bears/standing", params={"at": at}).json()["sentence"])

    def on(hours: float, action: str, **body: object) -> None:
        world.now = NOW + timedelta(hours=hours)
        answer = client.post(f"/v1/rollouts/bears:{action}", json={"reason": "so", **body})
        assert answer.status_code == 200, answer.text

    assert client.get("/v1/rollouts/bears/standing").status_code == 404
    world.start(PLAN.replace("version: 2", "version: 1"))
    on(1, "promote", override=True, to="gradual")
    on(2, "promote", override=True, to="live")
    world.now = NOW + timedelta(hours=3)
    world.start()
    on(4, "promote", override=True, to="live")
    on(5, "undo")
    on(6, "abort")

    assert said(-1) == "At 2026-06-01 11:00 UTC no version of bears was live."
    assert said(1.5) == (
        "At 2026-06-01 13:30 UTC no version of bears was live; bears@1 was a candidate in gradual "
        "at 5 %, since 2026-06-01 13:00 UTC (event 2)."
    )
    assert said(3.5) == (
        "At 2026-06-01 15:30 UTC bears@1 was live, since 2026-06-01 14:00 UTC (event 3); bears@2 "
        "was a candidate in manual review, since 2026-06-01 15:00 UTC (event 4)."
    )
    assert said(4.5).startswith("At 2026-06-01 16:30 UTC bears@2 was live, since")
    assert said(5.5).startswith("At 2026-06-01 17:30 UTC bears@1 was live, since")
    assert said(7) == "At 2026-06-01 19:00 UTC no version of bears was live."
    now = client.get("/v1/rollouts/bears/standing").json()
    assert (now["live"], now["candidate"]) == (None, None)
    half = client.get("/v1/rollouts/bears/standing", params={"at": "2026-06-01T17:30:00+01:00"})
    assert half.json()["live"]["version"] == 2
    assert client.get("/v1/rollouts/bears/standing", params={"at": "noon"}).status_code == 422


def test_what_was_live_without_a_rollout_is_live_no_more_once_it_is_aborted() -> None:
    def event(number: int, action: str, **detail: object) -> AuditEvent:
        at = NOW + timedelta(hours=number)
        return AuditEvent(number, at, "bob", action, "bears", 2, None, detail, "", "")

    events = [
        event(1, "promoted", to={"stage": "live", "step": 0, "weight": 100.0}),
        event(2, "approved"),
        event(3, "aborted", live=None),
    ]
    live = [standing_at("bears", events, NOW + timedelta(hours=h)).live for h in (0, 1, 2, 3)]
    assert [one and one.event for one in live] == [None, 1, 1, None]
