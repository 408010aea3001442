"""Check that nobody touched the audit log."""

from registry.domain.audit_chain import ChainCheck, verify
from registry.ports import UnitOfWork


def check_audit(unit: UnitOfWork) -> ChainCheck:
    """Walk the whole log, and compare it with its end and with every rollout."""
    return verify(unit.audit.read(), unit.audit.head(), unit.rollouts.generations())
