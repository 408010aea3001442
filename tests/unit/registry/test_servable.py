"""From records to torch modules, and from modules to what the graph computes."""

import struct
from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from registry.adapters.fastai_batch import Resampling
from registry.adapters.inert_modules import build_module, build_tensor
from registry.adapters.inert_pickle import InertArchive, Record, Report, StorageReference
from registry.adapters.servable import Resampler, image_servable
from registry.domain.errors import Invalid
from registry.domain.observations import FeatureBlock


def record(name: str, *arguments: Any) -> Record:
    return type("Record", (Record,), {"__slots__": (), "name": name, "made": []})(*arguments)


def an_archive(*numbers: float) -> InertArchive:
    data = struct.pack(f"<{len(numbers)}f", *numbers)
    return InertArchive(None, Report((), (), {}), {"0": data})


def a_tensor(offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Record:
    reference = StorageReference("torch.FloatStorage", "0", 6)
    return record("torch._utils._rebuild_tensor_v2", reference, offset, size, stride, False, None)


def test_a_tensor_is_rebuilt_from_its_bytes():
    found = build_tensor(an_archive(0, 1, 2, 3, 4, 5), a_tensor(1, (2, 2), (2, 1)))
    assert found.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [(5, (2,), (1,)), (0, (3, 3), (3, 1)), (-1, (1,), (1,)), (0, (-2,), (1,)), (0, (2,), (-1,))],
)
def test_a_tensor_beyond_its_bytes_is_refused(
    offset: int, size: tuple[int, ...], stride: tuple[int, ...]
):
    with pytest.raises(Invalid, match="beyond its data"):
        build_tensor(an_archive(0, 1, 2, 3, 4, 5), a_tensor(offset, size, stride))


def test_a_module_is_rebuilt_without_its_constructor():
    linear = record("torch.nn.modules.linear.Linear")
    weight = record("torch._utils._rebuild_parameter", a_tensor(0, (2, 3), (3, 1)), True, None)
    parameters = record("collections.OrderedDict")
    parameters.items.extend([("weight", weight), ("bias", None)])
    linear.state = {"training": True, "_parameters": parameters, "in_features": 3}
    module = build_module(an_archive(0, 1, 2, 3, 4, 5), linear)
    assert isinstance(module, nn.Linear)
    assert module(torch.ones(1, 3)).tolist() == [[3, 12]]


@pytest.mark.parametrize(
    ("name", "state", "message"),
    [
        ("mine.layers.VisionTransformer", {}, "does not know how to rebuild.*ONNX"),
        ("torch.nn.modules.linear.Nothing", {}, "has no torch.nn.modules.linear.Nothing"),
        ("torch.nn.modules.linear.init", {}, "not a torch module"),
        ("torch.nn.modules.linear.Linear", None, "has no state"),
        ("torch.nn.modules.linear.Linear", {"forward": object()}, "holds a object"),
        ("torch.nn.modules.linear.Linear", {3: 4}, "attribute named 3"),
    ],
)
def test_what_is_no_allowed_module_is_refused(name: str, state: Any, message: str):
    node = record(name)
    node.state = state
    with pytest.raises(Invalid, match=message):
        build_module(an_archive(), node)


def test_a_function_in_a_layer_must_be_one_that_we_know():
    layer = record("fastai.layers.Lambda")
    layer.state = {"func": type("Record", (Record,), {"name": "os.system"})}
    with pytest.raises(Invalid, match=r"os\.system"):
        build_module(an_archive(), record_like(layer))


def record_like(layer: Record) -> Record:
    """The same state in a class that needs no fastai."""
    made = record("torch.nn.modules.linear.Identity")
    made.state = layer.state
    return made


def a_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(
            body=nn.Sequential(
                nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
                nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6), nn.MaxPool2d(2),
            ),
            head=nn.Sequential(
                nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(6, 5),
                nn.ReLU(), nn.Linear(5, 2),
            ),
        )
    )  # fmt: skip


def test_features_are_the_last_layer_at_each_resolution_and_the_penultimate():
    network = a_network()
    servable = image_servable(network, (3, 8, 8)).eval()
    assert servable.blocks == (
        FeatureBlock("block-1", 4), FeatureBlock("block-2", 6), FeatureBlock("block-3", 6),
        FeatureBlock("penultimate", 5),
    )  # fmt: skip
    images = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8)
    with torch.no_grad():
        logits, probabilities, features = servable(images)
        body = network[0]
        first = body[:2](images.float() / 255)
        last = body(images.float() / 255)
    assert features.shape == (3, 21)
    torch.testing.assert_close(features[:, :4], first.mean(dim=(2, 3)))
    torch.testing.assert_close(features[:, 10:16], last.mean(dim=(2, 3)))
    torch.testing.assert_close(network[1][-1](features[:, 16:]), logits)
    torch.testing.assert_close(probabilities, torch.softmax(logits, dim=1))


def test_normalisation_and_sigmoid_are_inside():
    mean, deviation = torch.full((1, 3, 1, 1), 0.4), torch.full((1, 3, 1, 1), 0.2)
    network = a_network()
    servable = image_servable(
        network, (3, 8, 8), normalize=(mean, deviation), activation="sigmoid"
    ).eval()
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    with torch.no_grad():
        logits, probabilities, _ = servable(images)
        wanted = network((images.float() / 255 - mean) / deviation)
    torch.testing.assert_close(logits, wanted)
    torch.testing.assert_close(probabilities, torch.sigmoid(wanted))


def test_a_model_without_a_linear_layer_is_refused():
    with pytest.raises(Invalid, match="no linear layer"):
        image_servable(nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1)), (3, 8, 8))


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_resampling_without_a_size_changes_nothing_to_speak_of(mode: str):
    images = torch.rand(2, 3, 9, 7)
    resampler = Resampler(Resampling(None, mode, "reflection", align_corners=True), 9, 7)
    torch.testing.assert_close(resampler(images), images, atol=1e-5, rtol=0)


def test_resampling_to_less_than_half_averages_first():
    plan = Resampling((4, 4), "bilinear", "reflection", align_corners=True)
    resampler = Resampler(plan, 16, 16)
    images = torch.rand(1, 1, 16, 16)
    averaged = F.interpolate(images, size=(8, 8), mode="area")
    wanted = F.interpolate(averaged, size=(4, 4), mode="bilinear", align_corners=True)
    assert resampler.shrink == pytest.approx(0.5)
    torch.testing.assert_close(resampler(images), wanted, atol=1e-5, rtol=0)


def test_a_crop_comes_before_resampling():
    plan = Resampling((2, 2), "nearest", "zeros", align_corners=True, crop=(1, 2, 2, 2))
    images = torch.arange(25.0).reshape(1, 1, 5, 5)
    assert Resampler(plan, 5, 5)(images)[0, 0].tolist() == [[7, 8], [12, 13]]
