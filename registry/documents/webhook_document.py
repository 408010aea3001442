"""An endpoint of webhooks and its deliveries as the JSON that the API shows: never a secret."""

from datetime import datetime
from typing import Any

from registry.domain.webhooks import Delivery, Endpoint


def endpoint_document(endpoint: Endpoint, waiting: int) -> dict[str, Any]:
    """An endpoint; of its address only the host, since a chat's address is a secret itself."""
    return {
        "id": endpoint.id,
        "to": endpoint.origin,
        "form": endpoint.form.value,
        "events": list(endpoint.events),
        "models": list(endpoint.models),
        "created_by": endpoint.created_by,
        "created_at": endpoint.created_at.isoformat(),
        "old_secret_until": _iso(endpoint.old_secret_until),
        "disabled_at": _iso(endpoint.disabled_at),
        "disabled_reason": endpoint.disabled_reason,
        "waiting": waiting,
    }


def delivery_document(delivery: Delivery) -> dict[str, Any]:
    """One message on its way, or arrived."""
    return {
        "message": delivery.message_id,
        "type": delivery.type,
        "model": delivery.model,
        "created_at": delivery.created_at.isoformat(),
        "delivered_at": _iso(delivery.delivered_at),
        "attempts": delivery.attempts,
        "next_at": None if delivery.delivered_at else delivery.next_at.isoformat(),
        "answer": delivery.answer,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
