"""One transaction's view of everything the registry stores, on one connection."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import sqlalchemy as sa

from registry.adapters.database.approvals import SqlApprovals
from registry.adapters.database.audit import SqlAudit
from registry.adapters.database.checks import SqlChecks
from registry.adapters.database.evidence import SqlDrift, SqlEvidence
from registry.adapters.database.evidence_logs import SqlEvidenceLogs
from registry.adapters.database.exposures import SqlExposures
from registry.adapters.database.outbox import SqlOutbox
from registry.adapters.database.readings import SqlReadings
from registry.adapters.database.rollouts import SqlRollouts
from registry.adapters.database.routes import SqlLiveVersions, SqlRoutingClock
from registry.adapters.database.versions import SqlVersions
from registry.adapters.database.webhooks import SqlWebhooks


class SqlUnitOfWork:
    """Implements registry.ports.UnitOfWork; whoever opened the connection commits it."""

    def __init__(self, connection: sa.Connection) -> None:
        self.versions = SqlVersions(connection)
        self.rollouts = SqlRollouts(connection)
        self.live = SqlLiveVersions(connection)
        self.routing_clock = SqlRoutingClock(connection)
        self.evidence = SqlEvidence(connection)
        self.evidence_logs = SqlEvidenceLogs(connection)
        self.checks = SqlChecks(connection)
        self.exposures = SqlExposures(connection)
        self.drift = SqlDrift(connection)
        self.approvals = SqlApprovals(connection)
        self.audit = SqlAudit(connection)
        self.outbox = SqlOutbox(connection)
        self.webhooks = SqlWebhooks(connection)
        self.readings = SqlReadings(connection)


def unit_of_work(
    connect: Callable[[], AbstractContextManager[sa.Connection]],
) -> Callable[[], AbstractContextManager[SqlUnitOfWork]]:
    """Units of work, each on a connection of its own: to read with, or in a transaction."""

    @contextmanager
    def unit() -> Iterator[SqlUnitOfWork]:
        with connect() as connection:
            yield SqlUnitOfWork(connection)

    return unit
