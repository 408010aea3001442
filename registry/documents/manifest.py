"""The manifest of a bundle: what is in it, where it came from, and the digest of every file."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from registry.domain.errors import Invalid
from registry.domain.observations import FeatureBlock

NAME = "manifest.json"
_FROZEN = ConfigDict(frozen=True, extra="forbid")


class FileEntry(BaseModel):
    """One file of the bundle."""

    model_config = _FROZEN

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=0)]


class Block(BaseModel):
    """A run of columns of the graph's features."""

    model_config = _FROZEN

    name: str
    width: Annotated[int, Field(ge=1)]


class Source(BaseModel):
    """The file that was registered, and the factory that its weights were for, if any.

    ran: what it refers to that was run to convert it, though nobody knows what it is.
    """

    model_config = _FROZEN

    format: str
    name: str
    sha256: str
    size: int
    factory: str | None = None
    ran: tuple[str, ...] = ()


class Manifest(BaseModel):
    """Everything that a bundle says of itself."""

    model_config = _FROZEN

    schema_version: Literal[1] = 1
    model: str
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    activation: Literal["softmax", "sigmoid"]
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None  # of several labels
    input_shape: Annotated[tuple[int, ...], Field(min_length=1, max_length=3)]
    feature_blocks: tuple[Block, ...]
    source: Source
    environment: dict[str, str]
    parity: dict[str, Any]
    jail: dict[str, dict[str, Any]] = {}
    description: str = ""
    tags: dict[str, str] = {}
    author: str
    created_at: datetime
    files: dict[str, FileEntry]

    @property
    def blocks(self) -> tuple[FeatureBlock, ...]:
        """The feature blocks as the domain knows them."""
        return tuple(FeatureBlock(b.name, b.width) for b in self.feature_blocks)

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of the canonical manifest, and through it of every file."""
        return f"sha256:{hashlib.sha256(self.canonical()).hexdigest()}"

    def canonical(self) -> bytes:
        """The one way to write this manifest down."""
        return json.dumps(self._said(), sort_keys=True, separators=(",", ":")).encode()

    def document(self) -> bytes:
        """As the bytes of manifest.json, for people."""
        return (json.dumps(self._said(), sort_keys=True, indent=2) + "\n").encode()

    def _said(self) -> dict[str, Any]:
        # Without fields that came later, so that older manifests keep their digests.
        return self.model_dump(mode="json", exclude_unset=True)


def read_manifest(data: bytes) -> Manifest:
    """The manifest in these bytes; Invalid says which field is wrong."""
    try:
        return Manifest.model_validate_json(data)
    except ValueError as error:
        raise Invalid(f"{NAME} does not describe a bundle: {error}") from error


def make_manifest(fields: Mapping[str, Any], files: Mapping[str, FileEntry]) -> Manifest:
    """A manifest of these fields and files."""
    try:
        return Manifest.model_validate({"schema_version": 1, **fields, "files": dict(files)})
    except ValueError as error:
        raise Invalid(f"a bundle cannot be described like this: {error}") from error
