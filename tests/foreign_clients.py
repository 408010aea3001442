"""Other people's clients, each a program in an environment made of what PyPI has."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from waiting import PATIENCE

from registry.adapters.exports.own_environment import OwnEnvironment

ROOT = Path(__file__).parents[1]
PROGRAMS = Path(__file__).with_name("foreign")
LOCK = ROOT / "requirements-clients.lock"


@dataclass(frozen=True)
class Clients:
    """The environment."""

    folder: Path

    def run(self, program: str, asked: Mapping[str, Any], *importing: Path) -> Any:
        """What a program says, which gets JSON and gives JSON; it may import from these folders."""
        done = subprocess.run(
            [str(self.folder / "bin" / "python"), str(PROGRAMS / program)],
            input=json.dumps(asked), capture_output=True, text=True, timeout=PATIENCE, check=False,
            env={"PYTHONPATH": ":".join(map(str, importing)), "NO_PROXY": "*"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout)

    def generate(self, document: Path, target: Path) -> None:
        """Make a client of an OpenAPI document, of which nothing may be left out."""
        done = subprocess.run(
            [
                str(self.folder / "bin" / "python"), "-m", "openapi_python_client", "generate",
                "--path", str(document), "--config", str(ROOT / "examples" / "python-client.yaml"),
                "--meta", "none", "--output-path", str(target), "--fail-on-warning",
            ],
            capture_output=True, text=True, timeout=PATIENCE, check=False,
            env={"PATH": str(self.folder / "bin")},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def clients() -> Clients:
    """The environment, made once for each lock file; Invalid if it cannot be had."""
    home = ROOT / "build" / "clients"
    name = sha256(LOCK.read_bytes()).hexdigest()[:12]
    OwnEnvironment(home, name, ("--no-deps", "-r", str(LOCK)), "160 MB").make()
    return Clients(home / name)
