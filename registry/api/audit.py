"""HTTP of the audit log: read it, take it away, and check that nobody touched it."""

from collections.abc import Iterator
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.api.limit import Limit
from registry.documents.evidence_record import canonical
from registry.documents.rollout_document import event_document
from registry.documents.texts import SentText
from registry.services.check_audit import check_audit

_PART = 1_000
_EITHER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}
}


def router(database: Database) -> APIRouter:
    """The routes /v1/audit and /v1/audit:verify."""
    routes = APIRouter(prefix="/v1/audit", tags=["audit"])

    @routes.get("", response_model=None, responses=_EITHER)
    def read(
        model: SentText | None = None,
        limit: Limit = None,
        format: Literal["json", "jsonl"] = "json",
    ) -> dict[str, Any] | StreamingResponse:
        """Events, oldest first; with a limit, the last ones. As `jsonl` all, an event a line."""
        if format == "jsonl":
            return StreamingResponse(_lines(database, model), media_type="application/x-ndjson")
        with database.read() as connection:
            events = SqlUnitOfWork(connection).audit.read(model, limit)
        return {"events": [event_document(event) for event in events]}

    @routes.get(":verify")
    def check(expect_head: SentText | None = None) -> dict[str, Any]:
        """Walk the whole log; names the first event that was edited, removed or moved.

        expect_head: a hash of the log that was kept elsewhere; it must still be in it.
        """
        with database.read() as connection:
            found = check_audit(SqlUnitOfWork(connection), expect_head)
        return {
            "intact": found.intact,
            "events": found.events,
            "broken_at": found.broken_at,
            "contains_expected": found.contains_expected,
            "sentence": found.sentence,
        }

    return routes


def _lines(database: Database, model: str | None) -> Iterator[str]:
    """The log up to its present end, a part at a time: no long transaction, no large memory."""
    with database.read() as connection:
        head = SqlUnitOfWork(connection).audit.head()
    for first in range(1, head.sequence + 1 if head else 1, _PART):
        last = min(first + _PART - 1, head.sequence if head else 0)
        with database.read() as connection:
            events = SqlUnitOfWork(connection).audit.read(model, since=first, until=last)
        yield "".join(f"{canonical(event_document(event))}\n" for event in events)
