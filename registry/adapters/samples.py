"""Training data of every kind: the preprocessing document says which a model needs."""

from collections.abc import Sequence
from pathlib import Path

from registry.adapters.image_folder import ImageFolders
from registry.adapters.table_file import TableFiles
from registry.documents.preprocessing import AnyPreprocessing, Preprocessing
from registry.registration import Labelled


class AnySamples:
    """Implements registry.registration.Samples."""

    def read(
        self, source: Path, labels: Sequence[str], preprocessing: AnyPreprocessing
    ) -> Sequence[Labelled]:
        """The images of a folder, or the rows of a file."""
        if isinstance(preprocessing, Preprocessing):
            return ImageFolders().read(source, labels)
        return TableFiles().read(source, labels, preprocessing)
