"""Whether two reviewers agreed on an answer, beside the verdict on it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("evidence", sa.Column("second", sa.String(length=16), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("evidence", "second")
