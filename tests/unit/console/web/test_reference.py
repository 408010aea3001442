"""How the reference puts the schemas of an OpenAPI document into words."""

import json
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from console.app import create_app
from console.settings import Settings
from console.web.views.reference import Group, reference_page


def shown(schema: dict[str, Any], **more: Any) -> str:
    """What the reference says of a schema's type."""
    page = reference_page({"components": {"schemas": {"A": schema, **more}}}, "http://here")
    return "".join(part.text for part in page.schemas[0].body.type)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "string"}, "string"),
        ({"type": "string", "format": "date-time"}, "string, date-time"),
        ({"type": "string", "minLength": 1, "maxLength": 9}, "string from 1 to 9 characters"),
        ({"type": "string", "pattern": "^a+$"}, "string like ^a+$"),
        ({"type": "integer", "minimum": 0.0, "maximum": 2147483647.0},
         "integer from 0 to 2147483647"),
        ({"type": "integer", "minimum": 1}, "integer from 1"),
        ({"type": "number", "exclusiveMinimum": 0}, "number above 0"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer or null"),
        ({"oneOf": [{"type": "integer"}, {"const": "all"}]}, 'integer or "all"'),
        ({"type": ["string", "null"], "maxLength": 9}, "string up to 9 characters or null"),
        ({"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"},
          "shape": {"type": "array", "items": {"type": "integer"}}}}},
         "list of object (name: string, shape: list of integer)"),
        ({"enum": ["standard", "slack"]}, '"standard", "slack"'),
        ({"const": "final"}, '"final"'),
        ({"type": "array", "maxItems": 25, "items": {"$ref": "#/x/B"}}, "list up to 25 of B"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "object of number"),
        ({"type": "object", "additionalProperties": False}, "object"),
        ({}, "anything"),
    ],
)  # fmt: skip
def test_a_type_is_told_in_words(schema: dict[str, Any], said: str):
    assert shown(schema) == said


def an_operation(**parts: Any) -> dict[str, Any]:
    return {"paths": {"/v1/x": {"post": {"responses": {}, **parts}}}}


def test_the_command_sends_what_is_required_and_is_quoted():
    kind = {"anyOf": [{"$ref": "#/components/schemas/Kind"}, {"type": "null"}]}
    fields = {"kind": kind, "some": {"type": "array", "items": {"type": "integer"}}}
    schema = {"type": "object", "properties": fields | {"more": {}}, "required": [*fields]}
    content = {"application/json": {"schema": schema}}
    document = an_operation(requestBody={"content": content})
    document["components"] = {"schemas": {"Kind": {"enum": ["it's"]}}}
    (group,) = reference_page(document, "http://here").groups
    assert group.operations[0].command == (
        "curl -X POST http://here/v1/x -H 'Content-Type: application/json' "
        """-d '{"kind": "it'"'"'s", "some": [1]}'"""
    )


def test_a_file_is_sent_as_it_is_or_as_a_part_of_a_form():
    (raw,) = page_of({"image/png": {"schema": {}}}).operations
    assert raw.command == (
        "curl -X POST http://here/v1/x -H 'Content-Type: image/png' --data-binary @FILE"
    )
    form = {"schema": {"type": "object", "properties": {"image": {"type": "string"}}}}
    (form,) = page_of({"multipart/form-data": form}).operations
    assert form.command == "curl -X POST http://here/v1/x -F image=@FILE"


def page_of(content: dict[str, Any]) -> Group:
    return reference_page(an_operation(requestBody={"content": content}), "http://here").groups[0]


def test_every_command_of_our_own_document_sends_what_its_schema_allows(tmp_path: Path):
    document = create_app(Settings(home=tmp_path)).openapi()
    sent = 0
    for group in reference_page(document, "http://here").groups:
        for one in group.operations:
            body = document["paths"][one.path][one.method.lower()].get("requestBody", {})
            if schema := body.get("content", {}).get("application/json", {}).get("schema"):
                words = shlex.split(one.command)
                example = json.loads(words[words.index("-d") + 1])
                whole = schema | {"components": document["components"]}
                jsonschema.validate(example, whole)
                sent += 1
    assert sent > 20


def test_a_parameter_says_where_it_goes_and_what_it_is_if_left_out():
    wait = {"name": "wait", "in": "query", "schema": {"type": "number", "default": 2},
            "description": "Seconds to wait."}  # fmt: skip
    (group,) = reference_page(an_operation(parameters=[wait], tags=["x"]), "").groups
    (field,) = group.operations[0].parameters
    assert (group.name, field.place, field.is_required) == ("x", "query", False)
    assert field.note == "Seconds to wait. default 2"
