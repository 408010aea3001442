"""Reviewers' processes die in the middle of their work, and nothing is lost, doubled or stuck."""

import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from review_desk import decide, fill, take, verdict, write

from registry.adapters.database.engine import Database
from registry.adapters.database.tables import outbox
from serving.adapters.review_tables import review_decision, review_item, review_slot
from serving.domain.prediction import Status
from serving.domain.review import LEASE
from serving.services import settle

pytestmark = pytest.mark.integration
CHILD = Path(__file__).parents[2] / "reviewing_child.py"
ITEMS, LINES = 120, 40


def reviewed_until_killed(url: str) -> list[tuple[str, str]]:
    """What a process of reviewers had acknowledged when it was killed: items and keys."""
    root = str(CHILD.parents[1])
    child = subprocess.Popen(
        [sys.executable, str(CHILD), url],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip
    assert child.stdout is not None
    with child.stdout:
        lines = [child.stdout.readline() for _ in range(LINES)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()  # what it had said before it died
    child.wait()
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
    with database.read() as connection:
        decisions = connection.execute(sa.select(review_decision)).all()
        slots = connection.execute(sa.select(review_slot)).all()
        states = set(connection.execute(sa.select(review_item.c.state)).scalars())
        notices = connection.execute(sa.select(outbox.c.payload)).scalars().all()
    stored = {(one.item_id, one.idempotency_key) for one in decisions if one.counted}
    assert set(told) <= stored
    assert states == {"decided"}
    assert len({slot.decision_id for slot in slots}) == len(slots) == ITEMS
    assert set(Counter(one["detail"]["id"] for one in notices).values()) == {1}
    assert len(notices) == ITEMS
    for number in range(ITEMS):
        name = f"prediction-{number:05d}"
        found = write(database, lambda unit, n=name: unit.predictions.get(n))
        assert found.status is Status.FINAL
