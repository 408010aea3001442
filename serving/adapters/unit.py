"""One transaction's view of everything serving stores, on one connection."""

import sqlalchemy as sa

from registry.adapters.database.dialect import insert
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from serving.adapters.predictions import SqlPredictions
from serving.adapters.review_bias import SqlReviewBias
from serving.adapters.review_log import SqlReviewLog
from serving.adapters.review_queue import SqlReviewQueue
from serving.adapters.tables import scope_count
from serving.domain.routing import Quota


class SqlServingUnit:
    """Implements serving.ports.ServingUnit; whoever opened the connection commits it."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.registry = SqlUnitOfWork(connection)
        self.predictions = SqlPredictions(connection)
        self.reviews = SqlReviewQueue(connection)
        self.review_log = SqlReviewLog(connection)
        self.bias = SqlReviewBias(connection)

    def has_room(self, quota: Quota) -> bool:
        """Whether the day has room for one more request; another may take it."""
        day = (scope_count.c.rollout_id == quota.rollout_id, scope_count.c.day == quota.day)
        admitted = self._connection.execute(sa.select(scope_count.c.admitted).where(*day)).scalar()
        return (admitted or 0) < quota.limit

    def admit(self, quota: Quota) -> bool:
        """Count one more request of the day, if there is room; exact across replicas."""
        if quota.limit < 1:
            return False
        first = insert(self._connection, scope_count).values(
            rollout_id=quota.rollout_id, day=quota.day, admitted=1
        )
        counted = first.on_conflict_do_update(
            index_elements=["rollout_id", "day"],
            set_={"admitted": scope_count.c.admitted + 1},
            where=scope_count.c.admitted < quota.limit,
        ).returning(scope_count.c.admitted)
        return self._connection.execute(counted).first() is not None
