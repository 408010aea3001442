"""Which baseline evidence is about, and the segments of exposures."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    always = sa.Column("baseline_generation", sa.Integer(), server_default="0", nullable=False)
    op.add_column("rollout", always)
    op.add_column("evidence", sa.Column("epoch", sa.Integer(), server_default="0", nullable=False))
    op.add_column("exposure", sa.Column("segments", sa.Text(), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("exposure", "segments")
    op.drop_column("evidence", "epoch")
    op.drop_column("rollout", "baseline_generation")
