"""The answers of serving as its OpenAPI document describes them; nothing is made from these."""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel

from serving.adapters.payloads import KINDS
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

    prediction: str | list[str] | None
    index: int | list[int] | None
    decided_by: Literal["human"]
    at: AwareDatetime


class FinalPrediction(BaseModel):
    """An answer; a prediction of null means that nobody could tell.

    Of a model that gives several labels, prediction and index are lists.
    """

    id: str
    status: Literal["final"]
    model: str
    version: int | None
    stage: str
    prediction: str | list[str] | None
    index: int | list[int] | None
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


class RowAnswers(BaseModel):
    """What became of several rows, in their order."""

    predictions: list[FinalPrediction | HeldPrediction]


_HEADERS = {
    "Location": {"schema": {"type": "string"}, "description": "where the answer will be"},
    "Retry-After": {"schema": {"type": "string"}, "description": "seconds"},
}
ASKED: Responses = {
    200: {"model": FinalPrediction | RowAnswers, "description": "The answer."},
    202: {
        "model": HeldPrediction | RowAnswers,
        "description": "Held for a person; of several rows at least one.",
        "headers": _HEADERS,
    },
}
SHOWN: Responses = {200: {"model": FinalPrediction | HeldPrediction}}
GIVEN_UP: Responses = {200: {"model": HeldPrediction}}
_EVENT = {
    "type": "object",
    "required": ["event", "id", "data"],
    "properties": {name: {"type": "string"} for name in ("event", "id", "data")},
}
# As a whole it is text, to clients that do not take it apart.
_STREAM = {"anyOf": [{"type": "string"}, _EVENT]}
EVENTS: Responses = {200: {"content": {"text/event-stream": {"schema": _STREAM}}}}
_LINES = {"schema": {"type": "string"}}
TEXT: Responses = {200: {"content": {"text/plain": _LINES}}}
METRICS: Responses = {
    200: {"content": {"text/plain": _LINES, "application/openmetrics-text": _LINES}}
}
NOT_ROUTED: Responses = {404: {"description": "Nothing routes here.", "model": dict[str, Any]}}
BYTES = {"schema": {"type": "string", "format": "binary"}}
PAYLOAD: Responses = {200: {"content": dict.fromkeys(KINDS, BYTES)}}
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
_INFER_REQUEST: dict[str, Any] = {
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
_OUTPUT = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {
        "name": {"type": "string"},
        "datatype": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "data": {"type": "array", "items": {"type": ["string", "number", "null"]}},
        "parameters": _PARAMETERS,
    },
}
_INFER_RESPONSE = {
    "type": "object",
    "required": ["model_name", "model_version", "outputs"],
    "properties": {
        "model_name": {"type": "string"},
        "model_version": {"type": "string"},
        "id": {"type": "string"},
        "outputs": {"type": "array", "items": _OUTPUT},
    },
}
# Shapes that more than one route has.
SHARED = {"InferRequest": _INFER_REQUEST, "InferResponse": _INFER_RESPONSE}
INFER_BODY = {"$ref": "#/components/schemas/InferRequest"}
INFERRED: Responses = {
    200: {
        "description": "The outputs, those that were asked for in binary after the JSON.",
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/InferResponse"}},
            "application/octet-stream": BYTES,
        },
    }
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
_SCORED = {
    "title": "Invoked",
    "type": "object",
    "required": ["predictions"],
    "properties": {"predictions": {"type": "array", "items": {"type": "object"}}},
}
INVOKED: Responses = {
    200: {"description": "A row each.", "content": {"application/json": {"schema": _SCORED}}}
}
INVOCATIONS_BODY: dict[str, Any] = {
    "oneOf": [
        {"title": title, "type": "object", "required": [form], "properties": {form: table}}
        for title, form, table in (
            ("DataframeSplit", "dataframe_split", _SPLIT),
            ("DataframeRecords", "dataframe_records", _RECORDS),
            ("Instances", "instances", _IMAGES),
            ("Inputs", "inputs", _IMAGES),
        )
    ]
}
