"""Gates that other installed packages bring, by the entry points of group `stagegate.gates`.

A rollout must not depend on the manners of foreign code: whatever goes wrong in it leaves the gate
inconclusive, with a sentence that says what.
"""

import json
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import get_args

from registry.domain.gates import Evidence, Inconclusive, Judged, Result
from registry.domain.plan import GateSpec

GROUP = "stagegate.gates"

PluginGate = Callable[[GateSpec, Evidence], Result]


def plugin_names() -> tuple[str, ...]:
    """The types of gates that installed packages bring; nothing of theirs is imported."""
    return tuple(sorted(_installed(tuple(sys.path))))


def foreign(spec: GateSpec, evidence: Evidence) -> tuple[Judged, ...]:
    """The verdict of the plugin that the plan names."""
    return (Judged(spec.type, _result(spec, evidence), dry_run=spec.dry_run),)


def _result(spec: GateSpec, evidence: Evidence) -> Result:
    found = _installed(tuple(sys.path)).get(spec.type)
    if found is None:
        return Inconclusive(
            f"{spec.type}: no gate of this name is installed here; install the package that brings "
            f"it (an entry point of group {GROUP})"
        )
    try:
        gate: PluginGate = found.load()
        return _checked(spec.type, gate(spec, evidence))
    except Exception as error:  # noqa: BLE001 - foreign code may raise anything
        return Inconclusive(
            f"{spec.type}: the plugin {found.value} failed with {type(error).__name__}: {error}"
        )


def _checked(name: str, result: object) -> Result:
    """What the plugin gave, if it can be shown and kept in the audit log."""
    if not isinstance(result, get_args(Result)):
        return Inconclusive(
            f"{name}: the plugin gave {result!r:.80}; it must give Passed, Failed, Inconclusive or "
            "Stale of registry.domain.gates"
        )
    said: Result = result
    if not isinstance(said.sentence, str) or not said.sentence.strip():
        return Inconclusive(f"{name}: the plugin gave a verdict without a sentence")
    try:
        numbers = json.dumps(dict(said.numbers), allow_nan=False)
    except (TypeError, ValueError) as error:
        return Inconclusive(f"{name}: the plugin's numbers cannot be kept as JSON: {error}")
    return type(said)(said.sentence, json.loads(numbers))


@cache
def _installed(_path: tuple[str, ...]) -> Mapping[str, EntryPoint]:
    """The entry points on this import path; looking for them reads many small files."""
    return {found.name: found for found in entry_points(group=GROUP)}
