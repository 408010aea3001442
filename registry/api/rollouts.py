"""HTTP of rollouts: start, look, promote, stop, approve."""

import secrets
import tempfile
import uuid
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, StrictBool

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.api.actor import Actor
from registry.api.limit import Limit, Moment, WhichVersion
from registry.documents.certificate import sent
from registry.documents.plan_file import parse_plan
from registry.documents.rollout_document import (
    event_document,
    readings_document,
    rollout_document,
)
from registry.documents.texts import PathName, SentText, WholeNumber
from registry.domain.errors import Conflict
from registry.domain.forecast import Traffic
from registry.domain.rollout import Rollout
from registry.domain.standing import standing_at
from registry.domain.transitions import Command
from registry.services import control, find
from registry.services.approve import approve
from registry.services.certify import certify
from registry.services.judge import GateMemory, Looked, judge
from registry.services.lint_plan import lint_plan
from registry.services.preview_rollout import preview
from registry.services.promote import prepare, prepare_if_ready, promote
from registry.services.start_rollout import RequireLevel, flag_objections, start_rollout

_ABORT_TRIES = 50
_LOOKS = 5
_LINES, _PACKED = "application/x-ndjson", "application/gzip"
_CERTIFICATE: dict[int | str, dict[str, Any]] = {
    200: {"content": {kind: {"schema": {"type": "string"}} for kind in (_LINES, _PACKED)}}
}

Document = dict[str, Any]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PlanBody(_Body):
    """The text of a plan file."""

    plan: str


class CommandBody(_Body):
    """A command, at the generation that its sender saw."""

    expected_generation: WholeNumber | None = None
    reason: SentText = ""


class PromoteBody(CommandBody):
    """A promotion; an override needs a reason."""

    to: SentText | None = None
    override: StrictBool = False


class AbortBody(CommandBody):
    """An abort; a rejected version cannot be tried again."""

    reject: StrictBool = False


class ApproveBody(_Body):
    """An approval of the evidence with this digest."""

    evidence: SentText
    note: SentText = ""
    expected_generation: WholeNumber | None = None


Seen = TypeVar("Seen", bound=Looked)
# What is known of a model's requests at a moment; serving knows.
TrafficOf = Callable[[sa.Connection, str, datetime], Traffic]


def router(
    database: Database,
    now: Callable[[], datetime],
    require_level: RequireLevel,
    traffic: TrafficOf,
    changed: Callable[[], None] = lambda: None,
) -> APIRouter:
    """The routes below /v1/rollouts; `changed` is called after each change, once committed."""
    api = _Api(database, now, require_level, traffic, changed)
    routes = APIRouter(prefix="/v1/rollouts", tags=["rollouts"])
    routes.add_api_route("", api.list, methods=["GET"])
    routes.add_api_route("", api.start, methods=["POST"], status_code=201)
    routes.add_api_route(":lint", api.lint, methods=["POST"])
    routes.add_api_route(":plan", api.plan, methods=["POST"])
    for name in ("promote", "pause", "resume", "abort", "undo", "approve"):
        path = "/{model}:" + name
        routes.add_api_route(path, getattr(api, name), methods=["POST"], name=name)
    routes.add_api_route("/{model}/history", api.history, methods=["GET"])
    routes.add_api_route("/{model}/readings", api.readings, methods=["GET"])
    routes.add_api_route("/{model}/standing", api.standing, methods=["GET"])
    routes.add_api_route(
        "/{model}/certificate",
        api.certificate,
        methods=["GET"],
        response_class=StreamingResponse,
        responses=_CERTIFICATE,
    )
    routes.add_api_route("/{model}", api.get, methods=["GET"])
    return routes


class _Api:
    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        require_level: RequireLevel,
        traffic: TrafficOf,
        changed: Callable[[], None],
    ) -> None:
        self._database = database
        self._now = now
        self._require_level = require_level
        self._traffic = traffic
        self._changed = changed
        self._memory = GateMemory()

    def list(self) -> Document:
        """The latest rollout of every model that has one."""
        with self._database.read() as connection:
            unit = SqlUnitOfWork(connection)
            models = sorted({version.model for version in unit.versions.list()})
            found = [unit.rollouts.latest(model) for model in models]
            return {"rollouts": [self._look(unit, rollout) for rollout in found if rollout]}

    def get(self, model: SentText) -> Document:
        """The active rollout of a model, else the last one."""
        with self._database.read() as connection:
            unit = SqlUnitOfWork(connection)
            return self._look(unit, find.latest(unit, model))

    def history(self, model: SentText, limit: Limit = None) -> Document:
        """The audit log of a model, oldest first; with a limit, the last events."""
        with self._database.read() as connection:
            events = SqlUnitOfWork(connection).audit.read(model, limit)
        return {"events": [event_document(event) for event in events]}

    def standing(self, model: SentText, at: Moment = None) -> Document:
        """Which version was live at a moment, and which was a candidate, by the audit log."""
        with self._database.read() as connection:
            unit = SqlUnitOfWork(connection)
            find.latest(unit, model)
            events, when = unit.audit.read(model), at or self._now()
        found = standing_at(model, events, when if when.tzinfo else when.replace(tzinfo=UTC))
        return {**asdict(found), "sentence": found.sentence}

    def readings(self, model: SentText) -> Document:
        """How far each gate of a model's last rollout has come over time, stage by stage."""
        with self._database.read() as connection:
            unit = SqlUnitOfWork(connection)
            rollout = find.latest(unit, model)
            stages = [part.stage for part in rollout.plan.stages]
            found = {stage: unit.readings.of(rollout.id, stage) for stage in stages}
        return readings_document(rollout, {stage: some for stage, some in found.items() if some})

    def certificate(self, model: SentText, version: WhichVersion = None) -> StreamingResponse:
        """What the promotions of a model's last rollout were judged on, to be verified anywhere.

        A file of JSON lines, compressed if it is large.
        """
        with ExitStack() as opened:
            file = opened.enter_context(tempfile.TemporaryFile())
            with self._database.read() as connection:
                certify(SqlUnitOfWork(connection), model, file, version)
            opened.pop_all()  # it is closed when all of it was sent
        large, content = sent(file)
        return StreamingResponse(content, media_type=_PACKED if large else _LINES)

    def lint(self, body: PlanBody) -> Document:
        """Everything that is wrong with a plan, by line, here and now."""
        with self._database.read() as connection:
            return asdict(lint_plan(SqlUnitOfWork(connection), body.plan, self._require_level))

    def plan(self, body: PlanBody) -> Document:
        """A dry run: what would change, how many reviews and days it takes, what deadlines do."""
        plan, now = parse_plan(body.plan), self._now()
        with self._database.read() as connection:
            traffic = self._traffic(connection, plan.model, now)
            unit = SqlUnitOfWork(connection)
            return asdict(preview(unit, plan, traffic, self._require_level))

    def start(self, body: PlanBody, actor: Actor) -> Document:
        """Start a rollout in the first stage of its plan."""
        plan = parse_plan(body.plan)
        with self._database.read() as connection:
            for _, error in flag_objections(SqlUnitOfWork(connection), plan, self._require_level):
                raise error
        identity, salt = str(uuid.uuid4()), secrets.token_hex(16)
        return self._change(lambda u, t: start_rollout(u, plan, actor, t, identity, salt))

    def promote(self, model: PathName, actor: Actor, body: PromoteBody | None = None) -> Document:
        """Go on to the next step or stage; 409 with reasons while gates do not pass."""
        b = body or PromoteBody()
        look = prepare if b.override else partial(prepare_if_ready, memory=self._memory)
        expected, how = b.expected_generation, (b.to, b.override, b.reason)
        return self._look_and_change(
            model, look, lambda u, t, seen: promote(u, model, actor, t, expected, *how, seen)
        )

    def pause(self, model: PathName, actor: Actor, body: CommandBody | None = None) -> Document:
        """Stop promotions; what the candidate answers stays as it is."""
        b = body or CommandBody()
        return self._change(
            lambda u, t: control.pause(u, model, actor, t, b.reason, b.expected_generation)
        )

    def resume(self, model: PathName, actor: Actor, body: CommandBody | None = None) -> Document:
        """Allow promotions again."""
        b = body or CommandBody()
        return self._change(
            lambda u, t: control.resume(u, model, actor, t, b.reason, b.expected_generation)
        )

    def abort(self, model: PathName, actor: Actor, body: AbortBody | None = None) -> Document:
        """Take the candidate out at once, whatever else is happening to it."""
        b = body or AbortBody()
        command = Command.REJECT if b.reject else Command.ABORT

        def work(unit: SqlUnitOfWork, now: datetime) -> Rollout:
            return control.abort(unit, model, actor, now, b.reason, command=command)

        for _ in range(_ABORT_TRIES):
            try:
                return self._change(work)
            except Conflict as error:
                if type(error) is not Conflict:  # a stage that cannot be aborted stays so
                    raise
        return self._change(work)

    def undo(self, model: PathName, actor: Actor, body: CommandBody | None = None) -> Document:
        """Go back to the version that was live before."""
        b = body or CommandBody()
        return self._change(
            lambda u, t: control.undo(u, model, actor, t, b.reason, b.expected_generation)
        )

    def approve(self, model: PathName, actor: Actor, body: ApproveBody) -> Document:
        """Approve a promotion for exactly the evidence that was seen."""
        b, expected = body, body.expected_generation
        return self._look_and_change(
            model,
            self._judged,
            lambda u, t, seen: approve(u, model, actor, b.evidence, t, b.note, expected, seen),
        )

    def _look_and_change(
        self,
        model: str,
        look: Callable[[SqlUnitOfWork, Rollout, datetime], Looked],
        act: Callable[[SqlUnitOfWork, datetime, Looked | None], Rollout],
    ) -> Document:
        """Act on what was seen; whoever was overtaken looks again, while nobody waits to write."""
        for _ in range(_LOOKS):
            seen = self._seen(model, look)
            work = partial(_act_if_it_holds, model=model, seen=seen, act=act)
            with suppress(_Overtaken):
                return self._change(work)
        raise Conflict(f"{model} is being changed all the time; look at it again and retry")

    def _seen(
        self, model: str, look: Callable[[SqlUnitOfWork, Rollout, datetime], Seen]
    ) -> Seen | None:
        """What there is to see of a model's candidate, without keeping anybody from writing."""
        with self._database.read() as connection:
            unit = SqlUnitOfWork(connection)
            rollout = unit.rollouts.active(model)
            return None if rollout is None else look(unit, rollout, self._now())

    def _judged(self, unit: SqlUnitOfWork, rollout: Rollout, now: datetime) -> Looked:
        return Looked(rollout, judge(unit, rollout, now, self._memory))

    def _change(self, service: Callable[[SqlUnitOfWork, datetime], Rollout]) -> Document:
        with self._database.begin() as connection:
            rollout = service(SqlUnitOfWork(connection), self._now())
        self._changed()
        with self._database.read() as connection:
            return self._look(SqlUnitOfWork(connection), rollout)

    def _look(self, unit: SqlUnitOfWork, rollout: Rollout) -> Document:
        live, previous = unit.live.get(rollout.model)
        judgement = judge(unit, rollout, self._now(), self._memory)
        back_to = control.returns_to(unit, rollout.model)
        return rollout_document(rollout, judgement, live, previous, back_to)


class _Overtaken(Exception):
    """Somebody has changed the rollout since it was looked at."""


def _act_if_it_holds(
    unit: SqlUnitOfWork,
    now: datetime,
    model: str,
    seen: Looked | None,
    act: Callable[[SqlUnitOfWork, datetime, Looked | None], Rollout],
) -> Rollout:
    """Looking again here would keep all others from writing for as long, harm included."""
    unit.routing_clock.tick()  # first, as in `record`: what is read below stays true
    rollout = unit.rollouts.active(model)
    if seen is not None and rollout is not None and not seen.holds(rollout):
        raise _Overtaken
    return act(unit, now, seen)
