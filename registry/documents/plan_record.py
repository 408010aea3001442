"""A plan as the JSON that the database keeps and the digest that approvals and audit refer to."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from registry.domain.plan import FailedThen, Plan


def plan_document(plan: Plan) -> dict[str, Any]:
    """The plan as plain JSON values; `plan_from_document` gives it back."""
    document: dict[str, Any] = _adapter().dump_python(plan, mode="json")
    for stage in document["stages"]:
        for window in (*stage["scope"]["when"], *stage["advance"]["when"]):
            window["days"].sort()  # a set has no order, a digest needs one
        if not stage["advance"]["when"]:  # plans that were digested before there were any
            del stage["advance"]["when"]
        for gate in stage["gates"]:
            if gate["then"] == FailedThen.ROLL_BACK:  # nor any choice of what a failure does
                del gate["then"]
    if not plan.freezes:  # nor any freezes
        del document["freezes"]
    if not plan.visit_seconds:  # plans that were digested before there were visits have none
        del document["visit_seconds"]
    return document


def plan_from_document(document: Mapping[str, Any]) -> Plan:
    """The plan that `plan_document` described."""
    return _adapter().validate_python(document)


def plan_digest(plan: Plan) -> str:
    """SHA-256 of the plan's meaning: comments and layout of its file do not count."""
    text = json.dumps(plan_document(plan), sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


@cache
def _adapter() -> TypeAdapter[Plan]:
    return TypeAdapter(Plan)
