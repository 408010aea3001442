"""What a .pt2 archive may hold."""

import io
import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from registry.adapters.exported_check import check_exported
from registry.domain.errors import Invalid


class Payload:
    def __reduce__(self) -> tuple:
        return print, ("run",)


def examples(of: object) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(of, protocol=2))
    return data.getvalue()


def entry(**changes: object) -> str:
    weight = {"path_name": "weight_0", "use_pickle": False, **changes}
    return json.dumps({"config": {"head.weight": weight}})


def program(**node: object) -> str:
    return json.dumps({"graph_module": {"graph": {"nodes": [node]}}})


HONEST: Mapping[str, str | bytes] = {
    "archive_format": "pt2",
    "data/weights/weight_0": b"1234",
    "data/weights/model_weights_config.json": entry(),
    "data/sample_inputs/model.pt": examples(({}, [1])),
    "models/model.json": program(target="torch.ops.aten.relu.default", expr_str="Symbol('s77')"),
}


def write(path: Path, members: Mapping[str, str | bytes], **options: int) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in members.items():
            archive.writestr(f"archive/{name}", data)
    return path


def test_what_torch_writes_is_accepted(tmp_path: Path):
    check_exported(write(tmp_path / "a.pt2", HONEST))


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("data/sample_inputs/model.pt", examples(Payload()), "code, not data"),
        ("data/weights/model_weights_config.json", entry(use_pickle=True), "are a pickle"),
        ("data/weights/model_weights_config.json", entry(path_name="../x"), "lie at"),
        ("models/model.json", program(expr_str="__import__('os')"), "no arithmetic"),
        ("models/model.json", program(target="os.system"), "not PyTorch's own"),
        ("models/model.json", "{", "not JSON"),
        ("data/aotinductor/model.so", b"\x7fELF", "never writes"),
        ("data/sample_inputs/model.pt", b"no zip", "damaged"),
    ],
)
def test_a_way_to_run_code_is_refused(tmp_path: Path, name: str, data: str | bytes, said: str):
    with pytest.raises(Invalid, match=said):
        check_exported(write(tmp_path / "a.pt2", {**HONEST, name: data}))


def test_a_compressed_member_is_refused(tmp_path: Path):
    with pytest.raises(Invalid, match="compressed"):
        check_exported(write(tmp_path / "a.pt2", HONEST, compression=zipfile.ZIP_DEFLATED))
