"""The registered versions in the database."""

from collections.abc import Set
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.tables import model_version as t
from registry.domain.errors import Conflict, NotFound
from registry.domain.versions import ModelVersion

_LARGEST = 2**31 - 1  # a larger number does not fit the column, so nobody has it


class SqlVersions:
    """Implements registry.ports.Versions."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, version: ModelVersion) -> None:
        """Store a new version; Conflict if its number is taken."""
        if self._row(version.model, version.version) is not None:
            raise Conflict(f"{version.name} is already registered; register it under a new number")
        self._connection.execute(
            sa.insert(t).values(
                model=version.model,
                version=version.version,
                digest=version.digest,
                bundle_uri=version.bundle_uri,
                run_id=version.run_id,
                source_format=version.source_format,
                labels=list(version.labels),
                environment=dict(version.environment),
                parity=dict(version.parity or {}),
                threshold=version.threshold,
                tags=dict(version.tags or {}),
                description=version.description,
                author=version.author,
                created_at=version.created_at,
            )
        )

    def get(self, model: str, version: int) -> ModelVersion:
        """One version; NotFound names those that exist."""
        row = self._row(model, version)
        if row is None:
            raise NotFound(self._missing(model, version))
        if row.deleted_at is not None:
            raise NotFound(f"{model}@{version} was deleted on {row.deleted_at:%Y-%m-%d %H:%M} UTC")
        return _version(row)

    def list(self, model: str | None = None) -> tuple[ModelVersion, ...]:
        """All versions, or those of one model, by model and number."""
        query = sa.select(t).where(t.c.deleted_at.is_(None)).order_by(t.c.model, t.c.version)
        if model is not None:
            query = query.where(t.c.model == model)
        return tuple(_version(row) for row in self._connection.execute(query))

    def numbers(self, model: str | None = None) -> Set[tuple[str, int]]:
        """Every model and number that was ever registered, deleted ones too."""
        query = sa.select(t.c.model, t.c.version)
        if model is not None:
            query = query.where(t.c.model == model)
        return {(row.model, row.version) for row in self._connection.execute(query)}

    def remove(self, model: str, version: int, now: datetime) -> None:
        """Leave a version out of every list from now on; its number stays taken."""
        self._connection.execute(
            sa.update(t)
            .where(t.c.model == model, t.c.version == version, t.c.deleted_at.is_(None))
            .values(deleted_at=now)
        )

    def _row(self, model: str, version: int) -> Any | None:
        if not 0 < version <= _LARGEST:
            return None
        query = sa.select(t).where(t.c.model == model, t.c.version == version)
        return self._connection.execute(query).first()

    def _missing(self, model: str, version: int) -> str:
        numbers = [str(v.version) for v in self.list(model)]
        if numbers:
            return f"{model} has no version {version}; it has {', '.join(numbers)}"
        models = sorted({v.model for v in self.list()})
        known = f"registered are {', '.join(models)}" if models else "none is registered yet"
        return f"there is no model {model!r}; {known}"


def _version(row: Any) -> ModelVersion:
    return ModelVersion(
        model=row.model,
        version=row.version,
        digest=row.digest,
        bundle_uri=row.bundle_uri,
        source_format=row.source_format,
        labels=tuple(row.labels),
        environment=row.environment,
        author=row.author,
        created_at=row.created_at,
        run_id=row.run_id,
        description=row.description,
        tags=row.tags,
        parity=row.parity,
        threshold=row.threshold,
    )
