"""One transaction's view of people, on one connection."""

from collections.abc import Callable

import sqlalchemy as sa

from registry.adapters.database.audit import SqlAudit
from registry.adapters.database.logins import SqlProviderLogins, SqlSessions, SqlTallies
from registry.adapters.database.people import SqlApiKeys, SqlPeople


class SqlPeopleUnit:
    """Implements registry.people_ports.PeopleUnit; whoever opened the connection commits it.

    veil: what the subjects of attempts to log in are stored as.
    """

    def __init__(self, connection: sa.Connection, veil: Callable[[str], str]) -> None:
        self.people = SqlPeople(connection)
        self.sessions = SqlSessions(connection)
        self.keys = SqlApiKeys(connection)
        self.tallies = SqlTallies(connection, veil)
        self.provider_logins = SqlProviderLogins(connection)
        self.audit = SqlAudit(connection)
