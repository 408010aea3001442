"""What tests need of the real fastai, made in a process of its own: `python fastai_world.py OUT`.

OUT/training, OUT/calibration: generated photographs of three materials, in folders by label.
OUT/odd: pictures in unusual modes and proportions. OUT/export.pkl: a learner that was trained on
them for a moment. OUT/pixels.npz: what fastai's Resize makes of the odd pictures.
OUT/backbones.json: how far what serves is from fastai on backbones of torchvision and timm.
OUT/own.pkl: a learner with a layer that this very file defines, which its pickle carries.
OUT/several.pkl: a learner that gives each photograph any number of labels, those above 0.4.
OUT/weather.csv, OUT/weather.parquet: rows of a table. OUT/weather.pkl: a tabular learner of them.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

LABELS = ("cardboard", "glass", "paper")
SIZES = ((48, 64), (37, 37))
METHODS = ("crop", "pad", "squish")
PAD_MODES = ("zeros", "border", "reflection")


def main(out: Path) -> None:
    draw = np.random.default_rng(1)
    for part, each in (("training", 10), ("calibration", 8)):
        for number, label in enumerate(LABELS):
            folder = out / part / label
            folder.mkdir(parents=True)
            for i in range(each):
                _photograph(draw, number).save(folder / f"{label}{i}.jpg", quality=90)
    _odd_pictures(draw, out / "odd")
    import torch

    import registry  # noqa: F401 - before fastai: lets torchvision load

    torch.set_num_threads(1)
    np.savez(out / "pixels.npz", **_pixels(out / "odd"))
    _export(out)
    _own_layer(out)
    _several(draw, out)
    _table(draw, out)
    _backbones(out)


def _backbones(out: Path) -> None:
    """How far what serves is from fastai, on small backbones: OUT/backbones.json."""
    sys.path.append(str(Path(__file__).parents[1]))
    from bench.parity import Data, of_photographs, run

    training = sorted((out / "training").rglob("*.jpg"))
    data = Data(out, training, sorted((out / "calibration").rglob("*.jpg")))
    recipes = (
        of_photographs(
            "resnet18",
            "resnet18",
            lambda fv: fv.Resize(40),
            lambda fv: [*fv.aug_transforms(), fv.Normalize.from_stats(*fv.imagenet_stats)],
        ),
        of_photographs(
            "test_vit",
            "test_vit",
            lambda fv: fv.Resize(160, "squish"),
            lambda fv: fv.aug_transforms(),
        ),
        of_photographs(
            "test_convnext",
            "test_convnext",
            lambda fv: fv.RandomResizedCrop(64),
            lambda fv: [
                *fv.aug_transforms(size=48, min_scale=0.5),
                fv.Normalize.from_stats([0.5], [0.2]),
            ],
        ),
    )
    scratch = out / "backbones"
    scratch.mkdir()
    found = [run(recipe, data, scratch) for recipe in recipes]
    said = {r.recipe: [r.rows, r.inputs, r.get_preds, r.predict, r.changed] for r in found}
    (out / "backbones.json").write_text(json.dumps(said))


def _table(draw: np.random.Generator, out: Path) -> None:
    import fastai.tabular.all as ft
    import pandas as pd

    n = 300
    frame = pd.DataFrame(
        {
            "station": draw.choice(["north", "south", "east"], n),
            "month": draw.integers(1, 13, n),
            "windy": draw.random(n) < 0.3,
            "warmth": draw.normal(12, 8, n),
            "rain": np.where(draw.random(n) < 0.2, np.nan, draw.exponential(2, n)),
        }
    )
    frame.loc[5, "station"] = None
    frame["air"] = np.where(frame["warmth"] + frame["month"] > 18, "good", "bad")
    frame[:200].to_csv(out / "weather.csv", index=False)
    frame[200:].to_parquet(out / "weather.parquet")
    loaders = ft.TabularDataLoaders.from_df(
        frame[:200], procs=[ft.Categorify, ft.FillMissing, ft.Normalize], bs=64,
        cat_names=["station", "month", "windy"], cont_names=["warmth", "rain"], y_names="air",
        valid_idx=list(range(40)),
    )  # fmt: skip
    _train(ft.tabular_learner(loaders, layers=[12, 6]), 1, out / "weather.pkl")


def _photograph(draw: np.random.Generator, number: int) -> Image.Image:
    width, height = draw.integers(40, 110, 2)
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    phase, pace = draw.uniform(0, 6), draw.uniform(0.2, 0.4) * (1 + number)
    wave = np.sin(pace * (across if number % 2 else down) + phase)
    pixels = 128 + 80 * wave[..., None] * np.array([1.0, 0.5, -0.5]) + draw.normal(0, 12, (1, 1, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGB")


def _odd_pictures(draw: np.random.Generator, folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, mode, size in (
        ("plain.jpg", "RGB", (96, 61)), ("grey.png", "L", (50, 80)), ("palette.png", "P", (70, 70)),
        ("alpha.png", "RGBA", (64, 90)), ("bits.png", "1", (55, 41)), ("tiny.png", "RGB", (3, 2)),
        ("wide.png", "RGB", (300, 20)), ("high.png", "L", (9, 170)), ("cmyk.jpg", "CMYK", (60, 44)),
        ("both.png", "LA", (33, 47)), ("deep.png", "I;16", (45, 52)),
        ("dot.png", "RGB", (1, 1)),
    ):  # fmt: skip
        noise = draw.integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
        if mode == "I;16":
            picture = Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
        else:
            picture = Image.fromarray(noise, "RGBA").convert("RGB").convert(mode)
        if mode in {"RGBA", "LA"}:
            picture.putalpha(Image.fromarray(noise[..., 3], "L"))
        picture.save(folder / name)
    rotated = Image.fromarray(draw.integers(0, 256, (40, 70, 3), dtype=np.uint8), "RGB")
    exif = rotated.getexif()
    exif[0x0112] = 6  # "turn me by 90 degrees", which fastai does not do
    rotated.save(folder / "exif.jpg", exif=exif)


def _pixels(folder: Path) -> dict[str, Any]:
    from fastai.vision.all import PILImage, PILImageBW, Resize

    found = {}
    for path in sorted(folder.iterdir()):
        for mode, kind in (("RGB", PILImage), ("L", PILImageBW)):
            for height, width in SIZES:
                for method in METHODS:
                    for pad in PAD_MODES if method == "pad" else PAD_MODES[:1]:
                        resize = Resize((height, width), method=method, pad_mode=pad)
                        key = f"{path.name}|{mode}|{height}|{width}|{method}|{pad}"
                        made = resize(kind.create(path), split_idx=1)
                        found[key] = np.asarray(made)
        for height, width in SIZES:
            for key, crop in _crops(path.name, height, width):
                found[key] = np.asarray(crop(PILImage.create(path), split_idx=1))
    return found


def _crops(name: str, height: int, width: int) -> Iterator[tuple[str, Any]]:
    from fastai.vision.all import CropPad, RandomResizedCrop

    for pad in PAD_MODES:
        crop = CropPad((height, width), pad_mode=pad)
        yield f"{name}|RGB|{height}|{width}|center-crop|{pad}", crop
    crop = RandomResizedCrop((height, width))
    yield f"{name}|RGB|{height}|{width}|random-resized-crop|zeros", crop


def _export(out: Path) -> None:
    import fastai.vision.all as fv

    fv.set_seed(3)
    network = fv.nn.Sequential(
        fv.ConvLayer(3, 8, stride=2),
        fv.ResBlock(1, 8, 16, stride=2),
        fv.nn.AdaptiveAvgPool2d(1),
        fv.Flatten(),
        fv.nn.Dropout(0.2),
        fv.nn.Linear(16, len(LABELS)),
    )
    presized = fv.aug_transforms(size=32, min_scale=0.75)
    _train(fv.Learner(_loaders(fv, out, presized), network), 2, out / "export.pkl")


def _own_layer(out: Path) -> None:
    import fastai.vision.all as fv

    class Weigh(fv.nn.Module):
        """A layer that nobody else has: channels weighed by what the whole picture looks like."""

        def __init__(self, width: int) -> None:
            super().__init__()
            self.linear = fv.nn.Linear(width, width)

        def forward(self, maps: Any) -> Any:
            weights = self.linear(maps.mean((2, 3))).sigmoid()
            return maps * weights[:, :, None, None]

    network = fv.nn.Sequential(
        fv.ConvLayer(3, 8, stride=2), Weigh(8), fv.nn.AdaptiveAvgPool2d(1), fv.Flatten(),
        fv.nn.Linear(8, len(LABELS)),
    )  # fmt: skip
    _train(fv.Learner(_loaders(fv, out, fv.aug_transforms()), network), 1, out / "own.pkl")


def _several(draw: np.random.Generator, out: Path) -> None:
    import fastai.vision.all as fv
    import pandas as pd

    paths = sorted((out / "training").rglob("*.jpg"))
    said = [";".join(label for label in LABELS if draw.random() < 0.5) for _ in paths]
    names = [str(path.relative_to(out)) for path in paths]
    block = fv.DataBlock(
        blocks=(fv.ImageBlock, fv.MultiCategoryBlock),
        get_x=fv.ColReader("name", pref=f"{out}/"),
        get_y=fv.ColReader("labels", label_delim=";"),
        item_tfms=fv.Resize(32, "squish"),
        batch_tfms=fv.aug_transforms(),
    )
    frame = pd.DataFrame({"name": names, "labels": said})
    network = fv.nn.Sequential(
        fv.ConvLayer(3, 8, stride=2), fv.nn.AdaptiveAvgPool2d(1), fv.Flatten(),
        fv.nn.Linear(8, len(LABELS)),
    )  # fmt: skip
    learn = fv.Learner(
        block.dataloaders(frame, bs=8, num_workers=0),
        network,
        loss_func=fv.BCEWithLogitsLossFlat(thresh=0.4),
        metrics=[fv.partial(fv.accuracy_multi, thresh=0.4), fv.F1ScoreMulti()],
    )
    _train(learn, 1, out / "several.pkl")


def _loaders(fv: Any, out: Path, transforms: list[Any]) -> Any:
    return fv.ImageDataLoaders.from_folder(
        out / "training",
        valid_pct=0.2,
        seed=3,
        item_tfms=fv.Resize(40),
        batch_tfms=[*transforms, fv.Normalize.from_stats(*fv.imagenet_stats)],
        bs=8,
        num_workers=0,
    )


def _train(learn: Any, epochs: int, export: Path) -> None:
    with learn.no_bar(), learn.no_logging():
        learn.fit(epochs, 1e-2)
    learn.export(export.resolve())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
