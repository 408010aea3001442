"""The programs that the tour runs: the service and the command line, as a user would."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.client import SERVICE_FILE
from console.demo.story import NotObserved, Story

READY_SECONDS = 30.0
STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended, and the document that it printed."""

    code: int
    document: Mapping[str, Any]
    error: str


@dataclass(frozen=True, slots=True)
class CommandLine:
    """`stagegate` on one home."""

    home: Path
    story: Story

    def run(self, *words: str, by: str = "ada") -> Mapping[str, Any]:
        """Run a command as somebody; NotObserved, with its own sentence, if it fails."""
        outcome = self.attempt(*words, by=by)
        if outcome.code:
            raise NotObserved(f"`stagegate {' '.join(words)}` ended with {outcome.error}")
        return outcome.document

    def attempt(self, *words: str, by: str = "ada") -> Outcome:
        """Run a command that may be refused."""
        self.story.command(words)
        done = subprocess.run(  # noqa: S603 - our own program, with words of our own
            [sys.executable, "-m", "console.cli", "--json", *words],
            env={**environment(self.home), "STAGEGATE_ACTOR": by},
            capture_output=True,
            text=True,
            check=False,
        )
        document = _parse(done.stdout)
        return Outcome(done.returncode, document, done.stderr.strip() or f"exit {done.returncode}")


def environment(home: Path) -> dict[str, str]:
    """Everything below the home, also what libraries like to cache; no telemetry."""
    cache = home / "cache"
    return {
        **os.environ,
        "STAGEGATE_HOME": str(home),
        "STAGEGATE_AUTH": "off",  # ada and grace of the tour are nobody's accounts
        "MPLCONFIGDIR": str(cache / "matplotlib"),
        "FASTAI_HOME": str(cache / "fastai"),
        "TORCH_HOME": str(cache / "torch"),
        "XDG_CACHE_HOME": str(cache),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        "OMP_WAIT_POLICY": "PASSIVE",  # torch's threads spin while they wait: half the speed
    }


@contextmanager
def service(home: Path) -> Iterator[str]:
    """The service of a home on a free port, and its address; stopped at the end."""
    log = home / "service.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "console.cli", "up", "--port", "0"],
            env=environment(home),
            stdout=output,
            stderr=output,
        )
    try:
        yield _address(process, home / SERVICE_FILE, log)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: "subprocess.Popen[bytes]", file: Path, log: Path) -> str:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            return str(json.loads(file.read_text())["url"])
        except (OSError, ValueError, KeyError):
            time.sleep(0.05)
    last = (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
    raise NotObserved(f"the service did not come up: {last} (all of it in {log})")


def _parse(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
