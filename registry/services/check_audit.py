"""Check that nobody touched the audit log."""

from registry.domain.audit_chain import ChainCheck, kept_hash, verify
from registry.ports import UnitOfWork


def check_audit(unit: UnitOfWork, expected: str | None = None) -> ChainCheck:
    """Walk the whole log, and compare it with its end, every rollout, and a hash that was kept."""
    generations = unit.rollouts.generations()
    kept = None if expected is None else kept_hash(expected)
    return verify(unit.audit.read(), unit.audit.head(), generations, kept)
