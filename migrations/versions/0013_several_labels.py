"""An answer may have several labels: those of a version that are above its threshold."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("model_version", sa.Column("threshold", sa.Float, nullable=True))
    several = sa.Column("several", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("review_item", several)


def downgrade() -> None:
    """Take back."""
    op.drop_column("review_item", "several")
    op.drop_column("model_version", "threshold")
