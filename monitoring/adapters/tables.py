"""The tables of live windows and alerts."""

import sqlalchemy as sa
from sqlalchemy import Column as C  # noqa: N817 - a table reads best when its columns are short

from registry.adapters.database.schema import SERIAL, UtcDateTime, table

# Integer counts of what one replica saw in one epoch; rows of a window add up in any order.
live_window = table(
    "live_window",
    C("id", SERIAL, primary_key=True),
    C("model", sa.String(128), nullable=False),
    C("version", sa.Integer, nullable=False),
    C("replica", sa.String(64), nullable=False),
    C("epoch", sa.BigInteger, nullable=False),
    C("started_at", UtcDateTime, nullable=False),
    C("ended_at", UtcDateTime, nullable=False),
    C("rows", sa.Integer, nullable=False),
    C("counts", sa.JSON, nullable=False),
    C("shift_evidence", sa.Float, nullable=False),
    C("growth", sa.JSON(none_as_null=True), nullable=True),
    sa.UniqueConstraint("model", "version", "replica", "epoch"),
    sa.Index(None, "model", "version", "ended_at"),
)

alert = table(
    "alert",
    C("id", SERIAL, primary_key=True),
    C("model", sa.String(128), nullable=False),
    C("version", sa.Integer, nullable=False),
    C("kind", sa.String(32), nullable=False),
    C("sentence", sa.Text, nullable=False),
    C("raised_at", UtcDateTime, nullable=False),
    C("last_seen_at", UtcDateTime, nullable=False),
    C("cleared_at", UtcDateTime, nullable=True),
    sa.Index(None, "model", "raised_at"),
)
