"""One transaction's view of everything serving stores, on one connection."""

import sqlalchemy as sa

from registry.adapters.database.dialect import insert
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from serving.adapters.predictions import SqlPredictions
from serving.adapters.review_bias import SqlReviewBias
from serving.adapters.review_log import SqlReviewLog
from serving.adapters.review_queue import SqlReviewQueue
from serving.adapters.tables import scope_count
from serving.domain.admission import Record
from serving.domain.routing import Quota
from serving.domain.shadowing import Beside


class SqlServingUnit:
    """Implements serving.ports.ServingUnit; whoever opened the connection commits it.

    What is kept of requests is written together, before anything else is asked for or `flush` is
    called: a statement for many rows costs little more than one for a single row.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._registry = SqlUnitOfWork(connection)
        self._predictions = SqlPredictions(connection)
        self._reviews = SqlReviewQueue(connection)
        self._review_log = SqlReviewLog(connection)
        self._bias = SqlReviewBias(connection)
        self._kept: list[Record] = []
        self._beside: list[Beside] = []

    @property
    def registry(self) -> SqlUnitOfWork:
        """Versions, rollouts and evidence."""
        self.flush()
        return self._registry

    @property
    def predictions(self) -> SqlPredictions:
        """The prediction log."""
        self.flush()
        return self._predictions

    @property
    def reviews(self) -> SqlReviewQueue:
        """The review queue."""
        self.flush()
        return self._reviews

    @property
    def review_log(self) -> SqlReviewLog:
        """What reviewers said and did."""
        self.flush()
        return self._review_log

    @property
    def bias(self) -> SqlReviewBias:
        """What seeing a model's answer does to reviewers."""
        self.flush()
        return self._bias

    def keep(self, record: Record) -> None:
        """Write a request's rows, at the latest when `flush` is called."""
        self._kept.append(record)

    def keep_beside(self, beside: Beside) -> None:
        """Write what shadows said, at the latest when `flush` is called."""
        self._beside.append(beside)

    def flush(self) -> None:
        """Write what was kept; Conflict if an idempotency key is taken."""
        kept, self._kept, beside, self._beside = self._kept, [], self._beside, []
        if kept:
            self._predictions.add(*(one.prediction for one in kept))
        if exposures := [exposure for one in kept for exposure in one.exposures]:
            self._registry.exposures.add(*exposures)
        if shadows := [shadow for one in beside for shadow in one.shadows]:
            self._predictions.add_shadow(*shadows)
        both: tuple[Record | Beside, ...] = (*kept, *beside)
        if evidence := [row for one in both for row in one.evidence]:
            self._registry.evidence.add(evidence)
        for item in [one.item for one in both if one.item]:
            self._reviews.add(item)

    def has_room(self, quota: Quota, requests: int) -> bool:
        """Whether the day has room for so many more; others may take it."""
        day = (scope_count.c.rollout_id == quota.rollout_id, scope_count.c.day == quota.day)
        admitted = self._connection.execute(sa.select(scope_count.c.admitted).where(*day)).scalar()
        return (admitted or 0) + requests <= quota.limit

    def admit(self, quota: Quota, requests: int) -> bool:
        """Count so many more of the day, if there is room for all; exact across replicas."""
        if requests == 0:
            return True
        if requests > quota.limit:
            return False
        first = insert(self._connection, scope_count).values(
            rollout_id=quota.rollout_id, day=quota.day, admitted=requests
        )
        counted = first.on_conflict_do_update(
            index_elements=["rollout_id", "day"],
            set_={"admitted": scope_count.c.admitted + requests},
            where=scope_count.c.admitted <= quota.limit - requests,
        ).returning(scope_count.c.admitted)
        return self._connection.execute(counted).first() is not None
