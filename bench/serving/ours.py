"""Our own service with one model of a workload live: registered once, started many times."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork


def prepared(cache: Path, workload: str) -> Path:
    """The home of a service whose live version is the workload's model."""
    home, made = cache / f"home-{workload}", cache / "models" / workload
    if not (home / "stagegate.db").exists():
        _command(home, "db", "upgrade")
        _command(home, "model", "register", workload, *_registered(made, workload))
        go_live(home, workload)
    _command(home, "db", "upgrade")
    return home


def _registered(made: Path, workload: str) -> list[str | Path]:
    if workload == "w1":
        return [
            made / "model.pkl", "--trust-pickle", "--training-data", made / "training.csv",
            "--calibration-data", made / "calibration.csv",
        ]  # fmt: skip
    return [
        made / "model.onnx", "--format", "onnx",
        "--preprocessing", made / "input.yaml", "--labels", made / "labels.txt",
        "--training-data", made / "training", "--calibration-data", made / "calibration",
    ]  # fmt: skip


def _command(home: Path, *words: str | Path) -> None:
    called = [sys.executable, "-m", "console.cli", "--home", str(home), *map(str, words)]
    subprocess.run(called, check=True, stdout=subprocess.DEVNULL)


def go_live(home: Path, model: str) -> None:
    """Let version 1 answer, as at the end of a rollout."""
    with Database(f"sqlite:///{home}/stagegate.db").begin() as connection:
        unit = SqlUnitOfWork(connection)
        unit.live.put(model, 1, None, datetime.now(UTC))
        unit.routing_clock.tick()
