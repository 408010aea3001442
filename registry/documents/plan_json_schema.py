"""The shape of a plan file as JSON Schema, for editors and for other programs."""

import json
from typing import Any

SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"


def plan_schema() -> dict[str, Any]:
    """JSON Schema of `stagegate/v1`; what parts ask of each other only `rollout lint` says."""
    from registry.documents.plan_schema import PlanDocument

    shape = as_written(PlanDocument.model_json_schema())
    return {"$schema": SCHEMA_ID, "title": "stagegate plan", **shape}


def as_written(node: Any) -> Any:
    """Without the titles that repeat each name, and defaults that nobody could write."""
    if isinstance(node, list):
        return [as_written(part) for part in node]
    if not isinstance(node, dict):
        return node
    unwritable = node.get("type") == "string" and not isinstance(node.get("default"), str)
    dropped = {"title", "default"} if unwritable else {"title"}
    return {
        key: as_written(part)
        for key, part in node.items()
        if key not in dropped or isinstance(part, dict)
    }


def plan_schema_text() -> str:
    """The same as the file that is published."""
    return json.dumps(plan_schema(), indent=2, ensure_ascii=False) + "\n"
