"""Telling what kind of file a model is."""

import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from registry.adapters.intake import FileIntake
from registry.adapters.recognise import recognise
from registry.documents.model_input import read_labels, read_model_input
from registry.domain.errors import Invalid
from registry.domain.formats import Format, needs


def archive(path: Path, *members: str) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name in members:
            file.writestr(f"archive/{name}", b"")
    return path


@pytest.mark.parametrize(
    ("name", "members", "kind"),
    [
        ("export.pkl", ["data.pkl"], Format.FASTAI),
        ("weights.pth", ["data.pkl"], Format.STATE_DICT),
        ("model.pt", ["data.pkl", "constants.pkl"], Format.TORCHSCRIPT),
        ("model.pt2", ["archive_format"], Format.EXPORTED),
        ("anything.zip", ["archive_format"], Format.EXPORTED),
    ],
)
def test_an_archive_is_known_by_its_members(
    tmp_path: Path, name: str, members: list[str], kind: Format
):
    assert recognise(archive(tmp_path / name, *members)) is kind


def test_a_name_tells_where_the_content_does_not(tmp_path: Path):
    for name, kind in (("a.onnx", Format.ONNX), ("a.safetensors", Format.STATE_DICT)):
        (tmp_path / name).write_bytes(b"any")
        assert recognise(tmp_path / name) is kind


@pytest.mark.parametrize("name", ["notebook.ipynb", "model.h5"])
def test_another_file_is_refused_with_what_would_do(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(Invalid, match=r"Learner\.export"):
        recognise(tmp_path / name)


def test_a_pickle_stays_one_whatever_its_name_says():
    assert needs(Format.FASTAI, ".safetensors").trust
    assert not needs(Format.STATE_DICT, ".safetensors").trust


def test_a_damaged_archive_is_refused_with_a_sentence(tmp_path: Path):
    whole = archive(tmp_path / "model.pt", "data.pkl").read_bytes()
    (tmp_path / "model.pt").write_bytes(whole.replace(b"PK\x01\x02", b"XXXX"))
    with pytest.raises(Invalid, match="truncated or damaged"):
        recognise(tmp_path / "model.pt")


def test_an_archive_of_countless_members_is_refused_before_they_are_read(tmp_path: Path):
    path = tmp_path / "model.pt"
    with path.open("wb") as file:  # a directory of 200 MiB, sparse on disk
        file.truncate(200 << 20)
        file.seek(0, 2)
        file.write(struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 9, 9, 200 << 20, 0, 0))
    with pytest.raises(Invalid, match="table of contents"):
        recognise(path)


def test_the_same_code_is_packed_into_the_same_bytes(tmp_path: Path):
    code = tmp_path / "code"
    code.mkdir()
    (code / "nets.py").write_text("x = 1\n")
    (code / "notes.txt").write_text("left out")
    (tmp_path / "weights.pt").write_bytes(b"weights")
    packed = []
    for part in ("a", "b"):
        folder = tmp_path / part
        folder.mkdir()
        taken = FileIntake(code).take(tmp_path / "weights.pt", folder)
        packed.append(taken.beside["code.zip"].read_bytes())
        assert zipfile.ZipFile(taken.beside["code.zip"]).namelist() == ["nets.py"]
    assert packed[0] == packed[1]


def test_packages_are_found_in_packed_code_that_has_no_init_files(tmp_path: Path):
    code = tmp_path / "code"
    (code / "nets/deep").mkdir(parents=True)
    (code / "nets/deep/waste.py").write_text("LAYERS = 4\n")
    (tmp_path / "weights.pt").write_bytes(b"weights")
    packed = tmp_path / "code.zip"
    taken = FileIntake(code).take(tmp_path / "weights.pt", tmp_path)
    packed.write_bytes(taken.beside["code.zip"].read_bytes())
    using = "import sys; sys.path.insert(0, sys.argv[1]); from nets.deep.waste import LAYERS"
    assert subprocess.run([sys.executable, "-c", using, str(packed)], check=False).returncode == 0


def test_code_that_leads_out_of_its_folder_is_refused(tmp_path: Path):
    code = tmp_path / "code"
    code.mkdir()
    (tmp_path / "secret.py").write_text("")
    (code / "nets.py").symlink_to(tmp_path / "secret.py")
    (tmp_path / "weights.pt").write_bytes(b"weights")
    with pytest.raises(Invalid, match="leads out of"):
        FileIntake(code).take(tmp_path / "weights.pt", tmp_path)


def test_labels_and_preprocessing_say_what_is_wrong_with_them(tmp_path: Path):
    said = tmp_path / "said"
    said.write_text("glass\nglass\n")
    with pytest.raises(Invalid, match="2 labels, 1 different"):
        read_labels(said)
    for text, words in (
        ("steps: []", "steps"),
        ("steps: [{width: 4, height: 4}]\nmean: [1]", "mean has 1 numbers"),
        ("steps: [{width: 4, height: 4}]\ncolour: blue", "colour"),
        ("steps: [", "YAML"),
    ):
        said.write_text(text)
        with pytest.raises(Invalid, match=words):
            read_model_input(said)
