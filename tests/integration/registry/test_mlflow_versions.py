"""Versions in a real MLflow: a version is the last thing made, and none is left over."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.adapters.mlflow_registry import MlflowRegistry
from registry.domain.projection import Shown
from registry.domain.versions import ModelVersion
from registry.registration import DIGEST_TAG, HOME_TAG, StoredVersion
from registry.services.register import record
from registry.services.sweep import GRACE, sweep, unrecorded

# MLflow warns of its own use of its libraries.
pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore")]
TAGS = {DIGEST_TAG: "sha256:ab", HOME_TAG: "here"}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which MLflow has made its tables, which takes it a second."""
    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    assert MlflowRegistry(f"sqlite:///{file}", "").numbered() == []
    return file


@pytest.fixture
def mlflow(empty_store: Path, tmp_path: Path) -> MlflowRegistry:
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    return MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.db", (tmp_path / "artifacts").as_uri())


def store(mlflow: MlflowRegistry, bundle: Path, model: str = "waste") -> StoredVersion:
    return mlflow.create_version(model, bundle, ("a", "b"), {"format": "fastai"}, {}, TAGS, "")


def transactions(database: Database) -> Any:
    @contextmanager
    def transaction() -> Iterator[SqlUnitOfWork]:
        with database.begin() as connection:
            yield SqlUnitOfWork(connection)

    return transaction


def test_a_name_with_a_dot_is_stored_and_its_aliases_and_stages_are_shown(
    mlflow: MlflowRegistry, bundle: Path
):
    stored = store(mlflow, bundle, "waste.v2")
    (found,) = mlflow.numbered("waste.v2")
    assert (found.version, found.run_id, found.home) == (1, stored.run_id, "here")
    assert mlflow.client.get_run(stored.run_id).info.status == "FINISHED"
    mlflow.set_alias("waste.v2", "live", 1)
    mlflow.set_stage("waste.v2", 1, "live")
    assert mlflow.shown("waste.v2") == Shown({"live": 1}, {1: "live"})
    mlflow.set_alias("waste.v2", "live", None)
    assert mlflow.shown("waste.v2").aliases == {}


class Unfinishing:
    """MLflow's client, with a server that goes away when the run is to be finished."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def set_terminated(self, run_id: str, status: str) -> None:
        raise ConnectionError(f"{run_id} cannot become {status}")


def test_a_run_that_cannot_be_finished_leaves_no_version(mlflow: MlflowRegistry, bundle: Path):
    mlflow._client = Unfinishing(mlflow.client)
    with pytest.raises(ConnectionError, match="FINISHED"):
        store(mlflow, bundle)
    assert mlflow.numbered() == []


def test_what_a_killed_process_left_behind_is_swept_and_nothing_else(
    mlflow: MlflowRegistry, bundle: Path, database: Database
):
    recorded = store(mlflow, bundle)
    transaction, now = transactions(database), datetime.now(UTC)
    with transaction() as unit:
        record(unit, a_version(recorded, now), now)
    code = (
        "import json, os, signal, sys, pathlib\n"
        "from registry.adapters.mlflow_registry import MlflowRegistry\n"
        "uri, artifacts, bundle, tags = sys.argv[1:]\n"
        "MlflowRegistry(uri, artifacts).create_version('waste', pathlib.Path(bundle), ('a', 'b'),"
        " {}, {}, json.loads(tags), '')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    words = [mlflow.tracking_uri, mlflow.artifact_root, str(bundle), json.dumps(TAGS)]
    done = subprocess.run([sys.executable, "-c", code, *words], check=False, timeout=PATIENCE)
    assert done.returncode == -signal.SIGKILL
    later = datetime.now(UTC) + GRACE
    assert unrecorded(mlflow, transaction, later - timedelta(minutes=5)) == ()
    assert [one.version for one in unrecorded(mlflow, transaction, later)] == [2]
    sweep(mlflow, transaction, "elsewhere", "waste", later)
    assert {one.version for one in mlflow.numbered()} == {1, 2}
    sweep(mlflow, transaction, "here", "waste", later)
    assert [one.version for one in mlflow.numbered()] == [1]


def a_version(stored: StoredVersion, now: datetime) -> ModelVersion:
    return ModelVersion(
        model="waste", version=stored.version, digest=TAGS[DIGEST_TAG],
        bundle_uri=stored.bundle_uri, source_format="fastai", labels=("a", "b"), environment={},
        author="ada", created_at=now, run_id=stored.run_id,
    )  # fmt: skip


def test_deleting_twice_and_tagging_what_is_gone_are_fine(mlflow: MlflowRegistry, bundle: Path):
    stored = store(mlflow, bundle)
    for _ in range(2):
        mlflow.delete("waste", stored.version)
    mlflow.set_stage("waste", stored.version, "rejected")
    mlflow.set_alias("waste", "candidate", stored.version)
    assert mlflow.numbered() == []
