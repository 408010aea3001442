"""Registering from Python: a learner that was just trained, or a file, becomes a version.

It runs `stagegate model register` in a process of its own, with the same checks and the same home:
what is in a notebook's memory never reaches a registered version by another way than a file.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from registry.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    StagegateError,
    Unavailable,
)
from registry.domain.versions import ModelVersion
from registry.learner_data import own_data

_ERRORS = {e.status: e for e in (Invalid, NotFound, Conflict, Forbidden, Unavailable)}


class Learner(Protocol):
    """What is asked of a fastai learner."""

    dls: Any

    def export(self, fname: Path) -> None:
        """Write it to a file."""


class Table(Protocol):
    """What is asked of a pandas DataFrame."""

    def to_parquet(self, path: Path) -> object:
        """Write it to a file."""


def register(
    name: str,
    model: Learner | str | Path,
    *,
    training_data: str | Path | Table | None = None,
    calibration_data: str | Path | Table | None = None,
    file_format: str = "auto",
    preprocessing: str | Path | None = None,
    labels: str | Path | None = None,
    factory: str | None = None,
    code: str | Path | None = None,
    trust_pickle: bool = False,
    run_code: bool = False,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    home: str | Path | None = None,
) -> ModelVersion:
    """Register a learner or a file as the next version of a model; takes about a minute.

    model: a fastai learner, or the path of a file in any format that `stagegate model register`
    takes. training_data, calibration_data: folders with images by label, or rows as a CSV or
    Parquet file or a DataFrame; of a learner that reads image files or rows, its own training and
    validation sets if neither is given. trust_pickle: needed
    for a pickled file, not for a learner that this very process holds. run_code: for a learner with
    layers of your own, which are made by their code, in a locked process. The other arguments are
    the options of the command.

    Raises the command's errors: Invalid for a model that cannot be converted or does not answer
    like its original, WrongRevision where the home was not set up.
    """
    with tempfile.TemporaryDirectory() as folder:
        if not isinstance(model, (str, Path)):
            path = Path(folder) / "export.pkl"
            model.export(path)
            if training_data is None and calibration_data is None:
                training_data, calibration_data = own_data(model.dls, Path(folder))
            model, trust_pickle = path, True
        if training_data is None:
            raise Invalid("training_data is missing: a folder with images by label, or rows")
        options = {
            "--training-data": _file(training_data, Path(folder) / "given-training.parquet"),
            "--calibration-data": _file(calibration_data, Path(folder) / "given-held-out.parquet"),
            "--format": file_format,
            "--preprocessing": preprocessing,
            "--labels": labels,
            "--factory": factory,
            "--code": code,
            "--description": description or None,
        }
        words = [str(w) for pair in options.items() if pair[1] is not None for w in pair]
        words += ["--trust-pickle"] if trust_pickle else []
        words += ["--run-code"] if run_code else []
        words += [w for key, value in (tags or {}).items() for w in ("--tag", f"{key}={value}")]
        where = [] if home is None else ["--home", str(home)]
        return _version(_run([*where, "model", "register", name, str(model), *words]))


def _file(data: str | Path | Table | None, place: Path) -> str | Path | None:
    """Where data lie; a table is written to its place."""
    if data is None or isinstance(data, (str, Path)):
        return data
    data.to_parquet(place)
    return place


def _run(words: Sequence[str]) -> Mapping[str, Any]:
    """What the command prints; its error as an exception."""
    done = subprocess.run(  # noqa: S603 - our own program, in this very environment
        [sys.executable, "-m", "console.cli", "--json", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        found: Mapping[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise StagegateError(done.stderr.strip() or "the command printed nothing") from None
    if done.returncode:
        raise _ERRORS.get(int(found["status"]), StagegateError)(str(found["detail"]))
    return found


def _version(found: Mapping[str, Any]) -> ModelVersion:
    return ModelVersion(
        model=found["model"],
        version=found["version"],
        digest=found["digest"],
        bundle_uri=found["bundle_uri"],
        source_format=found["format"],
        labels=tuple(found["labels"]),
        environment=found["environment"],
        author=found["author"],
        created_at=datetime.fromisoformat(found["created_at"]),
        run_id=found["run_id"],
        description=found["description"],
        tags=found["tags"],
        parity=found["parity"],
        threshold=found["threshold"],
    )
