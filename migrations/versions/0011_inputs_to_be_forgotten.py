"""Inputs whose deletion was asked for are on a list until nobody needs them."""

import sqlalchemy as sa
from alembic import op

from registry.adapters.database.schema import UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "forgotten_input",
        sa.Column("digest", sa.String(80), primary_key=True),
        sa.Column("asked_at", UtcDateTime, nullable=False),
    )


def downgrade() -> None:
    """Take back; what still waits has to be asked for again."""
    op.drop_table("forgotten_input")
