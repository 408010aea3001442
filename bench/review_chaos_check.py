"""What the database holds after the chaos, against what reviewers and webhooks were told."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.engine import Database
from registry.adapters.database.tables import outbox, webhook_delivery
from serving.adapters.review_tables import review_decision, review_item, review_slot
from serving.adapters.tables import prediction

Acknowledged = Mapping[tuple[str, str], str | None]
Heard = Mapping[str, set[str]]


def check(
    database: Database, items: int, acknowledged: Acknowledged, heard: Heard | None
) -> Iterator[str]:
    """A sentence for each thing that is wrong. `heard`: the ids that came for each prediction."""
    with database.read() as connection:
        decisions = {r.id: r for r in connection.execute(sa.select(review_decision))}
        yield from _what_was_acknowledged(acknowledged, decisions.values())
        yield from _what_stands(connection, items)
        yield from _what_callers_heard(connection, decisions)
        yield from _what_was_sent(connection, items)
    if heard is not None:
        several = sum(len(ids) != 1 for ids in heard.values())
        if several or len(heard) != items:
            yield f"webhooks told of {len(heard)} of {items} answers, {several} under several ids"


def settled(database: Database, items: int) -> bool:
    """Whether every notice has become a message to the endpoint."""
    with database.read() as connection:
        waits = connection.execute(sa.select(sa.func.count()).where(outbox.c.done_at.is_(None)))
        made = connection.execute(sa.select(sa.func.count(webhook_delivery.c.id)))
        return waits.scalar_one() == 0 and made.scalar_one() >= items


def _what_was_acknowledged(acknowledged: Acknowledged, decisions: Iterable[Any]) -> Iterator[str]:
    stored = {(r.item_id, r.idempotency_key): r.label for r in decisions if r.counted}
    lost = {k for k, label in acknowledged.items() if stored.get(k, "no") != label}
    if lost:
        yield f"{len(lost)} acknowledged decisions are not stored, such as {min(lost)}"


def _what_stands(connection: sa.Connection, items: int) -> Iterator[str]:
    for column, wanted in ((review_item.c.state, "decided"), (review_slot.c.state, "done")):
        states = {r[0]: r.n for r in connection.execute(_counted(column))}
        if states != {wanted: items}:
            yield f"{column.table.name} stands so: {states}"


def _what_callers_heard(connection: sa.Connection, decisions: Mapping[int, Any]) -> Iterator[str]:
    """One current decision a slot, and the answer of the request is that decision's."""
    slots = connection.execute(sa.select(review_slot.c.item_id, review_slot.c.decision_id)).all()
    current = {r.item_id: decisions.get(r.decision_id) for r in slots}
    if len({r.decision_id for r in slots}) != len(slots):
        yield "two slots have one decision"
    p = prediction.c
    for row in connection.execute(sa.select(p.id, p.status, p.decided_by, p.answer)):
        last = current[row.id]
        if last is None or last.item_id != row.id:
            yield f"{row.id} has no decision of its own"
        elif (row.status, row.decided_by) != ("final", "human"):
            yield f"{row.id} is {row.status} by {row.decided_by}"
        elif row.answer["prediction"] != last.label:
            yield f"{row.id} was answered {row.answer['prediction']}, decided was {last.label}"


def _what_was_sent(connection: sa.Connection, items: int) -> Iterator[str]:
    """One notice of each answer, and one message of each notice."""
    payloads = connection.execute(sa.select(outbox.c.payload)).scalars()
    told = Counter(payload["detail"]["id"] for payload in payloads)
    if set(told.values()) != {1} or len(told) != items:
        yield f"{len(told)} notices for {items} answers; {told.most_common(1)}"
    d = webhook_delivery.c
    messages, ids = connection.execute(
        sa.select(sa.func.count(d.id), sa.func.count(d.message_id.distinct()))
    ).one()
    if (messages, ids) != (items, items):
        yield f"{messages} messages with {ids} webhook ids for {items} answers"


def _counted(column: sa.Column[Any]) -> sa.Select[Any]:
    return sa.select(column, sa.func.count().label("n")).group_by(column)
