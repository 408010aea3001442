"""What waits for other systems is found at once, however much of it there is."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from registry.adapters.database.engine import Database
from registry.adapters.database.tables import outbox, webhook, webhook_delivery
from registry.adapters.database.unit_of_work import SqlUnitOfWork

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 24, tzinfo=UTC)
MANY = 3000


def plan_of(connection: sa.Connection, statement: str, parameters: object) -> str:
    """How the database would find it."""
    how = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    rows = connection.exec_driver_sql(f"{how} {statement}", parameters).all()
    return "\n".join(str(row[-1]) for row in rows)


@pytest.fixture
def crowded(database: Database) -> Database:
    """Much has arrived at an endpoint, which takes nothing any more."""
    endpoint = {
        "id": "e", "url": "https://example.org", "form": "standard", "secret": "s", "events": ["*"],
        "models": [], "created_by": "ada", "created_at": NOW,
        "disabled_reason": "",
    }  # fmt: skip
    delivery = {
        "endpoint_id": "e", "type": "x", "model": "bears", "body": "{}", "created_at": NOW,
        "next_at": NOW, "attempts": 0, "answer": "",
    }  # fmt: skip
    effect = {
        "topic": "notification", "model": "bears", "payload": {"model": "bears"},
        "created_at": NOW, "available_at": NOW, "attempts": 0,
    }  # fmt: skip
    with database.begin() as connection:
        connection.execute(sa.insert(webhook), endpoint)
        for done, since in ((NOW, 0), (None, MANY)):
            sent = [{"message_id": str(since + n), "delivered_at": done} for n in range(MANY)]
            connection.execute(sa.insert(webhook_delivery), [delivery | one for one in sent])
            connection.execute(sa.insert(outbox), [effect | {"done_at": done}] * MANY)
        connection.exec_driver_sql("ANALYZE")
    return database


def test_what_waits_is_read_in_its_order_and_not_sorted(crowded: Database):
    asked: list[tuple[str, object]] = []
    with crowded.begin() as connection:
        unit = SqlUnitOfWork(connection)
        first = unit.outbox.due(NOW)[0]

        @sa.event.listens_for(connection, "before_cursor_execute")
        def keep(*about: object) -> None:
            asked.append((str(about[2]), about[3]))

        assert unit.webhooks.first("e") is not None
        assert len(unit.outbox.waiting(first, NOW, 25)) == 25
        sa.event.remove(connection, "before_cursor_execute", keep)
        plans = [plan_of(connection, statement, given) for statement, given in asked]
    assert "ix_webhook_delivery_waiting" in plans[0]
    for plan in plans:
        assert "Sort" not in plan
        assert "B-TREE" not in plan
