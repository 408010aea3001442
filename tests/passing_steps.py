"""What can be done with an item besides answering it, each as one or two transactions."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from serving.domain.opinions import Passing, Verdict
from serving.domain.review import LONGEST_WINDOW
from serving.ports import ServingUnit
from serving.services import review, review_actions

Step = Callable[[ServingUnit, Passing, datetime], Any]
HOUR = timedelta(hours=1)
PAST = {
    "skip": "skipped",
    "escalate": "escalated",
    "snooze": "snoozed",
    "comment": "comment",
    "release": "released",
    "undo": "undone",
}


def snooze(unit: ServingUnit, sent: Passing, now: datetime) -> datetime:
    return review_actions.snooze(unit, sent, now + HOUR, now)


def answer(unit: ServingUnit, sent: Passing, now: datetime) -> review.Decided:
    said = (sent.epoch, "glass", "", sent.idempotency_key)
    return review.decide(unit, Verdict(sent.item_id, sent.reviewer, *said), now, LONGEST_WINDOW)


def undo(unit: ServingUnit, sent: Passing, now: datetime) -> Any:
    return review.undo(unit, sent.item_id, sent.reviewer, sent.epoch, now)


STEPS: dict[str, Sequence[Step]] = {
    "skip": [review_actions.skip],
    "escalate": [review_actions.escalate],
    "snooze": [snooze],
    "comment": [review_actions.comment],
    "release": [review_actions.release],
    "undo": [answer, undo],
}


def noted(action: str, sent: Passing) -> str:
    """What names it in the log; a claim can be undone once, so that needs no key."""
    sent = replace(sent, idempotency_key="") if action == "undo" else sent
    return sent.request(PAST[action])
