"""The declarative item transforms of an image model: what happens before the graph sees a pixel."""

import json
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from registry.documents.table import TablePreprocessing
from registry.domain.errors import Invalid
from registry.domain.observations import InputColumn

MOST_STEPS = 4
Pixels = Annotated[int, Field(ge=1, le=8192)]


class Method(StrEnum):
    """How an image comes to have the wanted shape."""

    CROP = "crop"  # cut the middle out, then resize
    PAD = "pad"  # add to the short side, then resize
    SQUISH = "squish"  # resize only


class PadMode(StrEnum):
    """What is added at the edges."""

    ZEROS = "zeros"
    BORDER = "border"
    REFLECTION = "reflection"


class Resample(StrEnum):
    """Pillow's resampling filters."""

    NEAREST = "nearest"
    LANCZOS = "lanczos"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"


class Resize(BaseModel):
    """Bring an image to width times height, as fastai's Resize does at validation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    op: Literal["resize"] = "resize"
    width: Pixels
    height: Pixels
    method: Method = Method.CROP
    pad_mode: PadMode = PadMode.REFLECTION
    resample: Resample = Resample.BILINEAR


class CenterCrop(BaseModel):
    """The middle of an image, width times height; what lies outside of the image is filled in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    op: Literal["center-crop"]
    width: Pixels
    height: Pixels
    pad_mode: PadMode = PadMode.ZEROS


Step = Resize | CenterCrop


class Preprocessing(BaseModel):
    """From an encoded image to the uint8 array that the graph takes.

    The image is decoded, converted to `mode` (no EXIF rotation, no alpha compositing: fastai does
    neither) and taken through the steps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    mode: Literal["RGB", "L"]
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=MOST_STEPS)]

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width of the prepared array."""
        last = self.steps[-1]
        return (3 if self.mode == "RGB" else 1, last.height, last.width)

    @property
    def seen(self) -> tuple[InputColumn, ...]:
        """An image has no columns."""
        return ()

    def document(self) -> bytes:
        """As the bytes of preprocessing.json."""
        return (self.model_dump_json(indent=2) + "\n").encode()


AnyPreprocessing = Preprocessing | TablePreprocessing


def read_preprocessing(data: bytes) -> AnyPreprocessing:
    """The document in these bytes; Invalid says which field is wrong."""
    try:
        said = json.loads(data)
        is_table = isinstance(said, dict) and said.get("kind") == "table"
        kind = TablePreprocessing if is_table else Preprocessing
        return kind.model_validate_json(data)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"preprocessing.json does not describe a preprocessing: {error}") from error
