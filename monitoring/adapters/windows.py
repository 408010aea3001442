"""Live windows in the database, each stored once by its replica and epoch, old ones merged."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from monitoring.adapters.tables import live_window as t
from monitoring.domain.binning import FeatureCounts
from monitoring.domain.episode import Reading
from monitoring.domain.window import Growth, LiveWindow, WindowCounts, merge
from registry.adapters.database.dialect import insert
from registry.domain.evidence import CLOCKS_DIFFER

MERGED = "hour"  # the replica of merged windows; real ones are named after a host and a process
KEPT = timedelta(days=30)
_SINGLE, _SINGLE_ROWS = timedelta(minutes=10), 1000
_AT_ONCE = 2000
_PAGE = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SqlWindows:
    """Implements monitoring.ports.Windows; whoever opened the connection commits it."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, window: LiveWindow) -> None:
        """Store a window; one of the same replica and epoch changes nothing."""
        self._connection.execute(
            insert(self._connection, t)
            .values(
                model=window.model,
                version=window.version,
                replica=window.replica,
                epoch=window.epoch,
                started_at=window.started_at,
                ended_at=window.ended_at,
                rows=window.rows,
                counts=_to_document(window.counts),
                shift_evidence=window.shift_evidence,
                growth=_growth_document(window.growth),
            )
            .on_conflict_do_nothing()
        )

    def since(self, model: str, version: int, moment: datetime) -> tuple[LiveWindow, ...]:
        """Windows that ended after a moment, the newest first."""
        rows = self._connection.execute(_newest(model, version).where(t.c.ended_at > moment))
        return tuple(_window(row) for row in rows)

    def last(self, model: str, version: int, rows: int, now: datetime) -> tuple[LiveWindow, ...]:
        """The newest windows, as many as it takes to hold `rows` inputs; the newest first.

        What is said to have ended later than now was said by a clock that was set back since, and
        is left out.
        """
        chosen: list[LiveWindow] = []
        held = 0
        with self._connection.execute(_newest(model, version).where(_by(now))) as result:
            for row in result.yield_per(_PAGE):
                chosen.append(_window(row))
                held += row.rows
                if held >= rows:
                    break
        return tuple(chosen)

    def readings(
        self, model: str, version: int, moment: datetime, now: datetime
    ) -> tuple[Reading, ...]:
        """Where the replicas' detectors stood from a moment until now; oldest first."""
        rows = self._connection.execute(
            sa.select(t.c.replica, t.c.ended_at, t.c.shift_evidence)
            .where(*_of(model, version), t.c.ended_at > moment, _by(now), t.c.replica != MERGED)
            .order_by(t.c.ended_at, t.c.id)
        )
        return tuple(Reading(*row) for row in rows)

    def merge_old(self, now: datetime) -> int:
        """Merge windows that nobody looks at one by one into hours; says how many there were.

        Those of the last 10 minutes stay, and so do those that hold a version's newest 1,000
        inputs, which the regular check looks at. What is older than any question goes. Each row is
        merged by the transaction that deletes it, so that nothing counts twice.
        """
        merged = 0
        for model, version in self._connection.execute(
            sa.select(t.c.model, t.c.version)
            .where(t.c.ended_at < now - _SINGLE, t.c.replica != MERGED)
            .distinct()
        ).all():
            before = min(now - _SINGLE, self._newest_inputs_end(model, version, now))
            merged += self._merge(model, version, before)
        self._connection.execute(sa.delete(t).where(t.c.ended_at < now - KEPT))
        return merged

    def _newest_inputs_end(self, model: str, version: int, now: datetime) -> datetime:
        """The end of the oldest window among those that hold the newest inputs."""
        held, end = 0, _EPOCH
        rows = self._connection.execute(
            sa.select(t.c.rows, t.c.ended_at)
            .where(*_of(model, version), _by(now))
            .order_by(t.c.ended_at.desc())
        )
        with rows:
            for row in rows.yield_per(_PAGE):
                held, end = held + row.rows, row.ended_at
                if held >= _SINGLE_ROWS:
                    break
        return end

    def _merge(self, model: str, version: int, before: datetime) -> int:
        old = (
            sa.select(t.c.id)
            .where(*_of(model, version), t.c.ended_at < before, t.c.replica != MERGED)
            .order_by(t.c.ended_at)
            .limit(_AT_ONCE)
        )
        taken = self._take(t.c.id.in_(old))
        for hour, windows in _by_hour(taken).items():
            epoch = (hour - _EPOCH) // timedelta(microseconds=1)
            here = (*_of(model, version), t.c.replica == MERGED, t.c.epoch == epoch)
            together = [*windows, *self._take(*here)]
            start = min(w.started_at for w in together)
            end = max(w.ended_at for w in together)
            self.add(LiveWindow(model, version, MERGED, epoch, start, end, merge(together)))
        return len(taken)

    def _take(self, *which: sa.ColumnElement[bool]) -> list[LiveWindow]:
        return [
            _window(row)
            for row in self._connection.execute(sa.delete(t).where(*which).returning(t))
        ]


def _by_hour(windows: Sequence[LiveWindow]) -> dict[datetime, list[LiveWindow]]:
    hours: dict[datetime, list[LiveWindow]] = {}
    for window in windows:
        hour = window.ended_at.replace(minute=0, second=0, microsecond=0)
        hours.setdefault(hour, []).append(window)
    return hours


def _of(model: str, version: int) -> tuple[sa.ColumnElement[bool], ...]:
    return t.c.model == model, t.c.version == version


def _by(now: datetime) -> sa.ColumnElement[bool]:
    return t.c.ended_at <= now + CLOCKS_DIFFER


def _newest(model: str, version: int) -> sa.Select[Any]:
    return sa.select(t).where(*_of(model, version)).order_by(t.c.ended_at.desc(), t.c.id.desc())


def _window(row: Any) -> LiveWindow:
    return LiveWindow(
        model=row.model,
        version=row.version,
        replica=row.replica,
        epoch=row.epoch,
        started_at=row.started_at,
        ended_at=row.ended_at,
        counts=_from_document(row.rows, row.counts),
        shift_evidence=row.shift_evidence,
        growth=_growth(row.growth),
    )


def _to_document(counts: WindowCounts) -> dict[str, Any]:
    return {
        "features": {name: [f.total, *f.counts] for name, f in counts.features.items()},
        "predicted": counts.predicted,
        "scored": counts.scored,
        "flagged": counts.flagged,
    }


def _growth_document(growth: Growth | None) -> dict[str, Any] | None:
    if growth is None:
        return None
    counts = growth.counts
    return {"since": growth.since.isoformat(), "rows": counts.rows, **_to_document(counts)}


def _growth(document: Mapping[str, Any] | None) -> Growth | None:
    if document is None:
        return None
    since = datetime.fromisoformat(document["since"])
    return Growth(since, _from_document(document["rows"], document))


def _from_document(rows: int, document: Mapping[str, Any]) -> WindowCounts:
    return WindowCounts(
        rows=rows,
        features={
            name: FeatureCounts(tuple(values[1:]), values[0])
            for name, values in document["features"].items()
        },
        predicted=tuple(document["predicted"]),
        scored=document["scored"],
        flagged=document["flagged"],
    )
