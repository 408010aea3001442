"""HTTP of the audit log: read it, and check that nobody touched it."""

from typing import Any

from fastapi import APIRouter

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.api.limit import Limit
from registry.documents.rollout_document import event_document
from registry.documents.texts import SentText
from registry.services.check_audit import check_audit


def router(database: Database) -> APIRouter:
    """The routes /v1/audit and /v1/audit:verify."""
    routes = APIRouter(prefix="/v1/audit", tags=["audit"])

    @routes.get("")
    def read(model: SentText | None = None, limit: Limit = None) -> dict[str, Any]:
        """Events, oldest first; with a limit, the last ones."""
        with database.read() as connection:
            events = SqlUnitOfWork(connection).audit.read(model, limit)
        return {"events": [event_document(event) for event in events]}

    @routes.get(":verify")
    def check() -> dict[str, Any]:
        """Walk the whole log; names the first event that was edited, removed or moved."""
        with database.read() as connection:
            found = check_audit(SqlUnitOfWork(connection))
        return {
            "intact": found.intact,
            "events": found.events,
            "broken_at": found.broken_at,
            "sentence": found.sentence,
        }

    return routes
