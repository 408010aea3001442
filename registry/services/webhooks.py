"""Keep endpoints of webhooks, and what becomes of each message to them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from registry.domain.errors import Invalid
from registry.domain.evidence import OutboxMessage
from registry.domain.webhooks import (
    KEPT_FOR,
    OLD_SECRET_SIGNS_FOR,
    Answer,
    Delivery,
    Endpoint,
    Form,
    body_of,
    checked_url,
    event_type,
    is_due,
    knock_again,
    next_try,
    patterns,
    secret_of,
)
from registry.ports import UnitOfWork
from registry.services.record import CONTROLLER

_NO_MODEL = ""  # an endpoint belongs to none


def add_endpoint(
    unit: UnitOfWork,
    url: str,
    form: Form,
    events: Sequence[str],
    models: Sequence[str],
    actor: str,
    now: datetime,
    endpoint_id: str,
    random: bytes,
) -> Endpoint:
    """Tell an address of these events, from now on."""
    endpoint = Endpoint(
        id=endpoint_id,
        url=checked_url(url),
        form=form,
        secret=secret_of(random),
        events=patterns(events),
        models=tuple(models),
        created_by=actor,
        created_at=now,
    )
    unit.webhooks.add(endpoint)
    detail = {"form": form.value, "events": list(endpoint.events), "models": list(models)}
    _log(unit, endpoint, "webhook-added", actor, now, detail)
    return endpoint


def remove_endpoint(unit: UnitOfWork, endpoint_id: str, actor: str, now: datetime) -> Endpoint:
    """Tell an address nothing more, not even what is on its way."""
    endpoint = unit.webhooks.get(endpoint_id)
    unit.webhooks.remove(endpoint_id)
    _log(unit, endpoint, "webhook-removed", actor, now)
    return endpoint


def rotate_secret(
    unit: UnitOfWork, endpoint_id: str, actor: str, now: datetime, random: bytes
) -> Endpoint:
    """Sign with a new secret; the old one signs beside it for a day."""
    before = unit.webhooks.get(endpoint_id)
    until = now + OLD_SECRET_SIGNS_FOR
    after = replace(
        before, secret=secret_of(random), old_secret=before.secret, old_secret_until=until
    )
    unit.webhooks.save(after)
    detail = {"old_secret_until": until.isoformat()}
    _log(unit, after, "webhook-secret-rotated", actor, now, detail)
    return after


def replay(
    unit: UnitOfWork,
    endpoint_id: str,
    actor: str,
    now: datetime,
    since: datetime | None = None,
    message_id: str | None = None,
) -> int:
    """Send again, in their order and under their ids; gives how many.

    Without a moment or a message: what has not arrived. A disabled endpoint is enabled.
    """
    endpoint = unit.webhooks.get(endpoint_id)
    chosen = [
        one
        for one in unit.webhooks.deliveries(endpoint_id, since)
        if _chosen(one, since is not None, message_id)
    ]
    if message_id is not None and not chosen:
        days = KEPT_FOR.days
        raise Invalid(f"no message {message_id!r} went there in the last {days} days")
    for one in chosen:
        unit.webhooks.settle(_anew(one, now))
    unit.webhooks.save(replace(endpoint, disabled_at=None, disabled_reason=""))
    _log(unit, endpoint, "webhook-replayed", actor, now, {"messages": len(chosen)})
    return len(chosen)


def fan_out(
    unit: UnitOfWork, messages: Sequence[OutboxMessage], now: datetime, new_id: Callable[[], str]
) -> None:
    """Make a delivery of each message for each endpoint that wants to know.

    Also for disabled ones, to replay. A message has one id, wherever it is sent.
    """
    last, endpoints = unit.audit.head(), unit.webhooks.list()
    head = {"sequence": last.sequence, "hash": last.hash} if last else {}
    for message in messages:
        _fan_out_one(unit, message, endpoints, head, now, new_id())


def _fan_out_one(
    unit: UnitOfWork,
    message: OutboxMessage,
    endpoints: Sequence[Endpoint],
    head: Mapping[str, Any],
    now: datetime,
    message_id: str,
) -> None:
    payload = message.payload
    type_, model = event_type(str(payload["event"])), str(payload["model"])
    for endpoint in endpoints:
        if not endpoint.wants(type_, model):
            continue
        body = body_of(endpoint.form, type_, payload, message.created_at, head)
        oldest = unit.webhooks.first(endpoint.id, lock=True)
        if oldest is not None:
            unit.webhooks.settle(replace(oldest, next_at=knock_again(oldest, now)))
        unit.webhooks.send(Delivery(0, endpoint.id, message_id, type_, model, body, now, now))


def due(unit: UnitOfWork, now: datetime) -> tuple[tuple[Endpoint, Delivery], ...]:
    """What may be sent now: the oldest delivery of each endpoint, since they keep their order."""
    able = [endpoint for endpoint in unit.webhooks.list() if endpoint.disabled_at is None]
    heads = ((endpoint, unit.webhooks.first(endpoint.id)) for endpoint in able)
    return tuple((e, d) for e, d in heads if d is not None and is_due(d, now))


def settle(unit: UnitOfWork, delivery: Delivery, answer: Answer, now: datetime) -> None:
    """Keep what an endpoint answered; one that refused for days is disabled, and the log says so.

    Nothing happens if it was removed, or the delivery replayed, while the answer was on its way.
    """
    present = unit.webhooks.first(delivery.endpoint_id, lock=True)
    if present is None or (present.id, present.attempts) != (delivery.id, delivery.attempts):
        return
    tried = replace(
        delivery,
        attempts=delivery.attempts + 1,
        first_tried_at=delivery.first_tried_at or now,
        tried_at=now,
        answer=answer.said,
    )
    if answer.accepted:
        unit.webhooks.settle(replace(tried, delivered_at=now))
        return
    again = None if answer.gone else next_try(delivery, answer, now)
    unit.webhooks.settle(replace(tried, next_at=again or now))
    if again is None:
        _disable(unit, delivery, answer, now)


def _disable(unit: UnitOfWork, delivery: Delivery, answer: Answer, now: datetime) -> None:
    endpoint = unit.webhooks.get(delivery.endpoint_id)
    since = now - (delivery.first_tried_at or now)
    why = (
        f"{endpoint.origin} answered that it is gone"
        if answer.gone
        else f"{endpoint.origin} took no message for {_hours(since)}: {answer.said}"
    )
    unit.webhooks.save(replace(endpoint, disabled_at=now, disabled_reason=why))
    detail = {"reason": why, "message": delivery.message_id}
    _log(unit, endpoint, "webhook-disabled", CONTROLLER, now, detail)


def _hours(length: timedelta) -> str:
    return f"{length.total_seconds() / 3600:.0f} hours"


def _chosen(delivery: Delivery, also_delivered: bool, message_id: str | None) -> bool:
    if message_id is not None:
        return delivery.message_id == message_id
    return also_delivered or delivery.delivered_at is None


def _anew(delivery: Delivery, now: datetime) -> Delivery:
    return replace(
        delivery, next_at=now, attempts=0, first_tried_at=None, tried_at=None, delivered_at=None
    )


def _log(
    unit: UnitOfWork,
    endpoint: Endpoint,
    action: str,
    actor: str,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
) -> None:
    about = {"webhook": endpoint.id, "to": endpoint.origin, **(detail or {})}
    unit.audit.append(now, actor, action, _NO_MODEL, detail=about)
