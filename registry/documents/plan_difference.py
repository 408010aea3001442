"""What one plan changes of another, as sentences, stage by stage."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from registry.documents.plan_record import plan_document
from registry.domain.plan import Plan

_SKIPPED = frozenset({"model", "version", "stages", "stage"})


def differences(old: Plan | None, new: Plan) -> tuple[str, ...]:
    """How the new plan differs from the old one; nothing if it says the same."""
    if old is None:
        return tuple(f"{part.stage}: new" for part in new.stages)
    before, after = plan_document(old), plan_document(new)
    return (*_changes("the plan", before, after), *_of_stages(before, after))


def _of_stages(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    olds = {part["stage"]: part for part in before["stages"]}
    news = {part["stage"]: part for part in after["stages"]}
    for name in olds.keys() - news.keys():
        yield f"{name}: dropped"
    for name, part in news.items():
        if name in olds:
            yield from _changes(name, olds[name], part)
        else:
            yield f"{name}: new"


def _changes(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before, after = dict(_leaves(old)), dict(_leaves(new))
    for key in sorted(before.keys() | after.keys()):
        was, becomes = before.get(key), after.get(key)
        if was == becomes:
            continue
        if was is None:
            yield f"{name}: {key} becomes {_shown(becomes)}"
        elif becomes is None:
            yield f"{name}: {key} is dropped, it was {_shown(was)}"
        else:
            yield f"{name}: {key} goes from {_shown(was)} to {_shown(becomes)}"


def _leaves(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, part in value.items():
        if not path and key in _SKIPPED:
            continue
        here = f"{path}{key}"
        if key == "gates":
            for gate in part:
                options = {**gate["options"], "dry_run": gate["dry_run"]}
                options |= {"then": gate["then"]} if "then" in gate else {}
                yield f"gate {gate['type']}", options
        elif isinstance(part, Mapping) and part:
            yield from _leaves(part, f"{here}.")
        elif part not in ({}, []):
            yield here, part


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
