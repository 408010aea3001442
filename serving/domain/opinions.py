"""What several reviewers' answers to one item come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from serving.domain.review import Queue, Source

BULK_AT_MOST = 25


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reviewer answered, as sent; a label of None means none of these.

    revises: it corrects the reviewer's own answer, which is not final yet. final: it cannot be
    undone, so that the caller hears it at once. bulk: names the answers given at one stroke.
    page: the revision of the page that it comes from.
    """

    item_id: str
    reviewer: str
    epoch: int
    label: str | None
    comment: str
    idempotency_key: str
    revises: bool = False
    final: bool = False
    bulk: str | None = None
    page: str | None = None


@dataclass(frozen=True, slots=True)
class Opinion:
    """A verdict as stored; it counts unless someone else had taken the item.

    informed: the reviewer had seen the model's answer. seconds: from the claim to the answer.
    """

    id: int
    item_id: str
    slot: int
    queue: Queue
    reviewer: str
    epoch: int
    label: str | None
    comment: str
    counted: bool
    informed: bool
    supersedes: int | None
    bulk: str | None
    seconds: float | None
    seen: str
    idempotency_key: str
    decided_at: datetime
    page: str | None = None


@dataclass(frozen=True, slots=True)
class Passing:
    """What somebody does with an item besides answering it, as sent.

    epoch: the claim that it is about; 0 where it is about none. reason: in words.
    """

    item_id: str
    reviewer: str
    epoch: int
    idempotency_key: str
    reason: str = ""

    def request(self, action: str) -> str:
        """The same whenever it is sent again; a key is good for one action on one claim."""
        return f"{action}:{self.epoch}:{self.idempotency_key}"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a person did with an item besides answering it."""

    at: datetime
    actor: str
    action: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MoreWanted:
    """Another person is to be asked."""


@dataclass(frozen=True, slots=True)
class Disagreed:
    """A lead is to judge."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The item's outcome, and the opinion that completed it."""

    label: str | None
    source: Source
    last: Opinion


def resolve(required: int, opinions: Sequence[Opinion]) -> MoreWanted | Disagreed | Settled:
    """What the current opinions on an item, in the order of their slots, come to.

    A lead's word settles an item. Two that differ need a lead at once, however many were asked
    for: no majority among few outweighs a person who looked and saw something else.
    """
    if not opinions:
        return MoreWanted()
    last = opinions[-1]
    if last.queue is Queue.LEAD:
        return Settled(last.label, Source.ADJUDICATED, last)
    if any(opinion.label != last.label for opinion in opinions):
        return Disagreed()
    if len(opinions) < required:
        return MoreWanted()
    source = Source.AGREED if len(opinions) > 1 else Source.SINGLE
    return Settled(last.label, source, last)
