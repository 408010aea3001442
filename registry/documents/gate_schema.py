"""The shape of the gates in a plan file: one document for each type, and those of plugins."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidatorFunctionWrapHandler, WrapValidator

from registry.domain.gate_plugins import plugin_names

# These read people's verdicts on a random sample of answers.
_OF_VERDICTS = ("error-rate", "paired-loss", "error-ratio")


class _Gate(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: str
    dry_run: bool = False


class ErrorRateDocument(_Gate):
    """The candidate's error rate is below a bound.

    With `reviewers: gold` the errors that reviewers overlook are bounded by items whose truth is
    known; otherwise reviewers are taken as faultless.
    """

    type: Literal["error-rate"]
    at_most: float = Field(gt=0, lt=1, examples=[0.05])
    per_segment: bool = False
    reviewers: Literal["faultless", "gold"] = "faultless"


class PairedLossDocument(_Gate):
    """In shadow, the candidate is wrong at most `margin` more often than the baseline."""

    type: Literal["paired-loss"]
    margin: float = Field(ge=0, lt=1, examples=[0.02])
    per_segment: bool = False


class ErrorRatioDocument(_Gate):
    """The candidate's errors are at most `at_most` times the baseline's."""

    type: Literal["error-ratio"]
    at_most: float = Field(gt=0, le=100, examples=[1.25])


class AgreementDocument(_Gate):
    """Two reviewers of the same item agree at least this often."""

    type: Literal["agreement"]
    at_least: float = Field(gt=0, lt=1, examples=[0.9])


class GoldDocument(_Gate):
    """Reviewers are right at least this often on items whose truth is known."""

    type: Literal["gold"]
    at_least: float = Field(gt=0, lt=1, examples=[0.95])


class DriftDocument(_Gate):
    """The inputs still come from the domain where the evidence was gathered."""

    type: Literal["drift"]


class PluginGateDocument(_Gate):
    """A gate that an installed package brings; all other keys are its options."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


_BuiltIn = Annotated[
    ErrorRateDocument
    | PairedLossDocument
    | ErrorRatioDocument
    | AgreementDocument
    | GoldDocument
    | DriftDocument,
    Field(discriminator="type"),
]


def _or_plugin(value: Any, handler: ValidatorFunctionWrapHandler) -> _Gate:
    name = value.get("type") if isinstance(value, Mapping) else None
    if isinstance(name, str) and name not in built_in_types() and name in plugin_names():
        return PluginGateDocument.model_validate(value)
    gate: _Gate = handler(value)
    return gate


GateDocument = Annotated[_BuiltIn, WrapValidator(_or_plugin)]


def built_in_types() -> tuple[str, ...]:
    """The types of gates that every installation has."""
    union, _ = get_args(_BuiltIn)
    return tuple(get_args(part.model_fields["type"].annotation)[0] for part in get_args(union))


def reads_verdicts(gates: Sequence[_Gate]) -> str | None:
    """The first type of gate that needs reviewed answers, if there is one."""
    return next((gate.type for gate in gates if gate.type in _OF_VERDICTS), None)


def options(gate: _Gate) -> dict[str, object]:
    """What a gate is to know besides its type."""
    return gate.model_dump(exclude={"type", "dry_run"})
