"""Naming the data that a version is made with, while something else reads them."""

import hashlib

from registry.registration import Labelled


class DataDigest:
    """Covers every input that it was told of and its label, in that order."""

    def __init__(self) -> None:
        self.inputs = 0
        self._whole = hashlib.sha256()

    def take(self, sample: Labelled, data: bytes) -> None:
        """Count one input, whose bytes these are."""
        self.inputs += 1
        self._whole.update(hashlib.sha256(data).digest() + f"{sample.label};".encode())

    @property
    def text(self) -> str:
        """Of all inputs until now."""
        return self._whole.hexdigest()
