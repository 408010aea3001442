"""Rollouts of a model are numbered, so that no clock tells which is the newer one."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    number = sa.Column("number", sa.Integer(), server_default="0", nullable=False)
    op.add_column("rollout", number)
    op.execute(_IN_THE_ORDER_SO_FAR)
    op.create_index(op.f("ix_rollout_model_number"), "rollout", ["model", "number"], unique=True)
    op.drop_index(op.f("ix_rollout_model_started_at"), "rollout")


def downgrade() -> None:
    """Take back."""
    op.create_index(op.f("ix_rollout_model_started_at"), "rollout", ["model", "started_at"])
    op.drop_index(op.f("ix_rollout_model_number"), "rollout")
    op.drop_column("rollout", "number")


_IN_THE_ORDER_SO_FAR = """
UPDATE rollout SET number = (
  SELECT count(*) FROM rollout AS other
  WHERE other.model = rollout.model
    AND (other.started_at, other.id) <= (rollout.started_at, rollout.id)
)
"""
