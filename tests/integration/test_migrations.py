"""Revisions run up and down on both databases and describe exactly the tables of the code."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command

from console.migrate import WrongRevision, _config, check, current, downgrade, head, upgrade
from console.settings import load_settings
from console.wiring import Wiring
from registry.adapters.database.engine import Database

pytestmark = pytest.mark.integration


def test_an_empty_database_is_refused_with_the_command_that_mends_it(database_url: str):
    with pytest.raises(WrongRevision, match="stagegate db upgrade"):
        check(database_url)


def test_upgrade_reaches_the_revision_that_the_code_expects(database_url: str):
    assert upgrade(database_url) == head() == current(database_url)
    check(database_url)


def test_a_database_of_a_newer_stagegate_is_refused_by_name(database_url: str):
    upgrade(database_url)
    database = Database(database_url)
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(WrongRevision, match=r"9999.*newer"):
        check(database_url)


def test_every_revision_runs_down_and_up_again(database_url: str):
    upgrade(database_url)
    downgrade(database_url, "base")
    assert current(database_url) is None
    upgrade(database_url)
    check(database_url)


def test_evidence_that_was_there_before_is_of_the_baseline_that_always_was(database_url: str):
    command.upgrade(_config(database_url), "0003")
    database = Database(database_url)
    old = sa.table("exposure", *map(sa.column, _OF_AN_EXPOSURE))
    row = {**dict.fromkeys(_OF_AN_EXPOSURE, 1), "rollout_id": "r", "stage": "gradual"}
    row |= {"candidate": True, "failed": False, "created_at": "2026-06-01 12:00:00"}
    with database.begin() as connection:
        connection.execute(sa.text(_OLD_EVIDENCE))
        connection.execute(sa.text(_OLD_CHECK))
        connection.execute(sa.insert(old), [row])
    upgrade(database_url)
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT epoch, second FROM evidence").all() == [(0, None)]
        assert not connection.exec_driver_sql("SELECT waiting FROM reviewer_check").scalar_one()
        assert connection.exec_driver_sql("SELECT segments FROM exposure").scalars().all() == [None]
    downgrade(database_url, "0003")
    with database.read() as connection:
        found = connection.exec_driver_sql("SELECT prediction_id FROM evidence").scalars().all()
    database.close()
    assert found == ["p"]


def test_rollouts_that_were_there_before_are_numbered_in_their_order(database_url: str):
    command.upgrade(_config(database_url), "0005")
    database = Database(database_url)
    order = [("cats", 1, "c"), ("bears", 2, "b"), ("bears", 1, "a"), ("bears", 3, "d")]
    with database.begin() as connection:
        for model, day, name in order:
            row = {"model": model, "name": name, "day": f"2026-06-0{day} 12:00:00"}
            connection.execute(sa.text(_OLD_ROLLOUT), row)
    upgrade(database_url)
    query = "SELECT model, id, number FROM rollout ORDER BY model, number"
    with database.read() as connection:
        found = [tuple(row) for row in connection.exec_driver_sql(query)]
    downgrade(database_url, "0005")
    upgrade(database_url)
    with database.read() as connection:
        assert [tuple(row) for row in connection.exec_driver_sql(query)] == found
    database.close()
    assert found == [("bears", "a", 1), ("bears", "b", 2), ("bears", "d", 3), ("cats", "c", 1)]


_OLD_ROLLOUT = """
INSERT INTO rollout (id, model, version, version_digest, plan, plan_digest, salt, stage, step,
  generation, started_by, started_at, stage_since, step_since)
VALUES (:name, :model, 1, 'v', '{}', 'p', 's', 'rolled-back', 0, 1, 'bob', :day, :day, :day)
"""
_OF_AN_EXPOSURE = (
    "rollout_id", "stage", "step", "epoch", "share", "candidate", "unit", "failed", "created_at"
)  # fmt: skip
_OLD_CHECK = """
INSERT INTO reviewer_check (kind, model, item_id, reviewer, agreed, at)
VALUES ('gold', 'bears', 'i', 'rae', true, '2026-06-01 12:00:00')
"""
_OLD_EVIDENCE = """
INSERT INTO evidence (rollout_id, stage, step, prediction_id, version, arm, model_label,
  inclusion_probability, sampled, drawn, segments, created_at)
VALUES ('r', 'gradual', 0, 'p', 1, 'candidate', 'teddy', 1.0, true, true, '{}',
  '2026-06-01 12:00:00')
"""


def test_the_revisions_describe_the_tables_of_the_code(database_url: str):
    upgrade(database_url)
    command.check(_config(database_url))


def test_readiness_is_asked_through_the_connections_of_the_process(tmp_path: Path):
    settings = load_settings(home=tmp_path)
    upgrade(settings.database)
    wiring, used = Wiring(settings), []
    sa.event.listen(wiring.database.engine, "checkout", lambda *_: used.append(1))
    assert [wiring.why_not_ready() for _ in range(3)] == [()] * 3
    assert len(used) == 3
    downgrade(settings.database, "base")
    assert "run `stagegate db upgrade`" in wiring.why_not_ready()[0]
    wiring.database.close()
