"""What people have decided, page by page, for making training sets of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from serving.adapters.review_tables import review_decision as d
from serving.adapters.review_tables import review_item as t
from serving.adapters.review_tables import review_slot as s
from serving.domain.review import ItemState


@dataclass(frozen=True, slots=True)
class Correction:
    """One decided item: the input, what the model said, what people found, and how it came here.

    labels: the model's, in order. weight: one over the chance of review, which makes the reviewed
    answers stand for all.
    """

    item_id: str
    prediction_id: str
    model: str
    version: int | None
    stage: str
    labels: Sequence[str]
    reasons: str
    presentation: str
    model_answer: Mapping[str, Any] | None
    outcome: Mapping[str, Any]
    source: str
    reviewers: tuple[str, ...]
    inclusion_probability: float
    random_number: float
    payload_digest: str
    payload_type: str
    created_at: datetime
    decided_at: datetime

    @property
    def label(self) -> str | None:
        """What people found; None if no label fits."""
        found: str | None = self.outcome["prediction"]
        return found

    @property
    def model_label(self) -> str | None:
        """What the model said; None if none ran."""
        return None if self.model_answer is None else self.model_answer["prediction"]

    @property
    def weight(self) -> float:
        """How many answers this one stands for."""
        return 1 / self.inclusion_probability


class SqlCorrections:
    """Reads decided items in the order in which their requests came."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def page(
        self, model: str, after: str, limit: int, since: datetime | None = None
    ) -> tuple[Correction, ...]:
        """The next decided items of a model behind the item `after`; gold items are none."""
        which = [t.c.model == model, t.c.state == ItemState.DECIDED, t.c.gold_of.is_(None)]
        if since is not None:
            which.append(t.c.decided_at >= since)
        query = sa.select(t).where(*which, t.c.id > after).order_by(t.c.id).limit(limit)
        rows = self._connection.execute(query).all()
        reviewers = self._reviewers([row.id for row in rows])
        return tuple(_correction(row, reviewers.get(row.id, ())) for row in rows)

    def _reviewers(self, ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Whose answers stand, slot by slot."""
        query = (
            sa.select(s.c.item_id, d.c.reviewer)
            .join(d, s.c.decision_id == d.c.id)
            .where(s.c.item_id.in_(ids))
            .order_by(s.c.item_id, s.c.number)
        )
        found: dict[str, tuple[str, ...]] = {}
        for item_id, reviewer in self._connection.execute(query):
            found[item_id] = (*found.get(item_id, ()), reviewer)
        return found


def _correction(row: Any, reviewers: tuple[str, ...]) -> Correction:
    return Correction(
        item_id=row.id,
        prediction_id=row.prediction_id,
        model=row.model,
        version=row.version,
        stage=row.stage,
        labels=tuple(row.labels),
        reasons=row.codes,
        presentation=row.presentation,
        model_answer=row.model_answer,
        outcome=row.outcome,
        source=row.source,
        reviewers=reviewers,
        inclusion_probability=row.inclusion_probability,
        random_number=row.random_number,
        payload_digest=row.payload_digest,
        payload_type=row.payload_type,
        created_at=row.created_at,
        decided_at=row.decided_at,
    )


def documents(corrections: Sequence[Correction]) -> Iterator[dict[str, Any]]:
    """Corrections as JSON, flat, one column for each label's probability."""
    for one in corrections:
        spread = (one.model_answer or {}).get("probabilities") or {}
        yield {
            "item_id": one.item_id,
            "prediction_id": one.prediction_id,
            "label": one.label,
            "model_label": one.model_label,
            "agrees": one.label == one.model_label,
            **{f"probability_{label}": spread.get(label) for label in one.labels},
            "model": one.model,
            "version": one.version,
            "stage": one.stage,
            "reasons": one.reasons,
            "presentation": one.presentation,
            "source": one.source,
            "reviewers": " ".join(one.reviewers),
            "inclusion_probability": one.inclusion_probability,
            "weight": one.weight,
            "random_number": one.random_number,
            "asked_at": one.created_at.isoformat(),
            "decided_at": one.decided_at.isoformat(),
            "payload_digest": one.payload_digest,
            "payload_type": one.payload_type,
        }
