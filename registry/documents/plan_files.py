"""Put what a plan names by file into its text, so that it can be sent and kept on its own."""

import json
from collections.abc import Callable, Iterator

import yaml

from registry.documents.plan_yaml import PlanLoader
from registry.domain.errors import Invalid


def with_files(text: str, read: Callable[[str], str]) -> str:
    """The plan with `area: {geojson: FILE}` replaced by the file's content, line for line.

    A text that is no YAML stays as it is; reading the plan says what is wrong.
    """
    try:
        node = PlanLoader(text).get_single_node()
    except yaml.YAMLError:
        return text
    for found in sorted(_files(node), key=lambda one: -one.start_mark.index):
        start, end = found.start_mark.index, found.end_mark.index
        text = text[:start] + _one_line(found, read) + text[end:]
    return text


def _one_line(node: yaml.ScalarNode, read: Callable[[str], str]) -> str:
    name = str(node.value)
    try:
        return json.dumps(json.loads(read(name)), ensure_ascii=False, allow_nan=False)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise Invalid(f"line {node.start_mark.line + 1}: cannot read {name!r}: {why}") from error
    except ValueError as error:
        line = node.start_mark.line + 1
        raise Invalid(f"line {line}: {name!r} is no GeoJSON: {error}") from error


def _files(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    """The texts that stand at stages, scope, area, geojson."""
    for stage in _items(_value(node, "stages")):
        found = _value(_value(_value(stage, "scope"), "area"), "geojson")
        if isinstance(found, yaml.ScalarNode) and found.tag.endswith(":str"):
            yield found


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)
