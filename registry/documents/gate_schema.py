"""The shape of the gates in a plan file: one document for each type, and those of plugins."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from registry.documents.plan_values import LARGEST_INTEGER, wrong
from registry.domain.gate_plugins import plugin_names

# These read people's verdicts on a random sample of answers.
_OF_VERDICTS = ("error-rate", "paired-loss", "error-ratio")

# Plans that were digested before the other gates knew segments do not name them there.
_ALWAYS_SAID = ("error-rate", "paired-loss")


class _Gate(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: str
    dry_run: bool = False
    then: Literal["roll-back", "pause"] = "roll-back"


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
    per_segment: bool = False


class _OfAll(_Gate):
    per_segment: bool = False

    @field_validator("per_segment")
    @classmethod
    def _is_of_all(cls, per_segment: bool, info: ValidationInfo) -> bool:
        if per_segment:
            name = info.data.get("type")
            what = "inputs" if name == "drift" else "what reviewers do"
            raise wrong(
                f"{name} looks at {what} as a whole; leave `per_segment` out, and put it on a gate "
                "that judges the candidate's answers, such as error-rate"
            )
        return per_segment


class AgreementDocument(_OfAll):
    """Two reviewers of the same item agree at least this often."""

    type: Literal["agreement"]
    at_least: float = Field(gt=0, lt=1, examples=[0.9])


class GoldDocument(_OfAll):
    """Reviewers are right at least this often on items whose truth is known."""

    type: Literal["gold"]
    at_least: float = Field(gt=0, lt=1, examples=[0.95])


class DriftDocument(_OfAll):
    """The inputs still come from the domain where the evidence was gathered."""

    type: Literal["drift"]


class FailuresDocument(_Gate):
    """Errors and time-outs of the candidate are rare, or no worse than the baseline's."""

    type: Literal["failures"]
    at_most: float = Field(0.01, gt=0, lt=1, examples=[0.01])
    ratio_at_most: float = Field(2.0, ge=1, le=1_000, examples=[2])
    per_segment: bool = False


class LatencyDocument(_Gate):
    """A quantile of the answer times is at most a multiple of the baseline's, or a limit."""

    type: Literal["latency"]
    p99_ratio_at_most: float | None = Field(None, gt=0, le=1_000, examples=[1.5])
    quantile: float | None = Field(None, ge=0.5, le=0.999, examples=[0.95])
    ratio_at_most: float | None = Field(None, gt=0, le=1_000, examples=[1.5])
    at_most_ms: float | None = Field(None, gt=0, le=10_000_000, examples=[800])
    per_segment: bool = False

    @model_validator(mode="after")
    def _one_way_or_the_other(self) -> Self:
        ways = (self.p99_ratio_at_most, self.ratio_at_most, self.at_most_ms)
        named = self.p99_ratio_at_most is None
        if ways.count(None) != 2 or (self.quantile is not None) is not named:
            raise wrong(
                "a latency gate needs one quantile and what it may be at most; write "
                "`p99_ratio_at_most: 1.5`, or for example `quantile: 0.95, ratio_at_most: 1.5` or "
                "`quantile: 0.99, at_most_ms: 800`"
            )
        return self


class SplitDocument(_Gate):
    """Units fell to candidate and baseline as the weight says."""

    type: Literal["split"]
    after_units: int = Field(100, ge=1, le=LARGEST_INTEGER, examples=[100])
    per_segment: bool = False


class ActionRateDocument(_Gate):
    """Each label is given about as often as by the baseline, or as stated."""

    type: Literal["action-rate"]
    ratio: list[float] = Field([0.5, 2.0], min_length=2, max_length=2, examples=[[0.5, 2]])
    against: Literal["baseline"] | dict[str, float] = Field(
        "baseline", examples=[{"bear": 0.2, "nothing": 0.8}]
    )
    rare_below: float = Field(0.05, gt=0, lt=1, examples=[0.05])
    per_segment: bool = False

    @field_validator("ratio")
    @classmethod
    def _holds_one(cls, ends: list[float]) -> list[float]:
        if not 0 < ends[0] < 1 < ends[1]:
            raise wrong(f"{ends} must rise from below 1 to above 1; write for example `[0.5, 2]`")
        return ends

    @field_validator("against", mode="before")
    @classmethod
    def _is_known(cls, against: Any) -> Any:
        if against == "baseline" or isinstance(against, Mapping):
            return against
        raise wrong(
            f"{against!r} is nothing to compare with; write `baseline`, or rates such as "
            "`{bear: 0.2, nothing: 0.8}`"
        )

    @field_validator("against")
    @classmethod
    def _are_rates(cls, against: str | dict[str, float]) -> str | dict[str, float]:
        if isinstance(against, str):
            return against
        if not against or min(against.values()) <= 0 or sum(against.values()) > 1 + 1e-9:
            raise wrong(
                f"{against} are no rates: each lies above 0, and together they make at most 1"
            )
        return against


class PluginGateDocument(_Gate):
    """A gate that an installed package brings; all other keys are its options."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


_BuiltIn = Annotated[
    ErrorRateDocument
    | PairedLossDocument
    | ErrorRatioDocument
    | AgreementDocument
    | GoldDocument
    | FailuresDocument
    | LatencyDocument
    | SplitDocument
    | ActionRateDocument
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
    found = _latency(gate) if isinstance(gate, LatencyDocument) else gate.model_dump()
    for name in ("type", "dry_run", "then"):
        found.pop(name, None)
    if gate.type not in _ALWAYS_SAID and not found.get("per_segment", True):
        del found["per_segment"]
    return found


def _latency(gate: LatencyDocument) -> dict[str, object]:
    by = gate.per_segment
    if gate.p99_ratio_at_most is not None:
        return {"quantile": 0.99, "ratio_at_most": gate.p99_ratio_at_most, "per_segment": by}
    limits = {"ratio_at_most": gate.ratio_at_most, "at_most_ms": gate.at_most_ms}
    said = {name: limit for name, limit in limits.items() if limit is not None}
    return {"quantile": gate.quantile, **said, "per_segment": by}
