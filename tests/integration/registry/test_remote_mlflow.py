"""Versions in an MLflow server on PostgreSQL and an S3-compatible store, which may go away."""

import importlib.util
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import postgresql
import pytest
from mlflow_server import MlflowServer, object_store
from registering import call, stagegate
from waiting import PATIENCE, eventually

from registry.adapters.bundle_store import BundleStore
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.versions import ModelVersion
from serving.adapters.runner import BundleRunner

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        importlib.util.find_spec("moto") is None, reason="moto, the object store, is not installed"
    ),
]
# A server that does not answer is given up after one more attempt, not after minutes.
HASTE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, postgresql_server: str
) -> Iterator[MlflowServer]:
    folder = tmp_path_factory.mktemp("mlflow")
    with object_store(folder) as store, postgresql.database(postgresql_server) as database:
        made = MlflowServer(folder, database, store)
        try:
            made.start()
            yield made
        finally:
            made.kill()


class Team:
    """A home whose MLflow is elsewhere, and what is registered from it."""

    def __init__(self, folder: Path, world: Path, server: MlflowServer) -> None:
        self.home, self.working, self.world = folder / "home", folder / "working", world
        self.working.mkdir()
        self.settings = {"STAGEGATE_MLFLOW_TRACKING_URI": server.url, **HASTE}
        assert self.run("db", "upgrade").returncode == 0
        self.register = (
            "model", "register", "shapes", str(world / "graph.onnx"),
            "--training-data", str(world / "training"),
            "--preprocessing", str(world / "input.yaml"), "--labels", str(world / "labels.txt"),
        )  # fmt: skip

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return stagegate(self.home, self.working, *words, **self.settings)

    def start(self, *words: str) -> "subprocess.Popen[str]":
        environment, command = call(self.home, self.working, *words, **self.settings)
        return subprocess.Popen(
            command, cwd=self.working, env=environment, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip

    def versions(self) -> tuple[ModelVersion, ...]:
        database = Database(f"sqlite:///{self.home}/stagegate.db")
        with database.read() as connection:
            found = SqlUnitOfWork(connection).versions.list("shapes")
        database.close()
        return found


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory, model_world: Path, server: MlflowServer) -> Team:
    return Team(tmp_path_factory.mktemp("team"), model_world, server)


@pytest.fixture(scope="module")
def registered(team: Team) -> dict[str, Any]:
    done = team.run(*team.register)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def answer(version: ModelVersion, cache: Path, server: MlflowServer, image: Path) -> Any:
    """What serving answers, on a machine that has this cache."""
    bundle = BundleStore(cache, server.url).fetch(version)
    runner = BundleRunner(version, bundle, replica="r", max_pixels=10**6)
    prepared = runner.prepare(image.read_bytes())
    return runner.run(np.stack([prepared]))[0].probabilities


def test_a_bundle_lies_in_the_object_store_and_is_verified_and_served_from_there(
    registered: dict[str, Any], team: Team, server: MlflowServer, tmp_path: Path
):
    assert registered["bundle_uri"].startswith("mlflow-artifacts:")
    assert "manifest.json" in server.store.names()
    assert "model.onnx" in server.store.names()
    verified = team.run("model", "verify", "shapes@1")
    assert verified.returncode == 0, verified.stdout
    (version,) = [v for v in team.versions() if v.version == 1]
    image = next((team.world / "training").rglob("*.png"))
    assert answer(version, tmp_path / "elsewhere", server, image).shape == (1, 3)


def test_a_server_that_goes_away_in_the_middle_leaves_no_version_and_stops_no_service(
    registered: dict[str, Any], team: Team, server: MlflowServer, tmp_path: Path
):
    (version, *_) = team.versions()
    image = next((team.world / "training").rglob("*.png"))
    before = answer(version, tmp_path / "cache", server, image)
    known, runs = len(team.versions()), server.store.names().count("manifest.json")
    process = team.start(*team.register)
    assert eventually(
        lambda: server.store.names().count("MLmodel") > runs or process.poll() is not None
    )
    server.kill()
    said, _ = process.communicate(timeout=PATIENCE)
    try:
        if process.returncode:
            assert len(team.versions()) == known
            assert "MLflow" in json.loads(said)["detail"]
        assert team.run("model", "list").returncode == 0
        assert np.array_equal(answer(version, tmp_path / "cache", server, image), before)
    finally:
        server.start()
    again = team.run(*team.register)
    assert again.returncode == 0, again.stdout
    assert len(team.versions()) == known + 1 + (process.returncode == 0)


def test_a_server_that_is_away_is_named_and_nothing_is_registered(
    registered: dict[str, Any], team: Team, server: MlflowServer
):
    known = len(team.versions())
    server.kill()
    try:
        done = team.run(*team.register)
        assert done.returncode == 1
        assert f"MLflow at {server.url} does not answer" in json.loads(done.stdout)["detail"]
        assert len(team.versions()) == known
    finally:
        server.start()
