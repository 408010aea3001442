"""Carrying out the effects on other systems that the outbox holds."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.evidence import LONGEST_WAIT, OutboxMessage

Effect = Callable[[Mapping[str, Any]], None]
# What needs no other system, and so happens exactly once: with the mark that it happened.
Within = Callable[[SqlUnitOfWork, Sequence[OutboxMessage], datetime], None]

# In one transaction, which must not keep others waiting for long.
WITHIN_AT_ONCE = 25
_log = structlog.get_logger()


def deliver(
    database: Database,
    effects: Mapping[str, Effect],
    now: datetime,
    within: Mapping[str, Within] | None = None,
) -> int:
    """Try every effect that is due, in order; gives how many happened.

    An effect happens outside any transaction and is marked afterwards, so a crash between the two
    repeats it: effects must be safe to repeat. A failed one waits 1 s, 2 s, 4 s … up to 5 minutes
    and holds back the later ones of its topic and model. Topics in `within` happen inside, several
    messages at once; if that fails, the first alone.
    """
    delivered = 0
    while messages := _due(database, now):
        happened = sum(
            _deliver_one(database, effects, within or {}, message, now) for message in messages
        )
        delivered += happened
        if not happened:
            break
    return delivered


def _due(database: Database, now: datetime) -> tuple[OutboxMessage, ...]:
    with database.read() as connection:
        return SqlUnitOfWork(connection).outbox.due(now)


def _deliver_one(
    database: Database,
    effects: Mapping[str, Effect],
    within: Mapping[str, Within],
    message: OutboxMessage,
    now: datetime,
) -> int:
    inside = within.get(message.topic)
    try:
        if inside is not None:
            return _deliver_within(database, inside, message, now)
        effects[message.topic](message.payload)
        with database.begin() as connection:
            SqlUnitOfWork(connection).outbox.done([message], now)
    except Exception as error:  # noqa: BLE001 - whatever another system throws, we try again
        wait = min(LONGEST_WAIT, timedelta(seconds=2**message.attempts))
        _log.warning("effect failed", topic=message.topic, error=str(error), retry_in=str(wait))
        with database.begin() as connection:
            SqlUnitOfWork(connection).outbox.failed(message, str(error), now + wait)
        return 0
    return 1


def _deliver_within(database: Database, inside: Within, first: OutboxMessage, now: datetime) -> int:
    try:
        return _happen(database, inside, first, now, WITHIN_AT_ONCE)
    except Exception:  # noqa: BLE001 - one of them cannot happen; those before it can
        return _happen(database, inside, first, now, 1)


def _happen(
    database: Database, inside: Within, first: OutboxMessage, now: datetime, limit: int
) -> int:
    with database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        messages = unit.outbox.waiting(first, now, limit)
        inside(unit, messages, now)
        unit.outbox.done(messages, now)
    return len(messages)
