"""The protocols of others: Open Inference Protocol v2 and MLflow's scoring, byte by byte."""

import base64
import gzip
import json
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving_app
import sqlalchemy as sa
from serving_fakes import FakeRunner, image
from starlette.testclient import TestClient

from registry.adapters.database.engine import Database
from registry.domain.errors import Invalid
from registry.domain.plan import Answers, Flags, Review, Scope, StagePlan, Step
from registry.domain.stages import Stage
from serving.api.body import row_bytes
from serving.api.invocations import read_inputs
from serving.api.tensors import HEADER, ROWS_AT_MOST, read_request

pytestmark = pytest.mark.integration
GRADUAL = StagePlan(Stage.GRADUAL, steps=(Step(100.0, 0.0),), review=Review(sample=0.0))
SUPERVISED = StagePlan(Stage.LIMITED_SCOPE, answers=Answers.AFTER_APPROVAL)
UNIT = {"X-Stagegate-Attributes": json.dumps({"user_id": "u"})}
INFER, INVOKE = "/v2/models/waste/infer", "/models/waste/invocations"


@pytest.fixture
def serve(database: Database, tmp_path: Path) -> Iterator[Any]:
    opened = []

    def start(part: StagePlan) -> TestClient:
        serving_app.register(database, part, flags=Flags())
        runners = {1: FakeRunner("paper"), 2: FakeRunner()}
        made = serving_app.client(serving_app.parts(database, str(tmp_path / "p"), runners))
        opened.append(made)
        return made.__enter__()

    yield start
    for made in opened:
        made.__exit__(None, None, None)


def in_base64(*images: bytes) -> list[str]:
    return [base64.b64encode(one).decode() for one in images]


def tensor(images: list[bytes], **more: Any) -> dict[str, Any]:
    return {"name": "image", "datatype": "BYTES", "shape": [len(images)], **more}


def in_binary(images: list[bytes], **more: Any) -> tuple[bytes, dict[str, str]]:
    data = b"".join(struct.pack("<I", len(one)) + one for one in images)
    document = {"inputs": [tensor(images, parameters={"binary_data_size": len(data)})], **more}
    head = json.dumps(document).encode()
    return head + data, {HEADER: str(len(head)), "Content-Type": "application/octet-stream"}


def test_json_tensors_are_answered_row_by_row(serve: Any):
    images = [image("metal"), image("glass")]
    body = {"id": "r7", "inputs": [tensor(images, data=in_base64(*images))]}
    found = serve(GRADUAL).post(INFER, json=body, headers=UNIT)
    assert found.status_code == 200, found.text
    document = found.json()
    assert (document["model_name"], document["model_version"], document["id"]) == (
        "waste", "2", "r7",
    )  # fmt: skip
    outputs = {one["name"]: one for one in document["outputs"]}
    assert outputs["prediction"]["data"] == ["metal", "glass"]
    labels = len(outputs["probabilities"]["data"]) // 2
    assert outputs["probabilities"]["shape"] == [2, labels]
    assert outputs["index"]["datatype"] == "INT64"
    assert len(set(outputs["id"]["data"])) == 2


def test_binary_tensors_go_both_ways(serve: Any):
    outputs = [
        {"name": "probabilities", "parameters": {"binary_data": True}},
        {"name": "prediction", "parameters": {"binary_data": True}},
        {"name": "index"},
    ]
    body, headers = in_binary([image("metal")], outputs=outputs)
    found = serve(GRADUAL).post(INFER, content=body, headers=headers | UNIT)
    assert found.status_code == 200, found.text
    length = int(found.headers[HEADER])
    document, rest = json.loads(found.content[:length]), found.content[length:]
    described = {one["name"]: one for one in document["outputs"]}
    assert list(described) == ["prediction", "index", "probabilities"]
    size = described["prediction"]["parameters"]["binary_data_size"]
    assert rest[:size] == struct.pack("<I", 5) + b"metal"
    spread = np.frombuffer(rest[size:], "<f4")
    assert int(spread.argmax()) == described["index"]["data"][0]


@pytest.mark.parametrize(("how", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_packed_body_is_taken_for_what_it_was(serve: Any, how: str, pack: Any):
    body, headers = in_binary([image("metal"), image("glass")])
    packed = headers | UNIT | {"Content-Encoding": how}
    found = serve(GRADUAL).post(INFER, content=pack(body), headers=packed)
    assert found.status_code == 200, found.text
    outputs = {one["name"]: one for one in found.json()["outputs"]}
    assert outputs["prediction"]["data"] == ["metal", "glass"]


BOMB = gzip.compress(bytes(2**25))


@pytest.mark.parametrize(
    ("how", "body", "status"),
    [
        ("gzip", BOMB, 413),
        ("gzip", BOMB[: len(BOMB) // 2], 413),
        ("gzip", gzip.compress(b"{}")[:-1], 422),
        ("gzip", gzip.compress(b"{}") + b"more", 422),
        ("gzip", gzip.compress(b"{") + gzip.compress(b"}"), 422),
        ("gzip", b"{}", 422),
        ("deflate", b"", 422),
        ("br", b"{}", 415),
    ],
    ids=[
        "bomb",
        "half a bomb",
        "cut",
        "with a tail",
        "of two members",
        "plain",
        "empty",
        "unknown",
    ],
)
def test_a_packed_body_that_is_too_large_or_broken_is_refused(
    serve: Any, how: str, body: bytes, status: int
):
    client = serve(GRADUAL)
    found = client.post(INFER, content=body, headers={"Content-Encoding": how})
    assert found.status_code == status, found.text
    assert found.json()["error"]


def test_a_held_row_is_an_error_that_says_where_the_answer_will_be(serve: Any):
    client = serve(SUPERVISED)
    images = [image("metal")]
    found = client.post(INFER, json={"inputs": [tensor(images, data=in_base64(*images))]})
    assert found.status_code == 202
    place = found.json()["error"].partition("/v1/predictions/")[2].split()[0]
    assert client.get(f"/v1/predictions/{place}").json()["status"] == "held"
    invoked = client.post(INVOKE, json={"instances": in_base64(*images)})
    assert invoked.status_code == 202
    assert "held for a person" in invoked.json()["detail"]


def test_a_version_that_the_rollout_does_not_choose_is_refused(serve: Any):
    client = serve(GRADUAL)
    images = [image("metal")]
    body = {"inputs": [tensor(images, data=in_base64(*images))]}
    chosen = client.post("/v2/models/waste/versions/2/infer", json=body, headers=UNIT)
    assert chosen.status_code == 200
    other = client.post("/v2/models/waste/versions/1/infer", json=body, headers=UNIT)
    assert other.status_code == 409
    assert "leave the version out" in other.json()["error"]


def test_a_version_whose_daily_limit_is_used_up_is_refused_and_nothing_is_stored(
    serve: Any, database: Database
):
    client = serve(StagePlan(Stage.LIMITED_SCOPE, scope=Scope(at_most_per_day=1)))
    images = [image("metal")]
    body = {"inputs": [tensor(images, data=in_base64(*images))]}
    pinned = "/v2/models/waste/versions/2/infer"
    assert client.post(pinned, json=body, headers=UNIT).status_code == 200
    for headers in (UNIT, UNIT | {"Idempotency-Key": "key"}):
        refused = client.post(pinned, json=body, headers=headers)
        assert (refused.status_code, stored(database)) == (409, 1), refused.text
        assert "version 1 answers" in refused.json()["error"]


def test_rows_for_one_version_are_stored_all_or_not_at_all_when_the_day_fills_up(
    serve: Any, database: Database
):
    client = serve(StagePlan(Stage.LIMITED_SCOPE, scope=Scope(at_most_per_day=7)))
    images = [image("metal"), image("glass")]
    body = {"inputs": [tensor(images, data=in_base64(*images))]}
    pinned = "/v2/models/waste/versions/2/infer"

    def send(number: int) -> int:
        headers = UNIT | {"Idempotency-Key": f"key-{number}"}
        return int(client.post(pinned, json=body, headers=headers).status_code)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert Counter(answers) == {200: 3, 409: 5}
    assert stored(database) == 6
    one = {"inputs": [tensor(images[:1], data=in_base64(*images[:1]))]}
    assert client.post(pinned, json=one, headers=UNIT).status_code == 200
    assert client.post(pinned, json=one, headers=UNIT).status_code == 409
    again = [send(number) for number in range(8)]
    assert again == answers, "a repeat gets what was stored and takes no room"
    assert stored(database) == 7


def test_the_server_and_its_models_describe_themselves(serve: Any):
    client = serve(GRADUAL)
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    assert client.get("/v2/health/live").status_code == 200
    assert client.get("/v2/health/ready").status_code == 200
    described = client.get("/v2/models/waste").json()
    assert described["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
    assert described["versions"] == ["1", "2"]
    assert client.get("/v2/models/waste/versions/2/ready").json() == {
        "name": "waste",
        "ready": True,
    }
    assert client.get("/v2/models/waste/versions/9").status_code == 404
    assert "registered are waste" in client.get("/v2/models/nobody").json()["error"]


@pytest.mark.parametrize(
    "form",
    [
        lambda rows: {"dataframe_split": {"columns": ["image"], "data": [[r] for r in rows]}},
        lambda rows: {"dataframe_records": [{"image": r} for r in rows]},
        lambda rows: {"instances": rows},
        lambda rows: {"inputs": {"image": rows}},
    ],
)
def test_each_form_of_mlflow_is_read(form: Any):
    body = json.dumps(form(in_base64(b"one", b"two"))).encode()
    assert read_inputs(body) == (b"one", b"two")


def test_a_row_of_columns_is_kept_as_predict_keeps_it_so_that_one_key_fits_both():
    row = {"shade": "grün", "weight": 0.5}
    body = json.dumps({"dataframe_records": [row]}).encode()
    assert read_inputs(body) == (row_bytes(row),)


def test_mlflow_gets_a_row_with_a_column_for_each_label(serve: Any):
    client = serve(GRADUAL)
    body = {"instances": in_base64(image("metal"))}
    found = client.post(INVOKE, json=body, headers=UNIT)
    (row,) = found.json()["predictions"]
    assert row["prediction"] == "metal"
    assert row["metal"] > 0.5
    assert client.get("/models/waste/ping").status_code == 200
    assert client.get("/models/nobody/ping").status_code == 404


def stored(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(sa.text("select count(*) from prediction")).scalar_one())


def test_one_bad_row_names_itself_and_nothing_is_stored(serve: Any, database: Database):
    rows = in_base64(image("metal"), b"no image", image("glass"))
    found = serve(GRADUAL).post(INVOKE, json={"instances": rows}, headers=UNIT)
    assert found.status_code in {415, 422}
    assert "row 1" in found.json()["detail"]
    assert stored(database) == 0


def test_an_output_that_there_is_not_is_refused_before_anything_is_stored(
    serve: Any, database: Database
):
    images = [image("metal")]
    body = {"inputs": [tensor(images, data=in_base64(*images))], "outputs": [{"name": "logits"}]}
    found = serve(GRADUAL).post(INFER, json=body, headers=UNIT)
    assert found.status_code == 422
    assert "there is no 'logits'" in found.json()["error"]
    assert stored(database) == 0


IMAGE = tensor([b"x"], data=["eA=="])


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "JSON object"),
        ({}, "inputs"),
        ({"inputs": [3]}, "a list of tensors"),
        ({"inputs": []}, "not none"),
        ({"inputs": [{**IMAGE, "name": "x"}]}, "not 'x'"),
        ({"inputs": [{**IMAGE, "shape": [ROWS_AT_MOST + 1]}]}, "n from 1 to"),
        ({"inputs": [{**IMAGE, "shape": "1"}]}, "n from 1 to"),
        ({"inputs": [{**IMAGE, "shape": [2]}]}, "the data hold 1"),
        ({"inputs": [{**IMAGE, "datatype": "FP32"}]}, "BYTES"),
        ({"inputs": [{**IMAGE, "data": ["?"]}]}, "row 0 is not base64"),
        ({"inputs": [{**IMAGE, "data": 3}]}, "a list of images"),
        ({"inputs": [{**IMAGE, "parameters": 3}]}, "an object"),
        ({"inputs": [{**IMAGE, "parameters": {"binary_data_size": 9}}]}, "0 bytes follow"),
        ({"inputs": [{**IMAGE, "parameters": {"binary_data_size": "\ud800"}}]}, r"'\\ud800', but"),
    ],
)
def test_a_wrong_tensor_is_named(document: object, words: str):
    with pytest.raises(Invalid, match=words):
        read_request(json.dumps(document).encode(), None)


@pytest.mark.parametrize("header", ["x", "-1", "99999", "²"])
def test_a_header_that_leads_out_of_the_body_is_refused(header: str):
    with pytest.raises(Invalid, match="no length"):
        read_request(b"{}", header)


def test_an_element_that_is_longer_than_its_data_is_refused():
    body, headers = in_binary([b"abc"])
    data = struct.pack("<I", 99) + b"abc"
    with pytest.raises(Invalid, match="more bytes"):
        read_request(body[: int(headers[HEADER])] + data, headers[HEADER])
