"""How many requests a model gets, and what they look like, from the prediction log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import sqlalchemy as sa

from registry.domain.plan import Scope
from registry.domain.visits import Visits
from serving.adapters.tables import prediction as t
from serving.domain.scope import outside

_WEEK = timedelta(days=7)
_LEAST = timedelta(hours=1)  # counted over less, a rate says nothing
_NEWEST = 1_000  # requests that stand for all others
_MANY = 20_000  # the same where it matters how they follow one another


@dataclass(frozen=True)
class SqlTraffic:
    """Implements registry.domain.forecast.Traffic for one model at one moment."""

    connection: sa.Connection
    model: str
    now: datetime

    @property
    def per_day(self) -> float:
        """Requests a day, over the last week or since the first one; 0 if there was none."""
        count = self.connection.execute(
            sa.select(sa.func.count()).where(*self._recent)
        ).scalar_one()
        return count / self.days

    @cached_property
    def days(self) -> float:
        """How many days that was counted over."""
        first = sa.select(sa.func.min(t.c.created_at)).where(t.c.model == self.model)
        began = self.connection.execute(first).scalar() or self.now
        return min(_WEEK, max(_LEAST, self.now - began)) / timedelta(days=1)

    def share_in(self, scope: Scope) -> float:
        """Which share of the requests a scope would have admitted, its daily limit aside."""
        return _share([outside(scope, attributes, at) is None for attributes, at in self._newest])

    def share_with(self, attribute: str) -> float:
        """Which share of the requests carried an attribute."""
        return _share([attribute in attributes for attributes, _ in self._newest])

    def values_per_day(self, attribute: str) -> float:
        """How many values of an attribute are met a day, each counted once over the days."""
        value = t.c.attributes[attribute].as_string()
        count = sa.select(sa.func.count(value.distinct())).where(*self._recent)
        return self.connection.execute(count).scalar_one() / self.days

    def share_first(self, attribute: str, seconds: float) -> float:
        """Which share of the requests is the first of its value within some time, or has none."""
        value = t.c.attributes[attribute].as_string()
        newest = sa.select(value, t.c.created_at).where(*self._recent)
        rows = self.connection.execute(newest.order_by(t.c.created_at.desc()).limit(_MANY)).all()
        numbers = {value: place for place, value in enumerate({row[0] for row in rows} - {None}, 1)}
        units = np.array([numbers.get(row[0], 0) for row in reversed(rows)], np.int64)
        asked = np.array([row[1].timestamp() for row in reversed(rows)], np.float64)
        first, _ = Visits(seconds).meet(units, asked)
        return float(first.mean()) if rows else 1.0

    @cached_property
    def _newest(self) -> Sequence[tuple[Mapping[str, Any], datetime]]:
        newest = sa.select(t.c.attributes, t.c.created_at).where(*self._recent)
        rows = self.connection.execute(newest.order_by(t.c.created_at.desc()).limit(_NEWEST))
        return [(row.attributes, row.created_at) for row in rows]

    @property
    def _recent(self) -> tuple[sa.ColumnElement[bool], ...]:
        since = self.now - _WEEK
        return t.c.model == self.model, t.c.created_at > since, t.c.created_at <= self.now


def _share(said: Sequence[bool]) -> float:
    return sum(said) / len(said) if said else 0.0
