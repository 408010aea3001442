"""Alembic revisions of the one database."""
