"""The next message that waits is found in an index of those that wait, however many there are."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.drop_index("ix_outbox_done_at_topic_model_id", "outbox")
    op.drop_index("ix_webhook_delivery_endpoint_id_delivered_at_id", "webhook_delivery")
    op.create_index("ix_outbox_topic_model_id", "outbox", ["topic", "model", "id"])
    _of_what_waits("outbox", ["topic", "model", "id"], "done_at IS NULL")
    _of_what_waits("webhook_delivery", ["endpoint_id", "id"], "delivered_at IS NULL")


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_webhook_delivery_waiting", "webhook_delivery")
    op.drop_index("ix_outbox_waiting", "outbox")
    op.drop_index("ix_outbox_topic_model_id", "outbox")
    op.create_index(
        "ix_webhook_delivery_endpoint_id_delivered_at_id",
        "webhook_delivery",
        ["endpoint_id", "delivered_at", "id"],
    )
    op.create_index(
        "ix_outbox_done_at_topic_model_id", "outbox", ["done_at", "topic", "model", "id"]
    )


def _of_what_waits(table: str, columns: list[str], waits: str) -> None:
    where = sa.text(waits)
    name = f"ix_{table}_waiting"
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
