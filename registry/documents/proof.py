"""The proof that a bundle carries: pictures, and what the original model said of them."""

import base64
from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from registry.domain.errors import Invalid
from registry.domain.observations import FloatArray
from registry.domain.parity import TOLERANCE

NAME = "proof.json"


class Proof(BaseModel):
    """Encoded pictures by name, and the original's probabilities for each.

    tolerance: how far from these an answer may be; it comes from how exact the original is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    pictures: Annotated[dict[str, str], Field(max_length=64)]
    probabilities: dict[str, tuple[float, ...]]
    tolerance: Annotated[float, Field(gt=0, le=1e-4)] = TOLERANCE

    def encoded(self) -> Mapping[str, bytes]:
        """The pictures' bytes by name."""
        return {name: base64.b64decode(text) for name, text in self.pictures.items()}

    def wanted(self) -> FloatArray:
        """The original's probabilities (pictures, labels), in the pictures' order."""
        return np.array([self.probabilities[name] for name in self.pictures], dtype=np.float32)

    def document(self) -> bytes:
        """As the bytes of proof.json."""
        return (self.model_dump_json(indent=2) + "\n").encode()


def make_proof(
    pictures: Mapping[str, bytes], probabilities: FloatArray, tolerance: float = TOLERANCE
) -> Proof:
    """The proof of these pictures and the original's answers, row by row."""
    texts = {name: base64.b64encode(data).decode() for name, data in pictures.items()}
    rows = {name: tuple(map(float, row)) for name, row in zip(texts, probabilities, strict=True)}
    return Proof(pictures=texts, probabilities=rows, tolerance=tolerance)


def read_proof(data: bytes) -> Proof:
    """The proof in these bytes; Invalid says which field is wrong."""
    try:
        return Proof.model_validate_json(data)
    except ValueError as error:
        raise Invalid(f"{NAME} is not a proof: {error}") from error
