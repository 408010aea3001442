"""What a reviewer does with an item is done once, however often it is sent."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("review_event", sa.Column("request", sa.String(length=320), nullable=True))
    op.create_index(
        op.f("ix_review_event_item_id_actor_request"),
        "review_event",
        ["item_id", "actor", "request"],
        unique=True,
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index(op.f("ix_review_event_item_id_actor_request"), table_name="review_event")
    op.drop_column("review_event", "request")
