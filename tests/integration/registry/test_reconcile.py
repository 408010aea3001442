"""What others move in MLflow is found, told once, and put back; what is ours on its way is not."""

from collections.abc import Mapping
from typing import Any

import pytest
from rollout_world import World

from console.deliver import deliver
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork, unit_of_work
from registry.domain.projection import Moved, MovedAlias, MovedStage, Shown, moves
from registry.domain.stages import Stage
from registry.services import control
from registry.services.promote import promote
from registry.services.reconcile import models, reconcile

pytestmark = pytest.mark.integration


class Elsewhere:
    """An MLflow that remembers aliases and tags, and that anybody may change."""

    def __init__(self) -> None:
        self.aliases: dict[str, int] = {}
        self.stages: dict[int, str | None] = {1: None, 2: None, 3: None}

    def shown(self, _: str) -> Shown:
        return Shown(dict(self.aliases), dict(self.stages))

    def alias(self, payload: Mapping[str, Any]) -> None:
        self.aliases.pop(payload["alias"], None)
        if payload["version"] is not None:
            self.aliases[payload["alias"]] = payload["version"]

    def stage(self, payload: Mapping[str, Any]) -> None:
        self.stages[payload["version"]] = payload["stage"]


@pytest.fixture
def world(migrated_sqlite_url: str) -> World:
    return World(Database(migrated_sqlite_url))


@pytest.fixture
def mlflow() -> Elsewhere:
    return Elsewhere()


def deliver_to(mlflow: Elsewhere, world: World) -> None:
    ignored = {"notification": lambda _: None}
    effects = {"mlflow.alias": mlflow.alias, "mlflow.stage": mlflow.stage, **ignored}
    deliver(world.database, effects, world.now)


def reconciled(mlflow: Elsewhere, world: World, show: Any = None) -> list[str]:
    look, change = unit_of_work(world.database.read), unit_of_work(world.database.begin)
    return [str(m) for m in reconcile("bears", show or mlflow.shown, look, change, world.now)]


def test_an_alias_and_a_tag_that_others_moved_are_told_once_and_put_back(
    world: World, mlflow: Elsewhere
) -> None:
    world.start()
    world.do(lambda u: promote(u, "bears", "bob", world.now, to="live", override=True, reason="x"))
    deliver_to(mlflow, world)
    assert reconciled(mlflow, world) == []
    truth = mlflow.shown("bears")
    mlflow.aliases = {"live": 3, "candidate": 1, "mine": 1}
    mlflow.stages[2] = "retained"
    assert reconciled(mlflow, world) == [
        "the alias live points at version 3 instead of version 2",
        "the alias candidate points at version 1 instead of nowhere",
        "the stage tag of version 2 says retained instead of live",
    ]
    assert reconciled(mlflow, world) == []  # it is on its way back
    deliver_to(mlflow, world)
    assert mlflow.aliases == {**truth.aliases, "mine": 1}
    assert mlflow.stages == truth.stages
    assert reconciled(mlflow, world) == []
    assert world.actions()[-1] == ("mlflow", "moved-in-mlflow")
    event, sentence = world.told()[-1]
    assert event == "moved-in-mlflow"
    assert sentence.startswith("somebody changed bears in MLflow: the alias live points at version")


def test_what_has_not_been_delivered_yet_is_no_move(world: World, mlflow: Elsewhere) -> None:
    world.start()
    assert reconciled(mlflow, world) == []
    deliver_to(mlflow, world)
    assert mlflow.aliases == {"candidate": 2}


def test_a_change_of_ours_while_mlflow_was_read_is_no_move(world: World, mlflow: Elsewhere) -> None:
    world.start()
    deliver_to(mlflow, world)

    def slowly(model: str) -> Shown:
        seen = mlflow.shown(model)
        world.do(lambda u: control.abort(u, "bears", "bob", world.now))
        deliver_to(mlflow, world)
        return seen

    assert reconciled(mlflow, world, slowly) == []
    assert ("mlflow", "moved-in-mlflow") not in world.actions()


def test_models_without_a_rollout_are_nobodys_business(world: World) -> None:
    with world.database.read() as connection:
        assert models(SqlUnitOfWork(connection)) == ()
    world.start()
    with world.database.read() as connection:
        assert models(SqlUnitOfWork(connection)) == ("bears",)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Shown({"live": 1}, {1: "live"}), ()),
        (Shown({"live": 1, "champion": 2}, {1: "live", 2: "odd"}), ()),
        (Shown({"live": 1}, {}), ()),  # a deleted version cannot be put back
        (Shown({}, {1: "live"}), (MovedAlias("live", None, 1),)),
        (Shown({"live": 1}, {1: None}), (MovedStage(1, None, Stage.LIVE),)),
    ],
)
def test_only_what_is_ours_counts(found: Shown, expected: tuple[Moved, ...]) -> None:
    assert moves(1, None, {1: Stage.LIVE}, found) == expected
