"""Train a small fastai vision learner to tell cardboard, glass and paper, and export it.

    python train.py FOLDER EXPORT.pkl [--epochs N] [--resume EARLIER.pkl]

FOLDER has one folder of photographs for each label. Nothing is downloaded: the network starts from
random weights, or with --resume from those of an earlier export. Each epoch prints a line of JSON.
"""

import argparse
import json
import os
from pathlib import Path

import registry  # noqa: F401 - lets torchvision load beside a CPU build of torch

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin starve the others

from fastai.vision.all import (  # noqa: TID253 - these import only after the lines above
    Callback,
    ConvLayer,
    ImageDataLoaders,
    Learner,
    Normalize,
    Resize,
    accuracy,
    aug_transforms,
    imagenet_stats,
    load_learner,
    nn,
    set_seed,
    torch,
    vision_learner,
)

PIXELS = 64
BATCH = 32
HIGHEST_RATE = 1e-2
SEED = 7


def small_network(pretrained: bool = False) -> nn.Sequential:
    """Four convolutions that halve the picture, 24 to 192 channels; 0.3 M weights with the head."""
    return nn.Sequential(
        ConvLayer(3, 24, stride=2),
        ConvLayer(24, 48, stride=2),
        ConvLayer(48, 96, stride=2),
        ConvLayer(96, 192, stride=2),
        nn.AdaptiveAvgPool2d(1),
    )


def learner(folder: Path) -> Learner:
    """A vision learner on the photographs of a folder; a twentieth of them validate."""
    loaders = ImageDataLoaders.from_folder(
        folder,
        valid_pct=0.05,
        seed=SEED,
        item_tfms=Resize(PIXELS),
        batch_tfms=[
            *aug_transforms(flip_vert=True, max_lighting=0.2),
            Normalize.from_stats(*imagenet_stats),
        ],
        bs=BATCH,
        num_workers=0,
    )
    learn = vision_learner(
        loaders, small_network, pretrained=False, metrics=accuracy, lin_ftrs=[64], ps=0.25
    )
    learn.model.to(memory_format=torch.channels_last)  # a third faster on a CPU
    return learn


class Progress(Callback):
    """Prints a line of JSON after each epoch."""

    order = 60  # after the Recorder, which notes the losses

    def after_epoch(self) -> None:
        """Tell which epoch has ended, and its losses."""
        training, validation, correct = self.recorder.values[-1]
        line = {
            "epoch": self.epoch + 1, "of": self.n_epoch, "training_loss": training,
            "validation_loss": validation, "validation_accuracy": correct,
        }  # fmt: skip
        print(json.dumps(line), flush=True)  # noqa: T201 - this is what the script is for


def main() -> None:
    """Train and export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("export", type=Path)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--resume", type=Path)
    given = parser.parse_args()
    set_seed(SEED)
    learn = learner(given.folder)
    rate = HIGHEST_RATE
    if given.resume:  # an export of our own, so unpickling it is as safe as running this script
        learn.model.load_state_dict(load_learner(given.resume).model.state_dict())
        rate = HIGHEST_RATE / 8
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(given.epochs, rate, cbs=Progress())
    given.export.parent.mkdir(parents=True, exist_ok=True)
    learn.export(given.export.resolve())


if __name__ == "__main__":
    main()
