"""Lay out the demo's pictures in a folder: photographs to learn from, to calibrate on and to ask
about; pictures of digits, which the model knows nothing of; and blurred, darkened photographs.

    python prepare.py FOLDER

Which photograph goes where follows from the digest of its name, so every run makes the same split.
"""

import hashlib
import sys
import zipfile
from pathlib import Path, PurePosixPath

from PIL import Image, ImageEnhance, ImageFilter

ARCHIVE = Path(__file__).with_name("trashnet_photos_96.zip")
LEARNED = ("cardboard", "glass", "paper")
TRAINING_SHARE, CALIBRATION_SHARE = 0.45, 0.25
SIZE = (128, 96)
DIGITS = 100
UNSEEN = 60
PAPER, CONTRAST = 150, 3  # brightness up to which a pixel is black, and how fast it whitens
BLUR_RADIUS = 1.6
BRIGHTNESS = 0.45


def main(folder: Path) -> None:
    """Write every folder of pictures."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        names = sorted(
            (name for name in archive.namelist() if name.endswith(".jpg")),
            key=lambda name: hashlib.sha256(name.encode()).digest(),
        )
        learned = [name for name in names if label(name) in LEARNED]
        unseen = [name for name in names if label(name) not in LEARNED]
        for name, part in zip(learned, parts(len(learned)), strict=True):
            write(folder / part / label(name) / PurePosixPath(name).name, archive.read(name))
        for name in unseen[:UNSEEN]:
            write(folder / "unseen" / label(name) / PurePosixPath(name).name, archive.read(name))
    for photograph in sorted((folder / "live").rglob("*.jpg")):
        write_shifted(photograph, folder / "shifted" / photograph.relative_to(folder / "live"))
    write_digits(folder / "digits")


def label(name: str) -> str:
    """The class of a photograph: the folder that it lies in."""
    return PurePosixPath(name).parent.name


def parts(count: int) -> list[str]:
    """The part of each of `count` shuffled photographs."""
    training = round(count * TRAINING_SHARE)
    calibration = round(count * CALIBRATION_SHARE)
    rest = count - training - calibration
    return ["training"] * training + ["calibration"] * calibration + ["live"] * rest


def write(path: Path, content: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_shifted(photograph: Path, path: Path) -> None:
    """The photograph as a dirty lens at dusk would take it: blurred and dark."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(photograph) as image:
        blurred = image.convert("RGB").filter(ImageFilter.GaussianBlur(BLUR_RADIUS))
        ImageEnhance.Brightness(blurred).enhance(BRIGHTNESS).save(path, quality=90)


def write_digits(folder: Path) -> None:
    """Handwritten digits from scikit-learn, drawn white on black as a scanner would give them."""
    from sklearn.datasets import load_digits

    folder.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    for number, (pixels, digit) in enumerate(
        zip(digits.images[:DIGITS], digits.target[:DIGITS], strict=True)
    ):
        coarse = Image.fromarray((pixels * (255 / 16)).astype("uint8"))
        smooth = coarse.resize((SIZE[1], SIZE[1]), Image.Resampling.BICUBIC)
        page = Image.new("L", SIZE)
        sharp = smooth.point([min(max(v - PAPER, 0) * CONTRAST, 255) for v in range(256)])
        page.paste(sharp, ((SIZE[0] - SIZE[1]) // 2, 0))
        page.convert("RGB").save(folder / f"digit-{number:03d}-{digit}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
