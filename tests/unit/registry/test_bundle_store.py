"""Finding bundles on a shared disk, and keeping those that were downloaded."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry.adapters.bundle import open_bundle, write_bundle
from registry.adapters.bundle_store import BundleStore
from registry.domain.errors import Conflict, NotFound
from registry.domain.versions import ModelVersion

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIELDS = {
    "model": "waste", "labels": ["a", "b"], "activation": "softmax", "input_shape": [3, 8, 8],
    "feature_blocks": [{"name": "penultimate", "width": 4}], "environment": {}, "parity": {},
    "source": {"format": "fastai", "name": "export.pkl", "sha256": "0" * 64, "size": 1},
    "author": "ada", "created_at": NOW,
}  # fmt: skip


def a_version(bundle_uri: str, digest: str = "sha256:ab") -> ModelVersion:
    return ModelVersion(
        model="waste", version=3, digest=digest, bundle_uri=bundle_uri,
        source_format="fastai", labels=("a", "b"), environment={}, author="ada", created_at=NOW,
    )  # fmt: skip


@dataclass
class Remote:
    """A bundle in a bucket; `broken` downloads arrive damaged."""

    source: Path
    downloads: int = 0
    broken: int = 0

    def download(self, uri: str, folder: Path) -> Path:
        assert uri == "s3://bucket/bundle"
        self.downloads += 1
        found = Path(shutil.copytree(self.source, folder / "bundle"))
        if self.downloads <= self.broken:
            (found / "model.onnx").write_bytes(b"half")
        return found

    @property
    def version(self) -> ModelVersion:
        return a_version("s3://bucket/bundle", open_bundle(self.source).digest)


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(write_bundle(tmp_path / "remote", FIELDS, {"model.onnx": b"graph"}).path)


@pytest.mark.parametrize("name", ["bundle", "a bundle with % and spaces"])
def test_a_bundle_on_this_disk_is_used_where_it_is(name: str, tmp_path: Path):
    bundle = tmp_path / name
    bundle.mkdir()
    store = BundleStore(tmp_path / "cache", "sqlite://")
    assert store.fetch(a_version(bundle.as_uri())) == bundle
    assert store.fetch(a_version(str(bundle))) == bundle
    assert not (tmp_path / "cache").exists()


def test_a_bundle_that_was_moved_is_said_to_be_missing(tmp_path: Path):
    store = BundleStore(tmp_path / "cache", "sqlite://")
    with pytest.raises(NotFound, match="waste@3 is not at"):
        store.fetch(a_version((tmp_path / "gone").as_uri()))


def test_a_bundle_is_downloaded_once(remote: Remote, tmp_path: Path):
    store = BundleStore(tmp_path / "cache", "sqlite://", remote.download)
    first, second = store.fetch(remote.version), store.fetch(remote.version)
    assert first == second
    assert open_bundle(first).read("model.onnx") == b"graph"
    assert remote.downloads == 1
    assert list((tmp_path / "cache").iterdir()) == [first]


def test_a_broken_copy_is_fetched_again(remote: Remote, tmp_path: Path):
    store = BundleStore(tmp_path / "cache", "sqlite://", remote.download)
    (store.fetch(remote.version) / "model.onnx").write_bytes(b"damaged")
    assert open_bundle(store.fetch(remote.version)).read("model.onnx") == b"graph"
    assert remote.downloads == 2


def test_a_broken_download_is_not_kept(remote: Remote, tmp_path: Path):
    remote.broken = 1
    store = BundleStore(tmp_path / "cache", "sqlite://", remote.download)
    with pytest.raises(Conflict, match=r"is not the bundle of waste@3"):
        store.fetch(remote.version)
    assert list((tmp_path / "cache").iterdir()) == []
    assert open_bundle(store.fetch(remote.version)).read("model.onnx") == b"graph"
