"""What a person says of a model file that does not describe itself: `--preprocessing FILE`.

The item steps become the version's preprocessing document; the rest is built into its graph.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from registry.documents.preprocessing import Preprocessing, Step
from registry.domain.errors import Invalid

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Layout(StrEnum):
    """Where a batch of images has its colours."""

    CHANNELS_FIRST = "channels-first"
    CHANNELS_LAST = "channels-last"


class Order(StrEnum):
    """In which order colours come."""

    RGB = "RGB"
    BGR = "BGR"


class Gives(StrEnum):
    """What makes probabilities of the model's scores; none: they are probabilities already."""

    SOFTMAX = "softmax"
    SIGMOID = "sigmoid"
    NONE = "none"


class ModelInput(BaseModel):
    """From an encoded image to the float32 batch that a model takes, and on to probabilities.

    An image is decoded to `mode` and taken through `steps`; then its numbers are divided by
    `divide_by`, less `mean`, over `deviation`, one number for each colour in the order of `order`.
    With a `threshold` an answer is every label that is more probable, not the most probable one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    mode: Literal["RGB", "L"] = "RGB"
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=4)]
    divide_by: _Positive = 255.0
    mean: tuple[_Number, ...] = ()
    deviation: tuple[_Positive, ...] = ()
    order: Order = Order.RGB
    layout: Layout = Layout.CHANNELS_FIRST
    activation: Gives = Gives.SOFTMAX
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> "ModelInput":
        if self.threshold is not None and self.activation is Gives.SOFTMAX:
            raise ValueError(
                "threshold gives several labels to an image, each by itself, which softmax does"
                " not; say `activation: sigmoid`"
            )
        channels = self.preprocessing.shape[0]
        for name, numbers in (("mean", self.mean), ("deviation", self.deviation)):
            if len(numbers) not in {0, channels}:
                raise ValueError(
                    f"{name} has {len(numbers)} numbers; an image in {self.mode} needs {channels}"
                )
        return self

    @property
    def preprocessing(self) -> Preprocessing:
        """What happens before the graph."""
        return Preprocessing(mode=self.mode, steps=self.steps)

    @property
    def normalises(self) -> bool:
        """Whether statistics of training data were declared."""
        return bool(self.mean or self.deviation)

    @property
    def means(self) -> tuple[float, ...]:
        """What is taken away from each colour."""
        return self.mean or (0.0,) * self.preprocessing.shape[0]

    @property
    def deviations(self) -> tuple[float, ...]:
        """What each colour is divided by."""
        return self.deviation or (1.0,) * self.preprocessing.shape[0]

    def document(self) -> bytes:
        """As the bytes of input.json."""
        return (self.model_dump_json(indent=2) + "\n").encode()


def read_model_input(path: Path) -> ModelInput:
    """The document in a file, YAML or JSON; Invalid names the field that is wrong."""
    try:
        said: Any = yaml.safe_load(path.read_text())
        return ModelInput.model_validate(said)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Invalid(f"{path} cannot be read as YAML or JSON: {error}") from error
    except ValidationError as error:
        raise Invalid(f"{path} does not describe a preprocessing: {_first(error)}") from error


def read_labels(path: Path) -> tuple[str, ...]:
    """The labels in a file, one in each line, in the order of the model's scores."""
    try:
        labels = tuple(line.strip() for line in path.read_text().splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"the labels cannot be read from {path}: {error}") from error
    if len(labels) < 2 or len(set(labels)) != len(labels):
        raise Invalid(
            f"{path} has {len(labels)} labels, {len(set(labels))} different; write two or more,"
            " one in each line, in the order of the model's scores"
        )
    return labels


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    place = ".".join(map(str, found["loc"])) or "the document"
    return f"{place}: {found['msg'].removeprefix('Value error, ')}"
