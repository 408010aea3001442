"""Reading a plan file: every problem with its line and what to write instead, or the plan."""

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from registry.documents.plan_conversion import plan_of
from registry.documents.plan_record import plan_digest, plan_document, plan_from_document
from registry.documents.plan_rules import disagreements
from registry.documents.plan_schema import PlanDocument
from registry.documents.plan_yaml import LinedData, Path, Problem, read_yaml
from registry.domain.errors import Invalid
from registry.domain.plan import Plan

__all__ = [
    "Problem",
    "line_of",
    "lint",
    "parse_plan",
    "plan_digest",
    "plan_document",
    "plan_from_document",
]

_TAGS = {
    "gates": "gate type {tag} is not known here; write one of {expected}, or install the package "
    "that brings it",
    "stages": "{tag} is no stage that a plan can name; write one of {expected}",
}


class PlanInvalid(Invalid):
    """The plan cannot be followed as it is written."""

    title = "Invalid plan"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.reasons = tuple(f"line {p.line}: {p.message}" for p in problems)
        super().__init__("; ".join(self.reasons))
        self.problems = problems


def parse_plan(text: str) -> Plan:
    """The plan in a YAML text; PlanInvalid names every problem."""
    plan, problems = _read(text)
    if plan is None:
        raise PlanInvalid(problems)
    return plan


def lint(text: str) -> tuple[Problem, ...]:
    """Everything that is wrong with a plan, by line; nothing if it can be followed."""
    return _read(text)[1]


def line_of(text: str, path: Path) -> int:
    """The line of a value in a plan that can be read, or of what is nearest around it."""
    source = read_yaml(text)
    return source.line if isinstance(source, Problem) else source.line(path)


def _read(text: str) -> tuple[Plan | None, tuple[Problem, ...]]:
    source = read_yaml(text)
    if isinstance(source, Problem):
        return None, (source,)
    if not isinstance(source.data, dict):
        return None, (Problem(1, "a plan is a mapping; begin with `apiVersion: stagegate/v1`"),)
    found = [Problem(source.line(path), message) for path, message in disagreements(source.data)]
    document = None
    try:
        document = PlanDocument.model_validate(source.data)
    except ValidationError as error:
        found += [_problem(source, detail) for detail in error.errors()]
    problems = tuple(sorted(set(found), key=lambda p: (p.line, p.message)))
    return (plan_of(document) if document and not problems else None), problems


def _problem(source: LinedData, detail: ErrorDetails) -> Problem:
    path: Path = ()
    for part in (*detail["loc"], *detail.get("ctx", {}).get("at", ())):
        # Pydantic puts the name of a union's branch into the path; the file has no such key.
        if (*path, part) in source.lines:
            path = (*path, part)
    return Problem(source.line(path), _message(detail))


def _message(detail: ErrorDetails) -> str:
    location = tuple(detail["loc"])
    kind, name = detail["type"], str(location[-1])
    if kind == "plan":
        return detail["msg"]
    if kind == "extra_forbidden":
        return f"unknown key `{name}`; {_keys(location)}"
    example = _example(location)
    if kind == "missing":
        return f"`{name}` is missing{example}"
    if kind == "union_tag_invalid":
        context = detail["ctx"]
        template = _TAGS["gates" if "gates" in location else "stages"]
        return template.format(tag=repr(context["tag"]), expected=context["expected_tags"])
    if kind == "union_tag_not_found":
        return f"{detail['ctx']['discriminator']} is missing: it says what this entry is"
    says = detail["msg"][:1].lower() + detail["msg"][1:]
    return f"`{_dotted(location)}`: {says}, not {_shown(detail['input'])}{example}"


def _keys(location: tuple[int | str, ...]) -> str:
    known = sorted(_schema_at(location[:-1]).get("properties", {}))
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    if close:
        return f"write `{close[0]}`"
    return f"the keys here are {', '.join(known)}" if known else "remove it"


def _example(location: tuple[int | str, ...]) -> str:
    examples = _schema_at(location).get("examples")
    if not examples:
        return ""
    shown = yaml.safe_dump(
        {location[-1]: examples[0]}, default_flow_style=True, width=1_000, sort_keys=False
    )
    return f"; write for example `{shown.strip()[1:-1]}`"


def _dotted(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _schema_at(location: tuple[int | str, ...]) -> Mapping[str, Any]:
    """The JSON Schema of the place that an error names; empty where the schema is silent."""
    schema = _schema()
    node: Mapping[str, Any] = schema
    for part in location:
        node = _resolve(schema, _step(_resolve(schema, node), part))
    return node


@cache
def _schema() -> Mapping[str, Any]:
    return PlanDocument.model_json_schema()


def _step(node: Mapping[str, Any], part: int | str) -> Mapping[str, Any]:
    if "discriminator" in node:
        return {"$ref": node["discriminator"]["mapping"].get(part, "")}
    if isinstance(part, int):
        return cast(Mapping[str, Any], node.get("items", {}))
    return cast(Mapping[str, Any], node.get("properties", {}).get(part, {}))


def _resolve(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    own = dict(node)
    for branch in _branches(node):
        target = schema["$defs"].get(branch.removeprefix("#/$defs/"), {})
        return {**target, **{k: v for k, v in own.items() if k == "examples"}}
    return own


def _branches(node: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in node:
        yield node["$ref"]
    for option in node.get("anyOf", ()):
        if "$ref" in option:
            yield option["$ref"]
