"""Taking a model file in: one private copy that is hashed, checked, and used from then on.

Whoever can change the file while it is being registered changes nothing that is opened.
"""

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from registry.adapters.torch_archive import rewrite
from registry.domain.errors import Invalid
from registry.registration import Taken

CODE = "code.zip"
MAX_CODE_BYTES, MAX_CODE_FILES = 10 << 20, 2_000
_CHUNK = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same code is the same archive, whenever it was written


class FastaiIntake:
    """Implements registry.registration.Intake for archives of torch.save."""

    def take(self, source: Path, folder: Path) -> Taken:
        """A copy in the folder with nothing but the checked members; the digest is the file's."""
        given, clean = folder / "given" / source.name, folder / "export.pkl"
        digest, size = _copy(source, given)
        rewrite(given, clean)
        given.unlink()
        return Taken(clean, source.name, digest, size)


class FileIntake:
    """Implements it for files that are opened as they are, with the code of a factory beside."""

    def __init__(self, code: Path | None = None) -> None:
        self.code = code

    def take(self, source: Path, folder: Path) -> Taken:
        """A copy in a folder of its own, so that the code can lie beside it."""
        copy = folder / "given" / f"model{source.suffix}"
        digest, size = _copy(source, copy)
        beside = {}
        if self.code is not None:
            beside[CODE] = copy.with_name(CODE)
            _pack(self.code, beside[CODE])
        return Taken(copy, source.name, digest, size, beside)


def _copy(source: Path, target: Path) -> tuple[str, int]:
    target.parent.mkdir()
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as old, target.open("xb") as new:
        while chunk := old.read(_CHUNK):
            digest.update(chunk)
            size += new.write(chunk)
    return digest.hexdigest(), size


def _pack(folder: Path, target: Path) -> None:
    """The folder's Python files as one archive, always with the same bytes."""
    if not folder.is_dir():
        raise Invalid(f"--code names a folder; {folder} is none")
    with zipfile.ZipFile(target, "x", zipfile.ZIP_STORED) as archive:
        paths = list(_sources(folder))
        # Folders too: without them Python finds no package in an archive that has no __init__.py.
        inside = {p for path in paths for p in path.relative_to(folder).parents} - {Path()}
        for package in sorted(inside):
            archive.writestr(zipfile.ZipInfo(f"{package.as_posix()}/", _EPOCH), b"")
        for path in paths:
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            archive.writestr(entry, path.read_bytes())


def _sources(folder: Path) -> Iterator[Path]:
    paths = sorted(p for p in folder.rglob("*.py") if "__pycache__" not in p.parts)
    root = folder.resolve()
    for path in paths:
        if not path.resolve().is_relative_to(root):
            raise Invalid(f"{path} leads out of {folder}; give --code a folder with all of it")
    size = sum(path.stat().st_size for path in paths)
    if not paths or len(paths) > MAX_CODE_FILES or size > MAX_CODE_BYTES:
        raise Invalid(
            f"{folder} holds {len(paths)} Python files of {size} bytes; give --code the folder of"
            f" the factory alone (at most {MAX_CODE_FILES} files, {MAX_CODE_BYTES >> 20} MiB)"
        )
    return iter(paths)
