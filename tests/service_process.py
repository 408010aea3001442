"""The service as a program of its own: started, asked, killed and started again by tests."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from waiting import PATIENCE, eventually

from console.client import service_url
from console.settings import Settings, load_settings

WATCH = str(Path(__file__).with_name("forbidden.py"))


@dataclass
class Service:
    """A running service and a client of it."""

    process: "subprocess.Popen[bytes]"
    http: httpx.Client
    watched: Path

    def get(self, path: str, actor: str = "ann", **params: Any) -> Any:
        """The document at a path."""
        answer = self.http.get(path, params=params, headers={"X-Stagegate-Actor": actor})
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def post(self, path: str, actor: str = "ann", **body: Any) -> Any:
        """The document that answers a JSON body."""
        answer = self.http.post(path, json=body, headers={"X-Stagegate-Actor": actor})
        answer.raise_for_status()
        return answer.json()

    def ask(self, model: str, image: bytes, attributes: str = "{}", **headers: str) -> Any:
        """A prediction, answered or held; a 503 is tried again, as its Retry-After asks.

        Routes reach a replica within a second of their change, a first version once it is loaded.
        """
        sent = {"Content-Type": "image/png", "X-Stagegate-Attributes": attributes, **headers}
        answers: list[httpx.Response] = []

        def answered() -> bool:
            path = f"/v1/models/{model}/predict"
            answers.append(self.http.post(path, content=image, headers=sent))
            return answers[-1].status_code != 503

        eventually(answered)
        answers[-1].raise_for_status()
        return answers[-1].json()

    def forbidden(self) -> str:
        """What it unpickled, and which libraries it imported that only training needs."""
        return self.watched.read_text()

    def kill(self) -> None:
        """End the process at once, as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def stop(self) -> int:
        """Ask the process to end; gives its exit status."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


def command(home: Path, *words: str) -> list[str]:
    """A call of the command line on a home."""
    return [sys.executable, "-m", "console.cli", "--home", str(home), *words]


def environment(database_url: str) -> Mapping[str, str]:
    """The environment of a call that uses this database."""
    return {**os.environ, "STAGEGATE_DATABASE_URL": database_url}


def run_command(home: Path, database_url: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """A call of the command line on a home and a database, to its end."""
    return subprocess.run(
        command(home, *words), env=environment(database_url),
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


@contextmanager
def running(home: Path, database_url: str, *words: str) -> Iterator[Service]:
    """A service on this home and database, ready to answer; ended afterwards if it still runs.

    words: more of its command line.
    """
    settings = load_settings(home=home, database_url=database_url)
    log, watched = home.with_suffix(".log"), home.with_suffix(".watched")
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, WATCH, str(watched), "--home", str(home), "up", "--port", "0", *words],
            env=environment(database_url),
            stdout=output,
            stderr=output,
        )
    try:
        url = _wait_until_ready(process, settings, log)
        with httpx.Client(base_url=url, timeout=PATIENCE) as client:
            yield Service(process, client, watched)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(PATIENCE)


def _wait_until_ready(process: "subprocess.Popen[bytes]", settings: Settings, log: Path) -> str:
    came = eventually(lambda: process.poll() is not None or _is_ready(settings))
    url = service_url(settings)
    if came and process.poll() is None and url:
        return url
    raise AssertionError(f"the service did not get ready; its log:\n{log.read_text()[-4000:]}")


def _is_ready(settings: Settings) -> bool:
    url = service_url(settings)
    try:
        return url is not None and httpx.get(f"{url}/readyz", timeout=PATIENCE).is_success
    except httpx.TransportError:
        return False  # the address of a service that was killed is still written down
