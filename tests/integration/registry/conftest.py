"""Tiny models and their data, made once a session by the real fastai and torch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MAKER = Path(__file__).parents[2] / "fastai_world.py"


@pytest.fixture(scope="session")
def fastai_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fastai") / "world"
    home = tmp_path_factory.mktemp("home")
    done = subprocess.run(
        [sys.executable, str(MAKER), str(out)],
        capture_output=True,
        text=True,
        timeout=800,
        env={**os.environ, "HOME": str(home), "MPLBACKEND": "agg"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return out


@pytest.fixture(scope="session")
def model_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models")
    script = MAKER.with_name("model_world.py")
    done = subprocess.run(
        [sys.executable, str(script), str(out)], capture_output=True, text=True, timeout=800
    )
    assert done.returncode == 0, done.stderr
    return out
