"""When a version was deleted."""

import sqlalchemy as sa
from alembic import op

from registry.adapters.database.schema import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("model_version", sa.Column("deleted_at", UtcDateTime, nullable=True))


def downgrade() -> None:
    """Take back: what was deleted here is listed again, though MLflow does not have it."""
    op.drop_column("model_version", "deleted_at")
