"""Reading pickles as data."""

import hashlib
import pickle
import zipfile
from pathlib import Path

import pytest
from pickled_malice import archive, payloads

from registry.adapters.inert_pickle import Record, StorageReference, read_archive, walk
from registry.adapters.intake import FastaiIntake
from registry.adapters.known_globals import is_known
from registry.domain.errors import Invalid

NAMES = (
    "os.system", "posix.system", "builtins.eval", "builtins.exec", "functools.partial",
    "carried code", "an import and getattr",
)  # fmt: skip


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "marker"


@pytest.mark.parametrize("name", NAMES)
def test_a_real_unpickler_would_run_the_payload(name: str, marker: Path):
    pickle.loads(b"\x80\x02" + payloads(marker)[name] + b".")  # noqa: S301 - the control
    assert marker.exists()


@pytest.mark.parametrize("name", NAMES)
def test_the_payload_is_named_and_never_runs(name: str, marker: Path, tmp_path: Path):
    found = read_archive(archive(tmp_path / "evil.pkl", payloads(marker)[name]))
    with pytest.raises(Invalid, match=r"nothing of it was run.*ONNX"):
        found.report.refuse_unknown()
    assert found.report.unknown or found.report.unusual_calls
    assert not marker.exists()


def test_a_payload_whose_result_is_dropped_again_is_still_seen(marker: Path, tmp_path: Path):
    body = payloads(marker)["carried code"] + b"0N"
    found = read_archive(archive(tmp_path / "evil.pkl", body))
    assert found.root is None
    assert "what the file itself carries" in found.report.unusual_calls
    assert not marker.exists()


def test_a_payload_nested_in_a_list_of_a_dictionary_is_seen(marker: Path, tmp_path: Path):
    body = b"}X\x01\x00\x00\x00a]" + payloads(marker)["os.system"] + b"as"
    found = read_archive(archive(tmp_path / "evil.pkl", body))
    assert found.report.unknown == ("posix.system",)
    assert not marker.exists()


def test_unknown_names_come_first_in_the_report(marker: Path, tmp_path: Path):
    found = read_archive(archive(tmp_path / "evil.pkl", payloads(marker)["posix.system"]))
    document = found.report.document()
    assert next(iter(document)) == "unknown"
    assert document["unknown"] == ["posix.system"]


def test_the_refusal_names_every_unknown_global(tmp_path: Path):
    body = b"(cshutil\nrmtree\nctimm.models\nvit_tiny\nt"
    found = read_archive(archive(tmp_path / "a.pkl", body))
    with pytest.raises(Invalid, match=r"shutil\.rmtree, timm\.models\.vit_tiny"):
        found.report.refuse_unknown()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickle.dumps([1, 2, 3]), "bare or legacy pickle"),
        (b"not an export at all", "not a fastai export"),
        (b"PK\x03\x04 and then nothing", "truncated or damaged"),
        (b"", "not a fastai export"),
    ],
)
def test_what_is_no_archive_is_refused_with_the_way_out(data: bytes, message: str, tmp_path: Path):
    path = tmp_path / "model.pkl"
    path.write_bytes(data)
    with pytest.raises(Invalid, match=message):
        read_archive(path)


def test_a_torchscript_archive_is_refused_by_name(tmp_path: Path):
    path = archive(tmp_path / "script.pt", b"N", {"code/__torch__.py": b"", "constants.pkl": b""})
    with pytest.raises(Invalid, match="TorchScript"):
        read_archive(path)


def test_an_archive_cut_short_is_called_truncated(tmp_path: Path):
    path = archive(tmp_path / "export.pkl", b"]" + b"N" * 500 + b"0" * 500, {"data/0": b"x" * 4000})
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(Invalid, match="truncated"):
        read_archive(path)


def test_compressed_members_are_refused_because_they_could_be_bombs(tmp_path: Path):
    path = tmp_path / "bomb.pkl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("archive/data.pkl", b"\x80\x02N.")
        target.writestr("archive/data/0", bytes(1 << 20))
    with pytest.raises(Invalid, match="compressed"):
        read_archive(path)


@pytest.mark.parametrize(
    "name", ["more.pkl", "DATA.PKL", "Data.pkl", "data/../x", "data/0.pkl", ".data/other"]
)
def test_a_member_that_torch_never_writes_is_refused(name: str, tmp_path: Path):
    with pytest.raises(Invalid, match="never writes"):
        read_archive(archive(tmp_path / "more.pkl", b"N", {name: b"\x80\x02N."}))


def test_members_of_two_folders_are_refused(tmp_path: Path):
    path = archive(tmp_path / "two.pkl", b"N")
    with zipfile.ZipFile(path, "a") as target:
        target.writestr("ARCHIVE/data.pkl", b"\x80\x02N.")
    with pytest.raises(Invalid, match=r"'ARCHIVE/data\.pkl', which"):
        read_archive(path)


def test_a_legacy_pickle_before_the_archive_is_refused(marker: Path, tmp_path: Path):
    path = archive(tmp_path / "both.pkl", b"N")
    path.write_bytes(b"\x80\x02" + payloads(marker)["os.system"] + b"." + path.read_bytes())
    with pytest.raises(Invalid, match="bare or legacy pickle"):
        read_archive(path)
    assert not marker.exists()


def test_the_copy_holds_the_checked_members_and_nothing_else(tmp_path: Path):
    members = {"data/0": b"12345678", ".format_version": b"1", ".data/serialization_id": b"7"}
    source = archive(tmp_path / "a.pkl", b"N", members)
    source.write_bytes(source.read_bytes())
    taken = FastaiIntake().take(source, tmp_path)
    with zipfile.ZipFile(taken.path) as copy:
        assert copy.namelist() == [
            "archive/data.pkl", "archive/byteorder", "archive/version", "archive/data/0",
        ]  # fmt: skip
        assert copy.read("archive/data/0") == b"12345678"
    assert taken.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert (taken.name, taken.size) == ("a.pkl", source.stat().st_size)


def test_what_stands_between_the_members_is_not_copied(tmp_path: Path):
    decoy = archive(tmp_path / "decoy.pkl", b"I1234\n").read_bytes()
    path = archive(tmp_path / "a.pkl", b"N")
    path.write_bytes(decoy + path.read_bytes())
    assert read_archive(path).root is None
    assert b"I1234" not in FastaiIntake().take(path, tmp_path).path.read_bytes()


@pytest.mark.parametrize(
    "body",
    [
        b"ccollections\ndefaultdict\ncfastai.vision.core\nload_image\n\x85R",
        b"c_operator\ngetitem\n}K\x01\x86R",
        b"coperator\ngetitem\nccollections\ndefaultdict\nc__builtin__\nlist\n\x85RK\x01\x86R",
    ],
)
def test_a_look_up_that_would_call_a_function_is_refused(body: bytes, tmp_path: Path):
    with pytest.raises(Invalid, match=r"would call .*(defaultdict|getitem)"):
        read_archive(archive(tmp_path / "a.pkl", body)).report.refuse_unknown()


@pytest.mark.parametrize(
    "body",
    [
        b"ccollections\ndefaultdict\nc__builtin__\nlist\n\x85R",
        b"c_operator\ngetitem\nctyping\nUnion\nc__builtin__\nint\n\x86R",
    ],
)
def test_subscripts_of_types_and_defaults_that_are_empty_are_usual(body: bytes, tmp_path: Path):
    read_archive(archive(tmp_path / "a.pkl", body)).report.refuse_unknown()


def test_a_program_that_makes_no_sense_is_refused(tmp_path: Path):
    with pytest.raises(Invalid, match="cannot be read"):
        read_archive(archive(tmp_path / "broken.pkl", b"0000"))


def test_objects_become_records_with_arguments_state_and_items(tmp_path: Path):
    body = b"cfastcore.foundation\nL\n)\x81}X\x05\x00\x00\x00items](K\x01K\x02esb"
    root = read_archive(archive(tmp_path / "list.pkl", body)).root
    assert isinstance(root, Record)
    assert root.name == "fastcore.foundation.L"
    assert root.get("items") == [1, 2]
    assert root.get("absent", "default") == "default"
    assert root in list(walk([root, root]))


def test_a_tensor_is_a_reference_to_bytes_of_the_archive(tmp_path: Path):
    body = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
    body += b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ"
    found = read_archive(archive(tmp_path / "tensor.pkl", body, {"data/0": b"\0" * 8}))
    assert found.root == StorageReference("torch.FloatStorage", "0", 2)
    assert found.storage(found.root) == b"\0" * 8
    with pytest.raises(Invalid, match="no tensor data"):
        found.storage(StorageReference("torch.FloatStorage", "7", 2))


@pytest.mark.parametrize(
    "name",
    [
        "torch.nn.modules.linear.Linear", "torchvision.models.resnet.BasicBlock",
        "fastai.layers.ConvLayer", "builtins.set", "__builtin__.getattr",
    ],
)  # fmt: skip
def test_what_vision_exports_use_is_known(name: str):
    assert is_known(name)


@pytest.mark.parametrize(
    "name",
    [
        "fastai.layers.exec_local", "fastai.layers.os", "torch.nn.modules.module.os.system",
        "fastcore.xtras.run", "builtins.eval", "torch.load", "timm.models.VisionTransformer",
        "torch.nn.modules.linear.Linear\nos", "os.system",
    ],
)  # fmt: skip
def test_what_a_known_module_merely_imports_is_not_known(name: str):
    assert not is_known(name)
