"""Which gate a plan's `type` names: one of ours, or one that an installed package brings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from registry.domain.action_rate_gate import action_rate
from registry.domain.drift_gate import drift
from registry.domain.error_rate_gate import error_rate
from registry.domain.error_ratio_gate import error_ratio
from registry.domain.failures_gate import failures
from registry.domain.gate_plugins import foreign
from registry.domain.gates import Evidence, Gate, Judged
from registry.domain.latency_gate import latency
from registry.domain.paired_loss_gate import paired_loss
from registry.domain.plan import GateSpec
from registry.domain.reviewer_gates import agreement, gold
from registry.domain.split_gate import split

GATES: Mapping[str, Gate] = {
    "error-rate": error_rate,
    "paired-loss": paired_loss,
    "error-ratio": error_ratio,
    "agreement": agreement,
    "gold": gold,
    "failures": failures,
    "latency": latency,
    "split": split,
    "action-rate": action_rate,
    "drift": drift,
}


def judge_gates(specs: Sequence[GateSpec], evidence: Evidence) -> tuple[Judged, ...]:
    """Every gate's verdict on the same evidence, in the plan's order."""
    return tuple(
        replace(judged, then=spec.then, order=order)
        for order, spec in enumerate(specs, 1)
        for judged in GATES.get(spec.type, foreign)(spec, evidence)
    )
