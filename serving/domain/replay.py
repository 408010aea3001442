"""What a reviewer had before them when they answered, and whether that is what is stored now."""

from dataclasses import dataclass

from serving.domain.opinions import Opinion
from serving.domain.review import Item, Presentation, Queue, presented, seen_digest


@dataclass(frozen=True, slots=True)
class Replay:
    """One answer's screen.

    model_answer: what the reviewer saw of it, None if nothing. page: the revision of the page that
    showed it, None where no page did. with_opinions: a lead saw what others had said. several: any
    number of the labels could be given.
    is_exact: the digest that was kept with the answer is that of all this but with_opinions.
    """

    presentation: Presentation
    reasons: tuple[str, ...]
    labels: tuple[str, ...]
    model_answer: str | None
    payload_digest: str
    payload_type: str
    page: str | None
    with_opinions: bool
    several: bool
    is_exact: bool


def replay(item: Item, opinion: Opinion) -> Replay:
    """What stood on the screen; an item's content never changes once somebody has seen it."""
    how = presented(item.presentation, opinion.slot, opinion.queue)
    answer = item.model_answer if opinion.informed else None
    return Replay(
        presentation=how,
        reasons=tuple(reason.reason for reason in item.reasons),
        labels=item.labels,
        model_answer=answer.prediction if answer else None,
        payload_digest=item.payload_digest,
        payload_type=item.payload_type,
        page=opinion.page,
        with_opinions=opinion.queue is Queue.LEAD,
        several=item.several,
        is_exact=opinion.seen == seen_digest(item, how, opinion.page, informed=opinion.informed),
    )
