"""What a person is asked, in which order, and how they are shown it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b, sha256
from json import dumps

from registry.domain.errors import Invalid
from registry.domain.people import Identity
from registry.domain.plan import Review
from registry.domain.several import chosen, together
from registry.domain.stages import Stage
from serving.domain.naming import uuid7
from serving.domain.prediction import Code, Flag, Label

LEASE = timedelta(minutes=10)
LONGEST_WINDOW = timedelta(minutes=10)  # to undo an answer; its caller waits meanwhile
AUDIT_SHARE = 0.2  # of all claims goes to the audit queue, whatever else waits
# What nobody waits for any more comes after everything else, in the order of its random number.
_LAST = 1e11
_WAITING = timedelta(days=1)
_HELD = timedelta(hours=6)
# How far ahead of its due time a reason moves an item.
_BOOSTS = {
    Code.SUPERVISED: timedelta(hours=3),
    Code.ASKED: timedelta(hours=2),
    Code.OUT_OF_DOMAIN: timedelta(hours=1),
    Code.LOW_CONFIDENCE: timedelta(minutes=45),
    Code.DISAGREEMENT: timedelta(minutes=30),
}


class ItemState(StrEnum):
    """Where an item stands; while it is closing its last answer can be undone."""

    OPEN = "open"
    CLOSING = "closing"
    DECIDED = "decided"
    CANCELLED = "cancelled"


class SlotState(StrEnum):
    """Where one required opinion stands."""

    READY = "ready"
    LEASED = "leased"
    SNOOZED = "snoozed"
    DONE = "done"
    CANCELLED = "cancelled"


class Queue(StrEnum):
    """Where an opinion waits. Audit has a quota of its own; only leads take from lead."""

    WORK = "work"
    AUDIT = "audit"
    LEAD = "lead"


class Presentation(StrEnum):
    """When a reviewer sees the model's answer: never, after their own, or from the start."""

    BLIND = "blind"
    ANSWER_FIRST = "answer-first"
    SHOWN = "shown"


class Source(StrEnum):
    """What an outcome rests on: one opinion, several that agree, or a lead's judgement."""

    SINGLE = "single"
    AGREED = "agreed"
    ADJUDICATED = "adjudicated"


@dataclass(frozen=True, slots=True)
class Gold:
    """What makes an item a test of its reviewer: the item that it repeats, and the truth there."""

    of: str
    truth: Label


@dataclass(frozen=True, slots=True)
class Planting:
    """What a gold item is made from: a text that nobody knows, and what it has to look like.

    chance: that of an answer without a flag to be drawn; None where nothing is, since every answer
    waits for a person. opinions: how many must agree on one that it looks like.
    """

    seed: str
    chance: float | None
    opinions: int


@dataclass(frozen=True, slots=True)
class Item:
    """A question to people.

    opinions: how many must agree. plants: the gold item to plant when this one is final.
    random_number, inclusion_probability: those of its prediction, drawn before any review.
    several: an answer may have several of the labels.
    """

    id: str
    prediction_id: str
    model: str
    version: int | None
    stage: Stage
    reasons: tuple[Flag, ...]
    labels: tuple[str, ...]
    model_answer: Label | None
    presentation: Presentation
    payload_digest: str
    payload_type: str
    queue: Queue
    sort_key: float
    random_number: float
    inclusion_probability: float
    due_at: datetime | None
    created_at: datetime
    opinions: int = 1
    several: bool = False
    plants: Planting | None = None
    gold: Gold | None = None
    state: ItemState = ItemState.OPEN
    closes_at: datetime | None = None
    outcome: Label | None = None
    source: Source | None = None
    decided_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        """Whether nobody will be asked about it any more."""
        return self.state in (ItemState.DECIDED, ItemState.CANCELLED)

    @property
    def is_trial(self) -> bool:
        """Whether it shows the model's answer to find out what that does, fall-back or not."""
        return self.presentation is Presentation.SHOWN and self.plants is not None

    @property
    def likeness(self) -> str | None:
        """The same for items that look alike enough for one answer; None if none may.

        Bulk shows the model's answer, so only items drawn to show it qualify: never audit or gold.
        Nor answers of several labels, of which a glance does not show that each is right.
        """
        if self.presentation is not Presentation.SHOWN or not self.model_answer:
            return None
        if self.opinions > 1 or self.queue is not Queue.WORK or self.several:
            return None
        codes = sorted(reason.code.value for reason in self.reasons)
        return _digest([self.model, self.version, self.model_answer.prediction, codes])


@dataclass(frozen=True, slots=True)
class Slot:
    """One required opinion. `epoch` grows with every new claim and fences off older holders."""

    id: int
    item_id: str
    number: int
    queue: Queue
    lane_id: int
    sort_key: float
    state: SlotState
    holder: str | None
    epoch: int
    free_at: datetime | None
    claimed_at: datetime | None
    informed: bool
    decision_id: int | None


@dataclass(frozen=True, slots=True)
class Task:
    """An item as it lies before one reviewer."""

    item: Item
    slot: Slot

    @property
    def state(self) -> str:
        """Where it stands, in one word."""
        return self.slot.state if self.item.state is ItemState.OPEN else self.item.state

    @property
    def presentation(self) -> Presentation:
        """How it is shown to whoever has it."""
        return presented(self.item.presentation, self.slot.number, self.slot.queue)

    @property
    def informed(self) -> bool:
        """Whether whoever has it has seen the model's answer."""
        return self.slot.informed or self.presentation is Presentation.SHOWN


def presentation(review: Review, queue: Queue, draw: float) -> Presentation:
    """Audit always blind; else the plan's shares, and the model's answer after the reviewer's."""
    if queue is Queue.AUDIT or draw < review.blind:
        return Presentation.BLIND
    return Presentation.SHOWN if draw < review.blind + review.shown else Presentation.ANSWER_FIRST


def on_trial(review: Review, how: Presentation, draw: float) -> Presentation | None:
    """How a trial is asked for: one half as drawn, the other without the model's answer.

    What a trial is drawn from would all show the model's answer, so that its halves differ in
    nothing else. None if the item is no trial; draw: the number that plants gold.
    """
    if how is not Presentation.SHOWN or draw >= review.gold:
        return None
    return Presentation.SHOWN if draw < review.gold / 2 else Presentation.BLIND


def presented(drawn: Presentation, slot: int, queue: Queue) -> Presentation:
    """How an opinion on an item is asked for; the model's answer from the start only once.

    Whoever checks an answer that was given with the model's in sight must not see it as well.
    """
    checks = slot > 1 or queue is Queue.LEAD
    return Presentation.BLIND if drawn is Presentation.SHOWN and checks else drawn


def queue_of(reasons: Sequence[Flag], *, held: bool) -> Queue:
    """Audit if the item was drawn at random and nobody waits for it."""
    drawn = not held and all(reason.code is Code.AUDIT for reason in reasons)
    return Queue.AUDIT if drawn else Queue.WORK


def sort_key(
    reasons: Sequence[Flag], due: datetime, random_number: float, *, held: bool, waiting: bool
) -> float:
    """Small comes first: due time, moved forward by how much depends on the answer.

    Audit items come by their random number, so that those worked off are a random sample.
    """
    if queue_of(reasons, held=held) is Queue.AUDIT:
        return random_number
    boost = max((_BOOSTS.get(reason.code, timedelta(0)) for reason in reasons), default=_HELD)
    boost += _WAITING if waiting and held else _HELD if held else timedelta(0)
    return (due - boost).timestamp()


def last_key(random_number: float) -> float:
    """The place of an item whose caller has gone or was answered otherwise."""
    return _LAST + random_number


def opinions_wanted(review: Review, reasons: Sequence[Flag], *, trial: bool = False) -> int:
    """How many people must agree: the most that the plan asks for any of the reasons.

    trial: it is to be found out what showing the model's answer does; a second person checks it.
    """
    asked = max((review.opinions.get(reason.code.value, 1) for reason in reasons), default=1)
    return max(asked, 2) if trial else asked


def queues(who: Identity, draw: float) -> tuple[Queue, ...]:
    """Where somebody's next item comes from, the first that has one.

    Disputed items come first for a lead. A drawn share goes to the audit queue, so that urgent
    work cannot starve the random sample, and the rest to the work that others wait for.
    """
    audit = draw < AUDIT_SHARE
    work = (Queue.AUDIT, Queue.WORK) if audit else (Queue.WORK, Queue.AUDIT)
    return (Queue.LEAD, *work) if who.lead else work


def answer(item: Item, label: str | None) -> Label:
    """A person's answer; Invalid if the model has no such label.

    Where several may apply, no label fits means that none applies, as a model may say, too.
    """
    if item.several:
        which = chosen(label, item.labels)
        return Label(together(item.labels[i] for i in which), which)
    if label is None:
        return Label(None)
    if label not in item.labels:
        known = ", ".join(item.labels)
        raise Invalid(
            f"{item.model} has no label {label!r}; its labels: {known}, or none of these "
            "(`review decide --none`, over HTTP null)"
        )
    return Label(label, item.labels.index(label))


def closes_at(item: Item, now: datetime, window: timedelta) -> datetime:
    """Until when an answer can be undone; a caller who waits hears it by the due time."""
    end = now + window
    return end if item.due_at is None or item.due_at <= now else min(end, item.due_at)


def gold_item(source: Item, sample: Item, now: datetime) -> Item:
    """`source`, whose truth is known, asked again in the guise of an audit item.

    As if it had come at some moment since `sample` did, and been drawn with the chance and by the
    number with which audit items are: nothing of it tells before or after that it is none. Where
    nothing is drawn, in the guise of an item like `sample` that says nothing of its input.
    """
    made = sample.plants
    assert made is not None  # noqa: S101 - tells the type checker what the caller knows
    began, due_in = sample.created_at, None
    if sample.due_at is not None:  # nobody can be late for what was never asked
        due_in = sample.due_at - sample.created_at
        began = max(began, now - due_in)
    came = began + uniform(f"{made.seed} came") * (now - began)
    due = None if due_in is None else came + due_in
    drawn_here = made.chance is not None
    reasons = (drawn(),) if drawn_here else supervised(sample.reasons)
    chance = sample.inclusion_probability if made.chance is None else made.chance
    random_number = chance * uniform(made.seed)
    return Item(
        id=uuid7(came, _bits(f"{made.seed} id", 80)),
        prediction_id=source.prediction_id,
        model=source.model,
        version=sample.version,
        stage=sample.stage,
        reasons=reasons,
        labels=source.labels,
        several=source.several,
        model_answer=source.model_answer,
        presentation=Presentation.BLIND,
        payload_digest=source.payload_digest,
        payload_type=source.payload_type,
        queue=queue_of(reasons, held=not drawn_here),
        sort_key=sort_key(reasons, due or came, random_number, held=not drawn_here, waiting=False),
        random_number=random_number,
        inclusion_probability=chance,
        due_at=due,
        created_at=came,
        opinions=made.opinions,
        gold=Gold(source.id, source.outcome or Label(None)),
    )


def planting(review: Review, seed: str, reasons: Sequence[Flag]) -> Planting:
    """What a gold item of this part of a plan is made from, beside an item with these reasons."""
    if held := supervised(reasons):
        return Planting(seed, None, opinions_wanted(review, held))
    return Planting(seed, review.sample or 1.0, opinions_wanted(review, (drawn(),)))


def supervised(reasons: Sequence[Flag]) -> tuple[Flag, ...]:
    """The reason that every item of a stage has, whatever its input, if there is one."""
    return tuple(reason for reason in reasons if reason.code is Code.SUPERVISED)


def drawn() -> Flag:
    """The reason of an audit item; gold items give the same, word for word."""
    return Flag(Code.AUDIT, "drawn at random, to measure how often the answers are right")


def uniform(text: str) -> float:
    """A number in [0, 1) that depends on nothing but the text."""
    return _bits(text, 56) / 2**56


def _bits(text: str, count: int) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=count // 8).digest())


def seen_digest(item: Item, how: Presentation, page: str | None, *, informed: bool) -> str:
    """Digest of what somebody had before them: the input, labels in order, and so on."""
    answer_seen = item.model_answer.prediction if informed and item.model_answer else None
    reasons = [reason.reason for reason in item.reasons]
    shown = [item.payload_digest, list(item.labels), reasons, how, answer_seen]
    told = [page] if page else []
    several = [{"several": True}] if item.several else []  # absent from digests of one label
    return _digest([*shown, *told, *several])


def _digest(parts: Sequence[object]) -> str:
    return sha256(dumps(parts, separators=(",", ":")).encode()).hexdigest()
