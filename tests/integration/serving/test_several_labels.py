"""Answers of several labels: to callers of every protocol, to reviewers, and as evidence."""

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import serving_app
from serving_fakes import FakeRunner, image
from starlette.testclient import TestClient

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.evidence import Verdict
from registry.domain.plan import Answers, Flags, Review, StagePlan, Step
from registry.domain.several import NONE_APPLIES
from registry.domain.stages import Stage
from serving.domain.decide import flag
from serving.domain.prediction import Code, RawPrediction

pytestmark = pytest.mark.integration
Serve = Callable[..., TestClient]
URL = "/v1/models/waste/predict"
UNIT = {"X-Stagegate-Attributes": '{"user_id": "u"}'}
ANN, BOB = {"X-Stagegate-Actor": "ann"}, {"X-Stagegate-Actor": "bob"}
GRADUAL = StagePlan(Stage.GRADUAL, steps=(Step(100.0, 0.0),), review=Review(sample=0.0))
SUPERVISED = StagePlan(Stage.LIMITED_SCOPE, answers=Answers.AFTER_APPROVAL)
TWO, NONE = image("metal", 0.4), image("metal", 0.34)  # 0.3, 0.4, 0.3; and each near a third


@pytest.fixture
def serve(database: Database, tmp_path: Path) -> Iterator[Serve]:
    """Labels above a threshold, of which the test says how high it is."""
    with ExitStack() as stack:

        def start(part: StagePlan, threshold: float) -> TestClient:
            serving_app.register(database, part, flags=Flags(), threshold=threshold)
            runners = {1: FakeRunner("paper"), 2: FakeRunner()}
            made = serving_app.parts(database, str(tmp_path / "payloads"), runners)
            return stack.enter_context(serving_app.client(made))

        yield start


def test_a_caller_gets_every_label_above_the_threshold_and_the_share_of_each(serve: Serve):
    client = serve(GRADUAL, 0.29)
    found = client.post(URL, content=TWO, headers=UNIT).json()
    assert found["prediction"] == ["glass", "metal", "paper"]
    assert found["index"] == [0, 1, 2]
    assert found["probabilities"] == pytest.approx({"glass": 0.3, "metal": 0.4, "paper": 0.3})
    again = client.get(f"/v1/predictions/{found['id']}").json()
    assert (again["prediction"], again["index"]) == (found["prediction"], found["index"])


def test_no_label_above_the_threshold_is_an_answer_too(serve: Serve):
    found = serve(GRADUAL, 0.5).post(URL, content=NONE, headers=UNIT).json()
    assert (found["status"], found["prediction"], found["index"]) == ("final", [], [])


def test_a_person_gives_any_of_the_labels_and_the_caller_hears_them(serve: Serve):
    client = serve(SUPERVISED, 0.35)
    held = client.post(URL, content=TWO, headers=UNIT).json()
    item = client.get("/v1/review/next", headers=ANN).json()
    assert (held["status"], item["several"]) == ("held", True)
    wrong = {"epoch": item["epoch"], "label": "glass;wood"}
    refused = client.post(f"/v1/review/{item['id']}/decision", json=wrong, headers=ANN)
    assert refused.status_code == 422
    assert "no label 'wood'" in refused.json()["detail"]
    body = {"epoch": item["epoch"], "label": "paper;glass", "final": True}
    said = client.post(f"/v1/review/{item['id']}/decision", json=body, headers=ANN).json()
    assert (said["label"], said["agrees"]) == ("glass;paper", False)
    told = client.get(f"/v1/predictions/{held['id']}").json()
    assert (told["prediction"], told["index"]) == (["glass", "paper"], [0, 2])
    assert told["decided_by"] == "human"


@pytest.mark.parametrize(("label", "right"), [("glass;metal", False), ("metal", True)])
def test_an_answer_counts_as_right_only_if_every_label_of_it_is(
    serve: Serve, database: Database, label: str, right: bool
):
    client = serve(SUPERVISED, 0.35)
    client.post(URL, content=TWO, headers=UNIT)
    item = client.get("/v1/review/next", headers=ANN).json()
    body = {"epoch": item["epoch"], "label": label, "final": True}
    client.post(f"/v1/review/{item['id']}/decision", json=body, headers=ANN)
    assert _verdicts(database) == [Verdict.CORRECT if right else Verdict.ERROR]


def test_none_of_these_means_the_same_to_a_reviewer_and_to_the_model(
    serve: Serve, database: Database
):
    client = serve(SUPERVISED, 0.9)
    held = client.post(URL, content=NONE, headers=UNIT).json()
    item = client.get("/v1/review/next", headers=ANN).json()
    body = {"epoch": item["epoch"], "label": None, "final": True}
    said = client.post(f"/v1/review/{item['id']}/decision", json=body, headers=ANN).json()
    assert (said["label"], said["agrees"]) == (NONE_APPLIES, True)
    assert client.get(f"/v1/predictions/{held['id']}").json()["prediction"] == []
    assert _verdicts(database) == [Verdict.CORRECT]


def test_two_reviewers_agree_in_whatever_order_they_name_the_labels(serve: Serve):
    two = replace(SUPERVISED, review=Review(opinions={"supervised": 2}))
    client = serve(two, 0.35)
    held = client.post(URL, content=TWO, headers=UNIT).json()
    for who, label in ((ANN, "paper;glass"), (BOB, "glass;paper")):
        item = client.get("/v1/review/next", headers=who).json()
        body = {"epoch": item["epoch"], "label": label, "final": True}
        client.post(f"/v1/review/{item['id']}/decision", json=body, headers=who)
    found = client.get(f"/v1/predictions/{held['id']}").json()
    assert (found["status"], found["prediction"]) == ("final", ["glass", "paper"])


def test_the_open_inference_protocol_tells_which_apply_as_zeros_and_ones(serve: Serve):
    client = serve(GRADUAL, 0.35)
    texts = [base64.b64encode(one).decode() for one in (TWO, NONE)]
    body = {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [2], "data": texts}]}
    answer = client.post("/v2/models/waste/infer", json=body, headers=UNIT).json()
    found = {one["name"]: one for one in answer["outputs"]}
    assert found["prediction"]["data"] == ["metal", NONE_APPLIES]
    assert found["index"]["shape"] == [2, 3]
    assert found["index"]["data"] == [0, 1, 0, 0, 0, 0]
    described = client.get("/v2/models/waste/versions/2").json()["outputs"]
    assert {"name": "index", "datatype": "INT64", "shape": [-1, 3]} in described


def test_mlflows_protocol_has_no_index_for_several_labels(serve: Serve):
    client = serve(GRADUAL, 0.29)
    texts = [base64.b64encode(TWO).decode()]
    answer = client.post("/models/waste/invocations", json={"instances": texts}, headers=UNIT)
    (row,) = answer.json()["predictions"]
    assert row["prediction"] == "glass;metal;paper"
    assert "index" not in row
    assert row["metal"] == pytest.approx(0.4)


def test_a_version_record_says_the_threshold(serve: Serve):
    found = serve(GRADUAL, 0.29).get("/v1/models/waste/versions/2").json()
    assert found["threshold"] == 0.29


def test_an_answer_is_as_sure_as_its_least_sure_label():
    raw = RawPrediction(2, ("glass", "metal", "paper"), (0.2, 0.4, 0.1), threshold=0.35)
    assert (raw.label, raw.index, raw.confidence) == ("metal", (1,), 0.4)
    (low,) = flag(raw, Flags(min_confidence=0.7))
    assert low.code is Code.LOW_CONFIDENCE


def _verdicts(database: Database) -> list[Verdict]:
    with database.read() as connection:
        rows = SqlUnitOfWork(connection).evidence.read("rollout-1", Stage.LIMITED_SCOPE)
        return [row.verdict for row in rows]
