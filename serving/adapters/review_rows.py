"""Review items, slots and opinions as rows."""

from dataclasses import fields
from typing import Any

from registry.domain.stages import Stage
from serving.adapters.rows import flags_in, flags_out, label_in, label_out
from serving.domain.opinions import Opinion
from serving.domain.prediction import Label
from serving.domain.review import (
    Gold,
    Item,
    ItemState,
    Planting,
    Presentation,
    Queue,
    Slot,
    SlotState,
    Source,
)

_SLOT = tuple(field.name for field in fields(Slot))
_OPINION = tuple(field.name for field in fields(Opinion))


def item_out(item: Item) -> dict[str, Any]:
    """An item as the columns of its table."""
    return {
        "id": item.id,
        "prediction_id": item.prediction_id,
        "model": item.model,
        "version": item.version,
        "stage": item.stage,
        "reasons": flags_out(item.reasons),
        "codes": " ".join(reason.code.value for reason in item.reasons),
        "labels": list(item.labels),
        "several": item.several,
        "model_answer": label_out(item.model_answer),
        "presentation": item.presentation,
        "payload_digest": item.payload_digest,
        "payload_type": item.payload_type,
        "queue": item.queue,
        "sort_key": item.sort_key,
        "opinions": item.opinions,
        "random_number": item.random_number,
        "inclusion_probability": item.inclusion_probability,
        "likeness": item.likeness,
        "plants": item.plants.seed if item.plants else None,
        "plants_chance": item.plants.chance if item.plants else None,
        "plants_opinions": item.plants.opinions if item.plants else None,
        "gold_of": item.gold.of if item.gold else None,
        "truth": label_out(item.gold.truth) if item.gold else None,
        "state": item.state,
        "closes_at": item.closes_at,
        "outcome": label_out(item.outcome),
        "source": item.source,
        "due_at": item.due_at,
        "created_at": item.created_at,
        "decided_at": item.decided_at,
    }


def item_in(row: Any) -> Item:
    """An item from a row of its table."""
    return Item(
        id=row.id,
        prediction_id=row.prediction_id,
        model=row.model,
        version=row.version,
        stage=Stage(row.stage),
        reasons=flags_in(row.reasons),
        labels=tuple(row.labels),
        several=row.several,
        model_answer=label_in(row.model_answer),
        presentation=Presentation(row.presentation),
        payload_digest=row.payload_digest,
        payload_type=row.payload_type,
        queue=Queue(row.queue),
        sort_key=row.sort_key,
        opinions=row.opinions,
        random_number=row.random_number,
        inclusion_probability=row.inclusion_probability,
        plants=_planting_in(row),
        gold=Gold(row.gold_of, label_in(row.truth) or Label(None)) if row.gold_of else None,
        state=ItemState(row.state),
        closes_at=row.closes_at,
        outcome=label_in(row.outcome),
        source=Source(row.source) if row.source else None,
        due_at=row.due_at,
        created_at=row.created_at,
        decided_at=row.decided_at,
    )


def _planting_in(row: Any) -> Planting | None:
    """What was drawn before anything was written down beside it looks like its own item."""
    if row.plants is None:
        return None
    if row.plants_opinions is None:
        return Planting(row.plants, row.inclusion_probability, row.opinions)
    return Planting(row.plants, row.plants_chance, row.plants_opinions)


def slot_in(row: Any, prefix: str = "") -> Slot:
    """A slot from a row of its table, whose columns may have a prefix."""
    of = {name: getattr(row, prefix + name) for name in _SLOT}
    return Slot(**of | {"queue": Queue(of["queue"]), "state": SlotState(of["state"])})


def opinion_in(row: Any) -> Opinion:
    """An opinion from a row of the decisions."""
    return Opinion(
        id=row.id,
        item_id=row.item_id,
        slot=row.slot,
        queue=Queue(row.queue),
        reviewer=row.reviewer,
        epoch=row.epoch,
        label=row.label,
        comment=row.comment,
        counted=row.counted,
        informed=row.informed,
        supersedes=row.supersedes,
        bulk=row.bulk,
        seconds=row.seconds,
        seen=row.seen,
        page=row.page,
        idempotency_key=row.idempotency_key,
        decided_at=row.decided_at,
    )


def opinion_out(opinion: Opinion) -> dict[str, Any]:
    """An opinion as the columns of its table, which numbers it."""
    values = {name: getattr(opinion, name) for name in _OPINION if name != "id"}
    return values | {"queue": opinion.queue.value}
