"""Taking an export in: one private copy that is hashed, checked, and used from then on.

Whoever can change the file while it is being registered changes nothing that is opened.
"""

import hashlib
from pathlib import Path

from registry.adapters.torch_archive import rewrite
from registry.registration import Taken

_CHUNK = 1 << 20


class FastaiIntake:
    """Implements registry.registration.Intake for archives of torch.save."""

    def take(self, source: Path, folder: Path) -> Taken:
        """A copy in the folder with nothing but the checked members; the digest is the file's."""
        given, clean = folder / "given" / source.name, folder / "export.pkl"
        given.parent.mkdir()
        digest, size = hashlib.sha256(), 0
        with source.open("rb") as old, given.open("xb") as new:
            while chunk := old.read(_CHUNK):
                digest.update(chunk)
                size += new.write(chunk)
        rewrite(given, clean)
        given.unlink()
        return Taken(clean, source.name, digest.hexdigest(), size)
