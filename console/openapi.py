"""The OpenAPI document, completed: what FastAPI cannot know of its own routes.

Every error of the product has one shape, which handlers make and no route declares.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from console.problems import INFERENCE_PROTOCOL, MEDIA_TYPE
from serving.api.answer_schema import SHARED

_PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "type": "object",
    "description": "What went wrong and what to do next (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 100, "maximum": 599},
        "detail": {"type": "string"},
        "incident": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "expected": {"type": "string"}},
            },
        },
    },
}
# The Open Inference Protocol has a shape of its own.
_PROTOCOL_ERROR: dict[str, Any] = {
    "title": "InferenceError",
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}},
}


def operation_id(route: APIRoute) -> str:
    """The name of an operation, from which generated clients make the names of their functions."""
    return f"{route.tags[0]}_{route.name}".replace(" ", "_") if route.tags else route.name


def install(app: FastAPI) -> None:
    """Let the application describe itself with its errors."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = completed(make())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the errors of every operation."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas |= {"Problem": _PROBLEM, "InferenceError": _PROTOCOL_ERROR, **SHARED}
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["responses"] = _responses(path, operation["responses"])
    return document


def _responses(path: str, known: dict[str, Any]) -> dict[str, Any]:
    kept = {status: one for status, one in known.items() if status != "422"}
    content = {MEDIA_TYPE: {"schema": _named("Problem")}}
    if path.startswith(INFERENCE_PROTOCOL):  # first, as its clients look for nothing else
        content = {"application/json": {"schema": _named("InferenceError")}, **content}
    said = "It went wrong, or has to wait; the text says what to do."
    return {**kept, "default": {"description": said, "content": content}}


def _named(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}
