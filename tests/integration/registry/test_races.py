"""Races and crashes: one promotion wins, abort always does, and nothing is left half done."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from rollout_world import PLAN, World
from waiting import PATIENCE, eventually, waiting_for_a_lock

from console.deliver import deliver
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.api import audit
from registry.domain.errors import Conflict, StagegateError
from registry.domain.stages import Stage
from registry.services import control
from registry.services.check_audit import check_audit
from registry.services.promote import promote
from registry.services.record import NOTIFICATION, set_alias

pytestmark = pytest.mark.integration


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def chain(database: Database) -> str:
    with database.read() as connection:
        return check_audit(SqlUnitOfWork(connection)).sentence


def together(count: int, act: Callable[[], object]) -> Counter[str]:
    """Run `act` in this many threads that start at once; what each gave, or its error's name."""
    gate = threading.Barrier(count)

    def one(_: int) -> str:
        gate.wait(timeout=PATIENCE)
        try:
            return str(act())
        except StagegateError as error:
            return type(error).__name__

    with ThreadPoolExecutor(count) as pool:
        return Counter(pool.map(one, range(count)))


def test_of_fifty_promotions_at_once_exactly_one_wins_and_the_alias_follows(world: World) -> None:
    generation = world.start().generation
    world.review(correct=80)

    def act() -> Stage:
        with world.database.begin() as connection:
            unit = SqlUnitOfWork(connection)
            wish = {"to": "live", "override": True, "reason": "hurry"}
            return promote(unit, "bears", "bob", world.now, generation, **wish).stage  # type: ignore[arg-type]

    assert together(50, act) == {"live": 1, "Conflict": 49}
    assert (world.rollout().generation, world.live()) == (2, (2, None))
    assert world.actions() == [("bob", "started"), ("bob", "overridden")]
    assert [event for event, _ in world.told()] == ["started", "live"]
    assert "intact: 2 events" in chain(world.database)
    aliases: dict[str, object] = {}
    effects = {
        "mlflow.alias": lambda payload: aliases.update({payload["alias"]: payload["version"]}),
        "mlflow.stage": lambda _: None,
        NOTIFICATION: lambda _: None,
    }
    deliver(world.database, effects, world.now)
    assert aliases == {"candidate": None, "live": 2}


def test_abort_wins_whatever_promotions_and_pauses_run_beside_it(world: World) -> None:
    world.start(PLAN.replace("version: 2", "version: 1"))
    client = a_client(world)
    client.post(
        "/v1/rollouts/bears:promote", json={"to": "live", "override": True, "reason": "x"}
    ).raise_for_status()
    world.start(PLAN.replace("none", "live", 1))
    commands = [
        (":promote", {"to": "live", "override": True, "reason": "hurry"}),
        (":pause", {}),
        (":resume", {}),
        (":abort", {"reason": "stop"}),
    ] * 5
    gate = threading.Barrier(len(commands))

    def send(command: tuple[str, dict[str, object]]) -> tuple[str, int]:
        gate.wait(timeout=PATIENCE)
        return command[0], client.post(
            "/v1/rollouts/bears" + command[0], json=command[1]
        ).status_code

    with ThreadPoolExecutor(len(commands)) as pool:
        answers = list(pool.map(send, commands))
    assert {status for _, status in answers} <= {200, 409}
    assert (":abort", 200) in answers
    assert world.rollout().stage is Stage.ROLLED_BACK
    assert world.live()[0] in (1, None)
    assert "intact" in chain(world.database)


@pytest.mark.parametrize("stop", [True, False])
def test_a_pause_or_resume_beside_a_promotion_is_no_lost_race(world: World, stop: bool) -> None:
    """Nobody said at which generation, so it waits and happens after it."""
    world.start()
    act = control.pause if stop else control.resume
    done: list[object] = []

    def beside() -> None:
        try:
            done.append(world.do(lambda u: act(u, "bears", "eve", world.now)))
        except StagegateError as error:
            done.append(str(error))

    thread = threading.Thread(target=beside)
    with world.database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        wish = {"override": True, "reason": "hurry"}
        promote(unit, "bears", "bob", world.now, **wish)  # type: ignore[arg-type]
        if not stop:
            control.pause(unit, "bears", "bob", world.now)
        waits = waiting_for_a_lock(world.database.engine)
        thread.start()
        assert eventually(waits)
    thread.join(PATIENCE)
    rollout = world.rollout()
    assert done == [rollout]
    assert (rollout.stage, rollout.paused is not None) == (Stage.LIMITED_SCOPE, stop)


def test_appends_from_many_connections_make_one_chain(database: Database) -> None:
    world = World(database)

    def act() -> str:
        with database.begin() as connection:
            unit = SqlUnitOfWork(connection)
            for _ in range(5):
                unit.audit.append(world.now, "eve", "looked", "bears")
        return "done"

    assert together(12, act) == {"done": 12}
    assert "intact: 60 events" in chain(database)


@pytest.mark.parametrize(
    ("vandalism", "complaint"),
    [
        ("UPDATE audit_event SET actor = 'mallory' WHERE sequence = 3", "event 3 was changed"),
        ("DELETE FROM audit_event WHERE sequence = 2", "event 2 is missing"),
        ("UPDATE audit_event SET sequence = 9 WHERE sequence = 2", "event 2 is missing"),
        ("DELETE FROM audit_event WHERE sequence > 2", "it ends with event 2, and event 4 was"),
        ("DELETE FROM audit_event", "it ends with event 0, and event 4 was"),
        ("DELETE FROM audit_head", "it does not know its own end"),
    ],
)
def test_an_edited_removed_or_moved_event_is_found(
    database: Database, vandalism: str, complaint: str
) -> None:
    world = World(database)
    for action in "abcd":
        world.do(
            lambda u, a=action: u.audit.append(world.now, "eve", a, "bears", detail={"x": 0.1})
        )
    client = a_client(world)
    assert client.get("/v1/audit:verify").json()["intact"]
    with database.begin() as connection:
        connection.execute(sa.text(vandalism))
    found = client.get("/v1/audit:verify").json()
    assert not found["intact"]
    assert complaint in found["sentence"]


def test_the_number_of_a_removed_event_is_not_given_again(database: Database) -> None:
    world = World(database)
    world.do(lambda u: u.audit.append(world.now, "eve", "a", "bears"))
    world.do(lambda u: u.audit.append(world.now, "eve", "b", "bears"))
    with database.begin() as connection:
        connection.execute(sa.text("DELETE FROM audit_event WHERE sequence = 2"))
    world.do(lambda u: u.audit.append(world.now, "eve", "c", "bears"))
    assert "event 2 is missing" in chain(database)


CRASH = """
import os, signal, sys
from datetime import datetime, UTC
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.services import control
from registry.services.promote import promote
command = {"promote": promote, "pause": control.pause, "abort": control.abort}[sys.argv[3]]
with Database(sys.argv[1]).begin() as connection:
    command(SqlUnitOfWork(connection), "bears", "bob", datetime.fromisoformat(sys.argv[2]))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("command", ["promote", "pause", "abort"])
def test_a_process_killed_in_a_command_leaves_nothing_half_done(
    database: Database, command: str
) -> None:
    world = World(database)
    world.start()
    world.review(correct=80)
    before = (world.rollout(), world.actions(), world.effects(), chain(database))
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            CRASH,
            database.engine.url.render_as_string(hide_password=False),
            world.now.isoformat(),
            command,
        ],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        timeout=PATIENCE,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (world.rollout(), world.actions(), world.effects(), chain(database)) == before
    assert world.do(lambda u: promote(u, "bears", "bob", world.now).stage) is Stage.LIMITED_SCOPE


def test_a_failure_after_the_change_takes_everything_back(world: World) -> None:
    world.start()
    world.review(correct=80)
    before = (world.rollout(), world.actions(), world.effects())

    def half(unit: SqlUnitOfWork) -> None:
        promote(unit, "bears", "bob", world.now)
        set_alias(unit, "bears", "live", 2, world.now)
        raise Conflict("the network went away")

    with pytest.raises(Conflict, match="network"):
        world.do(half)
    assert (world.rollout(), world.actions(), world.effects()) == before


def a_client(world: World) -> TestClient:
    app = FastAPI()
    app.include_router(world.router())
    app.include_router(audit.router(world.database))

    @app.exception_handler(StagegateError)
    def problem(_: Request, error: StagegateError) -> JSONResponse:
        extra = {"reasons": list(getattr(error, "reasons", ()))}
        return JSONResponse({"detail": str(error), **extra}, status_code=error.status)

    return TestClient(app, headers={"X-Stagegate-Actor": "bob"})
