"""A fastai learner that gives several labels to an image, from its export to MLflow's answer."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from registering import stagegate

from registry.adapters.bundle import open_bundle
from registry.adapters.mlflow_pyfunc import BundleModel
from registry.domain.several import together

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def registered(fastai_world: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home, working = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("working")
    assert stagegate(home, working, "db", "upgrade").returncode == 0
    done = stagegate(
        home, working, "model", "register", "scenes", str(fastai_world / "several.pkl"),
        "--training-data", str(fastai_world / "training"),
        "--calibration-data", str(fastai_world / "calibration"), "--trust-pickle",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = stagegate(home, working, "model", "show", "scenes@1")
    again = stagegate(home, working, "model", "verify", "scenes@1")
    assert again.returncode == 0, again.stderr
    return {**json.loads(done.stdout), "shown": json.loads(shown.stdout)}


@pytest.fixture(scope="module")
def bundle(registered: dict[str, Any]) -> Path:
    return Path(registered["bundle_uri"].removeprefix("file://"))


def test_it_answers_like_learn_predict_with_the_threshold_of_its_loss(registered: dict[str, Any]):
    checks = {check["name"]: check for check in registered["parity"]["checks"]}
    assert registered["parity"]["passed"]
    assert checks["learn.predict"]["difference"] <= 1e-5
    assert checks["labels of learn.predict"]["passed"]
    assert registered["threshold"] == registered["shown"]["threshold"] == 0.4


def test_its_bundle_says_so_and_mlflow_answers_with_every_label_that_applies(
    bundle: Path, fastai_world: Path
):
    manifest = open_bundle(bundle).manifest
    assert (manifest.threshold, manifest.activation) == (0.4, "sigmoid")
    photographs = sorted((fastai_world / "calibration").rglob("*.jpg"))
    said = BundleModel(bundle).predict(pd.DataFrame({"image": list(map(str, photographs))}))
    shares = said[list(manifest.labels)].to_numpy()
    assert "index" not in said.columns
    assert not np.allclose(shares.sum(axis=1), 1)  # each label by itself
    wanted = [together(np.array(manifest.labels)[row > 0.4]) for row in shares]
    assert said["prediction"].tolist() == wanted


def test_inputs_can_be_scored_although_nobody_knows_their_labels(registered: dict[str, Any]):
    assert "24" in registered["out_of_domain"]
