"""What a notebook does: `python notebook_child.py FOLDER HOME` trains nothing, and registers."""

import json
import sys
from pathlib import Path

from registry import register
from registry.domain.errors import Invalid


def main(folder: Path, home: Path) -> None:
    from registry.adapters.torch_shim import import_torchvision

    import_torchvision()
    import fastai.vision.all as fv

    fv.set_seed(3)
    files = fv.get_image_files(folder / "training") + fv.get_image_files(folder / "calibration")
    loaders = fv.ImageDataLoaders.from_path_func(
        folder, files, _label, valid_pct=0.45, seed=3, item_tfms=fv.Resize(32), bs=4, num_workers=0
    )
    network = fv.nn.Sequential(
        fv.ConvLayer(3, 4, stride=2), fv.nn.AdaptiveAvgPool2d(1), fv.Flatten(), fv.nn.Linear(4, 3)
    )
    learn = fv.Learner(loaders, network)
    version = register("notes", learn, tags={"from": "a notebook"}, home=home)
    try:
        register("notes", folder / "export.pkl", training_data=folder / "training", home=home)
        refused = ""
    except Invalid as error:
        refused = str(error)
    said = {
        "name": version.name,
        "parity": dict(version.parity or {}),
        "tags": dict(version.tags or {}),
        "bundle": version.bundle_uri,
        "training": len(loaders.train_ds),
        "validation": len(loaders.valid_ds),
        "refused": refused,
    }
    print(json.dumps(said))  # noqa: T201 - its answer


def _label(path: Path) -> str:
    return path.parent.name


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
