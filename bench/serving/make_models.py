"""`python -m bench.serving.make_models FOLDER`: networks as ONNX, and pictures."""

import sys
import warnings
from pathlib import Path

from bench.serving.bodies import examples
from bench.serving.nets import DEVIATION, LABELS, MEAN, SHAPES, make_net

_PICTURES = {"w2": 240, "w3": 120}


def main(folder: Path) -> None:
    """Everything that registering W2 and W3 takes."""
    for workload in ("w2", "w3"):
        place = folder / workload
        if not (place / "labels.txt").exists():
            place.mkdir(parents=True, exist_ok=True)
            _graph(workload, place / "model.onnx")
            _pictures(workload, place)
            _words(workload, place)


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
