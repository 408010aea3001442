"""What registering, verifying and first answering cost, as whole processes.

    python -m bench.registry FOLDER [--part first|verify|register] [--rounds 7] [--images 10000]

FOLDER holds `trashnet_photos_96.zip`. Three parts, all unless some are named:

first     From the start of a process to the answer to its first photograph, and the most memory it
          has had by then: the version as serving runs it (digests checked, out-of-domain score
          included), beside fastai's own `load_learner` and `predict`. ResNet-18 at 224 x 224, the
          two in turn; bytecode is there for both, as after an installation.
verify    `stagegate model verify` of a ResNet-50, whose bundle is about 100 MB.
register  `stagegate model register` of a ResNet-18 at 224 x 224 with so many training images, and
          the most memory that all its processes have had together (resident, pages that they
          share counted for each), looked at every 50 ms.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from bench import parity

PARTS = ("first", "verify", "register")
SIZE, HELD_OUT, FEW = 224, 300, 200
LOOK_SECONDS = 0.05
_PAGE = os.sysconf("SC_PAGE_SIZE")

OURS = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from registry.domain.versions import ModelVersion
from serving.adapters.runner import BundleRunner
said = json.loads(sys.argv[1])
version = ModelVersion(
    "waste", 1, said["digest"], said["bundle"], "fastai", tuple(said["labels"]), {}, "bench",
    datetime.now(UTC),
)
runner = BundleRunner(version, Path(said["bundle"]), replica="bench", max_pixels=1 << 26)
observed, scores = runner.run(runner.prepare(Path(said["photograph"]).read_bytes())[None])
print(said["labels"][int(observed.probabilities[0].argmax())], flush=True)
assert scores is not None
"""
FASTAI = """
import json, sys
import registry  # before fastai: lets torchvision load
from fastai.vision.all import load_learner
said = json.loads(sys.argv[1])
learner = load_learner(said["export"])
with learner.no_bar():
    print(learner.predict(said["photograph"])[0], flush=True)
"""
# Asked inside: what the kernel says of a child at its end counts its parent before exec, too.
_MOST = """
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything lies: real photographs, learners, homes; and how programs are started."""

    data: parity.Data
    scratch: Path

    @property
    def environment(self) -> dict[str, str]:
        """Without settings of ours; bytecode is kept beside the rest."""
        dropped = ("STAGEGATE", "MLFLOW", "PYTHONDONTWRITEBYTECODE")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
        return {
            **kept,
            "PYTHONPYCACHEPREFIX": str(self.scratch / "bytecode"),
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }

    def stagegate(self, *words: str) -> list[str]:
        """A command line."""
        home = str(self.scratch / "home")
        return [sys.executable, "-m", "console.cli", "--home", home, "--json", *words]

    def run(self, *words: str) -> Mapping[str, Any]:
        """What a command says."""
        done = subprocess.run(
            self.stagegate(*words), env=self.environment, capture_output=True, text=True, check=True
        )
        return dict(json.loads(done.stdout or "{}"))


def export_of(place: Place, arch: str) -> Path:
    """A learner that was trained for a moment."""
    recipe = parity.of_photographs(
        arch, arch, lambda fv: fv.Resize(SIZE),
        lambda fv: [*fv.aug_transforms(), fv.Normalize.from_stats(*fv.imagenet_stats)],
    )  # fmt: skip
    learner = recipe.make(parity.library_of(recipe), place.data)
    with learner.no_bar(), learner.no_logging():
        learner.fit(1, 1e-3)
    path = place.scratch / f"{arch}.pkl"
    learner.export(path)
    return path


def training_folder(place: Place, count: int) -> Path:
    """So many files by label: the photographs, then their mirror images and turned copies."""
    folder = place.scratch / f"training-{count}"
    for number, (label, picture) in enumerate(_pictures(place.data.folder, count)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        picture.convert("RGB").save(folder / label / f"{number}.jpg", quality=90)
    return folder


def _pictures(photographs: Path, count: int) -> Iterator[tuple[str, Image.Image]]:
    paths = sorted(photographs.rglob("*.jpg"))
    order = np.random.default_rng(2).permutation(len(paths))
    for number in range(count):
        path = paths[order[number % len(paths)]]
        picture = Image.open(path)
        turns, mirrored = divmod(number // len(paths), 2)
        turned = picture.rotate(90 * turns)
        yield path.parent.name, ImageOps.mirror(turned) if mirrored else turned


def register_words(export: Path, training: Path, calibration: Path) -> tuple[str, ...]:
    return (
        "model", "register", "waste", str(export), "--trust-pickle",
        "--training-data", str(training), "--calibration-data", str(calibration),
    )  # fmt: skip


def first(place: Place, rounds: int) -> None:
    """Cold processes, ours and fastai's in turn."""
    export = export_of(place, "resnet18")
    held_out = training_folder(place, HELD_OUT)
    version = place.run(*register_words(export, training_folder(place, FEW), held_out))
    question = {
        "bundle": version["bundle_uri"].removeprefix("file://"), "digest": version["digest"],
        "labels": version["labels"], "export": str(export),
        "photograph": str(place.data.asked[0]),
    }  # fmt: skip
    programs = {"served": OURS, "fastai": FASTAI}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    answers = {_cold(place, program, question)[0] for program in programs.values()}
    if len(answers) != 1:
        raise SystemExit(f"the two do not answer the same: {answers}")
    for _ in range(rounds):
        for name, program in programs.items():
            taken[name].append(_cold(place, program, question)[1:])
    for name, found in taken.items():
        seconds, megabytes = (median(values) for values in zip(*found, strict=True))
        print(f"first answer, {name}: {seconds:.2f} s, {megabytes:.0f} MB (medians of {rounds})")
    ratio = median(a[0] / b[0] for a, b in zip(taken["fastai"], taken["served"], strict=True))
    print(f"first answer: {ratio:.1f} times as fast as fastai", flush=True)


def _cold(place: Place, program: str, question: Mapping[str, Any]) -> tuple[str, float, float]:
    """The answer, seconds until it stood there, and megabytes at most."""
    began = perf_counter()
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program + _MOST, json.dumps(question)],
        env=place.environment, stdout=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        lines = iter(child.stdout or ())
        answer = next(lines).strip()
        seconds = perf_counter() - began
        kilobytes = int(next(lines))
    return answer, seconds, kilobytes / 1000


def verify(place: Place, rounds: int) -> None:
    """The whole command, again and again."""
    export = export_of(place, "resnet50")
    folder = training_folder(place, FEW)
    version = place.run(*register_words(export, folder, folder))
    bundle = Path(version["bundle_uri"].removeprefix("file://"))
    size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    name = f"{version['model']}@{version['version']}"
    seconds = []
    for _ in range(rounds + 1):
        began = perf_counter()
        place.run("model", "verify", name)
        seconds.append(perf_counter() - began)
    print(
        f"verify, {size / 1e6:.0f} MB: {median(seconds[1:]):.2f} s (median of {rounds},"
        f" {min(seconds[1:]):.2f} to {max(seconds[1:]):.2f})",
        flush=True,
    )


def register(place: Place, count: int) -> None:
    """One registration, with the memory of all its processes."""
    export = export_of(place, "resnet18")
    training, held_out = training_folder(place, count), training_folder(place, HELD_OUT)
    began = perf_counter()
    child = subprocess.Popen(
        place.stagegate(*register_words(export, training, held_out)),
        env=place.environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    peak = Peak(child.pid)
    said, _ = child.communicate()
    seconds, most = perf_counter() - began, peak.end()
    if child.returncode or not json.loads(said)["parity"]["passed"]:
        raise SystemExit(f"the registration failed: {said}")
    print(
        f"register, {count} training images: {seconds:.0f} s, {most / 1e9:.2f} GB in at most"
        f" {peak.processes} processes at once",
        flush=True,
    )


class Peak:
    """The most memory that a process and all its descendants have had together."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.most = self.processes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def end(self) -> int:
        """Bytes."""
        self._over.set()
        self._thread.join()
        return self.most

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            sizes = [_resident(pid) for pid in _family(self.pid)]
            self.most = max(self.most, sum(sizes))
            self.processes = max(self.processes, len(sizes))


def _family(root: int) -> list[int]:
    parents = dict(_parents())
    family = [root]
    for member in family:
        family += [pid for pid, parent in parents.items() if parent == member]
    return family


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue  # it has just ended
            yield int(entry.name), int(stat.rpartition(")")[2].split()[1])


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def main(words: Sequence[str] | None = None) -> int:
    """Run the parts that were asked for."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--part", action="append", choices=PARTS)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--images", type=int, default=10_000)
    asked = arguments.parse_args(words)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        data = parity.photographs(asked.folder, scratch / "photographs", 8)
        place = Place(data, scratch)
        subprocess.run(place.stagegate("db", "upgrade"), env=place.environment, check=True)
        for part in asked.part or PARTS:
            if part == "register":
                register(place, asked.images)
            else:
                {"first": first, "verify": verify}[part](place, asked.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
