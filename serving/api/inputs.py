"""Forgetting what a subject has sent: POST /v1/models/{model}/inputs:forget."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.api.actor import Actor
from registry.domain.errors import Invalid
from serving.adapters.inputs import SqlInputs
from serving.api.parts import Serving
from serving.api.text import Name, storable
from serving.services.forget import forget_subject

_Said = Annotated[str, Field(min_length=1, max_length=1024)]


class SubjectBody(BaseModel):
    """Whose inputs: the requests that had this value of an attribute, a number as its digits."""

    model_config = ConfigDict(extra="forbid", strict=True)

    attribute: _Said
    value: _Said
    dry_run: bool = False  # only count


def router(serving: Serving, veil: Callable[[str], str]) -> APIRouter:
    """The route; veil: makes of a value what may stand in the audit log for ever."""
    routes = APIRouter(prefix="/v1/models", tags=["predict"])

    @routes.post("/{model}/inputs:forget")
    def forget(model: Name, body: SubjectBody, actor: Actor) -> dict[str, Any]:
        """Delete the stored inputs of a subject; what was decided about them stays on record."""
        if '"' in body.attribute or not (storable(body.attribute) and storable(body.value)):
            raise Invalid(f"attribute: {body.attribute[:64]!r} is no name of an attribute")
        with serving.database.read() as connection:
            found = SqlInputs(connection).of_subject(model, body.attribute, body.value)
            versions = SqlUnitOfWork(connection).versions
            if not found.requests and not versions.list(model):
                versions.get(model, 1)  # which says what models there are
        subject = {"attribute": body.attribute, "subject": veil(body.value)}
        now = serving.clock()
        if not body.dry_run:
            with serving.database.begin() as connection:
                unit, wishes = SqlUnitOfWork(connection), SqlInputs(connection)
                forget_subject(unit, wishes, model, found, subject, actor, now)
        return {
            "model": model,
            "requests": found.requests,
            "inputs": len(found.free),
            "waiting": len(found.waiting),
            "shared": found.shared,
            "sentence": found.foretold if body.dry_run else found.sentence,
        }

    return routes
