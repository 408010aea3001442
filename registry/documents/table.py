"""The declarative transforms of a table's row: what happens before the graph sees a number."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from registry.domain.observations import InputColumn

_FROZEN = ConfigDict(frozen=True, extra="forbid")
_Name = Annotated[str, Field(min_length=1, max_length=256)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Code = Annotated[int, Field(ge=0, le=1 << 20)]
_Finite = Annotated[StrictFloat, Field(allow_inf_nan=False)]
Value = StrictBool | StrictInt | _Finite | StrictStr


class Category(BaseModel):
    """A column of categories: 1 + its place among `values`, 0 for one that is missing or unseen."""

    model_config = _FROZEN

    op: Literal["category"] = "category"
    name: _Name
    values: Annotated[tuple[Value, ...], Field(max_length=1 << 20)]

    @property
    def codes(self) -> int:
        """How many codes there are."""
        return 1 + len(self.values)


class Missing(BaseModel):
    """Whether the number in column `of` is missing, as one of two codes."""

    model_config = _FROZEN

    op: Literal["missing"] = "missing"
    name: _Name
    of: _Name
    no: _Code = 1
    yes: _Code = 2

    @property
    def codes(self) -> int:
        """How many codes there are."""
        return 1 + max(self.no, self.yes)


class Number(BaseModel):
    """A column of numbers: `fill` where it is missing, less `mean`, over `deviation`.

    Without `fill` a missing number is refused. Reckoned in 64 bits, given to the graph in 32.
    """

    model_config = _FROZEN

    op: Literal["number"] = "number"
    name: _Name
    fill: _Number | None = None
    mean: _Number = 0.0
    deviation: _Positive = 1.0


Column = Annotated[Category | Missing | Number, Field(discriminator="op")]


class TablePreprocessing(BaseModel):
    """From a row, a JSON object, to the float32 vector that the graph takes.

    columns: in the order of the graph, those with codes before those with numbers. label: the
    column of training data that holds the labels.
    """

    model_config = _FROZEN

    schema_version: Literal[1] = 1
    kind: Literal["table"] = "table"
    columns: Annotated[tuple[Column, ...], Field(min_length=1, max_length=10_000)]
    label: _Name | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> "TablePreprocessing":
        kinds = [isinstance(column, Number) for column in self.columns]
        if kinds != sorted(kinds):
            raise ValueError("a column of numbers stands before one with codes")
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise ValueError("two columns have the same name")
        lost = {c.of for c in self.columns if isinstance(c, Missing)} - set(self.numbers)
        if lost:
            raise ValueError(f"there is no column of numbers {min(lost)!r}")
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of the prepared vector."""
        return (len(self.columns),)

    @property
    def taken(self) -> tuple[str, ...]:
        """The columns that a row must have."""
        return tuple(c.name for c in self.columns if not isinstance(c, Missing))

    @property
    def numbers(self) -> Mapping[str, Number]:
        """The columns of numbers by name."""
        return {c.name: c for c in self.columns if isinstance(c, Number)}

    @property
    def seen(self) -> tuple[InputColumn, ...]:
        """The columns as profiles name them, with how to get back to the row's own units."""
        return tuple(
            InputColumn(c.name, False, c.mean, c.deviation)
            if isinstance(c, Number)
            else InputColumn(c.name, True)
            for c in self.columns
        )

    def document(self) -> bytes:
        """As the bytes of preprocessing.json."""
        return (self.model_dump_json(indent=2) + "\n").encode()
