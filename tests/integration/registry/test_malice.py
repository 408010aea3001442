"""A corpus of harmful model files: each is refused or read as data, and none of them does a thing.

The canary is a file that programs would touch, and a port that they would call.
"""

import contextlib
import pickle
import shutil
import socket
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from malice import archives, exported, graphs, programs
from pickled_malice import archive, inject

from registry.adapters.conversion import DeclaredModel
from registry.adapters.exported_check import check_exported
from registry.adapters.inert_pickle import read_archive
from registry.adapters.intake import FastaiIntake, FileIntake
from registry.adapters.onnx_wrap import load_foreign
from registry.adapters.recognise import recognise
from registry.documents.model_input import ModelInput
from registry.documents.preprocessing import Resize
from registry.domain.errors import Invalid
from registry.domain.formats import Format
from registry.registration import Declared

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Canary:
    """What harmful programs would leave behind."""

    marker: Path
    door: socket.socket

    @property
    def port(self) -> int:
        return int(self.door.getsockname()[1])

    @property
    def sings(self) -> bool:
        if self.marker.exists():
            return True
        with contextlib.suppress(BlockingIOError):
            self.door.accept()[0].close()
            return True
        return False

    def rest(self) -> None:
        if self.marker.is_dir():
            self.marker.rmdir()
        self.marker.unlink(missing_ok=True)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.setblocking(False)
        yield Canary(tmp_path / "marker", door)


def outcome(path: Path, folder: Path) -> str:
    """What registering says of a file before anything of it is opened for real."""
    folder.mkdir()
    try:
        kind = recognise(path)
        intake = FastaiIntake() if kind is Format.FASTAI else FileIntake()
        taken = intake.take(path, folder).path
        return _opened(kind, taken)
    except Invalid as refusal:
        return f"refused: {refusal}"
    finally:
        shutil.rmtree(folder)


def _opened(kind: Format, taken: Path) -> str:
    if kind is Format.FASTAI:
        read_archive(taken).report.refuse_unknown()
    elif kind is Format.EXPORTED:
        check_exported(taken)
    elif kind is Format.ONNX:
        load_foreign(taken.read_bytes())
    else:
        _read_by_torch(kind, taken)
    return "accepted"


def _read_by_torch(kind: Format, taken: Path) -> None:
    """Here without a jail, so that the canary could sing."""
    from registry.adapters.model_sources import open_source, read_weights

    if kind is Format.STATE_DICT:
        read_weights(taken)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        open_source(kind, taken, None, np.zeros((2, 3, 16, 16), np.float32), 3)


def test_a_real_unpickler_would_run_every_program(canary: Canary):
    silent = []
    for name, body in programs(canary.marker, canary.port).items():
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pickle.loads(b"\x80\x02" + body + b".")  # noqa: S301 - the control
        silent += [] if canary.sings else [name]
        canary.rest()
    assert silent == []


def test_every_program_is_named_and_none_runs(canary: Canary, tmp_path: Path):
    bodies = programs(canary.marker, canary.port)
    for name, body in bodies.items():
        said = outcome(archive(tmp_path / "evil.pkl", body), tmp_path / "taken")
        assert "nothing of it was run" in said, name
    assert len(bodies) >= 30
    assert not canary.sings


def test_every_program_in_a_working_export_is_found(
    canary: Canary, tmp_path: Path, fastai_world: Path
):
    for name, body in programs(canary.marker, canary.port).items():
        evil = inject(fastai_world / "weather.pkl", body, tmp_path / "evil.pkl")
        assert "nothing of it was run" in outcome(evil, tmp_path / "taken"), name
    assert not canary.sings


def test_every_other_harmful_file_is_refused_in_a_sentence(canary: Canary, tmp_path: Path):
    folder = tmp_path / "files"
    folder.mkdir()
    files = [
        *archives(folder, canary.marker),
        *exported(folder, canary.marker),
        *graphs(folder),
    ]
    said = {path.name: outcome(path, tmp_path / "taken") for path in files}
    assert [name for name, words in said.items() if not words.startswith("refused")] == [
        "after-the-end.pkl"  # what comes after a pickle's end is no part of it, for anybody
    ]
    assert len(files) >= 35
    assert not canary.sings
    assert not (tmp_path / "outside").exists()


def test_a_script_that_writes_a_file_is_stopped_by_the_jail(model_world: Path, tmp_path: Path):
    declared = Declared(ModelInput(steps=(Resize(width=16, height=16),)), ("a", "b", "c"))
    converter = DeclaredModel(Format.TORCHSCRIPT, declared, tmp_path / "scratch")
    with pytest.raises(Invalid, match="Operation not permitted"):
        converter.convert(model_world / "writes.pt")
    assert not (model_world / "written").exists()


def test_benign_exports_are_accepted(fastai_world: Path, model_world: Path, tmp_path: Path):
    files = [fastai_world / name for name in ("export.pkl", "weather.pkl", "backbones/export.pkl")]
    files += [
        model_world / name
        for name in (
            "weights.pt", "weights.safetensors", "traced.pt", "scripted.pt", "exported.pt2",
            "graph.onnx", "final.onnx", "last.onnx",
        )
    ]  # fmt: skip
    assert {p.name: outcome(p, tmp_path / "taken") for p in files} == {
        p.name: "accepted" for p in files
    }
