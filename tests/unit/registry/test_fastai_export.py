"""Reading a learner's records: what is kept, and what is refused by name."""

from typing import Any

import pytest
from inert_records import kind, listed, record

from registry.adapters.fastai_batch import Resampling
from registry.adapters.fastai_export import read_vision_export
from registry.adapters.inert_pickle import CalledRecord, InertArchive, Record, Report
from registry.documents.preprocessing import CenterCrop, Method, Resize
from registry.domain.errors import Invalid

RESIZE = record(
    "fastai.vision.augment.Resize",
    size=record("fastcore.basics.fastuple", (64, 48)),
    method="crop", pad_mode="reflection", mode=record("PIL.Image.Resampling", 2),
)  # fmt: skip
TO_TENSOR = record("fastai.data.transforms.ToTensor")
TO_FLOAT = record("fastai.data.transforms.IntToFloatTensor", div=255.0)
NORMALIZE = record("fastai.data.transforms.Normalize", mean=record("mean"), std=record("deviation"))
FLIP = record(
    "fastai.vision.augment.Flip", size=None, mode="bilinear", pad_mode="reflection",
    align_corners=True, split_idx=1,
)  # fmt: skip
BRIGHTNESS = record("fastai.vision.augment.Brightness", split_idx=0)


def learner(
    items: tuple[Any, ...] = (RESIZE, TO_TENSOR),
    batches: tuple[Any, ...] = (TO_FLOAT, NORMALIZE),
    made: str = "fastai.vision.core.PILImage",
    labels: tuple[Any, ...] = ("glass", "paper"),
    loss: str | Record = "fastai.losses.CrossEntropyLossFlat",
    target: str = "fastai.data.transforms.Categorize",
) -> Record:
    categories = record("fastai.data.transforms.CategoryMap", items=listed(*labels))
    targets = listed(record(target, vocab=categories))
    loader = record(
        "fastai.data.core.TfmdDL",
        after_item=record("Pipeline", fs=listed(*items)),
        after_batch=record("Pipeline", fs=listed(*batches)),
        dataset=record(
            "fastai.data.core.Datasets",
            tls=listed(
                record("fastai.data.core.TfmdLists", types=[kind("pathlib.Path"), kind(made)]),
                record("fastai.data.core.TfmdLists", types=[], tfms=record("Pipeline", fs=targets)),
            ),
        ),
    )
    loaders = record("fastai.data.core.DataLoaders", loaders=[None, loader])
    told = record(loss) if isinstance(loss, str) else loss
    return record("fastai.learner.Learner", dls=loaders, loss_func=told, model="model")


def read(root: Any) -> Any:
    return read_vision_export(InertArchive(root, Report((), (), {}), {}))


def test_a_plain_classifier_is_read():
    export = read(learner())
    assert export.labels == ("glass", "paper")
    assert export.preprocessing.shape == (3, 48, 64)
    assert export.divide_by == 255.0
    assert export.activation == "softmax"
    assert export.normalize is not None
    assert export.resamplings == ()
    assert export.python is None


def test_grey_images_have_one_channel():
    assert read(learner(made="fastai.vision.core.PILImageBW")).preprocessing.shape[0] == 1


def test_a_flip_stays_as_an_identity_resampling_and_brightness_goes():
    export = read(learner(batches=(TO_FLOAT, FLIP, BRIGHTNESS, NORMALIZE)))
    assert export.resamplings == (Resampling(None, "bilinear", "reflection", align_corners=True),)


@pytest.mark.parametrize(
    ("ratio", "scale", "crop"),
    [
        ((1, 1), 1.0, (0, 8, 48, 48)),
        ((3 / 4, 4 / 3), 1.0, (0, 0, 48, 64)),
        ((3 / 4, 4 / 3), 0.5, (12, 16, 24, 32)),
        ((2, 3), 1.0, (8, 0, 32, 64)),
    ],
)
def test_presizing_keeps_the_middle_within_its_ratios(
    ratio: tuple[float, float], scale: float, crop: tuple[int, ...]
):
    presize = record(
        "fastai.vision.augment.RandomResizedCropGPU",
        size=(32, 40), ratio=ratio, valid_scale=scale, mode="bilinear",
    )  # fmt: skip
    (found,) = read(learner(batches=(TO_FLOAT, presize, NORMALIZE))).resamplings
    assert found.crop == crop
    assert found.size == (32, 40)


def test_a_random_resized_crop_squishes_to_a_little_more_and_keeps_the_middle():
    crop = record(
        "fastai.vision.augment.RandomResizedCrop",
        size=(64, 48), val_xtra=0.14, mode=record("PIL.Image.Resampling", 2),
    )  # fmt: skip
    first, second = read(learner(items=(crop, TO_TENSOR))).preprocessing.steps
    assert first == Resize(width=80, height=64, method=Method.SQUISH)
    assert second == CenterCrop(op="center-crop", width=64, height=48)
    exact = record(crop.name, **{**crop.state, "val_xtra": 0})
    assert read(learner(items=(exact,))).preprocessing.steps == (
        Resize(width=64, height=48, method=Method.SQUISH),
    )


@pytest.mark.parametrize(
    ("name", "state", "pad_mode"),
    [("RandomCrop", {}, "zeros"), ("CropPad", {"pad_mode": "border"}, "border")],
)
def test_crops_without_resizing_keep_the_middle(name: str, state: dict[str, str], pad_mode: str):
    crop = record(f"fastai.vision.augment.{name}", size=(32, 40), **state)
    (step,) = read(learner(items=(crop, TO_TENSOR))).preprocessing.steps
    assert step == CenterCrop(op="center-crop", width=32, height=40, pad_mode=pad_mode)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (record("fastai.vision.augment.CropPad", size=(0, 9)), "CropPad has settings"),
        (
            record("fastai.vision.augment.RandomResizedCrop", size=(9, 9), val_xtra="much"),
            "val_xtra 'much'",
        ),
    ],
)
def test_a_crop_that_makes_no_sense_is_refused(item: Record, message: str):
    with pytest.raises(Invalid, match=message):
        read(learner(items=(item,)))


def test_more_steps_than_any_learner_needs_are_refused():
    with pytest.raises(Invalid, match="5 steps of 4"):
        read(learner(items=(RESIZE,) * 5))


def test_labels_that_are_numbers_become_names():
    assert read(learner(labels=(0, 1, 2))).labels == ("0", "1", "2")


def with_code_from(path: str) -> Record:
    maker = record("cloudpickle.cloudpickle._builtin_type", "CodeType")
    root = learner()
    root.state["code"] = CalledRecord(maker, 1, path)
    return root


@pytest.mark.parametrize(
    "path",
    [
        "/env/lib/python3.10/site-packages/fastai/core.py",
        r"C:\Users\ada\AppData\Local\Programs\Python\Python310\Lib\site-packages\fastai\core.py",
        r"C:\Python310-32\lib\fastai\core.py",
        r"C:\Apps\PythonSoftwareFoundation.Python.3.10_3.10.3056.0_x64\lib\fastai\core.py",
    ],
)
def test_the_python_that_exported_is_read_from_a_path_in_its_code(path: str):
    assert read(with_code_from(path)).python == "3.10"


@pytest.mark.parametrize("path", [r"C:\Anaconda\envs\fastai\lib\core.py", "<ipython-input-7>"])
def test_code_of_an_unknown_python_is_refused(path: str):
    with pytest.raises(Invalid, match="nothing in it says of which Python"):
        read(with_code_from(path))


UNKNOWN_ITEM = record("fastai.vision.augment.RatioResize", split_idx=None)
UNKNOWN_BATCH = record("fastai.vision.augment.RandomErasing", split_idx=None)


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ({"model": 1}, "does not hold a fastai Learner"),
        (record("fastai.learner.Learner"), "has no dls"),
        (learner(items=(TO_TENSOR,)), "no Resize"),
        (learner(items=(RESIZE, UNKNOWN_ITEM)), "RatioResize cannot be converted"),
        (learner(batches=(TO_FLOAT, UNKNOWN_BATCH)), "RandomErasing cannot be converted"),
        (learner(batches=(NORMALIZE,)), "no IntToFloatTensor"),
        (learner(batches=(NORMALIZE, TO_FLOAT)), "not its first"),
        (learner(batches=(TO_FLOAT, NORMALIZE, FLIP)), "after normalising"),
        (learner(batches=(TO_FLOAT, NORMALIZE, NORMALIZE)), "one Normalize"),
        (learner(made="fastai.vision.core.PILMask"), "PILMask"),
        (learner(loss="torch.nn.modules.loss.CrossEntropyLoss"), "loss is torch"),
        (learner(target="fastai.data.transforms.RegressionSetup", labels=()), "labels are"),
        (learner(labels=("only",)), "two or more"),
    ],
)
def test_what_cannot_be_converted_is_refused_with_the_way_out(root: Any, message: str):
    with pytest.raises(Invalid, match=message) as refusal:
        read(root)
    assert "ONNX" in str(refusal.value)


def several(loss: Any) -> Record:
    return learner(target="fastai.data.transforms.MultiCategorize", loss=loss)


def test_several_labels_for_one_image_are_read_with_the_threshold_of_their_loss():
    export = read(several(record("fastai.losses.BCEWithLogitsLossFlat", thresh=0.3)))
    assert (export.threshold, export.activation) == (0.3, "sigmoid")
    assert read(learner()).threshold is None


@pytest.mark.parametrize("thresh", [None, 0.0, 1.0, "0.5"])
def test_several_labels_without_a_usable_threshold_are_refused(thresh: Any):
    with pytest.raises(Invalid, match=r"several labels.*threshold between 0 and 1"):
        read(several(record("fastai.losses.BCEWithLogitsLossFlat", thresh=thresh)))
    with pytest.raises(Invalid, match=r"several labels.*BCEWithLogitsLossFlat is supported"):
        read(several("fastai.losses.CrossEntropyLossFlat"))


@pytest.mark.parametrize("size", ["large", (1, 2, 3), None, (1.5, 2), True])
def test_a_size_that_is_no_size_is_refused(size: Any):
    resize = record("fastai.vision.augment.Resize", **{**RESIZE.state, "size": size})
    with pytest.raises(Invalid, match="has a size of"):
        read(learner(items=(resize,)))
