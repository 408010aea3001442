"""The routes of serving on a real database, with a model that tests can see through."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from fastapi import FastAPI
from serving_fakes import FakeRunner, Measured, a_plan, a_rollout, a_version
from starlette.testclient import TestClient
from waiting import PATIENCE

from console import problems
from monitoring.domain.placing import Placed
from monitoring.domain.reference import Reference
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.errors import NotFound
from registry.domain.plan import Flags, StagePlan
from registry.domain.versions import ModelVersion
from serving.adapters.engine import Batching
from serving.adapters.fleet import LiveFleet
from serving.adapters.identity import new_id
from serving.adapters.ledger import GroupLedger
from serving.adapters.payloads import PayloadStore
from serving.api import (
    inputs,
    invocations,
    models,
    open_inference,
    operations,
    predict,
    predictions,
    review,
    review_input,
)
from serving.api.front import Front
from serving.api.parts import Serving
from serving.services.run import Patience
from serving.services.wait import Arrivals

MAX_BYTES = 100_000
# Whoever answers here is waited for, however slow the machine is.
ENDLESS = Patience(PATIENCE, PATIENCE, PATIENCE)
ROLLOUT_FLAGS = Flags(out_of_domain=0.01, min_confidence=0.7)


class NoReferences:
    """Versions that were registered without training data."""

    def get(self, version: ModelVersion) -> Reference:
        """There is none."""
        raise NotFound(f"{version.name} has no profile")


class Lengths:
    """Inputs of which only the length counts; nine bytes were the longest in training."""

    def compare(self, version: ModelVersion, data: bytes) -> tuple[Placed, ...]:
        """How long it is."""
        sentence = f"bytes is {len(data)}, above all training values (1 to 9)"
        said = str(len(data))
        return (Placed("bytes", said, sentence, True, len(data), 1.0, 9.0, (2.0, 8.0), 1.0),)


# It was noon when these tests began, so that no midnight comes between two requests of a day.
_BEGAN = datetime.now(UTC)
_NOON = _BEGAN.replace(hour=12, minute=0, second=0, microsecond=0)


def now() -> datetime:
    return datetime.now(UTC) - _BEGAN + _NOON


def register(
    database: Database,
    part: StagePlan | None,
    *,
    live: int | None = 1,
    baseline: int | None = 1,
    flags: Flags = ROLLOUT_FLAGS,
    threshold: float | None = None,
) -> None:
    """Versions 1 and 2; version 1 live unless told otherwise; with a part, 2 on its way.

    threshold: an answer of theirs is every label above it.
    """
    with database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        for number in (1, 2):
            unit.versions.add(replace(a_version(number), threshold=threshold))
        if live is not None:
            unit.live.put("waste", live, None, now())
        if part is not None:
            plan = a_plan(part, flags=flags, segments=("site",))
            unit.rollouts.add(a_rollout(part, plan=plan, baseline=baseline, started_at=now()))
        unit.routing_clock.tick()


def parts(
    database: Database,
    payloads: str,
    runners: Mapping[int, FakeRunner],
    draw: Callable[[], float] = random.random,
) -> Serving:
    measured = Measured()
    fleet = LiveFleet(
        database,
        lambda version: runners[version.version],
        lambda window: None,
        measured,
        now,
        Batching(8, 0.001, 64),
    )
    return Serving(
        database=database,
        fleet=fleet,
        ledger=GroupLedger(database),
        payloads=PayloadStore(payloads),
        measurements=measured,
        arrivals=Arrivals(),
        clock=now,
        draw=draw,
        new_id=new_id,
        max_upload_bytes=MAX_BYTES,
        render_metrics=lambda _: (b"stagegate_up 1\n", "text/plain"),
        patience=ENDLESS,
    )


def app(serving: Serving) -> Front:
    made = Front()
    problems.install(made)
    predict.install(made, serving)
    for rooms in (predict, open_inference, invocations, predictions, review, operations):
        made.include_router(rooms.router(serving))
    made.include_router(inputs.router(serving, lambda value: "veiled"))
    database = cast(Database, Standing(lambda: serving.database))
    made.include_router(models.router(database, NoReferences()))
    made.include_router(review_input.router(serving, Lengths()))
    return made


class Standing:
    """Stands for whatever `behind` gives at the moment."""

    def __init__(self, behind: Callable[[], Any]) -> None:
        self.behind = behind

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind(), name)


_spare: list[tuple[Standing, FastAPI]] = []


@contextmanager
def lent_app(serving: Serving) -> Iterator[FastAPI]:
    """An application with these parts, for the time being: to make one takes longer than a test."""
    standing, made = _spare.pop() if _spare else _with_changing_parts(serving)
    standing.behind = lambda: serving
    yield made
    _spare.append((standing, made))


def _with_changing_parts(serving: Serving) -> tuple[Standing, FastAPI]:
    standing = Standing(lambda: serving)
    return standing, app(cast(Serving, standing))


@contextmanager
def client(serving: Serving) -> Iterator[TestClient]:
    assert isinstance(serving.fleet, LiveFleet)
    assert isinstance(serving.ledger, GroupLedger)
    serving.fleet.start()
    try:
        with lent_app(serving) as made, TestClient(made) as opened:
            yield opened
    finally:
        serving.arrivals.end()
        serving.fleet.close()
        serving.ledger.close()
