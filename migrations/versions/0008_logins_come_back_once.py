"""A login through a provider is kept once it has come back, not while it is away."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_KEPT_AWAY = {"nonce": sa.String(64), "verifier": sa.String(128), "next": sa.Text()}


def upgrade() -> None:
    """Apply; whoever is away just now has to log in again."""
    op.execute("DELETE FROM provider_login")
    for name in _KEPT_AWAY:
        op.drop_column("provider_login", name)


def downgrade() -> None:
    """Take back."""
    op.execute("DELETE FROM provider_login")
    for name, kind in _KEPT_AWAY.items():
        column = sa.Column(name, kind, nullable=False, server_default="")
        op.add_column("provider_login", column)
