"""The shape of a plan file, `stagegate/v1`: what may be written where, and what must agree."""

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from registry.documents.gate_schema import GateDocument, reads_verdicts
from registry.documents.geojson import region_of
from registry.documents.plan_values import (
    LARGEST_INTEGER,
    Clock,
    Day,
    Duration,
    PerDay,
    Share,
    SomeTime,
    Text,
    Weekday,
    Zone,
    wrong,
)
from registry.domain.region import Region

_DEADLINE = {"after": "14d", "then": "hold"}
_GATES = [{"type": "error-rate", "at_most": 0.05}]
_STAGES = [{"stage": "manual-review", "gates": _GATES, "deadline": _DEADLINE}]


def _baseline(value: Any) -> str:
    if value in ("live", "none") or (type(value) is int and 0 < value <= LARGEST_INTEGER):
        return str(value)
    raise wrong(f"{value!r} is no baseline; write `live`, `none` or the number of a version")


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class ModelDocument(_Document):
    """Which version is to be rolled out, and against what."""

    name: str = Field(pattern=r"^[\w.-]{1,128}$", examples=["bears"])
    version: int = Field(ge=1, le=LARGEST_INTEGER, examples=[12])
    baseline: Annotated[
        str,
        BeforeValidator(_baseline),
        WithJsonSchema({"anyOf": [{"enum": ["live", "none"]}, {"type": "integer", "minimum": 1}]}),
    ] = "live"

    @field_validator("baseline")
    @classmethod
    def _is_another_version(cls, baseline: str, info: ValidationInfo) -> str:
        if baseline == str(info.data.get("version")):
            raise wrong(f"version {baseline} cannot be its own baseline; write `live` or `none`")
        return baseline


class DefaultsDocument(_Document):
    """How sure promotions and automatic rollbacks are."""

    confidence: float = Field(0.95, ge=0.5, lt=1)
    rollback_confidence: float = Field(0.99, ge=0.5, lt=1)


class FlagsDocument(_Document):
    """When a single request is flagged, and what then."""

    out_of_domain: float | None = Field(None, gt=0, le=0.5, examples=[0.01])
    min_confidence: float | None = Field(None, ge=0, le=1, examples=[0.7])
    then: Literal["hold", "review", "baseline", "abstain"] = "hold"


# Why an item is in the review queue, as its reasons name it.
Reason = Literal[
    "out-of-domain",
    "low-confidence",
    "model-failed",
    "supervised",
    "no-version",
    "audit",
    "shadow-disagreement",
    "asked",
]


class ReviewDocument(_Document):
    """Which answers a person looks at; without `sample` the stage's own default."""

    sample: Share | None = Field(None, examples=[0.1])
    flagged: Share = Field(1.0, examples=[1.0])
    blind: Share = Field(0.0, examples=[0.1])
    shown: Share = Field(0.0, examples=[0.1])
    opinions: dict[Reason, Annotated[int, Field(ge=1, le=5)]] = Field(
        default_factory=dict, examples=[{"out-of-domain": 2}]
    )
    gold: Share = Field(0.0, examples=[0.02])
    bias_at_most: Share = Field(0.1, examples=[0.1])
    due: SomeTime = Field(86_400.0, examples=["24h"])
    late: Literal["baseline", "abstain", "model-answer"] = "abstain"

    @field_validator("shown")
    @classmethod
    def _leaves_room(cls, shown: float, info: ValidationInfo) -> float:
        blind = info.data.get("blind") or 0.0
        if blind + shown > 1:
            raise wrong(f"blind {blind:g} and shown {shown:g} are together more than everything")
        return shown


class WindowDocument(_Document):
    """Days and local hours; an end before the start runs past midnight."""

    days: list[Weekday] = Field(min_length=1, examples=[["mo", "tu", "we", "th", "fr"]])
    start: Clock = Field(alias="from", examples=["08:00"])
    to: Clock = Field(examples=["18:00"])
    timezone: Zone = Field(examples=["America/Denver"])


class FreezeDocument(_Document):
    """Days on which nothing is promoted, the last one included."""

    first: Day = Field(alias="from", examples=["2026-12-20"])
    to: Day = Field(examples=["2027-01-03"])
    timezone: Zone = Field(examples=["America/Denver"])

    @field_validator("to")
    @classmethod
    def _is_not_over_before(cls, to: date, info: ValidationInfo) -> date:
        first = info.data.get("first")
        if first is not None and to < first:
            raise wrong(f"a freeze from {first} cannot end on {to}; write the earlier day first")
        if to.year >= date.max.year:
            raise wrong(f"{to} never comes; write the last day of the freeze")
        return to


class AdvanceDocument(_Document):
    """What besides passing gates a promotion needs."""

    after: Duration = Field(0.0, examples=["7d"])
    approvals: int = Field(0, ge=0, le=20)
    automatic: bool = False
    when: list[WindowDocument] = []


class DeadlineDocument(_Document):
    """When a stage gives up, and how."""

    after: SomeTime = Field(examples=["14d"])
    then: Literal["hold", "roll-back"] = Field(examples=["hold"])


def _geojson(value: Any) -> Region:
    return region_of(value)


# On its way to a region it is an object; the command line puts it in the place of a file's name.
GeoJson = Annotated[
    Region,
    PlainValidator(_geojson, json_schema_input_type=str | dict[str, Any]),
]


class AreaDocument(_Document):
    """A box of latitudes and longitudes, or polygons in GeoJSON."""

    latitude: list[float] | None = Field(None, min_length=2, max_length=2, examples=[[44.1, 45.1]])
    longitude: list[float] | None = Field(
        None, min_length=2, max_length=2, examples=[[-111.2, -109.8]]
    )
    geojson: GeoJson | None = Field(None, examples=["park.geojson"])

    @field_validator("latitude", "longitude")
    @classmethod
    def _on_earth(cls, ends: list[float] | None, info: ValidationInfo) -> list[float] | None:
        if ends is None:
            return None
        if info.field_name == "latitude" and not -90 <= ends[0] < ends[1] <= 90:
            raise wrong(f"{ends} must rise and lie within -90 and 90 degrees")
        if not all(-180 <= end <= 180 for end in ends) or ends[0] == ends[1]:
            raise wrong(f"{ends} must be two longitudes within -180 and 180 degrees, west first")
        return ends

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        box = (self.latitude, self.longitude)
        if box.count(None) == 1 or (self.geojson is None) is (box == (None, None)):
            raise wrong(
                "an area is a box or polygons; write `latitude: [44.1, 45.1], longitude: "
                "[-111.2, -109.8]`, or `geojson: FILE`"
            )
        return self


class ScopeDocument(_Document):
    """Which requests the candidate may answer."""

    where: dict[str, list[Text]] = Field(default_factory=dict, examples=[{"site": ["ranger-7"]}])
    area: AreaDocument | None = None
    when: list[WindowDocument] = []
    until: Day | None = None
    at_most: PerDay | None = Field(None, examples=["500/day"])

    @field_validator("where")
    @classmethod
    def _admits_something(cls, where: dict[str, list[str]]) -> dict[str, list[str]]:
        for name, values in where.items():
            if not values:
                raise wrong(f"`{name}: []` admits nothing; list at least one value", name)
        return where


class StepDocument(_Document):
    """A share of the traffic, in percent, and how long to watch it."""

    weight: float = Field(gt=0, le=100, examples=[5])
    bake: Duration = Field(0.0, examples=["24h"])


class ActiveStageDocument(_Document):
    """What every stage before live has."""

    stage: str  # first: the validators below look at it
    review: ReviewDocument = ReviewDocument()
    gates: list[GateDocument] = Field(min_length=1, examples=[_GATES])
    advance: AdvanceDocument = AdvanceDocument()
    deadline: DeadlineDocument | None = Field(examples=[_DEADLINE])

    @field_validator("deadline")
    @classmethod
    def _is_set(cls, deadline: DeadlineDocument | None) -> DeadlineDocument:
        if deadline is None:
            raise wrong("`deadline` is empty; write for example `{after: 14d, then: hold}`")
        return deadline

    @field_validator("gates")
    @classmethod
    def _are_fed_by_reviews(cls, gates: list[Any], info: ValidationInfo) -> list[Any]:
        review = info.data.get("review")
        sample = review.sample if review else None
        if sample is None and info.data.get("stage") == "manual-review":
            sample = 1.0
        reader = reads_verdicts(gates)
        if review is None or sample or reader is None:
            return gates
        if review.sample is None and "flagged" in review.model_fields_set:
            raise wrong(
                "reviewing flagged answers only says nothing about the others; add a random "
                "sample to the stage's review, such as `sample: 0.1`"
            )
        raise wrong(
            f"{'a' if reader == 'paired-loss' else 'an'} {reader} gate needs reviewed answers, and "
            "none would be sampled; write for example `review: {sample: 0.1}`"
        )


class ManualReviewDocument(ActiveStageDocument):
    """The candidate in shadow, or every request answered by a person."""

    stage: Literal["manual-review"]


class LimitedScopeDocument(ActiveStageDocument):
    """The candidate answers where its scope admits the request."""

    stage: Literal["limited-scope"]
    scope: ScopeDocument = Field(examples=[{"where": {"site": ["ranger-7"]}}])
    answers: Literal["immediately", "after-approval"] = "immediately"


class GradualDocument(ActiveStageDocument):
    """The candidate answers a growing share of the units."""

    stage: Literal["gradual"]
    # The bake times of the steps already say how long it takes when nobody acts.
    deadline: DeadlineDocument | None = Field(None, examples=[_DEADLINE])
    steps: list[StepDocument] = Field(
        min_length=1, examples=[[{"weight": 5, "bake": "24h"}, {"weight": 100, "bake": "48h"}]]
    )

    @field_validator("steps")
    @classmethod
    def _rise(cls, steps: list[StepDocument]) -> list[StepDocument]:
        for index in range(1, len(steps)):
            before, weight = steps[index - 1].weight, steps[index].weight
            if weight <= before:
                raise wrong(
                    f"weight {weight:g} does not rise above the {before:g} of the step before; "
                    "write the steps in rising order",
                    index,
                    "weight",
                )
        return steps


class LiveDocument(_Document):
    """The end of the way; for as long as `watch` says harm still takes the version back.

    Without a `review` of its own the one of the stage before goes on.
    """

    stage: Literal["live"]
    watch: SomeTime | None = Field(None, examples=["30d"])
    review: ReviewDocument | None = Field(None, examples=[{"sample": 0.05}])


StageDocument = Annotated[
    ManualReviewDocument | LimitedScopeDocument | GradualDocument | LiveDocument,
    Field(discriminator="stage"),
]


class PlanDocument(_Document):
    """A plan file."""

    api_version: Literal["stagegate/v1"] = Field(alias="apiVersion", examples=["stagegate/v1"])
    model: ModelDocument = Field(examples=[{"name": "bears", "version": 12, "baseline": "live"}])
    unit: Text | None = Field(None, examples=["user_id"])
    visit: Duration | None = Field(None, examples=["1d"])
    segments: list[Text] = []
    defaults: DefaultsDocument = DefaultsDocument()
    flags: FlagsDocument = FlagsDocument()
    freezes: list[FreezeDocument] = []
    stages: list[StageDocument] = Field(min_length=1, examples=[_STAGES])
