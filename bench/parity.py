"""Whether what serves answers like fastai itself: `python -m bench.parity FOLDER [--rows 1000]`.

FOLDER holds `trashnet_photos_96.zip` (real photographs in folders by label) and
`beijing_air_3stations.csv.gz` (real rows with missing values). For each recipe of transforms and
architecture a learner is trained for a moment on other inputs than those that are asked, exported
with `Learner.export()`, read back as data, and converted as registration does. Then fastai loads
the same export, and both answer the same held-out inputs: prepared inputs must be equal to the bit
(rows: to one unit in the last place), probabilities to 1e-5, and no class may change.

`--recipe NAME` runs only that one, as often as given; `--list` names them.
"""

import argparse
import json
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TOLERANCE = 1e-5
SINGLES = 8
TRAINING = 96
WORST_INPUT = 1.2e-7  # half a unit in the last place of a float32 near 1
Learner = Any


@dataclass(frozen=True, slots=True)
class Recipe:
    """A learner to be made; `inputs` says of which data."""

    name: str
    inputs: str
    make: Callable[[Any, Any], Learner]


@dataclass(frozen=True, slots=True)
class Result:
    """Largest differences between fastai and what serves, and how many classes changed."""

    recipe: str
    rows: int
    inputs: float
    get_preds: float
    predict: float
    changed: int

    @property
    def passed(self) -> bool:
        """Whether they are the same for all purposes."""
        close = max(self.get_preds, self.predict) <= TOLERANCE
        return self.rows > 0 and close and self.inputs <= WORST_INPUT and self.changed == 0


def recipes() -> tuple[Recipe, ...]:
    """All of them."""
    return (*_vision(), *_tables())


def of_photographs(
    name: str, arch: str, items: Callable[[Any], Any], batches: Callable[[Any], Any]
) -> Recipe:
    """A vision learner: its backbone, item transforms and batch transforms."""

    def make(fv: Any, data: Any) -> Learner:
        loaders = fv.ImageDataLoaders.from_path_func(
            data.folder,
            data.training,
            fv.parent_label,
            valid_pct=0.2,
            seed=1,
            item_tfms=items(fv),
            batch_tfms=batches(fv),
            bs=16,
            num_workers=0,
        )
        found = getattr(fv, arch, None) or _torchvision(arch)
        return fv.vision_learner(loaders, found or arch, pretrained=False)

    return Recipe(name, "photographs", make)


def _vision() -> Iterator[Recipe]:
    of = of_photographs

    def plain(fv: Any) -> list[Any]:
        return [fv.Normalize.from_stats(*fv.imagenet_stats)]

    def augmented(fv: Any) -> list[Any]:
        return [*fv.aug_transforms(), *plain(fv)]

    yield of("resnet18, crop, aug_transforms", "resnet18", lambda fv: fv.Resize(96), augmented)
    yield of("resnet34, squish", "resnet34", lambda fv: fv.Resize(80, "squish"), plain)
    yield of(
        "resnet18, pad with zeros", "resnet18",
        lambda fv: fv.Resize((64, 96), "pad", pad_mode="zeros"), plain,
    )  # fmt: skip
    yield of(
        "squeezenet1_1, pad with the border", "squeezenet1_1",
        lambda fv: fv.Resize(96, "pad", pad_mode="border"), plain,
    )  # fmt: skip
    yield of(
        "densenet121, pad by reflection", "densenet121",
        lambda fv: fv.Resize(80, "pad", pad_mode="reflection"), plain,
    )  # fmt: skip
    yield of(
        "resnet18, presized 128 to 96", "resnet18", lambda fv: fv.Resize(128),
        lambda fv: [*fv.aug_transforms(size=96, min_scale=0.75), *plain(fv)],
    )  # fmt: skip
    yield of(
        "resnet18, presized 160 to 64, flips all ways", "resnet18", lambda fv: fv.Resize(160),
        lambda fv: [*fv.aug_transforms(size=64, flip_vert=True, max_lighting=0.4), *plain(fv)],
    )  # fmt: skip
    yield of(
        "vgg11_bn, RandomResizedCrop", "vgg11_bn",
        lambda fv: fv.RandomResizedCrop(64, min_scale=0.5), augmented,
    )  # fmt: skip
    yield of(
        "alexnet, CropPad and Resize, bicubic", "alexnet",
        lambda fv: [
            fv.CropPad(120, pad_mode="reflection"),
            fv.Resize(96, resamples=(fv.Image.Resampling.BICUBIC, fv.Image.Resampling.NEAREST)),
        ],
        lambda fv: fv.aug_transforms(mode="nearest"),
    )  # fmt: skip
    yield of("efficientnet_b0, RandomCrop", "efficientnet_b0", lambda fv: fv.RandomCrop(88), plain)
    yield of("mobilenet_v3_small, crop", "mobilenet_v3_small", lambda fv: fv.Resize(96), plain)
    yield of("convnext_tiny, crop", "convnext_tiny", lambda fv: fv.Resize(64), plain)
    yield of(
        "timm convnext_atto, squish", "convnext_atto", lambda fv: fv.Resize(64, "squish"), plain
    )
    yield of("timm resnet10t, crop", "resnet10t", lambda fv: fv.Resize(96), augmented)
    yield of(
        "timm vit_tiny_patch16_224, crop", "vit_tiny_patch16_224", lambda fv: fv.Resize(224), plain
    )
    yield of("timm mobilenetv3_small_050", "mobilenetv3_small_050", lambda fv: fv.Resize(96), plain)


def _tables() -> Iterator[Recipe]:
    def of(name: str, categories: list[str], numbers: list[str], procs: str, **more: Any) -> Recipe:
        def make(ft: Any, data: Any) -> Learner:
            loaders = ft.TabularDataLoaders.from_df(
                data.training, procs=[getattr(ft, p) for p in procs.split()], y_names="air",
                cat_names=categories, cont_names=numbers, y_block=ft.CategoryBlock(), bs=64,
                valid_idx=list(range(100)),
            )  # fmt: skip
            return ft.tabular_learner(loaders, **more)

        return Recipe(name, "rows", make)

    weather = ["TEMP", "PRES", "DEWP", "RAIN", "WSPM"]
    yield of(
        "rows: texts, numbers as categories, missing values",
        ["wd", "month", "weekend", "station"], [*weather, "CO", "O3", "NO2"],
        "Categorify FillMissing Normalize", layers=[200, 100],
    )  # fmt: skip
    yield of("rows: numbers only", [], ["TEMP", "PRES", "O3"], "Categorify FillMissing Normalize")
    yield of(
        "rows: not normalised, one hidden layer, own embeddings", ["wd", "hour"], [*weather, "SO2"],
        "FillMissing Categorify", layers=[30], emb_szs={"wd": 4, "hour": 3},
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Data:
    """What learners are trained on, and what is asked: paths of photographs, or rows."""

    folder: Path
    training: Any
    asked: Any


def photographs(source: Path, folder: Path, rows: int) -> Data:
    """Real photographs, shuffled; those that are asked were not trained on."""
    with zipfile.ZipFile(source / "trashnet_photos_96.zip") as archive:
        archive.extractall(folder)
    paths = sorted(folder.rglob("*.jpg"))
    order = np.random.default_rng(0).permutation(len(paths))
    shuffled = [paths[i] for i in order]
    return Data(folder, shuffled[:TRAINING], shuffled[TRAINING : TRAINING + rows])


def rows_of(source: Path, rows: int) -> Data:
    """Real rows; among those that are asked are unseen categories and missing values."""
    import pandas as pd

    frame = pd.read_csv(source / "beijing_air_3stations.csv.gz").dropna(subset=["PM2.5"])
    frame["air"] = np.where(frame["PM2.5"] > 75, "bad", "good")
    frame["weekend"] = frame["day"] % 7 > 4
    known = frame[(frame["month"] != 7) & (frame["station"] != "Huairou")]
    draw = np.random.default_rng(0)
    training = known.iloc[draw.permutation(len(known))[:2000]].reset_index(drop=True)
    rest = frame.drop(index=known.index)
    asked = rest.iloc[draw.permutation(len(rest))[:rows]].reset_index(drop=True)
    full = [n for n in ("TEMP", "PRES", "DEWP", "RAIN", "WSPM") if not training[n].isna().any()]
    return Data(source, training, asked.dropna(subset=full).reset_index(drop=True))


def run(recipe: Recipe, data: Data, scratch: Path) -> Result:
    """Train, export, convert, and ask both."""
    library = library_of(recipe)
    learner = recipe.make(library, data)
    with learner.no_bar(), learner.no_logging():
        learner.fit(1, 1e-3)
    export = scratch / "export.pkl"
    learner.export(export)
    document, graph = converted(export, scratch)
    original = library.load_learner(export)
    with original.no_bar(), original.no_logging():
        return _compared(recipe, original, data, document, graph)


def _compared(recipe: Recipe, original: Learner, data: Data, document: Any, graph: Path) -> Result:
    from registry.adapters.onnx_model import OnnxModel
    from registry.adapters.prepare import preprocessor

    is_table = recipe.inputs == "rows"
    encoded = _rows_as_json(original, data.asked) if is_table else _read(data.asked)
    loader = original.dls.test_dl(data.asked, bs=32, num_workers=0)
    wanted = original.get_preds(dl=loader)[0].numpy()
    prepare = preprocessor(document).prepare
    ours = np.stack([prepare(one) for one in encoded])
    model = OnnxModel(graph, 2, document.seen)
    parts = [model.run(ours[at : at + 32]) for at in range(0, len(ours), 32)]
    found = np.concatenate([part.probabilities for part in parts])
    theirs = _table_inputs(loader) if is_table else _image_inputs(loader)
    singles = [data.asked.iloc[i] for i in range(SINGLES)] if is_table else data.asked[:SINGLES]
    alone = np.stack([original.predict(one)[2].numpy() for one in singles])
    return Result(
        recipe=recipe.name,
        rows=len(encoded),
        inputs=_difference(ours, theirs),
        get_preds=_difference(found, wanted),
        predict=_difference(found[: len(alone)], alone),
        changed=int((found.argmax(1) != wanted.argmax(1)).sum()),
    )


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    """The largest, relative to the values where they are large."""
    if one.shape != other.shape:
        return float("inf")
    apart = np.abs(one.astype(np.float64) - other.astype(np.float64))
    return float((apart / np.maximum(np.abs(other.astype(np.float64)), 1.0)).max())


def converted(export: Path, scratch: Path) -> tuple[Any, Path]:
    """As the jailed converter does, without its jail: these exports are our own."""
    from registry.adapters.fastai_description import read_export
    from registry.adapters.fastai_servable import read_learner
    from registry.adapters.inert_pickle import read_archive
    from registry.adapters.onnx_check import check_graph
    from registry.adapters.onnx_export import export_onnx

    archive = read_archive(export)
    archive.report.refuse_unknown()
    read = read_export(archive)
    learner = read_learner(archive, read)
    graph = export_onnx(learner.servable, len(read.labels))
    width = sum(block.width for block in learner.servable.blocks)
    check_graph(graph, read.preprocessing.shape, len(read.labels), width)
    path = scratch / "model.onnx"
    path.write_bytes(graph)
    return read.preprocessing, path


def library_of(recipe: Recipe) -> Any:
    import fastai.tabular.all as ft
    import fastai.vision.all as fv

    import registry  # noqa: F401 - before fastai: lets torchvision load

    fv.set_seed(1, reproducible=True)
    return ft if recipe.inputs == "rows" else fv


def _torchvision(name: str) -> Any:
    import timm
    import torchvision

    return None if timm.is_model(name) and name not in _OWN else getattr(torchvision.models, name)


_OWN = ("efficientnet_b0", "mobilenet_v3_small", "convnext_tiny")


def _read(paths: Sequence[Path]) -> list[bytes]:
    return [path.read_bytes() for path in paths]


def _rows_as_json(original: Learner, frame: Any) -> list[bytes]:
    taken = [n for n in (*original.dls.cat_names, *original.dls.cont_names) if n in frame.columns]
    plain = frame[taken].astype(object).where(frame[taken].notna(), None)
    return [json.dumps(row).encode() for row in plain.to_dict("records")]


def _image_inputs(loader: Any) -> np.ndarray:
    loader.before_iter()  # from here on its transforms know that they are not training
    items = (loader.after_item(loader.create_item(i))[0] for i in range(len(loader.dataset)))
    return np.stack([np.asarray(item) for item in items])


def _table_inputs(loader: Any) -> np.ndarray:
    table = loader.dataset
    codes = table.cats.to_numpy(np.float32).reshape(len(table), -1)
    return np.concatenate([codes, table.conts.to_numpy(np.float32).reshape(len(table), -1)], axis=1)


def table_of(results: Sequence[Result]) -> str:
    """The results as they stand in the documentation."""
    lines = [
        "| Recipe | Inputs | prepared | get_preds | predict | classes changed |",
        "|-|-|-|-|-|-|",
    ]
    lines += [
        f"| {r.recipe} | {r.rows} | {r.inputs:.1e} | {r.get_preds:.1e} | {r.predict:.1e} |"
        f" {r.changed} |"
        for r in results
    ]
    return "\n".join(lines)


def main() -> int:
    """Run the recipes and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--rows", type=int, default=1000)
    arguments.add_argument("--recipe", action="append")
    arguments.add_argument("--list", action="store_true")
    asked = arguments.parse_args()
    chosen = [r for r in recipes() if asked.recipe is None or r.name in asked.recipe]
    if asked.list:
        print("\n".join(r.name for r in chosen))
        return 0
    warnings.simplefilter("ignore")
    results = []
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        data: Mapping[str, Data] = {
            "photographs": photographs(asked.folder, scratch / "photographs", asked.rows),
            "rows": rows_of(asked.folder, asked.rows),
        }
        for recipe in chosen:
            results.append(run(recipe, data[recipe.inputs], scratch))
            print(table_of(results[-1:]).splitlines()[-1], flush=True)
    print(table_of(results))
    return 0 if results and all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
