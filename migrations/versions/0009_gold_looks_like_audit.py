"""What audit items are like, beside each item that plants a gold item among them."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("review_item", sa.Column("plants_chance", sa.Float(), nullable=True))
    op.add_column("review_item", sa.Column("plants_opinions", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("review_item", "plants_opinions")
    op.drop_column("review_item", "plants_chance")
