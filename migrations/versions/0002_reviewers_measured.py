"""What the estimates of accuracy and of automation bias read, and what a reviewer's page was."""

import sqlalchemy as sa
from alembic import op

from registry.adapters.database.schema import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_PASSED_ON = sa.text("action IN ('skipped', 'escalated', 'snoozed')")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "review_bias",
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("fallen_back_at", UtcDateTime, nullable=True),
        sa.Column("at_most", sa.Float(), nullable=False),
        sa.Column("measured", sa.JSON(), nullable=False),
        sa.Column("measured_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_review_bias")),
    )
    op.add_column("review_decision", sa.Column("page", sa.String(length=64), nullable=True))
    op.create_index(
        op.f("ix_review_decision_decided_at"), "review_decision", ["decided_at"], unique=False
    )
    op.create_index(
        "ix_review_event_passed_on",
        "review_event",
        ["item_id"],
        unique=False,
        sqlite_where=_PASSED_ON,
        postgresql_where=_PASSED_ON,
    )
    op.create_index(
        op.f("ix_review_item_model_created_at"),
        "review_item",
        ["model", "created_at"],
        unique=False,
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index(op.f("ix_review_item_model_created_at"), table_name="review_item")
    op.drop_index(
        "ix_review_event_passed_on",
        table_name="review_event",
        sqlite_where=_PASSED_ON,
        postgresql_where=_PASSED_ON,
    )
    op.drop_index(op.f("ix_review_decision_decided_at"), table_name="review_decision")
    op.drop_column("review_decision", "page")
    op.drop_table("review_bias")
