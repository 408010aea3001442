"""Image folders: each photograph lies in a folder named after its label."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from registry.domain.errors import Invalid
from registry.registration import LabelledImage

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


class ImageFolders:
    """Reads which images a folder holds."""

    def read(self, folder: Path, labels: Sequence[str]) -> tuple[LabelledImage, ...]:
        """All images below the folder, by path; their labels are their parent folders' names.

        Without labels those names mean nothing, and nobody knows the labels of the images: -1.
        """
        if not folder.is_dir():
            raise Invalid(f"{folder} is no folder; give one with a folder of images for each label")
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if not paths:
            raise Invalid(
                f"{folder} holds no images; put them in folders named after the labels, as in"
                f" {'/'.join([folder.name, *labels[:1]])}/photo.jpg"
            )
        if not labels:
            return tuple(LabelledImage(path, -1) for path in paths)
        index = {label: i for i, label in enumerate(labels)}
        unknown = Counter(p.parent.name for p in paths if p.parent.name not in index)
        if unknown:
            names = ", ".join(f"{name} ({count} images)" for name, count in unknown.most_common())
            raise Invalid(
                f"{folder} has images of labels that the model does not know: {names}; it knows"
                f" {', '.join(labels)}"
            )
        return tuple(LabelledImage(p, index[p.parent.name]) for p in paths)
