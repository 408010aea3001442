"""The shapes of a version's preprocessing, and of the file that declares one, as JSON Schema."""

import json
from enum import StrEnum
from typing import Any

from registry.documents.plan_json_schema import SCHEMA_ID, as_written


class Shape(StrEnum):
    """A document whose shape is published."""

    PREPROCESSING = "preprocessing"
    INPUT = "input"


_TITLES = {
    Shape.PREPROCESSING: "stagegate preprocessing: preprocessing.json of a bundle",
    Shape.INPUT: "stagegate model input: the file of --preprocessing",
}


def model_schema(shape: Shape) -> dict[str, Any]:
    """JSON Schema of a document; what parts ask of each other only registration says."""
    from pydantic import TypeAdapter

    from registry.documents.model_input import ModelInput
    from registry.documents.preprocessing import AnyPreprocessing

    kinds: dict[Shape, Any] = {Shape.PREPROCESSING: AnyPreprocessing, Shape.INPUT: ModelInput}
    found = as_written(TypeAdapter(kinds[shape]).json_schema())
    return {"$schema": SCHEMA_ID, "title": _TITLES[shape], **found}


def model_schema_text(shape: Shape) -> str:
    """The same as the file that is published."""
    return json.dumps(model_schema(shape), indent=2, ensure_ascii=False) + "\n"
