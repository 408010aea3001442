"""YAML read as plain data together with the line that each value stands on."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from registry.documents.texts import is_storable

Path = tuple[str | int, ...]
MAX_CHARACTERS = 200_000


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong on a line, and what to write instead."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class LinedData:
    """A document and where its values stand."""

    data: Any
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """The line of a value, or of the nearest value around it that exists."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 1)


class PlanLoader(yaml.SafeLoader):
    """Safe YAML in which 10:00 is a text, not 600, and `no` and `on` are texts, not booleans."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse aliases: a plan needs none, and a few lines of them can fill the memory."""
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(
                problem="an alias (*name) has no place in a plan; write the value out",
                problem_mark=event.start_mark,
            )
        return super().compose_node(parent, index)


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    replaced = {"tag:yaml.org,2002:" + name for name in ("int", "float", "bool", "merge")}
    return {
        first: [pair for pair in pairs if pair[0] not in replaced]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


PlanLoader.yaml_implicit_resolvers = _resolvers()
PlanLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))
PlanLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile("^[-+]?[0-9]+$"), list("-+0123456789")
)
PlanLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+)$"),
    list("-+.0123456789"),
)


def read_yaml(text: str) -> LinedData | Problem:
    """The data of a YAML text, or why it is none."""
    if len(text) > MAX_CHARACTERS:
        return Problem(1, f"the plan is longer than {MAX_CHARACTERS} characters; is it a plan?")
    try:
        loader = PlanLoader(text)
        node = loader.get_single_node()
        if node is None:
            return Problem(1, "the plan is empty; begin with `apiVersion: stagegate/v1`")
        for problem in (*_unstorable(node), *_repeated_keys(node)):
            return problem
        return LinedData(loader.construct_document(node), dict(_lines(node, ())))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return Problem(line, f"this is not valid YAML: {error.problem}")
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError) as error:
        # An explicit tag such as `!!int ''` makes PyYAML trip over what it does not expect.
        return Problem(1, f"this is not valid YAML: {error}")
    except RecursionError:
        return Problem(1, "the plan is nested too deeply to be a plan")


def _unstorable(node: yaml.Node) -> Iterator[Problem]:
    if isinstance(node, yaml.ScalarNode) and not is_storable(node.value):
        message = f"{node.value!r} holds a character that cannot be stored; leave it out"
        yield Problem(node.start_mark.line + 1, message)
    elif isinstance(node, yaml.CollectionNode):
        for part in node.value:
            for child in part if isinstance(part, tuple) else (part,):
                yield from _unstorable(child)


def _repeated_keys(node: yaml.Node) -> Iterator[Problem]:
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                yield Problem(line, f"`{key.value}` was already written on line {seen[key.value]}")
            seen[str(key.value)] = line
            yield from _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _repeated_keys(value)


def _lines(node: yaml.Node, path: Path) -> Iterator[tuple[Path, int]]:
    if not path:
        yield path, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*path, str(key.value)), key.start_mark.line + 1
            yield from _lines(value, (*path, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*path, index), value.start_mark.line + 1
            yield from _lines(value, (*path, index))
