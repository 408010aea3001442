"""The published JSON Schema of plans is the one that the code makes, and real plans satisfy it."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rollout_world import PLAN

from registry.documents.plan_json_schema import plan_schema, plan_schema_text
from registry.documents.plan_yaml import LinedData, read_yaml

ROOT = Path(__file__).parents[3]
PLANS = [*sorted((ROOT / "examples").glob("*/*.yaml"))]


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(plan_schema())
    return jsonschema.Draft202012Validator(plan_schema())


def as_written(text: str) -> Any:
    source = read_yaml(text)
    assert isinstance(source, LinedData)
    return json.loads(json.dumps(source.data, default=str))


def test_the_published_schema_is_up_to_date() -> None:
    """If not: stagegate rollout schema > docs/plan.schema.json."""
    assert (ROOT / "docs/plan.schema.json").read_text(encoding="utf-8") == plan_schema_text()


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.name)
def test_the_examples_satisfy_it(path: Path, validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(as_written(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("stages", 0, "deadline", "after"), "soon"),
        (("stages", 0, "reviw"), {}),
        (("model", "baseline"), "newest"),
        (("stages", 1, "scope", "at_most"), 500),
        (("stages", 2, "steps", 0, "weight"), 101),
        (("stages", 0, "gates", 0, "type"), "vibes"),
    ],
)
def test_what_lint_refuses_an_editor_marks(
    path: tuple[Any, ...], value: Any, validator: jsonschema.Draft202012Validator
) -> None:
    plan = as_written(PLAN)
    validator.validate(plan)
    broken = copy.deepcopy(plan)
    node = broken
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    assert not validator.is_valid(broken)
