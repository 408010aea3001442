"""Check that nobody touched the audit log."""

from registry.domain.audit_chain import ChainCheck, verify
from registry.ports import UnitOfWork


def check_audit(unit: UnitOfWork, expected: str | None = None) -> ChainCheck:
    """Walk the whole log, and compare it with its end, every rollout, and a hash that was kept."""
    generations = unit.rollouts.generations()
    return verify(unit.audit.read(), unit.audit.head(), generations, expected)
