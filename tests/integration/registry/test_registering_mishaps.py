"""Registrations that meet, die or find no room: no version is ever half there."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
COMMAND = (sys.executable, "-m", "console.cli", "--json")
# The command itself, killed once MLflow has numbered the version and before anybody has heard.
DYING = """
import os, signal
from registry.services import register
register._version = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from console.cli.main import main
main()
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    found = tmp_path / "home"
    assert start(found, [*COMMAND, "db", "upgrade"]).wait() == 0
    return found


def start(
    home: Path, words: Sequence[str], before: Callable[[], None] | None = None
) -> "subprocess.Popen[str]":
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("STAGEGATE", "MLFLOW"))}
    return subprocess.Popen(
        list(words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**kept, "STAGEGATE_HOME": str(home), "STAGEGATE_ACTOR": "ada"}, preexec_fn=before,
    )  # fmt: skip


def registering(world: Path) -> tuple[str, ...]:
    return (
        "model", "register", "colours", str(world / "graph.onnx"),
        "--preprocessing", str(world / "input.yaml"), "--labels", str(world / "labels.txt"),
        "--training-data", str(world / "training"),
    )  # fmt: skip


def said(child: "subprocess.Popen[str]") -> dict[str, object]:
    out, error = child.communicate()
    assert child.returncode == 0, error
    found: dict[str, object] = json.loads(out)
    return found


def listed(home: Path) -> list[int]:
    child = start(home, [*COMMAND, "model", "list"])
    out, error = child.communicate()
    assert child.returncode == 0, error
    found = json.loads(out)
    return sorted(v["version"] for v in (found["versions"] if isinstance(found, dict) else found))


def left_in_the_workshop(home: Path) -> list[str]:
    return [path.name for path in (home / "workshop").glob("registering-*")]


def test_two_at_once_become_two_versions_that_both_verify(model_world: Path, home: Path):
    both = [start(home, [*COMMAND, *registering(model_world)]) for _ in range(2)]
    assert sorted(int(str(said(child)["version"])) for child in both) == [1, 2]
    assert listed(home) == [1, 2]
    for number in (1, 2):
        said(start(home, [*COMMAND, "model", "verify", f"colours@{number}"]))


def test_one_that_is_killed_before_it_is_recorded_is_no_version(model_world: Path, home: Path):
    child = start(home, [sys.executable, "-c", DYING, "--json", *registering(model_world)])
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert listed(home) == []
    said(start(home, [*COMMAND, *registering(model_world)]))
    assert len(listed(home)) == 1
    assert left_in_the_workshop(home) == []


def test_where_there_is_no_room_it_says_so_and_leaves_nothing(model_world: Path, home: Path):
    """A limit on the size of files stands for a full disk: writing fails in the middle."""

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))

    child = start(home, [*COMMAND, *registering(model_world)], no_room)
    out, error = child.communicate()
    assert child.returncode == 1, (out, error)
    assert "Traceback" not in out + error
    assert listed(home) == []
    assert left_in_the_workshop(home) == []
