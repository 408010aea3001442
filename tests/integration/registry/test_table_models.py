"""A fastai tabular learner: registered by the command that users type, then served over HTTP."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import serving_app
from registering import stagegate
from serving_fakes import NOW, a_version
from starlette.testclient import TestClient

from monitoring.adapters.reference_files import CachedReferences, load_reference
from monitoring.domain.profile import Kind
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.adapters.mlflow_pyfunc import BundleModel
from registry.domain.versions import ModelVersion
from serving.adapters.input_reader import BundleInputs
from serving.adapters.runner import BundleRunner

pytestmark = pytest.mark.integration
ROW = {"station": "north", "month": 7, "windy": False, "warmth": 21.5, "rain": None}
URL, INVOCATIONS = "/v1/models/waste/predict", "/models/waste/invocations"


@pytest.fixture(scope="module")
def bundle(fastai_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home, working = tmp_path_factory.mktemp("tables"), tmp_path_factory.mktemp("working")
    assert stagegate(home, working, "db", "upgrade").returncode == 0
    done = stagegate(
        home, working, "model", "register", "waste", str(fastai_world / "weather.pkl"),
        "--training-data", str(fastai_world / "weather.csv"),
        "--calibration-data", str(fastai_world / "weather.parquet"), "--trust-pickle",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    checks = {check["name"]: check for check in said["parity"]["checks"]}
    assert said["parity"]["max_abs_diff"] <= 1e-5
    assert checks["learn.get_preds"]["rows"] >= 70
    assert checks["labels of learn.predict"]["passed"]
    return Path(said["bundle_uri"].removeprefix("file://"))


@pytest.fixture
def version(bundle: Path) -> ModelVersion:
    said = json.loads((bundle / "manifest.json").read_bytes())
    from registry.adapters.bundle import open_bundle

    return replace(a_version(1), labels=tuple(said["labels"]), digest=open_bundle(bundle).digest)


@pytest.fixture
def served(
    bundle: Path, version: ModelVersion, migrated_sqlite_url: str, tmp_path: Path
) -> Iterator[TestClient]:
    database = Database(migrated_sqlite_url)
    with database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        unit.versions.add(version)
        unit.live.put("waste", 1, None, NOW)
        unit.routing_clock.tick()
    runner = BundleRunner(version, bundle, replica="here", max_pixels=1)
    parts: Any = serving_app.parts(database, f"file://{tmp_path}/payloads", {1: runner})
    with serving_app.client(parts) as client:
        yield client


def test_a_row_is_answered_like_mlflow_answers_it(served: TestClient, bundle: Path):
    answer = served.post(URL, json={"inputs": [ROW], "attributes": {"site": "a"}}).json()
    assert answer["status"] == "final"
    frame = BundleModel(bundle).predict(pd.DataFrame([ROW]))
    assert answer["prediction"] == frame["prediction"][0]
    wanted = {label: pytest.approx(frame[label][0], abs=1e-6) for label in ("bad", "good")}
    assert answer["probabilities"] == wanted
    payload = served.get(f"/v1/predictions/{answer['id']}/payload")
    assert payload.headers["content-type"] == "application/json"
    assert payload.json() == ROW


def test_rows_are_answered_in_order_and_alone_as_together(served: TestClient):
    rows = [ROW, ROW | {"warmth": -4, "rain": 3.5}, ROW | {"station": "nowhere", "windy": None}]
    together = served.post(URL, json={"inputs": rows})
    assert together.status_code == 200
    key = {"Idempotency-Key": "k"}
    first, again = (served.post(URL, json={"inputs": rows}, headers=key).json() for _ in "12")
    assert first == again
    alone = [served.post(URL, json={"inputs": [row]}).json() for row in rows]
    found = [one["probabilities"] for one in together.json()["predictions"]]
    assert found == [one["probabilities"] for one in alone]
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("form", "table"),
    [
        ("dataframe_records", [ROW]),
        ("dataframe_split", {"columns": list(ROW), "data": [list(ROW.values())]}),
        ("inputs", {name: [value] for name, value in ROW.items()}),
    ],
)
def test_mlflows_tables_are_rows(served: TestClient, form: str, table: Any):
    (said,) = served.post(INVOCATIONS, json={form: table}).json()["predictions"]
    wanted = served.post(URL, json={"inputs": [ROW]}).json()
    assert {name: said[name] for name in ("bad", "good")} == wanted["probabilities"]


@pytest.mark.parametrize(
    ("ask", "status", "words"),
    [
        (lambda c: c.post(URL, json={"inputs": [ROW | {"month": "7"}]}), 422, "'month' takes num"),
        (lambda c: c.post(URL, json={"inputs": [ROW | {"warmth": None}]}), 422, "'warmth' is null"),
        (lambda c: c.post(URL, json={"inputs": [ROW | {"fog": 1}]}), 422, "the row has fog"),
        (lambda c: c.post(URL, json={"inputs": [ROW, {}]}), 422, "row 1: the row has no month"),
        (lambda c: c.post(URL, content=b"\xff\xd8\xff"), 415, "reads rows of a table"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_and_nothing_is_stored(
    served: TestClient, ask: Callable[[TestClient], Any], status: int, words: str
):
    refused = ask(served)
    assert refused.status_code == status
    assert words in refused.json()["detail"]


def test_each_value_of_a_row_stands_beside_the_training_data(bundle: Path, version: ModelVersion):
    inputs = BundleInputs(lambda _: bundle, CachedReferences(lambda _: bundle), max_pixels=1)
    row = ROW | {"warmth": 4000.0, "station": "nowhere"}
    placed = {one.name: one for one in inputs.compare(version, json.dumps(row).encode())}
    outside = [name for name, one in placed.items() if one.outside]
    assert sorted(outside) == ["station", "warmth"]
    assert list(placed)[:2] == outside
    assert placed["warmth"].sentence.startswith("warmth is 4000, above all training values")
    assert placed["station"].sentence == "station is “nowhere”, which no training input had"
    assert placed["month"].said == "7"
    usual = inputs.compare(version, json.dumps(ROW).encode())
    assert [one for one in usual if one.outside] == []


def test_strange_rows_are_told_from_usual_ones_and_columns_are_profiled(
    bundle: Path, version: ModelVersion, fastai_world: Path
):
    runner = BundleRunner(version, bundle, replica="here", max_pixels=1)
    usual = pd.read_parquet(fastai_world / "weather.parquet").drop(columns="air")

    def p_value(row: dict[str, Any]) -> tuple[float, str]:
        scores = runner.run(runner.prepare(json.dumps(row).encode())[None])[1]
        assert scores is not None
        return float(scores.p_values[0]), scores.reason(0)

    assert p_value({**usual.iloc[3].to_dict(), "rain": None})[0] > 0.05
    p, why = p_value(ROW | {"warmth": 4000.0})
    assert p < 0.05
    assert why.startswith("unlike the training rows")
    features = {f.name: f for f in load_reference(bundle).profile.features if f.kind is Kind.COLUMN}
    assert {"station", "month", "windy", "warmth", "rain", "rain_na"} == set(features)
    assert features["warmth"].bins.mean == pytest.approx(12, abs=3)
