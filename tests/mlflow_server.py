"""A real MLflow server on PostgreSQL and an object store, to be killed and started again."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from waiting import PATIENCE, eventually

BUCKET = "mlflow"


@dataclass
class ObjectStore:
    """An S3-compatible store in memory."""

    url: str

    def names(self) -> str:
        """What it lists of the bucket, as XML."""
        return httpx.get(f"{self.url}/{BUCKET}", params={"list-type": "2"}).text


@contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "store.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    store = ObjectStore(f"http://127.0.0.1:{port}")
    try:
        assert eventually(lambda: answers(store.url)), (folder / "store.log").read_text()
        httpx.put(f"{store.url}/{BUCKET}").raise_for_status()
        yield store
    finally:
        process.kill()
        process.wait(PATIENCE)


@dataclass
class MlflowServer:
    """An MLflow server that keeps its records in a database and its artifacts in a bucket."""

    folder: Path
    database: str
    store: ObjectStore
    port: int = field(default_factory=lambda: free_port())
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1",
            "--port", str(self.port), "--workers", "1", "--backend-store-uri", self.database,
            "--artifacts-destination", f"s3://{BUCKET}/artifacts",
        ]  # fmt: skip
        with (self.folder / "mlflow.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, env=self.environment(),
                start_new_session=True,
            )  # fmt: skip
        log_text = (self.folder / "mlflow.log").read_text
        assert eventually(lambda: answers(f"{self.url}/health")), log_text()

    def environment(self) -> Mapping[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "AWS"))}
        return kept | {
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "MLFLOW_S3_ENDPOINT_URL": self.store.url,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def kill(self) -> None:
        """End it and its workers at once."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE)
            self.process = None


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code < 500
    except httpx.TransportError:
        return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])
