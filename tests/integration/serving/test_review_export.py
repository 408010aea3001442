"""What people decided, as a training set that fastai and MLflow read."""

import io
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from review_desk import decide, taken, verdict, write
from serving_fakes import a_prediction, an_item

from registry.adapters.database.engine import Database
from serving.adapters.corrections import SqlCorrections, documents
from serving.adapters.payloads import PayloadStore
from serving.domain.suspects import nearest_that_disagree

pytestmark = pytest.mark.integration
SAID = {0: "metal", 1: "glass", 2: None, 3: "metal", 4: "glass", 5: "metal"}


def picture(number: int) -> bytes:
    out = io.BytesIO()
    shade = np.full((8, 8, 3), 20 * number, np.uint8)
    Image.fromarray(shade).save(out, "PNG")
    return out.getvalue()


def fill(database: Database, payloads: Path) -> None:
    """Six decided items, the last one's image gone, a gold item, and one still open."""
    store = PayloadStore(payloads.as_uri())
    for number in range(8):
        digest = store.put(picture(number)) if number != 5 else "sha256:" + "0" * 64
        chance = 0.1 if number % 2 else 1.0
        item = an_item(
            number, payload_digest=digest, payload_type="image/png", inclusion_probability=chance
        )
        write(database, lambda u, n=number: u.predictions.add(a_prediction(n)))
        write(database, lambda u, i=item: u.reviews.add(i))
    for number, label in SAID.items():
        task = taken(database, "ann")
        assert task.item.id == f"item-{number:05d}"
        decide(database, verdict(task, "ann", label))


def test_decided_items_come_page_by_page_with_their_chances(database: Database, tmp_path: Path):
    fill(database, tmp_path)
    with database.read() as connection:
        read = SqlCorrections(connection)
        first, rest = read.page("waste", "", 4), read.page("waste", "item-00003", 4)
        assert read.page("other", "", 4) == ()
    assert [one.label for one in (*first, *rest)] == list(SAID.values())
    assert [one.weight for one in first] == [1.0, 10.0, 1.0, 10.0]
    assert first[0].reviewers == ("ann",)
    row = next(documents(first))
    assert row["agrees"] == (row["label"] == row["model_label"])
    assert {f"probability_{label}" for label in first[0].labels} <= row.keys()


@pytest.fixture
def home(tmp_path: Path, migrated_sqlite: Path) -> Path:
    found = tmp_path / "home"
    found.mkdir()
    (found / "stagegate.db").write_bytes(migrated_sqlite.read_bytes())
    database = Database(f"sqlite:///{found}/stagegate.db")
    fill(database, found / "payloads")
    database.close()
    return found


def export(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "console.cli", "--home", str(home), "--json", "review"]
    return subprocess.run(
        [*command, "export", "waste", *words], capture_output=True, text=True, timeout=120
    )


LOADED = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mlflow, pandas as pd
import registry  # before fastai: lets torchvision load
from fastai.vision.all import ImageDataLoaders, Resize
folder = sys.argv[1]
frame = pd.read_parquet(folder + "/corrections.parquet")
usable = frame.dropna(subset=["file", "label"])
loaders = ImageDataLoaders.from_df(
    usable, folder, fn_col="file", label_col="label", valid_pct=0.4, seed=1, item_tfms=Resize(8),
    bs=2, num_workers=0,
)
batch = loaders.train.one_batch()
dataset = mlflow.data.from_pandas(usable, source=folder, targets="label")
print(json.dumps({"vocab": list(loaders.vocab), "shape": list(batch[0].shape),
                  "rows": dataset.profile["num_rows"]}))
"""


def test_the_export_loads_in_fastai_and_in_mlflow(home: Path, tmp_path: Path):
    folder = tmp_path / "set"
    done = export(home, "-o", str(folder))
    assert done.returncode == 0, done.stderr
    said: Mapping[str, Any] = json.loads(done.stdout)
    assert (said["rows"], said["images"], said["table"]) == (6, 5, "corrections.parquet")
    assert said["deleted"] == ["item-00005"]
    frame = pd.read_parquet(folder / "corrections.parquet")
    assert frame["file"].isna().tolist() == [False] * 5 + [True]
    assert (folder / frame["file"][0]).read_bytes() == picture(0)
    assert (folder / "images" / "_none_of_these" / "prediction-00002.png").is_file()
    loaded = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LOADED), str(folder)],
        capture_output=True, text=True, timeout=200, cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path), "MPLCONFIGDIR": str(tmp_path)},
    )  # fmt: skip
    assert loaded.returncode == 0, loaded.stderr
    found = json.loads(loaded.stdout.splitlines()[-1])
    assert found == {"vocab": ["glass", "metal"], "shape": [2, 3, 8, 8], "rows": 4}


def test_an_export_never_writes_into_a_folder_that_is_there(home: Path, tmp_path: Path):
    (tmp_path / "set").mkdir()
    done = export(home, "-o", str(tmp_path / "set"))
    assert done.returncode == 1
    assert "name a new folder" in done.stderr
    assert list((tmp_path / "set").iterdir()) == []


def test_a_table_without_parquet_is_csv(home: Path, tmp_path: Path):
    done = export(home, "-o", str(tmp_path / "set"), "--format", "csv", "--since", "2999-01-01")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 0


def test_a_training_image_like_one_that_was_named_otherwise_is_suspected_once():
    rng = np.random.default_rng(0)
    centres = np.eye(3)
    labels = np.repeat([0, 1, 2], 20)
    training = centres[labels] + rng.normal(0, 0.02, (60, 3))
    labels[7] = 2  # it looks like the others of label 0
    decided = centres[[0, 0, 1]] + rng.normal(0, 0.02, (3, 3))
    found = nearest_that_disagree(training, labels, decided, np.array([0, 0, 1]), neighbours=20)
    assert [one.training for one in found] == [7]
    assert found[0].similarity > 0.9
