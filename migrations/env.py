"""Runs the revisions inside one transaction each, on SQLite and PostgreSQL."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from monitoring.adapters import tables as monitoring_tables
from registry.adapters.database import people_tables
from registry.adapters.database import tables as registry_tables
from registry.adapters.database.engine import Database
from registry.adapters.database.schema import METADATA, UtcDateTime
from serving.adapters import review_tables
from serving.adapters import tables as serving_tables

# Importing them fills the metadata.
TABLES = (registry_tables, people_tables, monitoring_tables, serving_tables, review_tables)


def render_item(kind: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    """Write our own column type into new revisions under a short name."""
    return "UtcDateTime" if kind == "type" and isinstance(item, UtcDateTime) else False


def run() -> None:
    """Upgrade or downgrade the database at the URL that the caller put into the attributes."""
    database = Database(context.config.attributes["url"])
    try:
        with database.begin() as connection:
            context.configure(
                connection=connection,
                target_metadata=METADATA,
                render_as_batch=context.config.attributes.get("batch", database.is_sqlite),
                render_item=render_item,
                compare_type=True,
            )
            with context.begin_transaction():
                context.run_migrations()
    finally:
        database.close()


run()
