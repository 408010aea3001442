"""Serving over HTTP: what a caller, a reviewer and a load balancer see."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import serving_app
from serving_fakes import FakeRunner, Measured, image
from starlette.testclient import TestClient
from waiting import PATIENCE, eventually

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.evidence import Verdict
from registry.domain.plan import Answers, FlaggedThen, Flags, Late, Review, Scope, StagePlan, Step
from registry.domain.stages import Stage
from serving.adapters.fleet import POLL_SECONDS
from serving.adapters.unit import SqlServingUnit
from serving.api.parts import Serving
from serving.api.predict import MAX_WAIT_SECONDS
from serving.services.run import Patience
from serving.services.settle import answer_late

pytestmark = pytest.mark.integration
Serve = Callable[..., TestClient]
URL = "/v1/models/waste/predict"
GRADUAL = StagePlan(Stage.GRADUAL, steps=(Step(100.0, 0.0),), review=Review(sample=0.0))
SUPERVISED = StagePlan(Stage.LIMITED_SCOPE, answers=Answers.AFTER_APPROVAL)
ANN = {"X-Stagegate-Actor": "ann"}
BOB = {"X-Stagegate-Actor": "bob"}


@pytest.fixture
def parts() -> list[Serving]:
    """What was served, for tests that look inside."""
    return []


@pytest.fixture
def serve(database: Database, tmp_path: Path, parts: list[Serving]) -> Iterator[Serve]:
    """Serve version 1, which always says paper, and version 2, which says what it is shown."""
    with ExitStack() as stack:

        def start(part: StagePlan | None, **changes: Any) -> TestClient:
            runners = changes.pop("runners", None) or {1: FakeRunner("paper"), 2: FakeRunner()}
            draw = changes.pop("draw", lambda: 0.5)
            patience = changes.pop("patience", serving_app.ENDLESS)
            serving_app.register(database, part, **changes)
            made = serving_app.parts(database, str(tmp_path / "payloads"), runners, draw)
            made = replace(made, patience=patience)
            parts.append(made)
            return stack.enter_context(serving_app.client(made))

        yield start


def attributes(**values: object) -> dict[str, str]:
    return {"X-Stagegate-Attributes": json.dumps(values)}


def review(client: TestClient, who: dict[str, str], label: str | None) -> Any:
    item = client.get("/v1/review/next", headers=who).json()
    body = {"epoch": item["epoch"], "label": label}
    return client.post(f"/v1/review/{item['id']}/decision", json=body, headers=who)


def test_an_answer_has_the_shape_of_the_contract(serve: Serve):
    answer = serve(GRADUAL).post(URL, content=image("metal"), headers=attributes(user_id="u"))
    assert answer.status_code == 200
    found = answer.json()
    assert found["id"]
    assert (found["status"], found["model"], found["version"]) == ("final", "waste", 2)
    assert (found["stage"], found["decided_by"], found["flags"]) == ("gradual", "model", [])
    assert (found["prediction"], found["index"]) == ("metal", 1)
    assert found["probabilities"] == pytest.approx({"glass": 0.05, "metal": 0.9, "paper": 0.05})
    assert found["out_of_domain"] == {"p_value": 0.5, "threshold": 0.01}


def test_multipart_gives_the_same_answer_as_a_raw_body(serve: Serve):
    client = serve(None)
    form = client.post(URL, files={"file": ("photo.jpg", image("glass"), "image/jpeg")})
    assert form.status_code == 200
    assert form.json()["prediction"] == "paper"
    assert client.post(URL, files={"other": ("a", image(), "image/jpeg")}).status_code == 422
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post(URL, content=b"no form", headers=broken).status_code == 422
    nothing = {"Content-Type": "multipart/form-data"}
    assert client.post(URL, content=b"no form", headers=nothing).status_code == 422


def test_a_hostile_file_name_goes_nowhere(serve: Serve):
    client = serve(SUPERVISED)
    evil = '../../x"><script>alert(1)</script>.png'
    held = client.post(URL, files={"file": (evil, image("glass"), "image/png")}).json()
    item = client.get("/v1/review/next", headers={"X-Stagegate-Actor": "ann"}).json()
    for url in (item["payload_url"], f"/v1/predictions/{held['id']}/payload"):
        answer = client.get(url)
        assert answer.content == image("glass")
        assert "script" not in str(answer.headers)
        assert "sandbox" in answer.headers["Content-Security-Policy"]
    history = client.get(f"/v1/review/items/{item['id']}", headers={"X-Stagegate-Actor": "ann"})
    assert "script" not in item["payload_url"] + held["id"] + history.text


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"this is no image", {}, 415),
        (b"", {}, 422),
        (b'{"inputs": [{"a": 1}]}', {"Content-Type": "application/json"}, 415),
        (b'{"inputs": []}', {"Content-Type": "application/json"}, 422),
        (b'{"inputs": [3]}', {"Content-Type": "application/json"}, 422),
        (b'{"inputs": [{"a": 1}], "more": 1}', {"Content-Type": "application/json"}, 422),
        (b'{"inputs": [{}], "attributes": 1}', {"Content-Type": "application/json"}, 422),
        (b"\xff\xd8\xff" + b"0" * serving_app.MAX_BYTES, {}, 413),
        (image(), {"X-Stagegate-Attributes": "{"}, 422),
        (image(), {"X-Stagegate-Attributes": "[1]"}, 422),
        (image(), {"X-Stagegate-Attributes": '{"a": {"b": 1}}'}, 422),
        (image(), {"X-Stagegate-Attributes": '{"a": NaN}'}, 422),
        (image(), {"X-Stagegate-Attributes": '{"a": "\\ud800"}'}, 422),
        (image(), {"X-Stagegate-Attributes": '{"a": "\\u0000"}'}, 422),
        (image(), {"X-Stagegate-Attributes": "[" * 5000}, 422),
        (image(), {"X-Stagegate-Attributes": '{"a": 1e999}'}, 422),
        (image(), {"X-Stagegate-Attributes": '{"a": -1e999}'}, 422),
        (image(), {"X-Stagegate-Attributes": '{"latitude": 1' + "0" * 400 + "}"}, 422),
        (image(), {"Idempotency-Key": "k" * 300}, 422),
    ],
)
def test_a_bad_request_is_a_problem_document_and_no_prediction(
    serve: Serve, database: Database, body: bytes, headers: dict[str, str], status: int
):
    answer = serve(None).post(URL, content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    with database.read() as connection:
        assert connection.exec_driver_sql("select count(*) from prediction").scalar() == 0


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/waste/versions/99999999999999999999",
        "/v1/models/waste/versions/-1",
        "/v1/models/%00",
        "/v1/models/%00/versions/1",
        "/v1/predictions/%00",
        "/v1/predictions/%00/events",
        "/v1/predictions/%00/payload",
        "/v1/review/next?model=%00",
        "/v1/review/items?model=%00",
    ],
)
def test_a_hostile_address_is_refused(serve: Serve, path: str):
    assert serve(None).get(path, headers=ANN).status_code in {404, 422}


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("decision", {"epoch": 10**20, "label": "glass"}),
        ("decision", {"epoch": 1, "label": "glass", "comment": "a\0b"}),
        ("decision", {"epoch": 1, "label": "\0"}),
        ("decision", {"epoch": 1, "label": "glass", "idempotency_key": "\0"}),
        ("skip", {"epoch": 1, "reason": "\0"}),
        ("renew", {"epoch": -(10**20)}),
    ],
)
def test_a_hostile_answer_of_a_reviewer_is_refused(serve: Serve, verb: str, body: dict[str, Any]):
    client = serve(SUPERVISED)
    client.post(URL, content=image())
    item = client.get("/v1/review/next", headers=ANN).json()
    for name in (item["id"], "%00"):
        answer = client.post(f"/v1/review/{name}/{verb}", json=body, headers=ANN)
        assert answer.status_code == 422


def test_a_body_without_a_length_is_stopped_at_the_limit_too(serve: Serve):
    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b"0" * 10_000

    assert serve(None).post(URL, content=chunks()).status_code == 413


def test_an_unknown_model_is_404_and_names_those_that_exist(serve: Serve):
    answer = serve(None).post("/v1/models/wast/predict", content=image())
    assert answer.status_code == 404
    assert "waste" in answer.json()["detail"]


def test_a_model_without_a_version_at_work_is_503_and_says_what_to_do(serve: Serve):
    answer = serve(None, live=None).post(URL, content=image())
    assert answer.status_code == 503
    assert "rollout start" in answer.json()["detail"]
    assert answer.headers["retry-after"]


def test_a_held_request_is_202_without_a_label_and_the_reviewer_answers_it(serve: Serve):
    client = serve(SUPERVISED)
    held = client.post(URL, content=image("glass"))
    assert held.status_code == 202
    found = held.json()
    assert held.headers["location"] == f"/v1/predictions/{found['id']}"
    assert int(held.headers["retry-after"]) >= 1
    assert (found["status"], found["flags"][0]["code"]) == ("held", "supervised")
    assert found["due"]
    assert not any(label in held.text for label in ("glass", "metal", "paper"))
    assert "prediction" not in found

    item = client.get("/v1/review/next", headers=ANN).json()
    assert (item["prediction_id"], item["open"]) == (found["id"], 1)
    assert item["labels"] == ["glass", "metal", "paper"]
    assert (item["presentation"], item["model_answer"]) == ("answer-first", None)
    photo = client.get(item["payload_url"])
    assert photo.content == image("glass")
    assert photo.headers["content-type"] == item["payload_type"] == "image/jpeg"
    assert photo.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in photo.headers["content-security-policy"]

    decided = review(client, ANN, "metal").json()
    assert decided["counted"] is True
    assert (decided["agrees"], decided["model_answer"]["prediction"]) == (False, "glass")
    final = client.get(held.headers["location"]).json()
    assert (final["prediction"], final["index"], final["decided_by"]) == ("metal", 1, "human")
    assert client.get("/v1/review/next", headers=ANN).status_code == 204


def test_a_caller_on_the_line_hears_the_reviewers_answer(serve: Serve):
    client = serve(SUPERVISED)
    answers: list[Any] = []

    def call() -> None:
        answers.append(client.post(URL, content=image(), headers={"Prefer": "wait=120"}))

    caller = threading.Thread(target=call)
    caller.start()
    assert eventually(lambda: client.get("/v1/review/stats").json()["held"] == 1)
    assert review(client, ANN, "paper").status_code == 200
    caller.join(PATIENCE)
    assert answers[0].status_code == 200
    assert (answers[0].json()["prediction"], answers[0].json()["decided_by"]) == ("paper", "human")


def test_a_wait_that_is_too_short_ends_with_the_request_still_held(serve: Serve):
    client = serve(SUPERVISED)
    held = client.post(URL, content=image())
    found = client.get(held.headers["location"], params={"wait": 0.2})
    assert (found.status_code, found.json()["status"]) == (200, "held")
    assert "retry-after" in found.headers


def test_events_tell_of_the_hold_and_then_of_the_answer(serve: Serve, parts: list[Serving]):
    client = serve(SUPERVISED)
    held = client.post(URL, content=image()).json()
    lines: list[str] = []

    def listen() -> None:
        with client.stream("GET", f"/v1/predictions/{held['id']}/events") as stream:
            lines.extend(line for line in stream.iter_lines() if line)

    listener = threading.Thread(target=listen)
    listener.start()
    assert eventually(lambda: parts[0].arrivals.waited_for == (held["id"],))
    review(client, ANN, "glass")
    listener.join(PATIENCE)
    names = [line for line in lines if line.startswith("event: ")]
    assert (names[0], names[-1]) == ("event: held", "event: final")
    assert json.loads(lines[-1].removeprefix("data: "))["prediction"] == "glass"
    assert client.get("/v1/predictions/unknown/events").status_code == 404


def test_a_held_request_can_be_given_up_once(serve: Serve):
    client = serve(SUPERVISED)
    where = client.post(URL, content=image()).headers["location"]
    assert client.delete(where).json()["status"] == "cancelled"
    assert client.delete(where).status_code == 409


def test_the_second_reviewer_of_an_expired_claim_is_told_409(serve: Serve, database: Database):
    client = serve(SUPERVISED)
    client.post(URL, content=image())
    old = client.get("/v1/review/next", headers=ANN).json()
    with database.begin() as connection:
        connection.exec_driver_sql("update review_slot set free_at = claimed_at")
    assert review(client, BOB, "glass").status_code == 200
    late = client.post(
        f"/v1/review/{old['id']}/decision",
        json={"epoch": old["epoch"], "label": "metal"},
        headers=ANN,
    )
    assert late.status_code == 409
    assert "does not count" in late.json()["detail"]


def test_a_repeated_request_gets_the_same_answer_and_runs_once(serve: Serve):
    runner = FakeRunner()
    client = serve(GRADUAL, runners={1: FakeRunner("paper"), 2: runner})
    headers = {"Idempotency-Key": "k1", **attributes(user_id="u")}
    first = client.post(URL, content=image("metal"), headers=headers)
    again = client.post(URL, content=image("metal"), headers=headers)
    assert first.json() == again.json()
    assert sum(runner.batches) == 1
    other = client.post(URL, content=image("glass"), headers=headers)
    assert other.status_code == 422
    assert "different request" in other.json()["detail"]


def test_the_same_key_at_the_same_moment_is_answered_once(serve: Serve, database: Database):
    client = serve(GRADUAL)
    headers = {"Idempotency-Key": "k1", **attributes(user_id="u")}
    answers: list[Any] = []
    callers = [
        threading.Thread(
            target=lambda: answers.append(client.post(URL, content=image(), headers=headers))
        )
        for _ in range(4)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(PATIENCE)
    assert {a.status_code for a in answers} == {200}
    assert len({a.json()["id"] for a in answers}) == 1
    with database.read() as connection:
        assert connection.exec_driver_sql("select count(*) from prediction").scalar() == 1


def test_an_out_of_domain_request_is_held_and_comes_with_its_reason(serve: Serve):
    client = serve(GRADUAL)
    held = client.post(URL, content=image(p_value=0.0), headers=attributes(user_id="u"))
    assert held.status_code == 202
    (flag,) = held.json()["flags"]
    assert flag["code"] == "out-of-domain"
    assert "colours" in flag["reason"]


def test_a_flagged_request_can_be_answered_by_the_baseline(serve: Serve):
    flags = Flags(min_confidence=0.7, then=FlaggedThen.BASELINE)
    client = serve(GRADUAL, flags=flags)
    found = client.post(
        URL, content=image("metal", confidence=0.6), headers=attributes(user_id="u")
    ).json()
    assert (found["prediction"], found["version"], found["decided_by"]) == ("paper", 1, "baseline")


def test_an_abstention_is_final_and_has_no_label(serve: Serve):
    client = serve(GRADUAL, flags=Flags(min_confidence=0.7, then=FlaggedThen.ABSTAIN))
    found = client.post(URL, content=image(confidence=0.6), headers=attributes(user_id="u")).json()
    assert (found["status"], found["prediction"], found["decided_by"]) == (
        "final",
        None,
        "fallback",
    )


def test_junk_takes_no_place_in_the_scopes_daily_limit(serve: Serve):
    client = serve(StagePlan(Stage.LIMITED_SCOPE, scope=Scope(at_most_per_day=1)))
    assert {client.post(URL, content=b"junk").status_code for _ in range(3)} == {415}
    versions = [client.post(URL, content=image("metal")).json()["version"] for _ in range(2)]
    assert versions == [2, 1]


def test_the_scopes_daily_limit_is_kept_by_requests_at_the_same_moment(serve: Serve):
    client = serve(StagePlan(Stage.LIMITED_SCOPE, scope=Scope(at_most_per_day=3)))
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(client.post, URL, content=image("metal")) for _ in range(8)]
        versions = [one.result(PATIENCE).json()["version"] for one in sent]
    assert sorted(versions) == [1, 1, 1, 1, 1, 2, 2, 2]


def test_the_scopes_daily_limit_is_kept(serve: Serve):
    part = StagePlan(Stage.LIMITED_SCOPE, scope=Scope(at_most_per_day=2))
    client = serve(part)
    versions = [client.post(URL, content=image("metal")).json()["version"] for _ in range(4)]
    assert versions == [2, 2, 1, 1]


def test_late_requests_get_the_baselines_answer(serve: Serve, database: Database):
    part = StagePlan(
        Stage.LIMITED_SCOPE,
        answers=Answers.AFTER_APPROVAL,
        review=Review(due_seconds=0.0, late=Late.BASELINE),
    )
    client = serve(part)
    held = client.post(URL, content=image("metal"))
    assert held.json()["late"] == "baseline"
    with database.begin() as connection:
        assert len(answer_late(SqlServingUnit(connection), serving_app.now())) == 1
    found = client.get(held.headers["location"]).json()
    assert (found["prediction"], found["decided_by"]) == ("paper", "baseline")
    assert found["version"] == 1


def test_a_change_of_the_route_reaches_this_replica_by_itself(serve: Serve, database: Database):
    client = serve(None)
    assert client.post(URL, content=image("metal")).json()["version"] == 1
    with database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        unit.live.put("waste", 2, 1, serving_app.now())
        unit.routing_clock.tick()
    assert eventually(lambda: client.post(URL, content=image()).json()["version"] == 2)
    assert POLL_SECONDS < 1


def test_a_candidate_that_cannot_be_loaded_is_answered_for_and_readiness_lists_it(
    serve: Serve, database: Database
):
    client = serve(GRADUAL, runners={1: FakeRunner("paper")})
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert "waste@2" in ready.json()["warnings"][0]
    answer = client.post(URL, content=image(), headers=attributes(user_id="u")).json()
    assert (answer["version"], answer["decided_by"]) == (1, "baseline")
    assert answer["flags"][0]["code"] == "model-failed"
    assert _verdicts(database, Stage.GRADUAL) == []


def test_a_candidate_that_cannot_be_loaded_is_503_where_nobody_else_answers(serve: Serve):
    alone = {"live": None, "baseline": None}
    client = serve(GRADUAL, runners={1: FakeRunner("paper")}, **alone)
    assert client.post(URL, content=image(), headers=attributes(user_id="u")).status_code == 503


def test_a_live_version_that_cannot_be_loaded_makes_the_replica_unready(serve: Serve):
    client = serve(GRADUAL, runners={2: FakeRunner()})
    not_ready = client.get("/readyz")
    assert not_ready.status_code == 503
    assert "waste@1" in not_ready.text
    assert client.post(URL, content=image()).status_code == 503


def test_a_hold_that_asks_for_the_baseline_stays_a_hold_when_there_is_none(serve: Serve):
    part = replace(SUPERVISED, review=Review(late=Late.BASELINE))
    held = serve(part, runners={2: FakeRunner()}).post(URL, content=image())
    assert (held.status_code, held.json()["late"]) == (202, "abstain")


def test_a_flag_that_asks_for_the_baseline_holds_when_it_cannot_answer(serve: Serve):
    flags = Flags(min_confidence=0.7, then=FlaggedThen.BASELINE)
    client = serve(GRADUAL, flags=flags, runners={2: FakeRunner()})
    unsure = image("metal", confidence=0.6)
    held = client.post(URL, content=unsure, headers=attributes(user_id="u"))
    assert held.status_code == 202
    assert held.json()["flags"][0]["code"] == "low-confidence"


def test_a_replica_with_all_its_models_is_ready(serve: Serve):
    client = serve(GRADUAL)
    assert client.get("/readyz").json() == {"status": "ready"}
    assert client.get("/metrics").text == "stagegate_up 1\n"


def test_a_live_version_that_raises_is_a_500_for_its_request(serve: Serve):
    client = serve(None, runners={1: FakeRunner(fails=ValueError())})
    assert client.post(URL, content=image()).status_code == 500


def test_a_candidate_that_raises_is_answered_for_and_leaves_an_error(
    serve: Serve, database: Database
):
    client = serve(GRADUAL, runners={1: FakeRunner("paper"), 2: FakeRunner(fails=ValueError())})
    answer = client.post(URL, content=image(), headers=attributes(user_id="u"))
    assert answer.status_code == 200
    assert (answer.json()["prediction"], answer.json()["decided_by"]) == ("paper", "baseline")
    assert answer.json()["flags"][0]["code"] == "model-failed"
    assert _verdicts(database, Stage.GRADUAL) == [Verdict.ERROR]


def test_a_candidate_that_raises_without_a_baseline_is_held(serve: Serve, database: Database):
    broken = {2: FakeRunner(fails=ValueError())}
    client = serve(GRADUAL, runners=broken, live=None, baseline=None)
    held = client.post(URL, content=image(), headers=attributes(user_id="u"))
    assert (held.status_code, held.json()["flags"][0]["code"]) == (202, "model-failed")
    assert _verdicts(database, Stage.GRADUAL) == [Verdict.ERROR]


def test_a_candidate_that_hangs_is_answered_for_and_leaves_an_error(
    serve: Serve, database: Database
):
    hangs = FakeRunner(gate=threading.Event())
    runners = {1: FakeRunner("paper"), 2: hangs}
    client = serve(GRADUAL, runners=runners, patience=Patience(answer_seconds=0.2))
    answer = client.post(URL, content=image(), headers=attributes(user_id="u")).json()
    hangs.gate.set()
    assert (answer["prediction"], answer["decided_by"]) == ("paper", "baseline")
    assert "no answer in 0.2 s" in answer["flags"][0]["reason"]
    assert _verdicts(database, Stage.GRADUAL) == [Verdict.ERROR]


def test_a_live_version_that_hangs_is_given_up_and_others_are_answered(serve: Serve):
    hangs = FakeRunner(gate=threading.Event())
    client = serve(None, runners={1: hangs}, patience=Patience(trusted_seconds=0.2))
    answer = client.post(URL, content=image())
    hangs.gate.set()
    assert answer.status_code == 500
    assert "no answer in 0.2 s" in answer.json()["detail"]
    assert client.post(URL, content=image("metal")).status_code == 200


def _verdicts(database: Database, stage: Stage) -> list[Verdict | None]:
    with database.read() as connection:
        rows = SqlUnitOfWork(connection).evidence.read("rollout-1", stage)
    return [row.verdict for row in rows]


def test_models_and_versions_are_listed_with_their_stages(serve: Serve):
    client = serve(GRADUAL)
    (model,) = client.get("/v1/models").json()["models"]
    assert (model["name"], model["live"], model["candidate"]) == ("waste", 1, 2)
    assert [v["stage"] for v in model["versions"]] == ["live", "gradual"]
    detail = client.get("/v1/models/waste").json()
    alone = client.get("/v1/models/waste/versions/2").json()
    assert alone == {**detail["versions"][1], "reference": None}
    assert [version.pop("out_of_domain") for version in detail["versions"]] == [None, None]
    assert detail == model
    assert client.get("/v1/models/other").status_code == 404
    assert client.get("/v1/models/waste/versions/9").status_code == 404


@pytest.mark.parametrize(("draw", "said"), [(0.0, None), (0.5, "glass")])
def test_a_blind_reviewer_never_hears_what_the_model_said(
    serve: Serve, draw: float, said: str | None
):
    part = replace(SUPERVISED, review=Review(blind=0.1))
    client = serve(part, draw=lambda: draw)
    client.post(URL, content=image("glass"))
    decided = review(client, ANN, "metal").json()
    answer = decided["model_answer"]
    assert (answer["prediction"] if answer else None) == said
    assert decided["agrees"] is (None if said is None else False)


def test_every_final_outcome_is_counted_and_a_repeated_verdict_only_once(
    serve: Serve, parts: list[Serving]
):
    client = serve(SUPERVISED)
    client.post(URL, content=image())
    item = client.get("/v1/review/next", headers=ANN).json()
    body = {"epoch": item["epoch"], "label": "metal"}
    for _ in range(3):
        client.post(f"/v1/review/{item['id']}/decision", json=body, headers=ANN)
    client.delete(client.post(URL, content=image()).headers["location"])
    measured = parts[0].measurements
    assert isinstance(measured, Measured)
    assert [what for what in measured.events if what[0] in {"settled", "reviewed"}] == [
        ("reviewed", True),
        ("settled", "human"),
        ("settled", None),
    ]


def test_waiting_callers_are_let_go_when_the_service_stops(serve: Serve, parts: list[Serving]):
    client = serve(SUPERVISED)
    where = client.post(URL, content=image()).headers["location"]
    answers: list[Any] = []
    events: list[str] = []

    def ask() -> None:
        answers.append(
            client.post(URL, content=image(), headers={"Prefer": f"wait={MAX_WAIT_SECONDS:.0f}"})
        )

    def look() -> None:
        answers.append(client.get(where, params={"wait": MAX_WAIT_SECONDS}))

    def listen() -> None:
        with client.stream("GET", f"{where}/events") as stream:
            events.extend(line for line in stream.iter_lines() if line.startswith("event"))

    callers = [threading.Thread(target=call) for call in (ask, look, listen)]
    for caller in callers:
        caller.start()
    assert eventually(lambda: client.get("/v1/review/stats").json()["held"] == 2)
    assert eventually(lambda: len(parts[0].arrivals.waited_for) == 2)
    parts[0].arrivals.close()
    for caller in callers:
        caller.join(MAX_WAIT_SECONDS / 2)  # less than they would wait
    assert not any(caller.is_alive() for caller in callers)
    assert sorted(answer.status_code for answer in answers) == [200, 202]
    assert {answer.json()["status"] for answer in answers} == {"held"}
    assert set(events) == {"event: held"}
    late = client.post(URL, content=image(), headers={"Prefer": f"wait={MAX_WAIT_SECONDS:.0f}"})
    assert late.status_code == 202


def test_skip_renew_and_items_work_over_http(serve: Serve):
    client = serve(SUPERVISED)
    client.post(URL, content=image())
    item = client.get("/v1/review/next", headers=ANN).json()
    where = f"/v1/review/{item['id']}"
    renewed = client.post(f"{where}/renew", json={"epoch": item["epoch"]}, headers=ANN)
    assert renewed.json()["lease_until"] >= item["lease_until"]
    leased = {"state": "leased", "version": item["version"]}
    held = client.get("/v1/review/items", params=leased).json()
    assert (held["open"], [one["id"] for one in held["items"]]) == (1, [item["id"]])
    other = leased | {"version": item["version"] + 1}
    assert client.get("/v1/review/items", params=other).json()["items"] == []
    body = {"epoch": item["epoch"], "reason": "too dark"}
    assert client.post(f"{where}/skip", json=body, headers=ANN).status_code == 200
    other = {**body, "reason": "too bright"}
    assert client.post(f"{where}/skip", json=other, headers=ANN).status_code == 409
    assert client.get("/v1/review/next", headers=ANN).status_code == 204
    assert client.get("/v1/review/next", params={"model": "x"}, headers=BOB).status_code == 204
    assert client.get("/v1/review/next", headers=BOB).json()["id"] == item["id"]
    assert client.post("/v1/review/none/decision", json={"epoch": 1, "label": None}).is_error
