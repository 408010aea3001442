"""Sending what waits for webhooks; the outbox has made one delivery for each of them."""

import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.adapters.webhook_http import TIMEOUT_SECONDS, send_all
from registry.domain.evidence import OutboxMessage
from registry.domain.webhooks import KEPT_FOR
from registry.services.webhooks import due, fan_out, settle

# No round begins later than this, so that a turn ends while the loop's lease still lasts.
_LATEST_START_SECONDS = 20.0
_log = structlog.get_logger()


def spread(unit: SqlUnitOfWork, messages: Sequence[OutboxMessage], now: datetime) -> None:
    """Turn notifications of the outbox into a delivery for each endpoint that wants them."""
    fan_out(unit, messages, now, lambda: f"msg_{uuid.uuid4().hex}")
    for told in (message.payload for message in messages):
        _log.info(told.get("sentence", ""), event_type=told["event"], model=told["model"])


def notify(
    database: Database, now: Callable[[], datetime], timeout_seconds: float = TIMEOUT_SECONDS
) -> int:
    """Send all that is due, one message of each endpoint at a time; gives how many arrived.

    A message is sent outside any transaction and marked afterwards. Whoever dies in between leaves
    it to be sent again, under the same id, by which receivers know it.
    """
    started, arrived = time.monotonic(), 0
    while time.monotonic() - started < _LATEST_START_SECONDS:
        with database.read() as connection:
            waiting = due(SqlUnitOfWork(connection), now())
        answers = send_all(waiting, now, timeout_seconds) if waiting else ()
        accepted = 0
        for (endpoint, delivery), answer in zip(waiting, answers, strict=True):
            with database.begin() as connection:
                settle(SqlUnitOfWork(connection), delivery, answer, now())
            accepted += answer.accepted
            if not answer.accepted:
                _log.warning("webhook refused", to=endpoint.origin, answer=answer.said)
        arrived += accepted
        if not accepted:
            break
    return arrived


def forget_old(database: Database, now: datetime) -> None:
    """Delete the deliveries that are too old to be replayed."""
    with database.begin() as connection:
        SqlUnitOfWork(connection).webhooks.forget(now - KEPT_FOR)
