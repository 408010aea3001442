"""Bundles as directories."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry.adapters.bundle import Bundle, open_bundle, write_bundle
from registry.domain.errors import Invalid, NotFound

FIELDS = {
    "model": "waste",
    "labels": ["glass", "paper"],
    "activation": "softmax",
    "input_shape": [3, 32, 32],
    "feature_blocks": [{"name": "block-1", "width": 4}, {"name": "penultimate", "width": 8}],
    "source": {"format": "fastai", "name": "export.pkl", "sha256": "0" * 64, "size": 1},
    "environment": {"python": "3.11.7"},
    "parity": {"passed": True},
    "author": "ada",
    "created_at": datetime(2026, 1, 2, tzinfo=UTC),
}


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_bundle(tmp_path / "bundle", FIELDS, {"model.onnx": b"graph", "a.json": b"{}"})


def test_a_bundle_opens_with_the_digest_it_was_written_with(bundle: Bundle):
    opened = open_bundle(bundle.path)
    assert opened == bundle
    assert opened.digest.startswith("sha256:")
    assert opened.read("a.json") == b"{}"
    assert [b.width for b in opened.manifest.blocks] == [4, 8]


def test_the_digest_covers_every_byte_of_every_file(bundle: Bundle, tmp_path: Path):
    other = write_bundle(tmp_path / "other", FIELDS, {"model.onnx": b"graph", "a.json": b"{ }"})
    same = write_bundle(tmp_path / "same", FIELDS, {"a.json": b"{}", "model.onnx": b"graph"})
    assert other.digest != bundle.digest
    assert same.digest == bundle.digest


def test_a_changed_file_is_named(bundle: Bundle):
    (bundle.path / "model.onnx").write_bytes(b"grapf")
    with pytest.raises(Invalid, match=r"model\.onnx was changed after registration"):
        open_bundle(bundle.path)


def test_a_missing_file_is_named(bundle: Bundle):
    (bundle.path / "a.json").unlink()
    with pytest.raises(Invalid, match=r"a\.json is missing"):
        open_bundle(bundle.path)


def test_a_foreign_file_is_named(bundle: Bundle):
    (bundle.path / "extra.so").write_bytes(b"")
    with pytest.raises(Invalid, match=r"extra\.so"):
        open_bundle(bundle.path)


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json"])
def test_a_link_is_no_file_of_a_bundle(name: str, bundle: Bundle, tmp_path: Path):
    (bundle.path / name).rename(tmp_path / name)
    (bundle.path / name).symlink_to(tmp_path / name)
    with pytest.raises(Invalid, match=f"links instead of files: {name}"):
        open_bundle(bundle.path)


def test_a_manifest_from_before_a_field_was_added_keeps_its_digest(bundle: Bundle):
    older = json.loads((bundle.path / "manifest.json").read_text())
    assert "jail" not in older
    canonical = json.dumps(older, sort_keys=True, separators=(",", ":")).encode()
    assert open_bundle(bundle.path).digest == f"sha256:{hashlib.sha256(canonical).hexdigest()}"


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path):
    with pytest.raises(NotFound, match=r"manifest\.json is missing"):
        open_bundle(tmp_path)


def test_a_manifest_that_says_something_else_is_invalid(bundle: Bundle):
    (bundle.path / "manifest.json").write_text('{"schema_version": 9}')
    with pytest.raises(Invalid, match=r"manifest\.json"):
        open_bundle(bundle.path)


def test_a_bundle_is_never_written_over(bundle: Bundle):
    with pytest.raises(Invalid, match="written once"):
        write_bundle(bundle.path, FIELDS, {})


@pytest.mark.parametrize("name", ["../outside", "manifest.json", "a/b", ".."])
def test_a_file_cannot_leave_the_bundle(name: str, tmp_path: Path):
    with pytest.raises(Invalid, match="cannot hold"):
        write_bundle(tmp_path / "bundle", FIELDS, {name: b""})


def test_asking_for_a_file_that_it_lacks_says_so(bundle: Bundle):
    with pytest.raises(NotFound, match="no profile"):
        bundle.read("profile.json")
