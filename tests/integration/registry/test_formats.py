"""Model files that do not describe themselves: converted in a jail, answering as their makers'."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.adapters.alternatives import OnnxAlternatives
from registry.adapters.image_folder import ImageFolders
from registry.adapters.onnx_runtimes import OnnxRuntimes
from registry.adapters.readers import reader
from registry.adapters.recognise import recognise
from registry.documents.model_input import (
    Gives,
    Layout,
    ModelInput,
    Order,
    read_labels,
    read_model_input,
)
from registry.documents.preprocessing import Resize
from registry.domain.errors import Invalid
from registry.domain.formats import Format
from registry.domain.mistakes import mistake, unlike_standard
from registry.domain.versions import ModelVersion
from registry.registration import Converted, Declared
from serving.adapters.runner import BundleRunner

pytestmark = pytest.mark.integration
FACTORY = "nets.colours:make"


@pytest.fixture
def world(model_world: Path) -> Path:
    return model_world


def declared(world: Path, factory: str | None = None, **changes: Any) -> Declared:
    said = read_model_input(world / "input.yaml").model_copy(update=changes)
    code = world / "code" if factory else None
    return Declared(said, read_labels(world / "labels.txt"), factory, code)


def convert(world: Path, name: str, said: Declared, tmp_path: Path) -> Converted:
    kind = recognise(world / name)
    intake, converter, _ = reader(kind, said, tmp_path / "scratch", allow_unjailed=False)
    folder = tmp_path / "taken"
    folder.mkdir(exist_ok=True)
    return converter.convert(intake.take(world / name, folder).path)


@pytest.mark.parametrize(
    ("name", "kind", "factory"),
    [
        ("scripted.pt", Format.TORCHSCRIPT, None),
        ("exported.pt2", Format.EXPORTED, None),
        ("weights.safetensors", Format.STATE_DICT, FACTORY),
    ],
)
def test_a_converted_file_answers_like_its_original(
    world: Path, tmp_path: Path, name: str, kind: Format, factory: str | None
):
    said = declared(world, factory)
    assert recognise(world / name) is kind
    intake, converter, original = reader(kind, said, tmp_path / "scratch", allow_unjailed=False)
    taken = intake.take(world / name, tmp_path)
    made = converter.convert(taken.path)
    images = sorted((world / "training").rglob("*.png"))
    wanted = original.answers(taken.path, images, 2, None)
    graph = tmp_path / "model.onnx"
    graph.write_bytes(made.graph)
    pictures = [image.read_bytes() for image in images]
    found = OnnxRuntimes().open(made.preprocessing, graph).probabilities(pictures, 8)
    assert np.abs(found - wanted.batch).max() <= 1e-5
    assert max(made.batches.values()) <= 1e-5
    assert [block.name for block in made.blocks] == ["block-1", "penultimate"]
    assert made.jail["filter"]


def test_every_way_to_save_a_model_wrong_is_named(world: Path):
    """In one process without a jail, since only what is said matters here."""
    script = Path(__file__).parents[2] / "model_mistakes.py"
    done = subprocess.run(
        [sys.executable, str(script), str(world)], capture_output=True, text=True, timeout=800
    )
    assert done.returncode == 0, done.stderr
    said: Mapping[str, str] = json.loads(done.stdout)
    assert said["traced.pt"] == said["weights.pt"] == "fine"
    wanted = {
        "training.pt": "traced in training mode",
        "training.pt2": "model.eval()",
        "one.pt2": "exactly 1 images at a time",
        "branching.pt": "changes with the other images",
        "whole.pt": "Save model.state_dict()",
        "short.pt": "missing head.bias",
        "nan.pt": "NaN in head.bias",
        "weights.pt branching": "A branch on the images themselves",
        "mute.pt": "gives a tuple; a tensor of scores is needed",
        "narrow.pt": "the model refuses images of shape (4, 3, 16, 16)",
        "weights.pt nothing": "not a torch module",
        "weights.pt absent": "absent failed",
    }
    assert {name for name, words in wanted.items() if words not in said[name]} == set()


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("final.onnx", {}, "activation: none"),
        ("fixed.onnx", {}, "exactly 2 images at a time"),
        ("last.onnx", {}, "layout: channels-first"),
        ("graph.onnx", {"steps": (Resize(width=8, height=8),)}, "resize to what the graph takes"),
    ],
)
def test_a_graph_that_does_not_fit_its_declaration_is_refused(
    world: Path, tmp_path: Path, name: str, changes: dict[str, Any], words: str
):
    with pytest.raises(Invalid, match=words):
        convert(world, name, declared(world, **changes), tmp_path)


@pytest.mark.parametrize(
    ("name", "changes"),
    [("final.onnx", {"activation": Gives.NONE}), ("last.onnx", {"layout": Layout.CHANNELS_LAST})],
)
def test_a_graph_that_is_declared_as_it_is_converts(
    world: Path, tmp_path: Path, name: str, changes: dict[str, Any]
):
    assert max(convert(world, name, declared(world, **changes), tmp_path).batches.values()) <= 1e-5


def test_training_images_betray_a_wrong_declaration(world: Path, tmp_path: Path):
    def found(said: ModelInput, labels: tuple[str, ...]) -> str | None:
        made = convert(
            world, "graph.onnx", replace(declared(world), input=said, labels=labels), tmp_path
        )
        (tmp_path / "taken" / "given" / "model.onnx").unlink()
        (tmp_path / "taken" / "given").rmdir()
        images = ImageFolders().read(world / "training", labels)
        truth = np.array([image.label for image in images])
        return mistake(truth, OnnxAlternatives().labels(made.graph, said, images), labels)

    right = declared(world)
    assert found(right.input, right.labels) is None
    swapped = found(right.input.model_copy(update={"order": Order.BGR}), right.labels)
    assert swapped is not None
    assert "`order: RGB`" in swapped
    images = ImageFolders().read(world / "training", right.labels)
    normalised = OnnxAlternatives().normalised
    assert unlike_standard(*normalised(right.input, images)) is None
    for divide_by in (1.0, 255.0**2):
        wrong = right.input.model_copy(update={"divide_by": divide_by})
        assert "near 0 ± 1" in str(unlike_standard(*normalised(wrong, images)))
    renamed = found(right.input, ("green", "blue", "red"))
    assert renamed is not None
    assert "the order red, green, blue on" in renamed


def test_a_registered_graph_serves(world: Path, tmp_path: Path):
    words = [
        "model", "register", "colours", str(world / "graph.onnx"),
        "--preprocessing", str(world / "input.yaml"), "--labels", str(world / "labels.txt"),
        "--training-data", str(world / "training"),
        "--calibration-data", str(world / "calibration"),
    ]  # fmt: skip
    home = {**os.environ, "STAGEGATE_HOME": str(tmp_path / "home"), "STAGEGATE_ACTOR": "ada"}
    command = [sys.executable, "-m", "console.cli", "--json"]
    for part in (["db", "upgrade"], words):
        done = subprocess.run([*command, *part], env=home, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert (shown["format"], shown["parity"]["passed"]) == ("onnx", True)
    version = ModelVersion(
        model="colours", version=1, digest=shown["digest"], bundle_uri=shown["bundle_uri"],
        source_format="onnx", labels=tuple(shown["labels"]), environment={}, author="ada",
        created_at=datetime.now(UTC), tags={}, parity={},
    )  # fmt: skip
    bundle = Path(shown["bundle_uri"].removeprefix("file://"))
    runner = BundleRunner(version, bundle, replica="r", max_pixels=10_000)
    picture = next((world / "calibration" / "green").glob("*.png")).read_bytes()
    seen, scores = runner.run(runner.prepare(picture)[None])
    assert version.labels[int(seen.probabilities.argmax())] == "green"
    assert scores is not None
