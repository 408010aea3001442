"""Which gates can still find harm under watch, when the version answers everything.

Whatever compares with a version that answers nothing by then is silent; a version's own errors,
failures and times are not.
"""

from collections.abc import Iterator, Mapping, Sequence

from registry.domain.plan import GateSpec, Plan
from registry.domain.stages import Stage

_COMPARES = {
    "paired-loss": "compares with a version that answers nothing by then",
    "error-ratio": "compares with a version that answers nothing by then",
    "split": "has no two sides any more",
    "agreement": "never finds harm",
    "gold": "never finds harm",
}


def silent(gate_type: str, options: Mapping[str, object]) -> str | None:
    """Why a gate says nothing under watch; None if it does say something.

    >>> silent("split", {})
    'has no two sides any more'
    """
    if gate_type == "latency" and options.get("at_most_ms") is None:
        return (
            "compares with a version that answers nothing by then; a limit goes on, such as "
            "`{quantile: 0.99, at_most_ms: 800}`"
        )
    if gate_type == "action-rate" and not isinstance(options.get("against"), Mapping):
        return (
            "compares with a version that answers nothing by then; rates that you state go on, "
            "such as `against: {bear: 0.2}`"
        )
    return _COMPARES.get(gate_type)


def watched_gates(gates: Sequence[GateSpec]) -> tuple[GateSpec, ...]:
    """The gates that go on judging after live, and drift, which is always looked at."""
    kept = tuple(gate for gate in gates if silent(gate.type, gate.options) is None)
    return kept if any(gate.type == "drift" for gate in kept) else (*kept, GateSpec("drift"))


def watch_notes(plan: Plan) -> Iterator[str]:
    """What people should know of the watch of a plan."""
    live, before = plan.stage(Stage.LIVE), plan.stages[-2]
    if live.watch_seconds is None:
        return
    judged = " and ".join(dict.fromkeys(_spoken(gate) for gate in live.gates))
    yield f"under watch {judged} go on judging"
    for gate in before.gates:
        why = silent(gate.type, gate.options)
        if why is not None and gate.type not in ("agreement", "gold"):
            yield f"under watch {gate.type} is silent: it {why}"


def _spoken(gate: GateSpec) -> str:
    if gate.type == "failures":
        return f"failures (at most {gate.options['at_most']:g} of the visits)"
    if gate.type == "drift":
        return "drift (which tells people, and takes nothing back)"
    return gate.type
