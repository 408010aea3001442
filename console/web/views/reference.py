"""The HTTP interface as a page shows it: every operation with what it takes and gives."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from json import dumps
from shlex import quote
from typing import Any

from console.web.views.formatting import mapping, sequence

_ANY_TEXT = r"^[^\u0000]*$"  # what keeps a character out that no database stores
_SIZES = {
    "string": ("minLength", "maxLength", " characters"),
    "array": ("minItems", "maxItems", ""),
}
_PLAIN_EXAMPLES: Mapping[str, Any] = {"integer": 1, "number": 0.5, "boolean": True}


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a type; `anchor` leads to a schema, or is empty."""

    text: str
    anchor: str = ""


Type = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a part of a body: `place` says where it is sent."""

    name: str
    place: str
    type: Type
    note: str
    is_required: bool


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent or answered in one format; `fields` unless its type is a schema with a name."""

    media: str
    type: Type
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What may come back."""

    status: str
    said: str
    bodies: tuple[Body, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked for, and how to ask from the command line."""

    id: str
    method: str
    path: str
    said: str
    parameters: tuple[Field, ...]
    bodies: tuple[Body, ...]
    answers: tuple[Answer, ...]
    command: str


@dataclass(frozen=True, slots=True)
class Group:
    """The operations on one subject."""

    name: str
    id: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """A kind of document with a name."""

    name: str
    id: str
    said: str
    body: Body


@dataclass(frozen=True, slots=True)
class ReferencePage:
    """Everything the page shows."""

    version: str
    summary: str
    groups: tuple[Group, ...]
    schemas: tuple[Schema, ...]


def reference_page(document: Mapping[str, Any], server: str) -> ReferencePage:
    """The page of an OpenAPI document, for the service at this address."""
    schemas = mapping(mapping(document.get("components")).get("schemas"))
    grouped: dict[str, list[Operation]] = {}
    for path, operations in mapping(document.get("paths")).items():
        for method, one in operations.items():
            found = _operation(method, path, one, schemas, server)
            grouped.setdefault(str((one.get("tags") or ["other"])[0]), []).append(found)
    info = mapping(document.get("info"))
    return ReferencePage(
        str(info.get("version") or ""),
        str(info.get("summary") or ""),
        tuple(Group(tag, _id("on", tag), tuple(found)) for tag, found in grouped.items()),
        tuple(
            Schema(name, _id("schema", name), _said(one), _body("", one))
            for name, one in sorted(schemas.items())
        ),
    )


def _operation(
    method: str, path: str, one: Mapping[str, Any], schemas: Mapping[str, Any], server: str
) -> Operation:
    sent = mapping(mapping(one.get("requestBody")).get("content"))
    return Operation(
        id=_id(method, path),
        method=method.upper(),
        path=path,
        said=_said(one),
        parameters=tuple(
            _field(each["name"], each, each["schema"], each["in"], required=each.get("required"))
            for each in sequence(one.get("parameters"))
        ),
        bodies=_bodies(sent),
        answers=tuple(
            Answer(
                "otherwise" if status == "default" else status,
                str(answer.get("description") or ""),
                _bodies(mapping(answer.get("content"))),
            )
            for status, answer in mapping(one.get("responses")).items()
        ),
        command=_command(method, server + path, sent, schemas),
    )


def _bodies(content: Mapping[str, Any]) -> tuple[Body, ...]:
    return tuple(_body(media, mapping(one.get("schema"))) for media, one in content.items())


def _body(media: str, schema: Mapping[str, Any]) -> Body:
    required = sequence(schema.get("required"))
    fields = tuple(
        _field(name, one, one, "", required=name in required)
        for name, one in mapping(schema.get("properties")).items()
    )
    return Body(media, (Part("object"),) if fields else tuple(_type(schema)), fields)


def _field(
    name: str,
    told: Mapping[str, Any],
    schema: Mapping[str, Any],
    place: str,
    *,
    required: bool | None,
) -> Field:
    default = schema.get("default")
    usual = "" if default in (None, "", []) else f"default {dumps(default)}"
    note = " ".join(part for part in (_said(told), usual) if part)
    return Field(name, place, tuple(_type(schema)), note, bool(required))


def _type(schema: Mapping[str, Any]) -> Iterator[Part]:
    """What a value may be, in words."""
    if name := _named(schema):
        yield Part(name, "#" + _id("schema", name))
    elif kinds := _kinds(schema):
        for place, kind in enumerate(kinds):
            yield from (Part(" or "),) if place else ()
            yield from _type(kind)
    elif "const" in schema:
        yield Part(dumps(schema["const"], ensure_ascii=False))
    elif values := sequence(schema.get("enum")):
        yield Part(", ".join(dumps(value, ensure_ascii=False) for value in values))
    elif schema.get("type") == "array":
        yield Part(f"list{_size(schema)} of ")
        yield from _type(mapping(schema.get("items")))
    else:
        yield from _object(schema)


def _object(schema: Mapping[str, Any]) -> Iterator[Part]:
    """What a document without a name holds; a plain value is told too."""
    if inner := mapping(schema.get("additionalProperties")):
        yield Part("object of ")
        yield from _type(inner)
    elif fields := mapping(schema.get("properties")):
        for place, (name, one) in enumerate(fields.items()):
            yield Part(f"{', ' if place else 'object ('}{name}: ")
            yield from _type(one)
        yield Part(")")
    else:
        yield Part(_plain(schema))


def _kinds(schema: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The alternatives of a value, in whichever of three ways a schema gives them."""
    if isinstance(types := schema.get("type"), list):
        return [{**schema, "type": one} for one in types]
    return sequence(schema.get("anyOf") or schema.get("oneOf"))


def _plain(schema: Mapping[str, Any]) -> str:
    kind = str(schema.get("type") or "anything")
    form = f", {schema['format']}" if schema.get("format") else ""
    pattern = schema.get("pattern")
    like = f" like {pattern}" if pattern and pattern != _ANY_TEXT else ""
    return f"{kind}{_size(schema)}{form}{like}"


def _size(schema: Mapping[str, Any]) -> str:
    """How long or how large a value may be."""
    low, high, unit = _SIZES.get(str(schema.get("type")), ("minimum", "maximum", ""))
    least, most = schema.get(low), schema.get(high)
    if "exclusiveMinimum" in schema:
        return f" above {schema['exclusiveMinimum']:g}"
    if least is not None and most is not None:
        return f" from {least:.12g} to {most:.12g}{unit}"
    if most is not None:
        return f" up to {most:.12g}{unit}"
    return "" if least is None else f" from {least:.12g}{unit}"


def _command(method: str, address: str, sent: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    verb = "" if method == "get" else f" -X {method.upper()}"
    command = f"curl{verb} {quote(address)}"
    if "application/json" in sent:
        body = _example(mapping(sent["application/json"].get("schema")), schemas)
        said = quote(dumps(body, ensure_ascii=False))
        return f"{command} -H 'Content-Type: application/json' -d {said}"
    for media, one in sent.items():
        if media.startswith("multipart/"):
            parts = mapping(mapping(one.get("schema")).get("properties"))
            return " ".join((command, *(f"-F {name}=@FILE" for name in parts)))
        return f"{command} -H {quote(f'Content-Type: {media}')} --data-binary @FILE"
    return command


def _example(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """The shortest value that has the shape of what is asked for, or the schema's own example."""
    if name := _named(schema):
        return _example(mapping(schemas.get(name)), schemas)
    if "const" in schema:
        return schema["const"]
    if given := sequence(schema.get("examples") or schema.get("enum")):
        return given[0]
    if kinds := _kinds(schema):
        return _example(kinds[0], schemas)
    kind = schema.get("type", "object")
    if kind == "array":
        return [_example(mapping(schema.get("items")), schemas)]
    if kind == "object":
        fields = mapping(schema.get("properties"))
        return {name: _example(fields[name], schemas) for name in sequence(schema.get("required"))}
    return _PLAIN_EXAMPLES.get(str(kind), "…")


def _named(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref") or "").rpartition("/")[2]


def _said(one: Mapping[str, Any]) -> str:
    return " ".join(str(one.get("description") or "").split())


def _id(*parts: str) -> str:
    """An anchor: letters and digits, joined by hyphens."""
    text = "-".join(parts)
    return "-".join("".join(c if c.isalnum() else " " for c in text).split())
