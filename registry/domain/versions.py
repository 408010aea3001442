"""What a registered version is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One registered version; `digest` covers every byte of its bundle.

    threshold: an answer is every label above it; None where an answer is one label.
    """

    model: str
    version: int
    digest: str
    bundle_uri: str
    source_format: str
    labels: tuple[str, ...]
    environment: Mapping[str, str]
    author: str
    created_at: datetime
    run_id: str = ""
    description: str = ""
    tags: Mapping[str, str] | None = None
    parity: Mapping[str, Any] | None = None
    threshold: float | None = None

    @property
    def name(self) -> str:
        """`model@version`, as people type it."""
        return f"{self.model}@{self.version}"
