"""Versions in other formats: written whole or not at all, answering as they serve."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import colours
import numpy as np
import onnx
import pytest
import torch
from command_line import stagegate
from torch.nn.utils import prune as prune_module

from console.cli.export_text import export_text
from registry.adapters.bundle import Bundle, BundleFolders
from registry.adapters.database.engine import Database
from registry.adapters.exports import torch_parts
from registry.adapters.exports.exporters import exporter
from registry.adapters.exports.graph_module import GraphModule
from registry.adapters.exports.onnx_files import OnnxExporter
from registry.adapters.exports.onnx_pruned import without_smallest
from registry.adapters.exports.runs import INPUTS, LOADERS
from registry.adapters.onnx_runtimes import OnnxRuntimes
from registry.adapters.samples import AnySamples
from registry.adapters.scratch_folders import folder_beside
from registry.domain.errors import Conflict, Invalid
from registry.domain.export_formats import ExportFormat, ExportSettings
from registry.domain.versions import ModelVersion
from registry.exporting import Content, Runs
from registry.services.export_version import (
    Exported,
    ExportRequest,
    ExportTools,
    export_version,
)

pytestmark = pytest.mark.integration
NOW = datetime(2026, 3, 4, tzinfo=UTC)
ENVIRONMENTS = os.environ.get("TEST_ENVIRONMENTS")
EXACT = (
    ExportFormat.ONNX,
    ExportFormat.TRITON,
    ExportFormat.TORCHSCRIPT,
    ExportFormat.EXPORTED,
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return colours.make_bundle(tmp_path_factory.mktemp("bundle"), NOW)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calibration")
    pixels, labels = colours.pictures(np.random.default_rng(3), 40)
    for number, (one, label) in enumerate(zip(pixels, labels, strict=True)):
        place = folder / colours.COLOURS[label]
        place.mkdir(exist_ok=True)
        (place / f"{number}.png").write_bytes(colours.encode(one))
    return folder


class Finder:
    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def fetch(self, version: ModelVersion) -> Path:
        return self.bundle.path


def export(bundle: Bundle, request: ExportRequest, **tools: Any) -> Exported:
    made = ExportTools(
        exporter=exporter(request.format, request.settings, request.target.parent / "environments"),
        loaders=LOADERS,
        inputs=INPUTS,
        finder=Finder(bundle),
        bundles=BundleFolders(),
        samples=AnySamples(),
        runtime=OnnxRuntimes(threads=1),
        clock=perf_counter,
        progress=lambda step, done, total: None,
        beside=folder_beside,
    )
    return export_version(request, replace(made, **tools))


def wanted(
    bundle: Bundle, kind: ExportFormat, target: Path, data: Path | None = None, **settings: Any
) -> ExportRequest:
    version = ModelVersion(
        "colours", 7, bundle.digest, bundle.path.as_uri(), "onnx", colours.COLOURS, {}, "ann", NOW
    )
    return ExportRequest(version, kind, target, ExportSettings(**settings), data)


@pytest.mark.parametrize("kind", EXACT)
def test_an_export_answers_as_it_serves(kind: ExportFormat, bundle: Bundle, tmp_path: Path):
    found = export(bundle, wanted(bundle, kind, tmp_path / "deep" / "out"))
    said = json.loads((tmp_path / "deep" / "out" / "export.json").read_bytes())
    assert said == json.loads(json.dumps(found.document()))
    assert said["parity"]["passed"]
    assert [c["rows"] for c in said["parity"]["checks"]] == [5, 1, 3, 32]
    assert set(said["latency_ms"]) == {"eager", "served", "exported"}
    assert all(ms > 0 for times in found.latency_ms.values() for ms in times.values())
    assert said["size_bytes"] == sum(said["files"].values())
    assert {"labels.txt", "preprocessing.json"} <= set(said["files"])
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]
    told = export_text({**said, "target": "out"})
    assert f"Exported colours@7 as {kind} to out" in told
    assert "PyTorch eager" in told
    assert "drawn, batch of 32" in told


@pytest.mark.parametrize("dynamic", [True, False])
def test_integers_are_judged_by_classes_on_other_inputs_than_they_were_made_with(
    dynamic: bool, bundle: Bundle, pictures: Path, tmp_path: Path
):
    request = wanted(bundle, ExportFormat.ONNX_INT8, tmp_path / "out", pictures, dynamic=dynamic)
    parity = export(bundle, request).document()["parity"]
    assert parity["passed"]
    assert parity["inputs"] == 20
    assert parity["same_class"] >= 0.95
    kinds = {node.op_type for node in onnx.load(tmp_path / "out" / "model.onnx").graph.node}
    assert kinds & {"MatMulInteger", "QuantizeLinear"}


def test_triton_is_told_what_the_graph_takes(bundle: Bundle, tmp_path: Path):
    export(bundle, wanted(bundle, ExportFormat.TRITON, tmp_path / "out"))
    home = tmp_path / "out" / "colours"
    config = (home / "config.pbtxt").read_text()
    assert (home / "7" / "model.onnx").read_bytes() == bundle.model.read_bytes()
    assert (home / "labels.txt").read_text().split() == list(colours.COLOURS)
    for line in (
        'name: "colours"',
        "max_batch_size: 32",
        '{ name: "input", data_type: TYPE_UINT8, dims: [ 3, 16, 16 ] }',
        "dynamic_batching {",
        "versions: [ 7 ]",
    ):
        assert line in config


def test_compiled_packages_answer_for_every_number_of_inputs_and_refuse_what_they_cannot_take(
    bundle: Bundle, tmp_path: Path
):
    target = tmp_path / "out"
    found = export(bundle, wanted(bundle, ExportFormat.AOT_INDUCTOR, target)).document()
    assert [c["rows"] for c in found["parity"]["checks"]] == [5, 1, 2, 8, 15, 16, 32, 64]
    asked = """
import pathlib, runpy, sys
import torch
model = runpy.run_path(sys.argv[1])["load"](pathlib.Path(sys.argv[1]).parent)
images = torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8)
wanted = model(images)
turned = images.to(memory_format=torch.channels_last)
assert all(torch.equal(a, b) for a, b in zip(model(turned), wanted)), "another layout"
many, none = images.repeat(11, 1, 1, 1), images[:0]
for wrong in (images.float(), images[:, :, :8], images[0], none, many):
    try:
        model(wrong)
    except ValueError as error:
        print(error)
"""
    code = [sys.executable, "-c", asked, str(target / "model.py")]
    told = subprocess.run(code, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert len(lines) == 5
    assert "takes torch.uint8 of shape (n, 3, 16, 16)" in lines[0]
    assert "1 to 64 inputs fit at once, not 66" in lines[4]


def test_what_runs_on_small_machines_answers_as_it_serves(bundle: Bundle, tmp_path: Path):
    pytest.importorskip("executorch", reason="needs stagegate[executorch]")
    target = tmp_path / "out"
    found = export(bundle, wanted(bundle, ExportFormat.EXECUTORCH, target)).document()
    assert found["parity"]["passed"]
    assert (target / "model.pte").read_bytes()[4:6] == b"ET"


def test_litert_is_converted_elsewhere_and_answers_as_it_serves(bundle: Bundle, tmp_path: Path):
    pytest.importorskip("ai_edge_litert", reason="needs stagegate[litert]")
    if ENVIRONMENTS is None:
        pytest.skip("name a folder for LiteRT's converter, 2.2 GB, in TEST_ENVIRONMENTS")
    request = wanted(bundle, ExportFormat.LITERT, tmp_path / "out")
    tool = exporter(request.format, request.settings, Path(ENVIRONMENTS))
    assert export(bundle, request, exporter=tool).document()["parity"]["passed"]
    assert (tmp_path / "out" / "model.tflite").read_bytes()[4:8] == b"TFL3"


@pytest.mark.parametrize(
    ("kind", "package", "extra"),
    [
        (ExportFormat.EXECUTORCH, "executorch", "executorch"),
        (ExportFormat.LITERT, "ai_edge_litert", "litert"),
    ],
)
def test_a_missing_extra_is_named_and_nothing_is_made(
    kind: ExportFormat, package: str, extra: str, bundle: Bundle, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    monkeypatch.setattr(torch_parts, "find_spec", lambda name: None if name == package else name)
    with pytest.raises(Invalid, match=rf"this needs {package}.*install stagegate\[{extra}\]"):
        export(bundle, wanted(bundle, kind, tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def test_pruning_zeroes_the_smallest_weights_of_each_layer_as_torch_does():
    weights = np.random.default_rng(5).normal(size=(8, 4, 3, 3)).astype(np.float32)
    module = torch.nn.Conv2d(4, 8, 3, bias=False)
    module.weight.data = torch.from_numpy(weights.copy())
    for amount in (0.0, 0.3, 0.5, 1.0):
        prune: Any = prune_module.l1_unstructured
        pruned = prune(module, "weight", amount=amount)
        theirs = pruned.weight.detach().numpy()
        assert (without_smallest(weights, amount) == theirs).all()
        remove: Any = prune_module.remove
        remove(module, "weight")
        module.weight.data = torch.from_numpy(weights.copy())


def test_a_pruned_graph_says_layer_by_layer_what_it_gave_up(
    bundle: Bundle, pictures: Path, tmp_path: Path
):
    request = wanted(bundle, ExportFormat.ONNX_PRUNED, tmp_path / "out", pictures, amount=0.5)
    found = export(bundle, request).document()
    (layer,) = json.loads((tmp_path / "out" / "pruning.json").read_bytes())["layers"]
    assert (layer["operator"], layer["shape"], layer["weights"]) == ("MatMul", [3, 3], 9)
    assert layer["zeros"] >= 4
    assert layer["norm_lost"] == 0  # six of the nine were zeros already
    assert json.loads(json.dumps(found["details"]["layers"])) == [layer]
    assert found["parity"]["same_class"] == 1
    told = export_text({**found, "target": "out"})
    assert "pruned weights" in told


def test_pruning_everything_is_refused_and_leaves_nothing(
    bundle: Bundle, pictures: Path, tmp_path: Path
):
    request = wanted(bundle, ExportFormat.ONNX_PRUNED, tmp_path / "out", pictures, amount=1.0)
    with pytest.raises(Invalid, match=r"same class for .* less of --amount"):
        export(bundle, request)
    assert list(tmp_path.iterdir()) == []


class Wrong(OnnxExporter):
    """Writes the right file, and answers a little differently."""

    def load(self, content: Content, folder: Path) -> Runs:
        right = super().load(content, folder)
        return lambda inputs: [one + np.float32(0.1) for one in right(inputs)]


def test_other_answers_are_not_written(bundle: Bundle, tmp_path: Path):
    request = wanted(bundle, ExportFormat.ONNX, tmp_path / "out")
    with pytest.raises(Invalid, match=r"inputs of the bundle: 5 rows.*nothing was written"):
        export(bundle, request, exporter=Wrong())
    assert list(tmp_path.iterdir()) == []


class Unsure(OnnxExporter):
    def load(self, content: Content, folder: Path) -> Runs:
        right = super().load(content, folder)
        return lambda inputs: [-one for one in right(inputs)]


def test_other_classes_are_not_written(bundle: Bundle, pictures: Path, tmp_path: Path):
    request = wanted(bundle, ExportFormat.ONNX_INT8, tmp_path / "out", pictures)
    with pytest.raises(Invalid, match="same class for 0 of 20 inputs"):
        export(bundle, request, exporter=Unsure())
    assert list(tmp_path.iterdir()) == []


class Dying(OnnxExporter):
    def load(self, content: Content, folder: Path) -> Runs:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def test_whoever_is_killed_in_the_middle_leaves_nothing_at_the_target(
    bundle: Bundle, tmp_path: Path
):
    request = wanted(bundle, ExportFormat.ONNX, tmp_path / "out")
    child = os.fork()
    if not child:
        export(bundle, request, exporter=Dying())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not request.target.exists()
    assert export(bundle, request).target.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_is_there_is_never_written_over(bundle: Bundle, tmp_path: Path):
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(Conflict, match="exists already"):
        export(bundle, wanted(bundle, ExportFormat.ONNX, target))
    assert list(target.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        (ExportFormat.ONNX_INT8, False, "say --calibration-data"),
        (ExportFormat.ONNX, True, "takes no --calibration-data"),
    ],
)
def test_data_is_given_where_it_is_needed(
    kind: ExportFormat, given: bool, words: str, bundle: Bundle, pictures: Path, tmp_path: Path
):
    request = wanted(bundle, kind, tmp_path / "out", pictures if given else None)
    with pytest.raises(Invalid, match=words):
        export(bundle, request)


def test_a_graph_that_torch_does_not_know_says_which_formats_are_left():
    make, kinds = onnx.helper, onnx.TensorProto
    values = [make.make_tensor_value_info(n, kinds.FLOAT, ["n", 4]) for n in ("input", "out")]
    node = make.make_node("Det", ["input"], ["out"])
    graph = make.make_graph([node], "odd", values[:1], values[1:])
    data = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)]).SerializeToString()
    with pytest.raises(Invalid, match=r"operators Det.*export it as onnx, onnx-int8 or triton"):
        GraphModule(data)


def test_the_command_writes_and_says_the_same(bundle: Bundle, tmp_path: Path):
    home = tmp_path / "home"
    assert stagegate("db", "upgrade", home=home).returncode == 0
    database = Database(f"sqlite:///{home}/stagegate.db")
    colours.record_versions(database, bundle, NOW, 1)
    database.close()
    words = ("model", "export", "colours@1", "--to", "onnx", "-o", str(tmp_path / "out"))
    first, second = _twice(words, home)
    assert first["format"] == "onnx"
    assert (tmp_path / "out" / "model.onnx").read_bytes() == bundle.model.read_bytes()
    assert "exists already" in second["detail"]
    wrong = stagegate("model", "export", "colours@1", "--to", "tea", "-o", "x", home=home)
    assert wrong.returncode == 2
    assert "--to is torchscript, exported, aot-inductor" in " ".join(wrong.stderr.split())


def _twice(words: Sequence[str], home: Path) -> Sequence[Mapping[str, Any]]:
    done = [stagegate("--json", *words, home=home) for _ in range(2)]
    assert [one.returncode for one in done] == [0, 1], done[0].stderr
    return [json.loads(one.stdout) for one in done]
