"""From a registered version to its bundle on this machine's disk."""

import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from registry.adapters.bundle import open_bundle
from registry.adapters.quiet import silence
from registry.adapters.scratch_folders import scratch_folder
from registry.domain.errors import Conflict, NotFound, StagegateError
from registry.domain.versions import ModelVersion

Download = Callable[[str, Path], Path]
"""Brings what lies at an address into a folder; where it is then."""


class BundleStore:
    """Finds bundles on a shared disk, or downloads them once into a cache."""

    def __init__(self, cache: Path, tracking_uri: str, download: Download | None = None) -> None:
        self.cache = cache
        self.tracking_uri = tracking_uri
        self.download = download or self._by_mlflow

    def fetch(self, version: ModelVersion) -> Path:
        """The folder of the bundle; whoever opens it checks the digests."""
        local = _local_path(version.bundle_uri)
        if local is None:
            return self._cached(version)
        if not local.is_dir():
            raise NotFound(f"the bundle of {version.name} is not at {local}; was it moved?")
        return local

    def _cached(self, version: ModelVersion) -> Path:
        wanted = self.cache / version.digest.replace(":", "-")
        if _is_whole(wanted, version):
            return wanted
        with scratch_folder(self.cache, "fetching-") as folder:
            found = self.download(version.bundle_uri, folder)
            if not _is_whole(found, version):
                raise Conflict(
                    f"what lies at {version.bundle_uri} is not the bundle of {version.name} that"
                    " was registered; register the version again"
                )
            _put(found, wanted, version)
        return wanted

    def _by_mlflow(self, uri: str, folder: Path) -> Path:
        silence()
        import mlflow.artifacts

        found = mlflow.artifacts.download_artifacts(
            artifact_uri=uri, dst_path=str(folder), tracking_uri=self.tracking_uri
        )
        return Path(found)


def _is_whole(folder: Path, version: ModelVersion) -> bool:
    try:
        return open_bundle(folder).digest == version.digest
    except StagegateError:
        return False


def _put(found: Path, wanted: Path, version: ModelVersion) -> None:
    """Move a whole bundle to its place, where a broken one may be, or another process's copy."""
    if not _is_whole(wanted, version):
        shutil.rmtree(wanted, ignore_errors=True)
    try:
        found.rename(wanted)
    except OSError:
        if not _is_whole(wanted, version):
            raise


def _local_path(uri: str) -> Path | None:
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(uri) if not parts.scheme or len(parts.scheme) == 1 else None
