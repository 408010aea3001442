"""A check of reviewers is there since its item was planted, and waits until it is answered."""

import sqlalchemy as sa
from alembic import op

from registry.adapters.database.schema import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "reviewer_check",
        sa.Column("waiting", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column("reviewer_check", sa.Column("due_at", UtcDateTime, nullable=True))


def downgrade() -> None:
    """Take back."""
    op.execute("DELETE FROM reviewer_check WHERE waiting")
    op.drop_column("reviewer_check", "due_at")
    op.drop_column("reviewer_check", "waiting")
