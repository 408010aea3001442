"""A request, with what it is given on its way."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was sent, with the identities and random numbers that it was given."""

    prediction_id: str
    item_id: str
    payload_digest: str
    payload_type: str
    attributes: Mapping[str, object]
    idempotency_key: str | None
    request_digest: str
    waiting: bool
    random_number: float
    presentation_number: float
    now: datetime
    gold_number: float = 1.0
    gold_id: str = ""
    wants_review: bool = False
