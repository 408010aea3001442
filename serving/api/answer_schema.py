"""The answers of serving as its OpenAPI document describes them; nothing is made from these."""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel

from serving.domain.prediction import Code, DecidedBy

Responses = dict[int | str, dict[str, Any]]


class FlagAnswer(BaseModel):
    """A reason that a program can compare and a person can read."""

    code: Code
    reason: str


class DomainAnswer(BaseModel):
    """How usual the input is among the training data, and from which value on it is flagged."""

    p_value: float | None
    threshold: float | None


class AmendedAnswer(BaseModel):
    """What a person said after a fallback had been told."""

    prediction: str | None
    index: int | None
    decided_by: Literal["human"]
    at: AwareDatetime


class FinalPrediction(BaseModel):
    """An answer; a prediction of null means that nobody could tell."""

    id: str
    status: Literal["final"]
    model: str
    version: int | None
    stage: str
    prediction: str | None
    index: int | None
    probabilities: dict[str, float] | None
    decided_by: DecidedBy
    flags: list[FlagAnswer]
    out_of_domain: DomainAnswer
    reason: str
    review_probability: float
    amended: AmendedAnswer | None = None


class HeldPrediction(BaseModel):
    """A request that waits for a person, or that was given up."""

    id: str
    status: Literal["held", "cancelled"]
    model: str
    flags: list[FlagAnswer]
    due: AwareDatetime | None
    late: Literal["baseline", "abstain", "model-answer"] | None


_HEADERS = {
    "Location": {"schema": {"type": "string"}, "description": "where the answer will be"},
    "Retry-After": {"schema": {"type": "string"}, "description": "seconds"},
}
ASKED: Responses = {
    200: {"model": FinalPrediction, "description": "The answer."},
    202: {"model": HeldPrediction, "description": "Held for a person.", "headers": _HEADERS},
}
SHOWN: Responses = {200: {"model": FinalPrediction | HeldPrediction}}
GIVEN_UP: Responses = {200: {"model": HeldPrediction}}
_EVENT = {
    "type": "object",
    "required": ["event", "id", "data"],
    "properties": {name: {"type": "string"} for name in ("event", "id", "data")},
}
EVENTS: Responses = {200: {"content": {"text/event-stream": {"schema": _EVENT}}}}
_LINES = {"schema": {"type": "string"}}
TEXT: Responses = {200: {"content": {"text/plain": _LINES}}}
METRICS: Responses = {
    200: {"content": {"text/plain": _LINES, "application/openmetrics-text": _LINES}}
}
NOT_ROUTED: Responses = {404: {"description": "Nothing routes here.", "model": dict[str, Any]}}
PAYLOAD: Responses = {200: {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}}
NOT_READY: Responses = {503: {"description": "Not ready; it says why.", "model": dict[str, Any]}}

_TEXTS = {"type": "array", "minItems": 1, "maxItems": 64, "items": {"type": "string"}}
_IMAGES = {**_TEXTS, "items": {"type": "string", "format": "byte", "description": "an image"}}
_PARAMETERS = {"type": "object"}
_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"const": "image"},
        "shape": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
        "datatype": {"const": "BYTES"},
        "data": _IMAGES,
        "parameters": _PARAMETERS,
    },
}
INFER_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string"},
        "inputs": {"type": "array", "minItems": 1, "maxItems": 1, "items": _TENSOR},
        "outputs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "parameters": _PARAMETERS},
            },
        },
        "parameters": _PARAMETERS,
    },
}
_SPLIT = {
    "type": "object",
    "required": ["data"],
    "properties": {"columns": _TEXTS, "data": {"type": "array", "items": _IMAGES}},
}
_RECORDS = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["image"],
        "properties": {"image": {"type": "string", "format": "byte"}},
    },
}
INVOCATIONS_BODY: dict[str, Any] = {
    "oneOf": [
        {"type": "object", "required": [form], "properties": {form: table}}
        for form, table in (
            ("dataframe_split", _SPLIT),
            ("dataframe_records", _RECORDS),
            ("instances", _IMAGES),
            ("inputs", _IMAGES),
        )
    ]
}
