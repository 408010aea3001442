"""Registering from Python what was just trained, with the data that the learner itself holds."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from registering import stagegate

from monitoring.adapters.reference_files import load_reference
from monitoring.domain.profile import FeatureProfile, Profile
from registry.domain.errors import Invalid
from registry.learner_data import own_data

pytestmark = pytest.mark.integration
CHILD = Path(__file__).parents[2] / "notebook_child.py"


@pytest.fixture(scope="module")
def said(fastai_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    home, working = tmp_path_factory.mktemp("notes"), tmp_path_factory.mktemp("working")
    assert stagegate(home, working, "db", "upgrade").returncode == 0
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("STAGEGATE", "MLFLOW"))}
    done = subprocess.run(
        [sys.executable, str(CHILD), str(fastai_world), str(home)],
        cwd=working, capture_output=True, text=True, timeout=800,
        env={**kept, "PYTHONPATH": str(CHILD.parents[1]), "HOME": str(working)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def profile(said: Mapping[str, Any]) -> Profile:
    return load_reference(Path(said["bundle"].removeprefix("file://"))).profile


def feature(said: Mapping[str, Any], name: str) -> FeatureProfile:
    return next(f for f in profile(said).features if f.name == name)


def test_a_learner_of_images_becomes_a_version_with_its_own_images(said: Mapping[str, Any]):
    found = said["pictures"]
    assert found["name"] == "pictures@1"
    assert found["tags"] == {"from": "a notebook"}
    assert found["parity"]["passed"]
    assert [profile(found).rows, profile(found).held_out_rows] == said["sizes"][:2]


def test_a_learner_of_rows_becomes_a_version_with_its_own_rows(said: Mapping[str, Any]):
    found = said["rows"]
    assert found["parity"]["passed"]
    assert (
        (profile(found).rows, profile(found).held_out_rows) == tuple(said["sizes"][2:]) == (140, 60)
    )
    assert said["untouched"]  # the learner goes on with the data that it had


def test_the_rows_of_a_learner_are_those_it_was_given(said: Mapping[str, Any]):
    """The same table, once as the learner holds it and once as it was."""
    for name in ("station", "month", "windy", "warmth", "rain"):
        own, given = feature(said["rows"], name), feature(said["given"], name)
        assert own.reference == given.reference, name


def test_without_trust_the_same_checks_refuse(said: Mapping[str, Any]):
    assert "--trust-pickle" in said["refused"]


class Texts:
    """A dataset that keeps neither files nor rows."""

    items = ("a text", "another")
    tls = (("a text", "another"), (0, 1))


class Loaders:
    vocab = ("no", "yes")
    train_ds = valid_ds = Texts()


def test_a_learner_that_keeps_no_files_is_told_what_to_give(tmp_path: Path):
    with pytest.raises(Invalid, match="give training_data and calibration_data"):
        own_data(Loaders(), tmp_path)
