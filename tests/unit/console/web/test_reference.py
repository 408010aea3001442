"""How the reference puts the schemas of an OpenAPI document into words."""

from typing import Any

import pytest

from console.web.views.reference import reference_page


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


def test_a_parameter_says_where_it_goes_and_what_it_is_if_left_out():
    wait = {"name": "wait", "in": "query", "schema": {"type": "number", "default": 2},
            "description": "Seconds to wait."}  # fmt: skip
    (group,) = reference_page(an_operation(parameters=[wait], tags=["x"]), "").groups
    (field,) = group.operations[0].parameters
    assert (group.name, field.place, field.is_required) == ("x", "query", False)
    assert field.note == "Seconds to wait. default 2"
