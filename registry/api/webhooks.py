"""HTTP of webhooks: who is told, and what arrived."""

import secrets
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.api.actor import Actor
from registry.api.limit import Limit
from registry.documents.texts import PathName, SentText
from registry.documents.webhook_document import delivery_document, endpoint_document
from registry.domain.webhooks import SECRET_BYTES, Form
from registry.services import webhooks

Document = dict[str, Any]
Some = Annotated[list[SentText], Field(max_length=50)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EndpointBody(_Body):
    """An address; without events or models it is told of all. Both take patterns: `rollout.*`."""

    url: Annotated[
        SentText,
        Field(
            examples=["https://example/hook"],
            json_schema_extra={"pattern": r"^https?://[a-z0-9]+(/[!-~]{0,900})?$"},
        ),
    ]
    form: Form = Form.STANDARD
    events: Some = []
    models: Some = []


class ReplayBody(_Body):
    """What to send again: all since a moment, one message, or else what has not arrived."""

    since: AwareDatetime | None = None
    message: SentText | None = None


def router(database: Database, now: Callable[[], datetime]) -> APIRouter:
    """The routes below /v1/webhooks."""
    api = _Api(database, now)
    routes = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
    routes.add_api_route("", api.list, methods=["GET"])
    routes.add_api_route("", api.add, methods=["POST"], status_code=201)
    routes.add_api_route("/{webhook}:rotate", api.rotate, methods=["POST"])
    routes.add_api_route("/{webhook}:replay", api.replay, methods=["POST"])
    routes.add_api_route("/{webhook}/deliveries", api.deliveries, methods=["GET"])
    routes.add_api_route("/{webhook}", api.remove, methods=["DELETE"])
    return routes


class _Api:
    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def list(self) -> Document:
        """All endpoints, without their secrets."""
        with self._database.read() as connection:
            known = SqlUnitOfWork(connection).webhooks
            waiting = known.waiting()
            return {"webhooks": [endpoint_document(e, waiting.get(e.id, 0)) for e in known.list()]}

    def add(self, body: EndpointBody, actor: Actor) -> Document:
        """Tell an address; the secret is shown here and never again."""
        b, random = body, secrets.token_bytes(SECRET_BYTES)
        identity = str(uuid.uuid4())
        with self._database.begin() as connection:
            unit, at = SqlUnitOfWork(connection), self._now()
            found = webhooks.add_endpoint(
                unit, b.url, b.form, b.events, b.models, actor, at, identity, random
            )
        return {**endpoint_document(found, 0), "secret": found.secret}

    def rotate(self, webhook: PathName, actor: Actor) -> Document:
        """Sign with a new secret, shown here and never again; for a day with the old one, too."""
        random = secrets.token_bytes(SECRET_BYTES)
        with self._database.begin() as connection:
            unit = SqlUnitOfWork(connection)
            found = webhooks.rotate_secret(unit, webhook, actor, self._now(), random)
            waiting = unit.webhooks.waiting().get(webhook, 0)
        return {**endpoint_document(found, waiting), "secret": found.secret}

    def replay(self, webhook: PathName, actor: Actor, body: ReplayBody | None = None) -> Document:
        """Send again under the same ids; a disabled endpoint is enabled."""
        b = body or ReplayBody()
        with self._database.begin() as connection:
            unit, at = SqlUnitOfWork(connection), self._now()
            return {"messages": webhooks.replay(unit, webhook, actor, at, b.since, b.message)}

    def deliveries(self, webhook: SentText, limit: Limit = 100) -> Document:
        """What went there, oldest first: the last ones."""
        with self._database.read() as connection:
            known = SqlUnitOfWork(connection).webhooks
            known.get(webhook)
            found = known.deliveries(webhook, limit=limit)
        return {"deliveries": [delivery_document(one) for one in found]}

    def remove(self, webhook: SentText, actor: Actor) -> Document:
        """Tell this address nothing more."""
        with self._database.begin() as connection:
            found = webhooks.remove_endpoint(SqlUnitOfWork(connection), webhook, actor, self._now())
        return endpoint_document(found, 0)
