"""Reviewers' processes die in the middle of their work, and nothing is lost, doubled or stuck."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from killed import said_until_killed
from review_desk import WINDOW, decide, fill, take, taken, verdict, write
from serving_fakes import NOW
from waiting import eventually

from registry.adapters.database.engine import Database
from registry.adapters.database.tables import outbox
from serving.adapters.review_tables import review_decision, review_item, review_slot
from serving.adapters.tables import prediction
from serving.domain.prediction import Status
from serving.domain.review import LEASE
from serving.services import settle

pytestmark = pytest.mark.integration
CHILD = Path(__file__).parents[2] / "reviewing_child.py"
SETTLING = CHILD.with_name("settling_child.py")
ITEMS, LINES = 120, 40


def reviewed_until_killed(url: str) -> list[tuple[str, str]]:
    """What a process of reviewers had acknowledged when it was killed: items and keys."""
    lines = said_until_killed(LINES, CHILD, url)
    told = [line.split() for line in lines if line.endswith("\n")]
    return [(item, key) for item, key, counted in told if counted == "True"]


def test_what_was_acknowledged_survives_two_kills_and_every_item_is_answered_once(
    database: Database,
):
    now = datetime.now(UTC)
    fill(database, ITEMS, due_at=None)
    told = reviewed_until_killed(database.url) + reviewed_until_killed(database.url)
    later = now + LEASE + timedelta(minutes=5)
    write(database, lambda unit: settle.close_due(unit, later, limit=ITEMS))
    while task := take(database, "eve", later):
        assert decide(database, verdict(task, "eve", "paper"), later).opinion.counted

    def all_decided() -> bool:
        # PostgreSQL may still be committing what a killed process asked for last.
        write(database, lambda unit: settle.close_due(unit, later, limit=ITEMS))
        with database.read() as connection:
            states = set(connection.execute(sa.select(review_item.c.state)).scalars())
        return states == {"decided"}

    assert eventually(all_decided)
    with database.read() as connection:
        decisions = connection.execute(sa.select(review_decision)).all()
        slots = connection.execute(sa.select(review_slot)).all()
        notices = connection.execute(sa.select(outbox.c.payload)).scalars().all()
    stored = {(one.item_id, one.idempotency_key) for one in decisions if one.counted}
    assert set(told) <= stored
    assert len({slot.decision_id for slot in slots}) == len(slots) == ITEMS
    assert set(Counter(one["detail"]["id"] for one in notices).values()) == {1}
    assert len(notices) == ITEMS
    for number in range(ITEMS):
        name = f"prediction-{number:05d}"
        found = write(database, lambda unit, n=name: unit.predictions.get(n))
        assert found.status is Status.FINAL


def test_whoever_dies_with_windows_closed_and_late_answers_given_leaves_all_to_the_next(
    database: Database,
):
    """The worst moment: everything is written, and nothing is committed."""
    due = NOW + timedelta(seconds=2)
    fill(database, 3, due_at=due)
    for reviewer in ("ann", "bob"):
        decide(database, verdict(taken(database, reviewer), reviewer), NOW, window=WINDOW)
    before = stands(database)
    assert said_until_killed(1, SETTLING, database.url, due.isoformat()) == ["3\n"]
    assert stands(database) == before
    for _ in range(2):  # and whoever comes after the next does nothing more
        write(database, lambda unit: settle.close_due(unit, due))
        write(database, lambda unit: settle.answer_late(unit, due))
        answered, told = stands(database)
        assert answered == ["human", "human", "baseline"]
        assert told == 3


def stands(database: Database) -> tuple[list[str | None], int]:
    """Who has answered each held request, and how many callers were told."""
    with database.read() as connection:
        by = sa.select(prediction.c.decided_by).order_by(prediction.c.id)
        told = sa.select(sa.func.count()).select_from(outbox)
        return list(connection.execute(by).scalars()), connection.execute(told).scalar_one()
