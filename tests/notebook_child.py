"""What a notebook does: `python notebook_child.py FOLDER HOME` trains a little, and registers."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry import register
from registry.domain.errors import Invalid
from registry.domain.versions import ModelVersion


def main(folder: Path, home: Path) -> None:
    pictures, rows = _of_pictures(folder), _of_rows(folder)
    before = rows.dls.train_ds.items.copy()
    found = {
        "pictures": _said(register("pictures", pictures, tags={"from": "a notebook"}, home=home)),
        "rows": _said(register("rows", rows, home=home)),
        "given": _said(register("rows", rows, training_data=_frame(folder), home=home)),
        "refused": _refused(folder, home),
        "sizes": [len(part) for learn in (pictures, rows) for part in _parts(learn)],
        "untouched": bool(before.equals(rows.dls.train_ds.items)),
    }
    print(json.dumps(found))  # noqa: T201 - its answer


def _of_pictures(folder: Path) -> Any:
    import fastai.vision.all as fv

    fv.set_seed(3)
    files = fv.get_image_files(folder / "training") + fv.get_image_files(folder / "calibration")
    loaders = fv.ImageDataLoaders.from_path_func(
        folder, files, _label, valid_pct=0.45, seed=3, item_tfms=fv.Resize(32), bs=4, num_workers=0
    )
    network = fv.nn.Sequential(
        fv.ConvLayer(3, 4, stride=2), fv.nn.AdaptiveAvgPool2d(1), fv.Flatten(), fv.nn.Linear(4, 3)
    )
    return fv.Learner(loaders, network)


def _of_rows(folder: Path) -> Any:
    import fastai.tabular.all as ft

    loaders = ft.TabularDataLoaders.from_df(
        _frame(folder), procs=[ft.Categorify, ft.FillMissing, ft.Normalize], bs=64,
        cat_names=["station", "month", "windy"], cont_names=["warmth", "rain"], y_names="air",
        valid_idx=list(range(60)),
    )  # fmt: skip
    return ft.tabular_learner(loaders, layers=[8])


def _frame(folder: Path) -> Any:
    import pandas as pd

    return pd.read_csv(folder / "weather.csv")


def _refused(folder: Path, home: Path) -> str:
    try:
        register("pictures", folder / "export.pkl", training_data=folder / "training", home=home)
    except Invalid as error:
        return str(error)
    return ""


def _parts(learn: Any) -> tuple[Any, Any]:
    return learn.dls.train_ds, learn.dls.valid_ds


def _said(version: ModelVersion) -> Mapping[str, Any]:
    return {
        "name": version.name,
        "parity": dict(version.parity or {}),
        "tags": dict(version.tags or {}),
        "bundle": version.bundle_uri,
    }


def _label(path: Path) -> str:
    return path.parent.name


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
