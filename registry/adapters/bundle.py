"""Bundles as directories: written whole, and opened only when every digest is right."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.documents.manifest import NAME, FileEntry, Manifest, make_manifest, read_manifest
from registry.documents.preprocessing import AnyPreprocessing, read_preprocessing
from registry.domain.errors import Invalid, NotFound

MODEL, PREPROCESSING = "model.onnx", "preprocessing.json"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files are as its manifest says."""

    path: Path
    manifest: Manifest

    @property
    def digest(self) -> str:
        """Covers every byte of the bundle."""
        return self.manifest.digest

    @property
    def model(self) -> Path:
        """The graph."""
        return self.path / MODEL

    def said(self) -> Mapping[str, Any]:
        """The manifest as JSON."""
        return self.manifest.model_dump(mode="json")

    def preprocessing(self) -> AnyPreprocessing:
        """The preprocessing document."""
        return read_preprocessing(self.read(PREPROCESSING))

    def read(self, name: str) -> bytes:
        """One of the files that the manifest lists."""
        if name not in self.manifest.files:
            raise NotFound(f"the bundle has no {name}; register the version again")
        return (self.path / name).read_bytes()


class BundleFolders:
    """Implements registry.registration.Bundles."""

    def write(
        self, path: Path, fields: Mapping[str, Any], files: Mapping[str, bytes | Path]
    ) -> str:
        """Write a bundle into an empty directory; its digest."""
        return write_bundle(path, fields, files).digest

    def open(self, path: Path) -> Bundle:
        """A bundle, with every digest checked."""
        return open_bundle(path)


def write_bundle(
    path: Path, manifest_fields: Mapping[str, Any], files: Mapping[str, bytes | Path]
) -> Bundle:
    """Write the files and their manifest into a directory, which must be new or empty."""
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise Invalid(f"{path} is not empty; a bundle is written once and never changed")
    for name, content in files.items():
        _check_name(name)
        data = content if isinstance(content, bytes) else content.read_bytes()
        (path / name).write_bytes(data)
    entries = {name: file_entry(path / name) for name in files}
    manifest = make_manifest(manifest_fields, entries)
    (path / NAME).write_bytes(manifest.document())
    return Bundle(path, manifest)


def open_bundle(path: Path) -> Bundle:
    """The bundle in a directory; Invalid names a file that is missing, changed or foreign."""
    links = sorted(p.name for p in path.iterdir() if p.is_symlink()) if path.is_dir() else []
    if links:
        raise Invalid(f"the bundle has links instead of files: {', '.join(links)}")
    if not (path / NAME).is_file():
        raise NotFound(f"there is no bundle at {path}: {NAME} is missing")
    manifest = read_manifest((path / NAME).read_bytes())
    for name, entry in manifest.files.items():
        _check_name(name)
        _check_file(path / name, entry)
    foreign = {p.name for p in path.iterdir()} - {NAME, *manifest.files}
    if foreign:
        raise Invalid(f"the bundle holds {', '.join(sorted(foreign))}, which its manifest lacks")
    return Bundle(path, manifest)


def file_entry(path: Path) -> FileEntry:
    """The digest and size of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return FileEntry(sha256=digest.hexdigest(), size=path.stat().st_size)


def _check_name(name: str) -> None:
    if name in {NAME, "", ".", ".."} or "/" in name or "\\" in name:
        raise Invalid(f"a bundle cannot hold a file named {name!r}")


def _check_file(path: Path, expected: FileEntry) -> None:
    if not path.is_file():
        raise Invalid(f"{path.name} is missing from the bundle; register the version again")
    found = file_entry(path)
    if found != expected:
        raise Invalid(
            f"{path.name} was changed after registration: its sha256 is {found.sha256[:12]}…"
            f" ({found.size} bytes), the manifest says {expected.sha256[:12]}…"
            f" ({expected.size} bytes); register the version again"
        )
