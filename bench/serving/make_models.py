"""`python -m bench.serving.make_models FOLDER`: the networks, and what they are registered with.

W1 is a fastai tabular learner, the form in which rows are served here; W2 and W3 are ONNX.
"""

import sys
import warnings
from pathlib import Path
from typing import Any

from bench.serving.bodies import examples, rows
from bench.serving.nets import DEVIATION, LABELS, MEAN, SHAPES, make_net

_PICTURES = {"w2": 240, "w3": 120}
_ROWS = 1000


def main(folder: Path) -> None:
    """Everything that registering the three takes."""
    if not (folder / "w1" / "model.pkl").exists():
        _learner(folder / "w1")
    for workload in ("w2", "w3"):
        place = folder / workload
        if not (place / "labels.txt").exists():
            place.mkdir(parents=True, exist_ok=True)
            _graph(workload, place / "model.onnx")
            _pictures(workload, place)
            _words(workload, place)


def _learner(place: Path) -> None:
    """The seeded network in a learner of twenty columns, which is not trained."""
    import fastai.tabular.all as ft
    import pandas as pd

    place.mkdir(parents=True, exist_ok=True)
    for seed, part in ((11, "training"), (12, "calibration")):
        frame = pd.DataFrame(rows(seed, _ROWS))
        frame["label"] = [f"label{i % LABELS['w1']}" for i in range(_ROWS)]
        frame.to_csv(place / f"{part}.csv", index=False)
    warnings.simplefilter("ignore")
    loaders = ft.TabularDataLoaders.from_df(
        frame, procs=[], cont_names=list(frame.columns[:-1]), y_names="label", bs=64,
        y_block=ft.CategoryBlock(), valid_idx=list(range(100)),
    )  # fmt: skip
    config = ft.tabular_config(use_bn=False, bn_cont=False)
    learner = ft.tabular_learner(loaders, layers=[64, 64], config=config)
    for mine, theirs in zip(_linear(learner.model), _linear(make_net("w1")), strict=True):
        mine.load_state_dict(theirs.state_dict())
    learner.export(place / "model.pkl")


def _linear(net: Any) -> list[Any]:
    from torch import nn

    return [layer for layer in net.modules() if isinstance(layer, nn.Linear)]


def _graph(workload: str, path: Path) -> None:
    import torch

    warnings.simplefilter("ignore")
    torch.onnx.export(
        make_net(workload), (torch.zeros(1, *SHAPES[workload]),), str(path), dynamo=False,
        input_names=["x"], output_names=["y"], opset_version=17,
        dynamic_axes={"x": {0: "n"}, "y": {0: "n"}},
    )  # fmt: skip


def _pictures(workload: str, place: Path) -> None:
    labels = LABELS[workload]
    for seed, part in ((11, "training"), (12, "calibration")):
        for i, data in enumerate(examples(workload, seed, _PICTURES[workload])):
            path = (
                place / part / f"label{i % labels}" / f"{i}.{'png' if workload == 'w2' else 'jpg'}"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def _words(workload: str, place: Path) -> None:
    channels, side, _ = SHAPES[workload]
    numbers = ", ".join([str(MEAN)] * channels), ", ".join([str(DEVIATION)] * channels)
    (place / "input.yaml").write_text(
        f"mode: {'L' if channels == 1 else 'RGB'}\n"
        f"steps: [{{op: resize, width: {side}, height: {side}}}]\n"
        f"mean: [{numbers[0]}]\ndeviation: [{numbers[1]}]\n"
    )
    (place / "labels.txt").write_text("\n".join(f"label{i}" for i in range(LABELS[workload])))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
